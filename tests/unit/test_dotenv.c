#include <string.h>

#include "cli/dotenv.h"
#include "tests/lib/tap.h"

/* What each variable of a file comes to: "NAME=value" joined by '|'; '$' in front where it refers
 * to another. */
static void
show(const struct dotenv *d, char *dst, size_t size)
{
	size_t at = 0;

	dst[0] = '\0';
	for (uint32_t i = 0; i < d->count && at < size; i++) {
		const struct dotenv_entry *e = &d->entries[i];
		struct span v = dotenv_value(d, e);

		at += (size_t)snprintf(dst + at, size - at, "%s%s%.*s=%.*s", i > 0 ? "|" : "",
		    e->refers ? "$" : "", (int)e->name.len, (const char *)e->name.p, (int)v.len,
		    v.len > 0 ? (const char *)v.p : "");
	}
}

static const struct {
	const char *what, *in, *want;
} good[] = {
	{ "one", "A=1\n", "A=1" },
	{ "no newline at the end", "A=1", "A=1" },
	{ "two, CRLF", "A=1\r\nB=2\r\n", "A=1|B=2" },
	{ "empty file", "", "" },
	{ "comments and empty lines", "# c\n\n  # d\nA=1\n\n", "A=1" },
	{ "a mark in front",
	    "\xef\xbb\xbf"
	    "A=1\n",
	    "A=1" },
	{ "export", "export A=1\nexport\tB=2\n", "A=1|B=2" },
	{ "a variable called export", "export=1\nexported=2\n", "export=1|exported=2" },
	{ "blanks around", "  A  =  1 2  \t\n", "A=1 2" },
	{ "a name with digits and dots", "A1.b_=x\n", "A1.b_=x" },
	{ "empty values", "A=\nB=\"\"\nC=''\nD=   \n", "A=|B=|C=|D=" },
	{ "an equals sign in the value", "A=b=c==\n", "A=b=c==" },
	{ "a comment behind", "A=1 # one\nB=\"2\" # two\nC='3'# three\n", "A=1|B=2|C=3" },
	{ "only a comment behind", "A= # none\n", "A=" },
	{ "a hash inside", "A=a#b\nB=\"a # b\"\n", "A=a#b|B=a # b" },
	{ "a quote inside a bare value", "A=it's\nB=a\"b\"\n", "A=it's|B=a\"b\"" },
	{ "a backslash in a bare value", "A=C:\\new\n", "A=C:\\new" },
	{ "single quotes keep all", "A='a\\n$B \"x\"'\n", "A=a\\n$B \"x\"" },
	{ "escapes in double quotes", "A=\"a\\tb\\\\c\\\"d\\$e\"\n", "A=a\tb\\c\"d$e" },
	{ "an unknown escape stays", "A=\"\\x\\q\"\n", "A=\\x\\q" },
	{ "lines in double quotes", "A=\"one\ntwo\"\nB=3\n", "A=one\ntwo|B=3" },
	{ "lines in single quotes, CRLF", "A='one\r\ntwo'\r\n", "A=one\ntwo" },
	{ "a reference", "A=${B}\nC=\"x$D\"\nE='$F'\n", "$A=${B}|$C=x$D|E=$F" },
	{ "a command, a double dollar", "A=$(id)\nB=$$\n", "$A=$(id)|$B=$$" },
	{ "a dollar that refers to nothing", "A=5$\nB=$ 5\n", "A=5$|B=$ 5" },
	{ "an escaped reference", "A=\"\\${B}\"\n", "A=${B}" },
	/* where Docker Compose reads another value; sidekey(1) lists these */
	{ "Compose: a tab and a hash", "A=1\t# one\n", "A=1" },
	{ "Compose: a comment alone", "A= # one\n", "A=" },
	{ "Compose: a backslash in single quotes", "A='x\\'\nB=1\n", "A=x\\|B=1" },
	{ "Compose: escapes of C", "A=\"\\a\\b\\f\\v\\0101\"\n", "A=\\a\\b\\f\\v\\0101" },
	{ "Compose: a space beyond ASCII", "A=1\xc2\xa0\n", "A=1\xc2\xa0" },
	{ "bytes beyond ASCII", "A=gr\xc3\xbc\xc3\x9f\n", "A=gr\xc3\xbc\xc3\x9f" },
};

static const struct {
	const char *what, *in;
	uint32_t line;
	const char *says;
} bad[] = {
	{ "a word alone", "A=1\nlonely\n", 2, "expected NAME=VALUE" },
	{ "a name that starts with a digit", "1A=1\n", 1, "expected NAME=VALUE" },
	{ "a dash in the name", "\nA-B=1\n", 2, "expected NAME=VALUE" },
	{ "no name", "=1\n", 1, "expected NAME=VALUE" },
	{ "YAML", "A: 1\n", 1, "expected NAME=VALUE" },
	{ "brackets in the name", "A[0]=1\n", 1, "expected NAME=VALUE" },
	{ "export alone", "export\n", 1, "expected NAME=VALUE" },
	{ "an open double quote", "B=1\nA=\"x\nC=2\n", 2, "double quote is never closed" },
	{ "an open single quote", "A='x\n", 1, "single quote is never closed" },
	{ "text behind the quote", "A=\"x\"y\n", 1, "behind the closing quote" },
	{ "text behind lines", "A=\"x\ny\" z\n", 2, "behind the closing quote" },
	{ "set twice", "A=1\nB=2\nA=3\n", 3, "set again; first on line 1" },
	{ "a hash right behind", "A=#x\n", 1, "quote it" },
	{ "a lone CR", "A=1\rB=2\n", 1, "control character" },
	{ "an escape sequence", "A=1\nB=\x1b[31m\n", 2, "control character" },
};

static void
test_good(void)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		struct dotenv d;
		struct dotenv_error e = { 0 };
		char got[512];

		if (!is_err(dotenv_parse(span_str(good[i].in), &d, &e), ERR_OK, good[i].what))
			continue;
		show(&d, got, sizeof(got));
		if (!ok(strcmp(got, good[i].want) == 0, "%s: values", good[i].what))
			printf("# got %s\n", got);
		dotenv_wipe(&d);
	}
}

static void
test_bad(void)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct dotenv d;
		struct dotenv_error e = { 0 };

		is_err(dotenv_parse(span_str(bad[i].in), &d, &e), ERR_SYNTAX, bad[i].what);
		ok(e.line == bad[i].line, "%s: line %u", bad[i].what, e.line);
		if (!ok(strstr(e.text, bad[i].says) != NULL, "%s: says why", bad[i].what))
			printf("# got %s\n", e.text);
	}
}

/* The file may hold nothing but keys: a message that quotes it would print one. */
static void
test_silent(void)
{
	static const char *const in[] = { "sk-canary-123\n", "A=\"sk-canary-123\n",
		"A='sk-canary-123' x\n", "A=#sk-canary-123\n", "sk-canary-123=1\n" };

	for (size_t i = 0; i < COUNT(in); i++) {
		struct dotenv d;
		struct dotenv_error e = { 0 };

		ok(dotenv_parse(span_str(in[i]), &d, &e) != ERR_OK &&
			strstr(e.text, "canary") == NULL,
		    "error %zu does not quote the file", i);
	}
}

static void
test_limits(void)
{
	AUTO(buf_wipe) struct buf big = BUF_MAX(2 * DOTENV_FILE_MAX);
	struct dotenv d;
	struct dotenv_error e = { 0 };
	enum err x = ERR_OK;

	for (int i = 0; i <= DOTENV_ENTRIES_MAX && x == ERR_OK; i++)
		x = buf_printf(&big, "V%d=1\n", i);
	is_err(x, ERR_OK, "made a file with one variable too many");
	is_err(dotenv_parse(buf_span(&big), &d, &e), ERR_LIMIT, "one variable too many");
	buf_clear(&big);
	for (size_t i = 0; i <= DOTENV_FILE_MAX && x == ERR_OK; i++)
		x = buf_append_byte(&big, '#');
	is_err(dotenv_parse(buf_span(&big), &d, &e), ERR_LIMIT, "one byte too many");
	buf_clear(&big);
	for (int i = 0; i <= DOTENV_NAME_MAX && x == ERR_OK; i++)
		x = buf_append_byte(&big, 'N');
	if (x == ERR_OK)
		x = buf_append_str(&big, "=1\n");
	is_err(dotenv_parse(buf_span(&big), &d, &e), ERR_LIMIT, "one byte of name too many");
}

int
main(void)
{
	test_good();
	test_bad();
	test_silent();
	test_limits();
	return done();
}
