/* The <policy>.expect of each policy that an import writes, so that `sidekey policy test` holds it
 * to what it says today. */
#include <stdio.h>
#include <string.h>

#include "broker/rules/match.h"
#include "cli/import.h"

#define EXPECT_HEAD                                                                                \
	"# Written by `%s`: what the policies decide today; `sidekey policy "                      \
	"test` "                                                                                   \
	"runs it.\n"

/* A target that the pattern's path matches: its stars become a word. */
static void
example(const char *path, char dst[RULES_PATTERN_LEN_MAX + 1])
{
	size_t n = 0;

	for (; *path != '\0' && n < RULES_PATTERN_LEN_MAX; path++)
		if (*path != '*')
			dst[n++] = *path;
		else if (path[1] != '*') /* the last of the stars */
			dst[n++] = 'x';
	dst[n] = '\0';
}

/* The rules are asked and not the pattern, since another policy may say more about this workload.
 */
static enum err
put_decision(struct buf *out, const struct rules *rules, const char *workload, const char *upstream,
    const struct pattern *p)
{
	const char *method = strcmp(p->method, "*") == 0 ? "GET" : p->method;
	char target[RULES_PATTERN_LEN_MAX + 1];
	struct match m;

	example(p->path, target);
	m = match_request(rules, span_str(workload), span_str(upstream), span_str(method),
	    span_str(target), false);
	if (m.verdict == VERDICT_ALLOW)
		return buf_printf(out, "allow %s %s %s %s\n", workload, upstream, method, target);
	return buf_printf(out, "deny %s %s %s %s %s\n", workload, upstream, method, target, m.code);
}

static enum err
put_use(struct buf *out, const struct rules *rules, const char *workload, const struct use *u)
{
	const char *upstream = rules->upstreams[u->upstream].name;
	enum err e = ERR_OK;

	for (uint16_t i = 0; i < u->allow_count && e == ERR_OK; i++)
		e = put_decision(out, rules, workload, upstream, &u->allow[i]);
	for (uint16_t i = 0; i < u->deny_count && e == ERR_OK; i++)
		e = put_decision(out, rules, workload, upstream, &u->deny[i]);
	if (e == ERR_OK && u->allow_count > 0) {
		struct pattern unheard_of = { .method = "DELETE", .path = u->allow[0].path };

		e = put_decision(out, rules, workload, upstream, &unheard_of);
	}
	return e;
}

static const struct policy *
find_policy(const struct rules *rules, const char *name, size_t len)
{
	for (uint32_t i = 0; i < rules->policy_count; i++)
		if (span_eq_str(span_of(name, len), rules->policies[i].name))
			return &rules->policies[i];
	return NULL;
}

static enum cli_exit
compose(struct import *im, const struct rules *rules, const struct import_file *of)
{
	const struct policy *p = find_policy(rules, of->name, strlen(of->name) - strlen(".yaml"));
	struct import_file *f;
	enum err e;

	must(p != NULL);
	f = import_file_new(im, "policies", p->name, ".expect");
	e = buf_printf(&f->text, EXPECT_HEAD, im->label);
	for (uint16_t i = 0; i < p->use_count && e == ERR_OK; i++)
		e = put_use(&f->text, rules, of->workload, &p->uses[i]);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, f->name);
}

enum cli_exit
import_compose_expect(struct import *im, const struct rules *rules)
{
	uint32_t count = im->file_count;
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < count && x == CLI_OK; i++)
		if (strcmp(im->files[i].part, "policies") == 0 && !im->files[i].kept)
			x = compose(im, rules, &im->files[i]);
	return x;
}
