/* policy: what the files in the configuration folder say; no broker is asked. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/api/policyc/expect.h"
#include "broker/api/policyc/policyc.h"
#include "broker/rules/match.h"
#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/compiled.h"
#include "cli/table.h"

enum cli_exit
cmd_policy_check(struct cli *c)
{
	AUTO(rules_freep) struct rules *rules = NULL;
	const char *dir = c->arg_count > 0 ? c->args[0] : c->config_dir;
	enum cli_exit x = compiled_rules(c, dir, &rules);

	if (x != CLI_OK)
		return x;
	if (c->json)
		(void)printf("{\"upstreams\":%u,\"policies\":%u}\n", rules->upstream_count,
		    rules->policy_count);
	else
		(void)printf("%s: %u upstreams in use or with a file, %u policies, no errors\n",
		    dir, rules->upstream_count, rules->policy_count);
	return CLI_OK;
}

static const char *
verdict_word(enum verdict v)
{
	return v == VERDICT_ALLOW ? "allow" : "deny";
}

static enum cli_exit
explain_json(const struct match *m, const char *file)
{
	AUTO(json_freep)
	json_t *j = json_pack("{s:s, s:s}", "verdict", verdict_word(m->verdict), "code", m->code);
	char rule[RULES_PATTERN_LEN_MAX + 32];

	if (j == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	if (m->pattern != NULL) {
		(void)snprintf(rule, sizeof(rule), "%s %s", m->pattern->method, m->pattern->path);
		(void)json_object_set_new(j, "rule", json_string(rule));
	}
	if (m->reason != NULL)
		(void)json_object_set_new(j, "reason", json_string(m->reason));
	if (m->policy != NULL)
		(void)json_object_set_new(j, "file", json_string(file));
	admin_print(j);
	return CLI_OK;
}

static void
explain_text(const struct match *m, const char *file)
{
	(void)printf("%s (%s)\n", verdict_word(m->verdict), m->code);
	if (m->pattern != NULL)
		(void)printf("rule:  %s %s\n", m->pattern->method, m->pattern->path);
	if (m->reason != NULL)
		(void)printf("why:   the target is refused before policy sees it: %s\n", m->reason);
	if (m->policy != NULL)
		(void)printf("file:  %s\n", file);
	if (m->use != NULL && m->use->limit_requests > 0)
		(void)printf(
		    "limit: %u requests in %u s\n", m->use->limit_requests, m->use->limit_window_s);
	if (m->use != NULL && m->use->limit_concurrent > 0)
		(void)printf("limit: %u at once\n", m->use->limit_concurrent);
}

enum cli_exit
cmd_policy_explain(struct cli *c)
{
	AUTO(rules_freep) struct rules *rules = NULL;
	char file[PATH_MAX + 64] = "";
	enum cli_exit x = compiled_rules(c, c->config_dir, &rules);
	struct match m;

	if (x != CLI_OK)
		return x;
	m = match_request(rules, span_str(c->args[0]), span_str(c->args[1]), span_str(c->args[2]),
	    span_str(c->args[3]), false);
	if (m.policy != NULL)
		(void)snprintf(
		    file, sizeof(file), "%s/policies/%s.yaml", c->config_dir, m.policy->name);
	if (c->json)
		return explain_json(&m, file);
	explain_text(&m, file);
	return CLI_OK; /* a refusal is an answer, not a failure */
}
