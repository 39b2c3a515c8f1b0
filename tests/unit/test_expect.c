/* .expect files: the lines that are one, the lines that are none, and what holds. */
#include <string.h>

#include "broker/api/policyc/compile.h"
#include "broker/api/policyc/expect.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

static const struct {
	const char *what, *text;
	enum err e;
	uint32_t line, column;
} cases[] = {
	{ "empty", "", ERR_EOF, 0, 0 },
	{ "comments and empty lines only", "\n  \n# x\n   # y\n", ERR_EOF, 0, 0 },
	{ "five words", "allow w u GET /x\n", ERR_OK, 1, 0 },
	{ "six words", "deny w u GET /x not_allowed\n", ERR_OK, 1, 0 },
	{ "a comment behind", "deny w u GET /x # because\n", ERR_OK, 1, 0 },
	{ "a comment behind a code", "deny w u GET /x browser # because\n", ERR_OK, 1, 0 },
	{ "no line end, many spaces", "  deny   w  u GET   /x", ERR_OK, 1, 0 },
	{ "CRLF", "deny w u GET /x\r\n", ERR_OK, 1, 0 },
	{ "third line", "\n# c\nallow w u GET /x\n", ERR_OK, 3, 0 },
	{ "a target that no rule admits", "deny w u GET /a/../b dot_segment\n", ERR_OK, 1, 0 },
	{ "a target with a # in it", "deny w u GET /a#b\n", ERR_OK, 1, 0 },
	{ "four words", "allow w u GET\n", ERR_SYNTAX, 1, 1 },
	{ "seven words", "allow w u GET /x ok ok\n", ERR_SYNTAX, 1, 1 },
	{ "another verdict", "permit w u GET /x\n", ERR_SYNTAX, 1, 1 },
	{ "ALLOW", "  ALLOW w u GET /x\n", ERR_SYNTAX, 1, 3 },
	{ "bad workload", "allow W u GET /x\n", ERR_SYNTAX, 1, 7 },
	{ "bad upstream", "allow w ../u GET /x\n", ERR_SYNTAX, 1, 9 },
	{ "bad code", "deny w u GET /x denied\n", ERR_SYNTAX, 1, 17 },
	{ "tab", "allow\tw u GET /x\n", ERR_SYNTAX, 1, 1 },
	{ "second line", "# x\nallow w\n", ERR_SYNTAX, 2, 1 },
};

static void
check_lines(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct expect_reader r = expect_read("p.expect", span_str(cases[i].text));
		struct expectation x = { .line = 0 };
		struct place_error p = { .line = 0 };
		enum err e = expect_next(&r, &x, &p);

		is_err(e, cases[i].e, cases[i].what);
		if (e == ERR_SYNTAX && !ok(p.line == cases[i].line && p.column == cases[i].column &&
					       strcmp(p.file, "p.expect") == 0,
					   "  at its place"))
			printf("# %u:%u %s\n", p.line, p.column, p.text);
		if (e == ERR_OK)
			ok(x.line == cases[i].line && span_eq_str(x.workload, "w") &&
				span_eq_str(x.upstream, "u") && span_eq_str(x.method, "GET"),
			    "  its words");
	}
}

static void
check_goes_on(void)
{
	struct expect_reader r = expect_read("p.expect", span_str("bad\nallow w u GET /x\n"));
	struct expectation x;
	struct place_error p;

	is_err(expect_next(&r, &x, &p), ERR_SYNTAX, "a bad line");
	is_err(expect_next(&r, &x, &p), ERR_OK, "does not hide the next");
	is_err(expect_next(&r, &x, &p), ERR_EOF, "and then it ends");
	is_err(expect_next(&r, &x, &p), ERR_EOF, "for good");
}

static const struct {
	const char *line;
	bool holds;
} held[] = {
	{ "allow w brave GET /a/b", true },
	{ "allow w brave GET /a/b ok", true },
	{ "deny w brave GET /a/b", false },
	{ "allow w brave GET /a/b not_allowed", false },
	{ "deny w brave POST /a/b not_allowed", true },
	{ "deny w brave POST /a/b denied_by_rule", false },
	{ "deny w brave GET /a/secret denied_by_rule", true },
	{ "deny w brave GET /a/SECRET", true },
	{ "deny v brave GET /a/b no_policy", true },
	{ "deny w openai GET /a/b no_upstream", true },
	{ "deny w brave GET /a/../b bad_target", true },
	{ "deny w brave GET /a/../b dot_segment", true },
	{ "deny w brave GET /a/../b backslash", false },
};

static void
check_held(void)
{
	struct policyc_errors errors;
	struct rules *rules = NULL;
	struct compiler c;

	must(compile_init(&c, "", &errors) == ERR_OK);
	compile_policy_bytes(&c, "p.yaml",
	    span_str("policy: p\nworkloads: [w]\nuse: {brave: {allow: [GET /a/*], deny: [GET "
		     "/*/secret]}}\n"));
	must(compile_finish(&c, &rules) == ERR_OK);
	for (size_t i = 0; i < COUNT(held); i++) {
		struct expect_reader r = expect_read("p.expect", span_str(held[i].line));
		struct expectation x;
		struct place_error p;
		struct match m;

		must(expect_next(&r, &x, &p) == ERR_OK);
		if (!ok(expect_holds(rules, &x, &m) == held[i].holds, "%s: %s",
			held[i].holds ? "holds" : "does not hold", held[i].line))
			printf("# %s\n", m.code);
	}
	rules_free(rules);
}

/* The files that are shipped: they compile together, and each says what its .expect wants. */
static const char *const shipped[] = { "agents", "langgraph", "mcp-github", "mcp-search",
	"msagent" };
static const char *const shipped_upstreams[] = { "azure-openai", "gitlab", "jira" };

static void
load(struct compiler *c, const char *folder, const char *name,
    void (*fn)(struct compiler *c, const char *file, struct span in))
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(YAML_FILE_MAX);
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s.yaml", folder, name);
	must(sys_read_file(path, &text) == ERR_OK);
	fn(c, path, buf_span(&text));
}

static void
run_file(const struct rules *rules, const char *name)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(EXPECT_FILE_MAX);
	struct expect_reader r;
	struct expectation x;
	struct place_error p;
	struct match m;
	char path[256];
	enum err e;
	int lines = 0;

	(void)snprintf(path, sizeof(path), "policies/%s.expect", name);
	must(sys_read_file(path, &text) == ERR_OK);
	r = expect_read(path, buf_span(&text));
	while ((e = expect_next(&r, &x, &p)) == ERR_OK) {
		lines++;
		if (!expect_holds(rules, &x, &m))
			ok(false, "%s:%u: %s", path, x.line, m.code);
	}
	is_err(e, ERR_EOF, path);
	ok(lines > 0, "  %d decisions", lines);
}

static void
check_shipped(void)
{
	struct policyc_errors errors;
	struct rules *rules = NULL;
	struct compiler c;
	enum err e;

	must(compile_init(&c, "policies", &errors) == ERR_OK);
	for (size_t i = 0; i < COUNT(shipped_upstreams); i++)
		load(&c, "policies/upstreams", shipped_upstreams[i], compile_upstream_bytes);
	for (size_t i = 0; i < COUNT(shipped); i++)
		load(&c, "policies", shipped[i], compile_policy_bytes);
	compile_check_env(&c);
	e = compile_finish(&c, &rules);
	is_err(e, ERR_OK, "the shipped files compile");
	for (size_t i = 0; e != ERR_OK && i < errors.count && i < POLICYC_ERRORS_MAX; i++)
		printf("# %s:%u:%u: %s\n", errors.list[i].file, errors.list[i].line,
		    errors.list[i].column, errors.list[i].text);
	for (size_t i = 0; e == ERR_OK && i < COUNT(shipped); i++)
		run_file(rules, shipped[i]);
	rules_free(rules);
}

int
main(void)
{
	check_lines();
	check_goes_on();
	check_held();
	check_shipped();
	return done();
}
