/* policy: what the files in the configuration folder say; no broker is asked. */
#include <dirent.h>
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
#include "common/sys.h"

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
	char file[PATH_MAX + NAME_LEN_MAX + 64] = "";
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

struct tally {
	uint32_t files, decisions, wrong;
};

static void
say_wrong(const struct cli *c, const struct expectation *x, const struct match *m, const char *file)
{
	const char *code = m->reason != NULL ? m->reason : m->code;

	if (!c->json) {
		(void)printf("%s:%u: expected %s%s%.*s, got %s (%s)\n", file, x->line,
		    x->allow ? "allow" : "deny", x->code.len > 0 ? " " : "", (int)x->code.len,
		    (const char *)x->code.p, verdict_word(m->verdict), code);
		return;
	}
	AUTO(json_freep)
	json_t *j = json_pack("{s:s, s:i, s:s, s:s, s:s}", "file", file, "line", (int)x->line,
	    "expected", x->allow ? "allow" : "deny", "got", verdict_word(m->verdict), "code", code);

	if (j != NULL)
		admin_print(j);
}

/* Lines that are no expectation count as wrong: a typo must not switch a test off. */
static enum cli_exit
test_file(const struct cli *c, const struct rules *rules, const char *file, struct tally *t)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(EXPECT_FILE_MAX);
	struct expect_reader r;
	struct expectation x;
	struct place_error place;
	struct match m;
	enum err e = sys_read_file(file, &text);

	if (e != ERR_OK)
		return cli_fail_err(e, file);
	r = expect_read(file, buf_span(&text));
	t->files++;
	while ((e = expect_next(&r, &x, &place)) != ERR_EOF) {
		t->decisions++;
		if (e == ERR_OK && expect_holds(rules, &x, &m))
			continue;
		t->wrong++;
		if (e == ERR_OK)
			say_wrong(c, &x, &m, file);
		else
			(void)cli_fail(CLI_FAILED, "%s:%u:%u: %s", place.file, place.line,
			    place.column, place.text);
	}
	return CLI_OK;
}

static int
is_expect(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 7 && strcmp(d->d_name + len - 7, ".expect") == 0;
}

static enum cli_exit
test_folder(const struct cli *c, const struct rules *rules, const char *dir, struct tally *t)
{
	struct dirent **list = NULL;
	char folder[PATH_MAX], file[PATH_MAX];
	enum cli_exit x = cli_path(dir, "policies", folder);
	int count = x == CLI_OK ? scandir(folder, &list, is_expect, alphasort) : 0;

	for (int i = 0; i < count; i++) {
		if (x == CLI_OK)
			x = cli_path(folder, list[i]->d_name, file);
		if (x == CLI_OK)
			x = test_file(c, rules, file, t);
		free(list[i]);
	}
	free(list);
	return x;
}

enum cli_exit
cmd_policy_test(struct cli *c)
{
	AUTO(rules_freep) struct rules *rules = NULL;
	const char *dir = c->arg_count > 0 ? c->args[0] : c->config_dir;
	struct tally t = { 0 };
	enum cli_exit x = compiled_rules(c, dir, &rules);

	if (x == CLI_OK)
		x = test_folder(c, rules, dir, &t);
	if (x != CLI_OK)
		return x;
	if (t.files == 0)
		cli_warn("there is no .expect file in %s/policies; see sidekey-policy(5)", dir);
	cli_say(c, "%u decisions in %u files, %u wrong", t.decisions, t.files, t.wrong);
	return t.wrong == 0 ? CLI_OK : CLI_FAILED;
}
