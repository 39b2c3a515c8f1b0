#include <string.h>

#include "broker/rules/match.h"
#include "tests/lib/tap.h"

static struct pattern all[] = { { "*", "/**" } };
static struct pattern repos[] = { { "GET", "/repos/acme/**" }, { "POST", "/repos/acme/*/issues" } };
static struct pattern secrets[] = { { "*", "/**/secrets/**" } };
static struct pattern no_delete[] = { { "DELETE", "/**" } };
static struct pattern get_only[] = { { "GET", "/x" } };

static char *mcp[] = { "mcp-github", "ops/bot" };
static char *bot[] = { "ops/bot" };
static char *web[] = { "web" };

static struct upstream upstreams[] = { { .name = "github" },
	{ .name = "npm", .encoded_slash = true }, { .name = "unused" } };

static struct use mcp_uses[] = {
	{ .upstream = 0, .allow = repos, .allow_count = 2, .deny = secrets, .deny_count = 1 },
};
static struct use bot_uses[] = {
	{ .upstream = 0, .allow = all, .allow_count = 1, .deny = no_delete, .deny_count = 1 },
	{ .upstream = 1, .allow = all, .allow_count = 1, .deny = secrets, .deny_count = 1 },
	{ .upstream = 2 },
};
static struct use web_uses[] = {
	{ .upstream = 0, .allow = all, .allow_count = 1, .browser = true },
	{ .upstream = 1, .allow = get_only, .allow_count = 1 },
};

static struct policy policies[] = {
	{ .name = "mcp", .workloads = mcp, .workload_count = 2, .uses = mcp_uses, .use_count = 1 },
	{ .name = "bot", .workloads = bot, .workload_count = 1, .uses = bot_uses, .use_count = 3 },
	{ .name = "web", .workloads = web, .workload_count = 1, .uses = web_uses, .use_count = 2 },
};
static struct policy reversed[COUNT(policies)];

static struct rules rules = { upstreams, COUNT(upstreams), policies, COUNT(policies) };

static const struct {
	const char *workload, *upstream, *method, *target;
	bool browser;
	const char *code, *policy;
} rows[] = {
	{ "mcp-github", "github", "GET", "/repos/acme/site", false, "ok", "mcp" },
	{ "mcp-github", "github", "GET", "/repos/acme/site?x=/../", false, "ok", "mcp" },
	{ "mcp-github", "github", "POST", "/repos/acme/site/issues", false, "ok", "mcp" },
	{ "mcp-github", "github", "POST", "/repos/acme/site", false, "not_allowed", NULL },
	{ "mcp-github", "github", "HEAD", "/repos/acme/site", false, "not_allowed", NULL },
	{ "mcp-github", "github", "get", "/repos/acme/site", false, "not_allowed", NULL },
	{ "mcp-github", "github", "GET", "/repos/ACME/site", false, "not_allowed", NULL },
	{ "mcp-github", "github", "GET", "/repos/acme/site/secrets/K", false, "denied_by_rule",
	    "mcp" },
	{ "mcp-github", "github", "GET", "/repos/acme/site/Secrets;a/K", false, "denied_by_rule",
	    "mcp" },
	{ "mcp-github", "github", "GET", "/repos/acme/%73ecrets", false, "bad_target", NULL },
	{ "mcp-github", "github", "GET", "/repos/acme/../x", false, "bad_target", NULL },
	{ "mcp-github", "github", "GET", "/repos/acme/a%2fb", false, "bad_target", NULL },
	{ "mcp-github", "npm", "GET", "/", false, "no_policy", NULL },
	{ "mcp-github", "npm", "GET", "/../", false, "no_policy", NULL },
	{ "mcp-github", "unused", "GET", "/", false, "no_policy", NULL },
	{ "mcp-github", "githu", "GET", "/", false, "no_upstream", NULL },
	{ "mcp-github", "githubx", "GET", "/", false, "no_upstream", NULL },
	{ "mcp-github", "", "GET", "/", false, "no_upstream", NULL },
	{ "mcp-githu", "github", "GET", "/repos/acme/site", false, "no_policy", NULL },
	{ "mcp-githubx", "github", "GET", "/repos/acme/site", false, "no_policy", NULL },
	{ "ops", "github", "GET", "/repos/acme/site", false, "no_policy", NULL },
	{ "", "github", "GET", "/repos/acme/site", false, "no_policy", NULL },
	/* two policies: either may allow, either may deny; the first name is told */
	{ "ops/bot", "github", "GET", "/x", false, "ok", "bot" },
	{ "ops/bot", "github", "GET", "/repos/acme/site", false, "ok", "bot" },
	{ "ops/bot", "github", "GET", "/secrets", false, "denied_by_rule", "mcp" },
	{ "ops/bot", "github", "DELETE", "/x", false, "denied_by_rule", "bot" },
	{ "ops/bot", "github", "delete", "/x", false, "denied_by_rule", "bot" },
	{ "ops/bot", "github", "DELETE", "/secrets", false, "denied_by_rule", "bot" },
	{ "ops/bot", "npm", "GET", "/@a%2fb", false, "ok", "bot" },
	{ "ops/bot", "npm", "GET", "/@a%2fsecrets", false, "denied_by_rule", "bot" },
	{ "ops/bot", "npm", "GET", "/@a%2f..", false, "bad_target", NULL },
	{ "ops/bot", "unused", "GET", "/", false, "not_allowed", NULL },
	/* pages */
	{ "web", "github", "GET", "/x", true, "ok", "web" },
	{ "web", "npm", "GET", "/x", false, "ok", "web" },
	{ "web", "npm", "GET", "/x", true, "browser", NULL },
	{ "web", "npm", "GET", "/y", true, "not_allowed", NULL },
	{ "ops/bot", "github", "DELETE", "/x", true, "denied_by_rule", "bot" },
	{ "ops/bot", "github", "GET", "/x", true, "browser", NULL },
};

static void
run_rows(const char *order)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct match m =
		    match_request(&rules, span_str(rows[i].workload), span_str(rows[i].upstream),
			span_str(rows[i].method), span_str(rows[i].target), rows[i].browser);
		bool allowed = strcmp(rows[i].code, "ok") == 0;

		ok(strcmp(m.code, rows[i].code) == 0 && (m.verdict == VERDICT_ALLOW) == allowed,
		    "%s: %s %s %s%s on %s: %s (%s)", order, rows[i].workload, rows[i].method,
		    rows[i].target, rows[i].browser ? " from a page" : "", rows[i].upstream,
		    rows[i].code, m.code);
		ok(rows[i].policy == NULL
			? m.policy == NULL && m.use == NULL && m.pattern == NULL
			: m.policy != NULL && m.use != NULL && m.pattern != NULL &&
			      strcmp(m.policy->name, rows[i].policy) == 0,
		    "%s: the policy that spoke", order);
		ok((m.reason != NULL) == (strcmp(m.code, "bad_target") == 0), "%s: the reason",
		    order);
	}
}

/* Of the rules of one policy that all speak, the one that is named does not hang on their order. */
static void
one_rule_is_named(void)
{
	static struct pattern some[][3] = {
		{ { "GET", "/a/**" }, { "*", "/**" }, { "GET", "/**" } },
		{ { "GET", "/**" }, { "GET", "/a/**" }, { "*", "/**" } },
	};

	for (size_t i = 0; i < COUNT(some); i++) {
		struct use use = { .allow = some[i], .allow_count = 3 };
		struct policy p = { .name = "p",
			.workloads = web,
			.workload_count = 1,
			.uses = &use,
			.use_count = 1 };
		struct rules r = { upstreams, COUNT(upstreams), &p, 1 };
		struct match m = match_request(&r, span_str("web"), span_str("github"),
		    span_str("GET"), span_str("/a/b"), false);

		ok(m.verdict == VERDICT_ALLOW && strcmp(m.pattern->path, "/**") == 0 &&
			strcmp(m.pattern->method, "*") == 0,
		    "the rule that sorts first is named");
	}
}

int
main(void)
{
	struct rules none = { 0 };

	run_rows("as written");
	for (size_t i = 0; i < COUNT(policies); i++)
		reversed[i] = policies[COUNT(policies) - 1 - i];
	rules.policies = reversed;
	run_rows("reversed");
	one_rule_is_named();
	ok(match_request(&none, span_str("a"), span_str("b"), span_str("GET"), span_str("/"), false)
		    .verdict == VERDICT_DENY,
	    "no rules: deny");
	return done();
}
