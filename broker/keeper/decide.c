#include "broker/keeper/decide.h"

#include <string.h>

#include "broker/keeper/denial.h"
#include "broker/keeper/end.h"
#include "broker/keeper/share.h"
#include "common/text.h"

/* Each check gives NULL to go on, or the code of the refusal. In this order. */
typedef const char *check_fn(struct question *q);

static const char *
check_identity(struct question *q)
{
	q->cert = identity_certificate(&q->k->identity, q->d->serial);
	if (q->cert != NULL) {
		q->workload = q->cert->instance->workload;
		q->view = policies_view(&q->k->policies, q->workload->name);
	}
	return identity_refusal(q->cert, q->now_s);
}

/* What is over its share is not even looked at: that would cost a record. */
static const char *
check_share(struct question *q)
{
	if (share_admits_request(q->k, q->workload))
		return NULL;
	q->retry_after_s = share_retry_s(q->k, q->workload);
	return SHARE_CODE;
}

/* The keeper's own clock and state come before what the policy says. */
static const char *
check_ready(struct question *q)
{
	const char *code = keeper_not_ready_code(q->k);

	if (code == NULL && q->d->generation != policies_generation(&q->k->policies))
		return CODE_STALE_GENERATION;
	return code;
}

/* Bound to (workload, upstream): one of another workload or upstream, or of an instance that ended,
 * was carried here from where it stood. A value that we never made is no placeholder, and the
 * gateway removes it like any other. */
static const char *
check_placeholders(struct question *q)
{
	for (uint16_t i = 0; i < q->d->presented_count; i++) {
		const struct placeholder *p =
		    placeholders_find(&q->k->placeholders, q->d->presented[i]);

		if (p == NULL)
			continue;
		if (p->instance->workload != q->workload ||
		    !span_eq_str(q->d->upstream, p->upstream->name)) {
			q->misuse = true;
			return "placeholder_misuse";
		}
		if (p->instance->ended_s != 0)
			return "placeholder_ended";
	}
	return NULL;
}

static const char *
check_rules(struct question *q)
{
	const struct decide *d = q->d;

	q->upstream = rules_upstream(q->view, d->upstream);
	if (q->upstream != NULL)
		q->upstream_name = policies_upstream_name(
		    &q->k->policies, (uint16_t)(q->upstream - q->view->upstreams));
	q->match = match_request(
	    q->view, span_str(q->workload->name), d->upstream, d->method, d->target, d->browser);
	return q->match.verdict == VERDICT_ALLOW ? NULL : q->match.code;
}

static const char *
check_secret(struct question *q)
{
	if (q->upstream->inject == INJECT_NONE)
		return NULL;
	q->secret = secrets_find(&q->k->secrets, q->upstream->secret);
	if (q->secret != NULL)
		q->version = secrets_active(q->secret);
	return q->version == 0 ? "secret_missing" : NULL;
}

static enum err
take_limits(struct question *q)
{
	struct limit_uses several = { .count = 0 };
	struct limit_refusal why = { .use = NULL };
	struct limit_ask a = { .workload_id = q->workload->id,
		.uses = &q->match.use,
		.count = 1,
		.now_ms = loop_now_ms(q->k->loop) };
	enum err e;

	if (q->view->policy_count > 1) {
		e = limit_uses_of(&q->k->limits, q->view, q->match.use->upstream, q->d, &several);
		if (e != ERR_OK)
			return e;
		must(several.count > 0); /* the one that spoke */
		a.uses = several.list;
		a.count = several.count;
	}
	e = limits_take(&q->k->limits, &a, &q->held, &why);
	q->limited = why.use;
	q->retry_after_s = why.retry_s;
	return e;
}

/* Last, because it counts. */
static const char *
check_limits(struct question *q)
{
	enum err e;

	if (q->k->flights.by_seq.count >= FLIGHTS_MAX)
		return "overloaded";
	e = take_limits(q);
	if (e == ERR_OK)
		return NULL;
	if (e == ERR_CONFLICT)
		return "too_many_open";
	return e == ERR_LIMIT ? "rate_limited" : "overloaded";
}

static void
describe(const struct question *q, const char *code, struct audit_record *r,
    char instance[2 * IDENTITY_ID_LEN + 1])
{
	r->event = "decide";
	if (q->cert != NULL) {
		text_hex(q->cert->instance->id, IDENTITY_ID_LEN, instance);
		r->workload = span_str(q->workload->name);
		r->instance = span_str(instance);
		r->quota = &q->workload->quota;
	}
	r->upstream = q->d->upstream;
	r->method = q->d->method;
	r->target = q->d->target; /* the log leaves the query out */
	r->code = span_str(code);
	r->rules_digest = policies_digest(&q->k->policies);
	if (q->d->has_trace)
		r->trace_id = q->d->trace_id;
	if (q->secret != NULL) {
		r->secret = span_str(q->secret->name);
		r->secret_version = q->version;
	}
}

static void
refuse(struct question *q, const char *code)
{
	struct answer *a = answers_add(q->k, q->peer);
	char instance[2 * IDENTITY_ID_LEN + 1];
	struct audit_record r = { .decision = "deny" };

	a->deny.id = q->d->id;
	if (strcmp(code, CODE_STALE_GENERATION) != 0) {
		decide_rule(q, a->deny.rule);
		describe(q, code, &r, instance);
		r.rule = span_str(a->deny.rule);
		a->deny.seq = denial_record(q->k, q->workload, &r);
	}
	decide_explain(q, code, &a->deny);
	if (q->misuse)
		end_for_misuse(q->k, q->cert->instance, q->view);
}

static void
grant(struct question *q)
{
	char instance[2 * IDENTITY_ID_LEN + 1], rule[RULE_LEN_MAX + 1];
	struct audit_record r = { .decision = "allow" };
	struct flight f = { .peer = q->peer,
		.held = q->held,
		.workload = q->workload,
		.upstream = q->upstream_name,
		.deadline_s = q->cert->not_after_s };
	struct answer *a;

	describe(q, "ok", &r, instance);
	decide_rule(q, rule);
	r.rule = span_str(rule);
	memcpy(f.instance, q->cert->instance->id, sizeof f.instance);
	if (keeper_record(q->k, &r, &f.seq) != ERR_OK) {
		held_give_back(&q->held);
		refuse(q, "overloaded");
		return;
	}
	if (flight_start(&q->k->flights, &f) != ERR_OK) {
		flight_record(q->k, &f, NULL, "not_sent");
		held_give_back(&q->held);
		refuse(q, "overloaded");
		return;
	}
	identity_seen(q->cert, q->now_s);
	a = answers_add(q->k, q->peer);
	a->allowed = true;
	a->allow = (struct allow){ .id = q->d->id,
		.seq = f.seq,
		.generation = policies_generation(&q->k->policies),
		.deadline_s = f.deadline_s };
	if (q->secret == NULL)
		return;
	q->secret->last_used_s = q->now_s;
	q->secret->used = true;
	a->secret = q->secret;
	a->allow.secret_id = q->secret->id;
	a->allow.version = q->version;
}

void
decide_request(struct keeper *k, struct peer *p, const struct decide *d)
{
	static check_fn *const checks[] = { check_ready, check_identity, check_share,
		check_placeholders, check_rules, check_secret, check_limits };
	struct question q = { .k = k, .peer = p, .d = d, .now_s = keeper_now_s(k) };
	const char *code = NULL;

	for (size_t i = 0; code == NULL && i < COUNT(checks); i++)
		code = checks[i](&q);
	if (code == NULL)
		grant(&q);
	else
		refuse(&q, code);
}
