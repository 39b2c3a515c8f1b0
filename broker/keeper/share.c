#include "broker/keeper/share.h"

#include "common/log.h"

static uint64_t
request_max(const struct keeper *k)
{
	return k->settings.audit_quota - k->settings.audit_quota / 8;
}

bool
share_admits_request(struct keeper *k, struct workload *w)
{
	return quota_left(&w->quota, request_max(k), keeper_now_ms(k));
}

bool
share_admits_control(struct keeper *k, struct workload *w)
{
	return quota_left(&w->quota, k->settings.audit_quota, keeper_now_ms(k));
}

bool
share_admits_stranger(struct keeper *k)
{
	return quota_left(&k->strangers, k->settings.audit_quota / 8, keeper_now_ms(k));
}

uint32_t
share_retry_s(struct keeper *k, const struct workload *w)
{
	return quota_retry_s(&w->quota, request_max(k), keeper_now_ms(k));
}

void
share_refused(struct keeper *k, struct workload *w)
{
	struct quota *q = w == NULL ? &k->strangers : &w->quota;

	if (q->refused < UINT32_MAX)
		q->refused++;
	k->share_refused = true;
}

uint32_t
share_spent_count(struct keeper *k)
{
	size_t cursor = 0;
	struct workload *w;
	uint32_t n = 0;

	while ((w = table_next(&k->identity.ids, &cursor)) != NULL)
		n += !share_admits_request(k, w);
	return n;
}

static void
tell(struct keeper *k, const char *name, struct quota *q)
{
	struct audit_record r = { .event = SHARE_CODE,
		.workload = span_str(name),
		.decision = "deny",
		.count = q->refused,
		.quota = q };

	if (q->refused == 0)
		return;
	log_warn("%s used up a share of the audit log: %u refusals were not recorded one by one",
	    name[0] != '\0' ? name : "clients without a certificate", q->refused);
	keeper_record_fact(k, &r);
	q->refused = 0;
}

void
share_sweep(struct keeper *k)
{
	int64_t now_ms = loop_now_ms(k->loop);
	size_t cursor = 0;
	struct workload *w;

	if (!k->share_refused || k->audit_failing || now_ms < k->share_tell_ms)
		return;
	while ((w = table_next(&k->identity.ids, &cursor)) != NULL)
		tell(k, w->name, &w->quota);
	tell(k, "", &k->strangers);
	k->share_refused = false;
	k->share_tell_ms = now_ms + SHARE_TELL_MS;
}
