/* /etc/hosts as it is found: names, several to a line, comments, what is no address. */
#include "broker/gateway/hosts.h"
#include "tests/lib/tap.h"

static const char text[] = "# comment\n"
			   "127.0.0.1\tlocalhost loopback # not-this\n"
			   "\n"
			   "   10.0.0.5   db.internal DB\r\n"
			   "::1 localhost\n"
			   "fe80::1%eth0 scoped\n"
			   "0x7f000001 hex\n"
			   "2600::5 six\n"
			   "10.0.0.6 db.internal\n"
			   "10.0.0.7\n"
			   "10.0.0.8 last";

static const struct {
	const char *name;
	size_t count;
	const char *first;
} cases[] = {
	{ "localhost", 2, "127.0.0.1" },
	{ "LOCALHOST", 2, "127.0.0.1" },
	{ "loopback", 1, "127.0.0.1" },
	{ "db.internal", 2, "10.0.0.5" },
	{ "db", 1, "10.0.0.5" },
	{ "six", 1, "2600::5" },
	{ "last", 1, "10.0.0.8" },
	{ "not-this", 0, NULL },
	{ "scoped", 0, NULL },
	{ "hex", 0, NULL },
	{ "db.internal.", 0, NULL },
	{ "", 0, NULL },
};

static bool
same(const struct addr *a, const char *want)
{
	struct addr b;

	must(addr_parse(want, 443, &b) == ERR_OK);
	return a->len == b.len && span_eq(span_of(&a->sa, a->len), span_of(&b.sa, b.len));
}

int
main(void)
{
	struct addr found[4];
	struct hosts *h;

	must(hosts_parse(span_str(text), &h) == ERR_OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = hosts_find(h, cases[i].name, 443, found, COUNT(found));

		ok(n == cases[i].count && (n == 0 || same(&found[0], cases[i].first)),
		    "\"%s\": %zu", cases[i].name, n);
	}
	ok(hosts_find(h, "localhost", 443, found, 1) == 1, "no more than there is room for");
	hosts_free(h);
	must(hosts_parse(SPAN_NONE, &h) == ERR_OK);
	ok(hosts_find(h, "localhost", 443, found, 4) == 0, "an empty file");
	hosts_free(h);
	must(hosts_read("/nonexistent/hosts", &h) == ERR_OK);
	ok(hosts_find(h, "localhost", 443, found, 4) == 0, "a file that is not there");
	hosts_free(h);
	return done();
}
