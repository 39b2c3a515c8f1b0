/*
 * match - what the rules say to one request, without limits, clock or identity.
 * Process: keeper, cli (policy explain, policy test).   Owns: nothing.   Secrets: none.
 * Limits: those of rules.h.   Failure: none; zero is deny.
 */
#ifndef RULES_MATCH_H
#define RULES_MATCH_H

#include "broker/rules/rules.h"

enum verdict { VERDICT_DENY = 0, VERDICT_ALLOW };

struct match {
	enum verdict verdict;
	const char *code; /* "ok", "no_policy", "no_upstream", "bad_target", "denied_by_rule",
			     "not_allowed", "browser" */
	const struct policy *policy;   /* the one that spoke, or NULL */
	const struct use *use;	       /* where the limits stand, or NULL */
	const struct pattern *pattern; /* the rule that spoke, or NULL */
	const char *reason;	       /* target_check()'s reason for bad_target, or NULL */
};

/* Default deny; any deny of any policy for this workload and upstream beats every allow; the order
 * of policies and rules never matters: where several speak, the one of the policy whose name sorts
 * first is named, and of its rules the one whose path, then method, sorts first. A deny's method
 * is met in any case, an allow's exactly. "browser" is said only where a rule would allow. */
struct match match_request(const struct rules *r, struct span workload, struct span upstream,
    struct span method, struct span target, bool browser);

/* Would this rule alone allow it? target passed target_check(). */
bool match_allows(const struct use *u, struct span method, struct span target, bool browser);

#endif
