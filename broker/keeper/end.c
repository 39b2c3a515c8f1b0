#include "broker/keeper/end.h"

#include "common/log.h"
#include "common/text.h"

#define SWEEP_LOOK 1024 /* instances looked at a call */
#define SWEEP_MAX 32	/* of them changed */

static void
record_of(const struct instance *i, const char *event, struct audit_record *r,
    char instance[2 * IDENTITY_ID_LEN + 1])
{
	text_hex(i->id, IDENTITY_ID_LEN, instance);
	*r = (struct audit_record){ .event = event,
		.workload = span_str(i->workload->name),
		.instance = span_of(instance, 2 * IDENTITY_ID_LEN),
		.quota = &i->workload->quota };
}

enum err
end_instance(struct keeper *k, struct instance *i, const char *event)
{
	AUTO(txn_wipe) struct txn t;
	struct instance ended = *i;
	struct audit_record r;
	char hex[2 * IDENTITY_ID_LEN + 1];
	enum err e;

	txn_init(&t);
	ended.ended_s = keeper_now_s(k);
	identity_instance_row(&t, &ended);
	record_of(i, event, &r, hex);
	keeper_deed(k, &t, &r);
	e = keeper_commit(k, &t);
	if (e != ERR_OK)
		return e;
	identity_instance_end(&k->identity, i, ended.ended_s);
	revoke_instance(k, i);
	return ERR_OK;
}

void
end_for_misuse(struct keeper *k, struct instance *i, const struct rules *view)
{
	bool revoke = false;

	for (uint32_t n = 0; view != NULL && n < view->policy_count; n++)
		revoke = revoke || view->policies[n].revoke_on_misuse;
	if (!revoke || i->ended_s != 0)
		return;
	if (end_instance(k, i, "misuse_revoked") != ERR_OK)
		log_error("an instance of %s misused a placeholder and could not be ended",
		    i->workload->name);
}

static bool
expired(const struct instance *i, int64_t now_s)
{
	return i->current.not_after_s <= now_s &&
	       (i->previous.instance == NULL || i->previous.not_after_s <= now_s);
}

static enum err
forget_instance(struct keeper *k, struct instance *i)
{
	AUTO(txn_wipe) struct txn t;
	enum err e;

	txn_init(&t);
	identity_instance_drop(&t, i);
	e = keeper_commit_plain(k, &t); /* its end was recorded; forgetting it says nothing new */
	if (e != ERR_OK)
		return e;
	placeholders_forget(&k->placeholders, i);
	identity_instance_forget(&k->identity, i);
	return ERR_OK;
}

static enum err
sweep_instance(struct keeper *k, struct instance *i, int64_t now_s)
{
	if (i->ended_s == 0)
		return end_instance(k, i, "instance_expired");
	return now_s - i->ended_s > INSTANCE_REMEMBERED_S ? forget_instance(k, i) : ERR_OK;
}

static enum err
expire_enrollment(struct keeper *k, struct enrollment *en)
{
	AUTO(txn_wipe) struct txn t;
	struct audit_record r = { .event = "enroll_expired",
		.workload = span_str(en->workload->name) };
	enum err e;

	txn_init(&t);
	identity_enrollment_drop(&t, en);
	keeper_deed(k, &t, &r);
	e = keeper_commit(k, &t);
	if (e == ERR_OK)
		identity_enrollment_end(&k->identity, en);
	return e;
}

static void
sweep_enrollments(struct keeper *k, int64_t now_s)
{
	struct enrollment *found[SWEEP_MAX], *en;
	size_t cursor = 0, n = 0;

	while (n < SWEEP_MAX && (en = table_next(&k->identity.enrollments, &cursor)) != NULL)
		if (en->expires_s <= now_s)
			found[n++] = en;
	for (size_t i = 0; i < n; i++)
		if (expire_enrollment(k, found[i]) != ERR_OK)
			return;
}

/* The table may change between two calls: then one is met twice or an hour later, which harms
 * nothing. */
void
end_sweep(struct keeper *k, int64_t now_s)
{
	struct instance *found[SWEEP_MAX], *i = NULL;
	size_t n = 0, looked = 0;

	for (; n < SWEEP_MAX && looked < SWEEP_LOOK; looked++) {
		i = table_next(&k->identity.instances, &k->identity.sweep_at);
		if (i == NULL)
			break;
		if (i->ended_s == 0 ? expired(i, now_s)
				    : now_s - i->ended_s > INSTANCE_REMEMBERED_S)
			found[n++] = i;
	}
	if (i == NULL)
		k->identity.sweep_at = 0;
	for (size_t m = 0; m < n; m++)
		if (sweep_instance(k, found[m], now_s) != ERR_OK)
			return; /* the log or the store fails: later */
	sweep_enrollments(k, now_s);
}
