#include <string.h>

#include "common/name.h"
#include "tests/lib/tap.h"

#define N32 "0123456789abcdef0123456789abcdef"
#define N128 N32 N32 N32 N32

static const struct {
	const char *in;
	enum err workload, object, domain;
} names[] = {
	{ "a", ERR_OK, ERR_OK, ERR_OK },
	{ "mcp-github", ERR_OK, ERR_OK, ERR_OK },
	{ "a_b.c-d9", ERR_OK, ERR_OK, ERR_OK },
	{ "9", ERR_OK, ERR_OK, ERR_OK },
	{ "...", ERR_OK, ERR_SYNTAX, ERR_SYNTAX },
	{ ".a", ERR_OK, ERR_SYNTAX, ERR_SYNTAX },
	{ "a.", ERR_OK, ERR_OK, ERR_SYNTAX },
	{ "a..b", ERR_OK, ERR_OK, ERR_SYNTAX },
	{ "-a", ERR_OK, ERR_SYNTAX, ERR_OK },
	{ "_a", ERR_OK, ERR_SYNTAX, ERR_OK },
	{ "a/b", ERR_OK, ERR_SYNTAX, ERR_SYNTAX },
	{ "a/b/c/d", ERR_OK, ERR_SYNTAX, ERR_SYNTAX },
	{ "a/b/c/d/e", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ ".", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "..", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "a/..", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "./a", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "/a", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "a/", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "a//b", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "/", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "A", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "a b", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "a%62", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "a:b", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "a@b", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "caf\xc3\xa9", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "\xd0\xb0", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX }, /* a Cyrillic "a" */
	{ "a\n", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "sidekey", ERR_SYNTAX, ERR_OK, ERR_OK },
	{ "sidekey/gateway", ERR_SYNTAX, ERR_SYNTAX, ERR_SYNTAX },
	{ "sidekeyx", ERR_OK, ERR_OK, ERR_OK },
	{ "a/sidekey", ERR_OK, ERR_SYNTAX, ERR_SYNTAX },
	{ N128, ERR_OK, ERR_OK, ERR_OK },
	{ N128 "a", ERR_LIMIT, ERR_LIMIT, ERR_OK },
	{ N128 N128, ERR_LIMIT, ERR_LIMIT, ERR_LIMIT },
};

#define TD "spiffe://broker.example"
static const struct {
	const char *in;
	size_t len;
	enum err want;
	const char *path;
} ids[] = {
	{ TD "/bot", 0, ERR_OK, "bot" },
	{ TD "/a/b/c/d", 0, ERR_OK, "a/b/c/d" },
	{ TD "/sidekey/gateway", 0, ERR_OK, "sidekey/gateway" },
	{ TD "/" N128, 0, ERR_OK, N128 },
	{ TD "/" N128 "a", 0, ERR_LIMIT, NULL },
	{ TD, 0, ERR_SYNTAX, NULL },
	{ TD "/", 0, ERR_SYNTAX, NULL },
	{ TD "//bot", 0, ERR_SYNTAX, NULL },
	{ TD "/bot/", 0, ERR_SYNTAX, NULL },
	{ TD "/sidekey", 0, ERR_SYNTAX, NULL },
	{ TD "/sidekey/gateway/", 0, ERR_SYNTAX, NULL },
	{ TD "/sidekey/keeper", 0, ERR_SYNTAX, NULL },
	{ TD "/Sidekey/gateway", 0, ERR_SYNTAX, NULL },
	{ TD "/a/../b", 0, ERR_SYNTAX, NULL },
	{ TD "/a/%2e%2e/b", 0, ERR_SYNTAX, NULL },
	{ TD "/%62ot", 0, ERR_SYNTAX, NULL },
	{ TD "/bot?x", 0, ERR_SYNTAX, NULL },
	{ TD "/bot#x", 0, ERR_SYNTAX, NULL },
	{ TD ":443/bot", 0, ERR_SYNTAX, NULL },
	{ "spiffe://x@broker.example/bot", 0, ERR_SYNTAX, NULL },
	{ "spiffe://broker.example.evil/bot", 0, ERR_SYNTAX, NULL },
	{ "spiffe://broker.exampl/ebot", 0, ERR_SYNTAX, NULL },
	{ "spiffe://Broker.example/bot", 0, ERR_SYNTAX, NULL },
	{ "spiffe://evil/bot", 0, ERR_SYNTAX, NULL },
	{ "spiffe:///bot", 0, ERR_SYNTAX, NULL },
	{ "Spiffe://broker.example/bot", 0, ERR_SYNTAX, NULL },
	{ "https://broker.example/bot", 0, ERR_SYNTAX, NULL },
	{ "spiffe:/broker.example/bot", 0, ERR_SYNTAX, NULL },
	{ " " TD "/bot", 0, ERR_SYNTAX, NULL },
	{ TD "/bot\n", 0, ERR_SYNTAX, NULL },
	{ TD "/bot\0", sizeof(TD "/bot"), ERR_SYNTAX, NULL },
	{ TD "/bot\0.evil", sizeof(TD "/bot.evil"), ERR_SYNTAX, NULL },
	{ "", 0, ERR_SYNTAX, NULL },
};

int
main(void)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		struct span s = span_str(names[i].in);

		is_err(name_workload_check(s), names[i].workload, names[i].in);
		is_err(name_object_check(s), names[i].object, names[i].in);
		is_err(name_trust_domain_check(s), names[i].domain, names[i].in);
	}
	is_err(name_workload_check(span_of("a\0b", 3)), ERR_SYNTAX, "NUL inside a workload");
	is_err(name_object_check(span_of("a\0", 2)), ERR_SYNTAX, "NUL behind an object");
	is_err(name_workload_check(SPAN_NONE), ERR_SYNTAX, "no workload");
	is_err(name_object_check(SPAN_NONE), ERR_SYNTAX, "no object");
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct span path = SPAN_NONE, in = ids[i].len > 0 ? span_of(ids[i].in, ids[i].len)
								  : span_str(ids[i].in);

		is_err(spiffe_parse(in, "broker.example", &path), ids[i].want, ids[i].in);
		ok(ids[i].path != NULL ? span_eq_str(path, ids[i].path) : path.p == NULL,
		    "%s: the path", ids[i].in);
	}
	return done();
}
