/*
 * decide - may this certificate do this, on this upstream, now? The one question of every proxied
 * request.
 * Process: keeper.   Owns: nothing; the answer waits in answers.h.
 * Secrets: none: it names the version, the value is opened when the answer goes out.
 * Limits: those of the policy, and FLIGHTS_MAX.
 * Failure: every doubt is a denial.
 */
#ifndef KEEPER_DECIDE_H
#define KEEPER_DECIDE_H

#include "broker/keeper/keeper.h"
#include "broker/rules/match.h"

/* What was found out about one request so far. */
struct question {
	struct keeper *k;
	struct peer *peer;
	const struct decide *d;
	int64_t now_s;
	struct certificate *cert;  /* NULL: unknown */
	struct workload *workload; /* of cert */
	const struct rules *view;  /* what the policies say of the workload */
	struct match match;
	const struct upstream *upstream;
	const struct interned *upstream_name;
	struct named_secret *secret; /* NULL: nothing to inject */
	uint32_t version;
	struct held held;
	const struct use *limited; /* by which rule's limit it is refused */
	uint32_t retry_after_s;
	bool misuse; /* a placeholder that is not this workload's */
};

/* Answers through answers_add(), at the end of the turn. */
void decide_request(struct keeper *k, struct peer *p, const struct decide *d);

/* decide_hint.c: what the agent is told, whole sentences, with the audit number when there is one.
 */
void decide_explain(const struct question *q, const char *code, struct deny *ret_deny);
/* The rule that spoke, as "policy: deny METHOD path"; "" if none did. */
void decide_rule(const struct question *q, char ret_rule[RULE_LEN_MAX + 1]);

#endif
