#include "broker/rules/match.h"

#include <string.h>

#include "broker/rules/target.h"

/* One request, and what was found for it so far. */
struct question {
	struct span workload, method, path;
	uint16_t upstream;
	bool browser;
	bool any_policy;	  /* some policy lets the workload use the upstream at all */
	bool page_refused;	  /* only the browser rule stood in the way */
	struct match deny, allow; /* the best of each; policy NULL: none */
};

static bool
names_workload(const struct policy *p, struct span workload)
{
	for (uint16_t i = 0; i < p->workload_count; i++)
		if (span_eq_str(workload, p->workloads[i]))
			return true;
	return false;
}

static bool
speaks(const struct question *q, const struct pattern *p, bool deny)
{
	bool any = strcmp(p->method, "*") == 0;

	if (deny)
		return (any || span_eq_nocase(q->method, p->method)) &&
		       target_match_deny(p->path, q->path);
	return (any || span_eq_str(q->method, p->method)) && target_match_allow(p->path, q->path);
}

/* Which of two matches is named must not hang on the order in which they stand. */
static int
rank(const struct match *a, const struct match *b)
{
	int n = strcmp(a->policy->name, b->policy->name);

	if (n == 0)
		n = strcmp(a->pattern->path, b->pattern->path);
	return n != 0 ? n : strcmp(a->pattern->method, b->pattern->method);
}

static void
keep_better(struct match *best, struct match m)
{
	if (best->policy == NULL || rank(&m, best) < 0)
		*best = m;
}

static void
ask_use(struct question *q, const struct policy *p, const struct use *u)
{
	struct match m = { .policy = p, .use = u };

	for (uint16_t i = 0; i < u->deny_count; i++) {
		m.pattern = &u->deny[i];
		if (speaks(q, m.pattern, true))
			keep_better(&q->deny, m);
	}
	for (uint16_t i = 0; i < u->allow_count; i++) {
		m.pattern = &u->allow[i];
		if (!speaks(q, m.pattern, false))
			continue;
		if (q->browser && !u->browser)
			q->page_refused = true;
		else
			keep_better(&q->allow, m);
	}
}

static void
ask_policy(struct question *q, const struct policy *p, bool only_look)
{
	bool looked = false, named = false;

	for (uint16_t i = 0; i < p->use_count; i++) {
		const struct use *u = &p->uses[i];

		if (u->upstream != q->upstream)
			continue;
		if (!looked)
			named = names_workload(p, q->workload);
		looked = true;
		if (!named)
			return;
		q->any_policy = true;
		if (!only_look)
			ask_use(q, p, u);
	}
}

static struct match
refusal(const char *code)
{
	return (struct match){ .verdict = VERDICT_DENY, .code = code };
}

static struct match
answer(const struct question *q)
{
	struct match m;

	if (!q->any_policy)
		return refusal("no_policy");
	if (q->deny.policy != NULL) {
		m = q->deny;
		m.code = "denied_by_rule";
		return m;
	}
	if (q->allow.policy == NULL)
		return refusal(q->page_refused ? "browser" : "not_allowed");
	m = q->allow;
	m.verdict = VERDICT_ALLOW;
	m.code = "ok";
	return m;
}

struct match
match_request(const struct rules *r, struct span workload, struct span upstream, struct span method,
    struct span target, bool browser)
{
	const struct upstream *u = rules_upstream(r, upstream);
	struct question q = { .workload = workload, .method = method, .browser = browser };
	const char *reason = NULL;
	enum err e;

	if (u == NULL)
		return refusal("no_upstream");
	q.upstream = (uint16_t)(u - r->upstreams);
	q.path = target_path(target);
	e = target_check(target, u->encoded_slash, &reason);
	for (uint32_t i = 0; i < r->policy_count; i++)
		ask_policy(&q, &r->policies[i], e != ERR_OK);
	if (q.any_policy && e != ERR_OK) {
		struct match m = refusal("bad_target");

		m.reason = reason;
		return m;
	}
	return answer(&q);
}

bool
match_allows(const struct use *u, struct span method, struct span target, bool browser)
{
	const struct question q = { .method = method, .path = target_path(target) };

	if (browser && !u->browser)
		return false;
	for (uint16_t i = 0; i < u->allow_count; i++)
		if (speaks(&q, &u->allow[i], false))
			return true;
	return false;
}
