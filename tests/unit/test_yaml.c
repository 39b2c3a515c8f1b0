/* What the core of YAML is, and that everything else is refused at its place. */
#include <stdlib.h>
#include <string.h>

#include "broker/yaml/yaml.h"
#include "tests/lib/tap.h"

static const struct {
	const char *what, *in;
	size_t len; /* 0: up to the NUL */
	enum err e;
	uint32_t line, column;
	const char *text; /* part of the message */
} refused[] = {
	{ "duplicate key", "a: 1\nb: 2\na: 3\n", 0, ERR_SYNTAX, 3, 1,
	    "duplicate key \"a\"; it is already on line 1" },
	{ "duplicate key, quoted once", "a: 1\n\"a\": 3\n", 0, ERR_SYNTAX, 2, 1, "duplicate key" },
	{ "duplicate key in flow", "x: {a: 1, b: 2, a: 3}\n", 0, ERR_SYNTAX, 1, 17,
	    "duplicate key" },
	{ "duplicate key, deep", "x:\n  y:\n    k: 1\n    k: 1\n", 0, ERR_SYNTAX, 4, 5,
	    "duplicate key" },
	{ "three of one key: the second is named", "k: 1\nk: 2\nk: 3\n", 0, ERR_SYNTAX, 2, 1,
	    "on line 1" },
	{ "anchor on a scalar", "a: &x 1\n", 0, ERR_SYNTAX, 1, 4, "anchors" },
	{ "anchor on a map", "a: &x {b: 1}\n", 0, ERR_SYNTAX, 1, 4, "anchors" },
	{ "anchor on a list", "a: &x [1]\n", 0, ERR_SYNTAX, 1, 4, "anchors" },
	{ "anchor on a key", "&x a: 1\n", 0, ERR_SYNTAX, 1, 1, "anchors" },
	{ "anchor on the root", "&x\na: 1\n", 0, ERR_SYNTAX, 1, 1, "anchors" },
	{ "alias", "a: *x\n", 0, ERR_SYNTAX, 1, 4, "aliases" },
	{ "alias as key", "*x : 1\n", 0, ERR_SYNTAX, 1, 1, "aliases" },
	{ "alias in a list", "a: [*x]\n", 0, ERR_SYNTAX, 1, 5, "aliases" },
	{ "alias bomb", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", 0, ERR_SYNTAX, 1, 4,
	    "anchors" },
	{ "a rule that starts with a star, unquoted", "allow: [* /x]\n", 0, ERR_SYNTAX, 1, 10,
	    "quote" },
	{ "local tag", "a: !x 1\n", 0, ERR_SYNTAX, 1, 4, "tags" },
	{ "core tag", "a: !!str 1\n", 0, ERR_SYNTAX, 1, 4, "tags" },
	{ "python tag", "a: !!python/object/apply:os.system [x]\n", 0, ERR_SYNTAX, 1, 4, "tags" },
	{ "non-specific tag", "a: ! 1\n", 0, ERR_SYNTAX, 1, 4, "tags" },
	{ "tag on a map", "!!map {a: 1}\n", 0, ERR_SYNTAX, 1, 1, "tags" },
	{ "merge key", "a: {b: 1}\n<<: {c: 2}\n", 0, ERR_SYNTAX, 2, 1, "merge keys" },
	{ "merge key with an alias", "<<: *x\n", 0, ERR_SYNTAX, 1, 1, "merge keys" },
	{ "two documents", "a: 1\n---\nb: 2\n", 0, ERR_SYNTAX, 2, 1, "second document" },
	{ "two documents, the second empty", "a: 1\n---\n", 0, ERR_SYNTAX, 2, 1,
	    "second document" },
	{ "document after an end", "a: 1\n...\nb: 2\n", 0, ERR_SYNTAX, 3, 1, NULL },
	{ "YAML directive", "%YAML 1.1\n---\na: 1\n", 0, ERR_SYNTAX, 1, 1, "directives" },
	{ "TAG directive", "%TAG ! tag:x,2000:\n---\na: 1\n", 0, ERR_SYNTAX, 1, 1, "directives" },
	{ "tab as indentation", "a:\n\tb: 1\n", 0, ERR_SYNTAX, 2, 1, "a tab" },
	{ "tab behind a colon", "a:\t1\n", 0, ERR_SYNTAX, 1, 3, "a tab" },
	{ "tab in a comment", "a: 1 #\tx\n", 0, ERR_SYNTAX, 1, 7, "a tab" },
	{ "tab in quotes", "a: \"x\ty\"\n", 0, ERR_SYNTAX, 1, 6, "a tab" },
	{ "NUL in front", "\0a: 1\n", 6, ERR_SYNTAX, 1, 1, "NUL" },
	{ "NUL in a value", "a: x\0y\n", 7, ERR_SYNTAX, 1, 5, "NUL" },
	{ "NUL behind it all", "a: 1\n\0b: 2\n", 11, ERR_SYNTAX, 2, 1, "NUL" },
	{ "escaped NUL", "a: \"x\\0y\"\n", 0, ERR_SYNTAX, 1, 4, "NUL" },
	{ "escaped NUL as \\u", "a: \"\\u0000\"\n", 0, ERR_SYNTAX, 1, 4, "NUL" },
	{ "escaped NUL in a key", "\"a\\0\": 1\n", 0, ERR_SYNTAX, 1, 1, "NUL" },
	{ "escape character", "a: \x1b[31m\n", 0, ERR_SYNTAX, 1, 4, "control" },
	{ "delete", "a: \x7f\n", 0, ERR_SYNTAX, 1, 4, "control" },
	{ "C1 control, next line", "a: x\xc2\x85y: 2\n", 0, ERR_SYNTAX, 1, 5, "control" },
	{ "line separator", "a: x\xe2\x80\xa8y: 2\n", 0, ERR_SYNTAX, 1, 5, "line separator" },
	{ "bare carriage return", "a: 1\rb: 2\n", 0, ERR_SYNTAX, 1, 5, "carriage return" },
	{ "carriage return at the end", "a: 1\r", 0, ERR_SYNTAX, 1, 5, "carriage return" },
	{ "byte order mark",
	    "\xef\xbb\xbf"
	    "a: 1\n",
	    0, ERR_SYNTAX, 1, 1, "byte order mark" },
	{ "byte order mark within",
	    "a: 1\n\xef\xbb\xbf"
	    "b: 1\n",
	    0, ERR_SYNTAX, 2, 1, "byte order mark" },
	{ "UTF-16, little-endian",
	    "\xff\xfe"
	    "a\0:\0 \0001\0",
	    10, ERR_SYNTAX, 1, 1, "UTF-16" },
	{ "UTF-16, big-endian", "\xfe\xff\0a\0:\0 \0001", 10, ERR_SYNTAX, 1, 1, "UTF-16" },
	{ "right-to-left override",
	    "a: \xe2\x80\xae"
	    "x\n",
	    0, ERR_SYNTAX, 1, 4, "text-reordering" },
	{ "isolate", "a: x # \xe2\x81\xa6\n", 0, ERR_SYNTAX, 1, 8, "text-reordering" },
	{ "zero-width space", "al\xe2\x80\x8blow: 1\n", 0, ERR_SYNTAX, 1, 3, "invisible" },
	{ "stray continuation byte", "a: \x80\n", 0, ERR_SYNTAX, 1, 4, "UTF-8" },
	{ "overlong slash", "a: \xc0\xaf\n", 0, ERR_SYNTAX, 1, 4, "UTF-8" },
	{ "overlong in three bytes", "a: \xe0\x80\xaf\n", 0, ERR_SYNTAX, 1, 4, "UTF-8" },
	{ "surrogate", "a: \xed\xa0\x80\n", 0, ERR_SYNTAX, 1, 4, "UTF-8" },
	{ "beyond Unicode", "a: \xf4\x90\x80\x80\n", 0, ERR_SYNTAX, 1, 4, "UTF-8" },
	{ "cut off sequence", "a: \xe2\x82", 0, ERR_SYNTAX, 1, 4, "UTF-8" },
	{ "noncharacter", "a: \xef\xbf\xbf\n", 0, ERR_SYNTAX, 1, 4, "does not define" },
	{ "column counts characters, not bytes", "\xc3\xa4\xc3\xb6: [\t]\n", 0, ERR_SYNTAX, 1, 6,
	    "a tab" },
	{ "float", "a: 1.5\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "1e400", "a: 1e400\n", 0, ERR_SYNTAX, 1, 4, "\"1e400\" is not a plain whole number" },
	{ "-1E+9", "a: -1E+9\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "1.", "a: 1.\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ ".5", "a: .5\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ ".inf", "a: .inf\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "-.INF", "a: -.INF\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ ".NaN", "a: .NaN\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "hexadecimal", "a: 0x1F\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "octal", "a: 0o17\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "octal of YAML 1.1", "a: 0400\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "binary", "a: 0b11\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "underscores", "a: 1_000\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "plus", "a: +1\n", 0, ERR_SYNTAX, 1, 4, "whole number" },
	{ "one too large", "a: 9223372036854775808\n", 0, ERR_SYNTAX, 1, 4, "too large" },
	{ "one too small", "a: -9223372036854775809\n", 0, ERR_SYNTAX, 1, 4, "too large" },
	{ "a number as key, bad", "1.5: x\n", 0, ERR_SYNTAX, 1, 1, "whole number" },
	{ "a map as key", "{a: 1}: x\n", 0, ERR_SYNTAX, 1, 1, "a key must be text" },
	{ "a list as key", "? [a]\n: x\n", 0, ERR_SYNTAX, 1, 3, "a key must be text" },
	{ "an empty key", ": x\n", 0, ERR_SYNTAX, 1, 1, "not YAML" },
	{ "an empty key in flow", "{a: 1, : x}\n", 0, ERR_SYNTAX, 1, 8, "not YAML" },
	{ "an empty key in quotes", "'': x\n", 0, ERR_SYNTAX, 1, 1, "a key is empty" },
	{ "not closed", "a: [1, 2\n", 0, ERR_SYNTAX, 2, 1, "not YAML" },
	{ "quotes not closed", "a: \"x\n", 0, ERR_SYNTAX, 2, 1, "not YAML" },
	{ "bad indentation", "a: 1\n  b: 2\n", 0, ERR_SYNTAX, 2, 4, "not YAML" },
	{ "two values", "a: b: c\n", 0, ERR_SYNTAX, 1, 5, "not YAML" },
	{ "bad escape", "a: \"\\q\"\n", 0, ERR_SYNTAX, 1, 5, "not YAML" },
	{ "reserved character", "a: @x\n", 0, ERR_SYNTAX, 1, 4, "not YAML" },
	{ "a template unquoted is a map", "a: {x}y\n", 0, ERR_SYNTAX, 1, 7, "not YAML" },
};

static const struct {
	const char *in;
	enum yaml_kind kind;
	int64_t integer;
	bool boolean;
	const char *text;
} scalars[] = {
	{ "x", YAML_STRING, 0, false, "x" },
	{ "yes", YAML_STRING, 0, false, "yes" },
	{ "no", YAML_STRING, 0, false, "no" },
	{ "on", YAML_STRING, 0, false, "on" },
	{ "off", YAML_STRING, 0, false, "off" },
	{ "True", YAML_STRING, 0, false, "True" },
	{ "true", YAML_BOOL, 0, true, "true" },
	{ "false", YAML_BOOL, 0, false, "false" },
	{ "\"true\"", YAML_STRING, 0, false, "true" },
	{ "null", YAML_NULL, 0, false, "null" },
	{ "~", YAML_NULL, 0, false, "~" },
	{ "", YAML_NULL, 0, false, "" },
	{ "''", YAML_STRING, 0, false, "" },
	{ "NULL", YAML_STRING, 0, false, "NULL" },
	{ "0", YAML_INTEGER, 0, false, "0" },
	{ "-0", YAML_INTEGER, 0, false, "-0" },
	{ "42", YAML_INTEGER, 42, false, "42" },
	{ "'42'", YAML_STRING, 0, false, "42" },
	{ "9223372036854775807", YAML_INTEGER, INT64_MAX, false, NULL },
	{ "-9223372036854775808", YAML_INTEGER, INT64_MIN, false, NULL },
	{ "1.2.3", YAML_STRING, 0, false, NULL },
	{ "127.0.0.1:8443", YAML_STRING, 0, false, NULL },
	{ "127.0.0.1", YAML_STRING, 0, false, NULL },
	{ "60/1m", YAML_STRING, 0, false, NULL },
	{ "30m", YAML_STRING, 0, false, NULL },
	{ "1GiB", YAML_STRING, 0, false, NULL },
	{ "12:30:45", YAML_STRING, 0, false, NULL },
	{ "2026-11-24", YAML_STRING, 0, false, NULL },
	{ "1e", YAML_STRING, 0, false, NULL },
	{ "1e5x", YAML_STRING, 0, false, NULL },
	{ "-", YAML_NONE, 0, false, NULL }, /* a list of nothing */
	{ "--", YAML_STRING, 0, false, NULL },
	{ ".", YAML_STRING, 0, false, NULL },
	{ "..", YAML_STRING, 0, false, NULL },
	{ "0x", YAML_STRING, 0, false, NULL },
	{ "0xzz", YAML_STRING, 0, false, NULL },
	{ "https://api.github.com", YAML_STRING, 0, false, NULL },
	{ "GET /repos/acme/**", YAML_STRING, 0, false, NULL },
	{ "\"\\u00e4\\n\"", YAML_STRING, 0, false, "\xc3\xa4\n" },
	{ "'it''s'", YAML_STRING, 0, false, "it's" },
};

static void
check_refused(void)
{
	for (size_t i = 0; i < COUNT(refused); i++) {
		AUTO(yaml_freep) struct yaml_node *root = NULL;
		struct place_error p = { .text = "" };
		size_t len = refused[i].len > 0 ? refused[i].len : strlen(refused[i].in);
		enum err e = yaml_parse("f.yaml", span_of(refused[i].in, len), &root, &p);
		bool good = e == refused[i].e && root == NULL && p.line == refused[i].line &&
			    p.column == refused[i].column && strcmp(p.file, "f.yaml") == 0 &&
			    (refused[i].text == NULL || strstr(p.text, refused[i].text) != NULL);

		if (!ok(good, "refused: %s", refused[i].what))
			printf(
			    "# %s, %s:%u:%u: %s\n", err_name(e), p.file, p.line, p.column, p.text);
	}
}

static void
check_scalars(void)
{
	for (size_t i = 0; i < COUNT(scalars); i++) {
		AUTO(yaml_freep) struct yaml_node *root = NULL;
		struct place_error p = { .text = "" };
		char in[128];
		const struct yaml_node *n;
		enum err e;

		if (scalars[i].kind == YAML_NONE)
			continue;
		(void)snprintf(in, sizeof(in), "k: %s\n", scalars[i].in);
		e = yaml_parse("f.yaml", span_str(in), &root, &p);
		n = e == ERR_OK ? yaml_get(root, "k") : NULL;
		if (!ok(n != NULL && n->kind == scalars[i].kind &&
			    n->integer == scalars[i].integer && n->boolean == scalars[i].boolean &&
			    (scalars[i].text == NULL || strcmp(n->text, scalars[i].text) == 0),
			"scalar: %s", scalars[i].in))
			printf("# %s %u:%u %s\n", err_name(e), p.line, p.column, p.text);
	}
}

/* n times open, then n times close. */
static enum err
parse_nested(int n, const char *open, const char *close)
{
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct place_error p;
	char *in = calloc(1, (size_t)n * (strlen(open) + strlen(close)) + 2), *at = in;
	enum err e;

	for (int i = 0; i < n; i++)
		at = stpcpy(at, open);
	for (int i = 0; i < n; i++)
		at = stpcpy(at, close);
	e = yaml_parse("f.yaml", span_str(in), &root, &p);
	free(in);
	return e;
}

static void
check_limits(void)
{
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct place_error p;
	char *big = malloc(YAML_FILE_MAX + 1);
	size_t n = 0;

	is_err(parse_nested(YAML_DEPTH_MAX, "[", "]"), ERR_OK, "deepest list");
	is_err(parse_nested(YAML_DEPTH_MAX + 1, "[", "]"), ERR_LIMIT, "one list deeper");
	is_err(parse_nested(100, "[", "]"), ERR_LIMIT, "100 lists deep");
	is_err(parse_nested(100, "{a: ", "}"), ERR_LIMIT, "100 maps deep");
	is_err(parse_nested(100000, "[", "]"), ERR_LIMIT, "100 000 lists deep");

	memset(big, '#', YAML_FILE_MAX + 1);
	is_err(yaml_parse("f", span_of(big, YAML_FILE_MAX + 1), &root, &p), ERR_LIMIT,
	    "one byte too many");
	ok(p.line == 0 && strstr(p.text, "larger") != NULL, "is said of the file as a whole");
	is_err(
	    yaml_parse("f", span_of(big, YAML_FILE_MAX), &root, &p), ERR_OK, "a comment of 1 MiB");
	ok(root->kind == YAML_MAP && root->count == 0 && root->line == 1, "which is an empty map");
	yaml_freep(&root);

	big[0] = '[';
	for (n = 1; n + 2 < 2 * YAML_NODES_MAX + 10; n += 2)
		memcpy(big + n, "1,", 2);
	big[n] = ']';
	is_err(yaml_parse("f", span_of(big, n + 1), &root, &p), ERR_LIMIT, "too many values");

	n = 0;
	for (int i = 0; n + 16 < YAML_FILE_MAX && i < 49000; i++)
		n += (size_t)snprintf(big + n, YAML_FILE_MAX - n, "k%06d: 1\n", i);
	is_err(yaml_parse("f", span_of(big, n), &root, &p), ERR_OK, "49 000 keys in one map");
	yaml_freep(&root);
	free(big);
}

static void
check_tree(void)
{
	static const char text[] = "---\n# c\npolicy: mcp\nuse:\n  github: {allow: [a, \"b c\"], "
				   "n: 7}\nempty:\n123: x\nblock: |\n  one\n  two\n...\n";
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct place_error p = { .text = "" };
	enum err e = yaml_parse("f", span_str(text), &root, &p);
	const struct yaml_node *n, *list;

	is_err(e, ERR_OK, "a file with everything");
	if (e != ERR_OK) {
		printf("# %u:%u %s\n", p.line, p.column, p.text);
		return;
	}
	ok(root->kind == YAML_MAP && root->count == 5 && root->line == 3 && root->column == 1,
	    "five keys");
	n = yaml_get(yaml_get(root, "use"), "github");
	ok(n != NULL && n->kind == YAML_MAP && n->line == 5 && n->column == 11,
	    "a map in a map knows its place");
	list = yaml_get(n, "allow");
	ok(list != NULL && list->kind == YAML_LIST && list->count == 2 &&
		strcmp(list->items[1]->text, "b c") == 0,
	    "a list in it");
	ok(list->items[1]->line == 5 && list->items[1]->column == 23, "with places");
	n = yaml_get(root, "empty");
	ok(n != NULL && n->kind == YAML_NULL, "nothing is null");
	ok(yaml_get(root, "123") != NULL, "a key is text even if it looks like a number");
	ok(strcmp(yaml_get(root, "block")->text, "one\ntwo\n") == 0, "block text");
	ok(yaml_get(root, "absent") == NULL && yaml_get(list, "x") == NULL &&
		yaml_get(NULL, "x") == NULL,
	    "what is not there is NULL");
}

static void
check_only(void)
{
	static const char *const keys[] = { "allow", "deny", "limit", NULL };
	static const struct {
		const char *in, *text;
	} cases[] = { { "alow: 1", "unknown key \"alow\"; did you mean \"allow\"? expected one of: "
				   "allow, deny, limit" },
		{ "lmiit: 1", "did you mean \"limit\"" }, { "Deny: 1", "did you mean \"deny\"" },
		{ "frobnicate: 1",
		    "unknown key \"frobnicate\"; expected one of: allow, deny, limit" },
		{ "\"a\\u001bb\": 1", "unknown key \"a?b\"" } };
	struct place_error p;

	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(yaml_freep) struct yaml_node *root = NULL;

		must(yaml_parse("f", span_str(cases[i].in), &root, &p) == ERR_OK);
		is_err(yaml_only(root, keys, "f", &p), ERR_SYNTAX, cases[i].in);
		if (!ok(strstr(p.text, cases[i].text) != NULL && p.line == 1 && p.column == 1,
			"says: %s", cases[i].text))
			printf("# %s\n", p.text);
	}
	{
		AUTO(yaml_freep) struct yaml_node *root = NULL;
		char in[400] = "", file[400];

		memset(in, 'x', 300);
		memset(file, 'f', sizeof(file) - 1);
		file[sizeof(file) - 1] = '\0';
		memcpy(in + 300, ": 1", 4);
		must(yaml_parse(file, span_str(in), &root, &p) == ERR_OK);
		is_err(yaml_only(root, keys, file, &p), ERR_SYNTAX,
		    "a key of 300 bytes, a file name of 400");
		ok(strlen(p.file) == sizeof(p.file) - 1 && strstr(p.text, "xxx...\"") != NULL,
		    "are cut");
	}
}

int
main(void)
{
	check_refused();
	check_scalars();
	check_limits();
	check_tree();
	check_only();
	return done();
}
