/* What is asked of the fields of a head that parsed, and of host names. */
#include <string.h>

#include "broker/gateway/http1.h"
#include "tests/lib/tap.h"

static void
fields_are_found(void)
{
	struct http1_head h;
	const char *reason;
	const char *in =
	    "POST /a?b=c HTTP/1.1\r\nHost:h:80\r\nX-A: \t one two\t \r\nx-a:\r\n"
	    "Connection: close, X-Drop\r\nConnection: x-drop2\r\nX-DROP: 1\r\n\r\nbody";

	is_err(http1_parse_request(span_str(in), &h, &reason), ERR_OK, "fields: parse");
	ok(span_eq_str(h.method, "POST") && span_eq_str(h.target, "/a?b=c") && h.minor == 1,
	    "the request line is taken apart");
	ok(span_eq_str(h.host, "h:80"), "host without a space in front");
	ok(h.header_count == 6 && h.head_len == strlen(in) - 4, "six fields, the body stays");
	ok(span_eq_str(http1_find(&h, "x-a", 0)->value, "one two"), "white space is trimmed");
	ok(http1_find(&h, "X-A", 1)->value.len == 0, "the second one is empty");
	ok(http1_find(&h, "x-a", 2) == NULL && http1_find(&h, "x", 0) == NULL, "no third one");
	ok(http1_is_hop_by_hop(&h, span_str("x-Drop")) &&
		http1_is_hop_by_hop(&h, span_str("X-DROP2")),
	    "what Connection names is hop-by-hop");
	ok(!http1_is_hop_by_hop(&h, span_str("x-drop3")) &&
		!http1_is_hop_by_hop(&h, span_str("drop")) &&
		!http1_is_hop_by_hop(&h, span_str("")),
	    "its neighbours are not");
}

static void
names_are_judged(void)
{
	static const char *const hop[] = { "Connection", "KEEP-ALIVE", "Proxy-Authorization",
		"proxy_connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade" };
	static const char *const end[] = { "Content-Length", "Host", "TEE", "Proxy", "Trailers",
		"Authorization" };
	struct http1_head h = { 0 };

	for (size_t i = 0; i < COUNT(hop); i++)
		ok(http1_is_hop_by_hop(&h, span_str(hop[i])), "hop-by-hop: %s", hop[i]);
	for (size_t i = 0; i < COUNT(end); i++)
		ok(!http1_is_hop_by_hop(&h, span_str(end[i])), "end-to-end: %s", end[i]);
	ok(http1_name_like(span_str("X_Api-KEY"), "x-api-key"), "like: case and underscore");
	ok(!http1_name_like(span_str("X-Api-Ke"), "x-api-key"), "like: not a prefix");
	ok(!http1_name_like(span_str("X-Api-Keys"), "x-api-key"), "like: not longer");
	ok(http1_name_like(SPAN_NONE, ""), "like: empty");
}

static void
hosts_are_judged(void)
{
	static const struct {
		const char *host;
		bool good, with_port; /* with_port: also where a port is needed */
	} hosts[] = {
		{ "a", true, false },
		{ "A-z_0.9", true, false },
		{ "a:1", true, true },
		{ "a:9", true, true },
		{ "a:65535", true, true },
		{ "a:65536", false, false },
		{ "a:99999", false, false },
		{ "a:100000", false, false },
		{ "a:01", false, false },
		{ "a:1/", false, false },
		{ "a:1:", false, false },
		{ "a:", false, false },
		{ ":1", false, false },
		{ "", false, false },
		{ "[::1]", true, false },
		{ "[::1]:443", true, true },
		{ "[0123:4567:89ab:cdef:ABCD::EF]", true, false },
		{ "[::ffff:127.0.0.1]:80", true, true },
		{ "[::1]x", false, false },
		{ "[::1]443", false, false },
		{ "[::1", false, false },
		{ "[", false, false },
		{ "[]", false, false },
		{ "[:]", false, false },
		{ "[::g]", false, false },
		{ "[::`]", false, false },
		{ "[::/]", false, false },
		{ "[::@]", false, false },
		{ "[::1%25eth0]", false, false },
		{ "::1", false, false },
		{ "a@b", false, false },
		{ "a%2eb", false, false },
		{ "a b", false, false },
		{ "a,b", false, false },
	};
	char big[HTTP1_HOST_LEN_MAX + 1];

	for (size_t i = 0; i < COUNT(hosts); i++) {
		ok(http1_host_valid(span_str(hosts[i].host), false) == hosts[i].good,
		    "host \"%s\" is %s", hosts[i].host, hosts[i].good ? "good" : "bad");
		ok(http1_host_valid(span_str(hosts[i].host), true) == hosts[i].with_port,
		    "host \"%s\" %s a port", hosts[i].host, hosts[i].with_port ? "has" : "lacks");
	}
	memset(big, 'a', sizeof(big));
	ok(http1_host_valid(span_of(big, HTTP1_HOST_LEN_MAX), false), "host of the maximum");
	ok(!http1_host_valid(span_of(big, HTTP1_HOST_LEN_MAX + 1), false), "one byte more");
}

static void
first_fields_count(void)
{
	struct http1_head h;
	const char *reason;
	const char *in = "GET / HTTP/1.1\r\nConnection: x^, zZ\r\nHost: h\r\n\r\n";

	is_err(http1_parse_request(span_str(in), &h, &reason), ERR_OK, "first fields: parse");
	ok(http1_find(&h, "connection", 0) == &h.headers[0], "the first field is found");
	ok(http1_is_hop_by_hop(&h, span_str("X^")) && http1_is_hop_by_hop(&h, span_str("Zz")),
	    "what the first field names is hop-by-hop");
	ok(!http1_is_hop_by_hop(&h, span_str("x~")) && !http1_is_hop_by_hop(&h, span_str("y^")) &&
		!http1_is_hop_by_hop(&h, span_str("z_")),
	    "only letters have two cases");
}

int
main(void)
{
	fields_are_found();
	first_fields_count();
	names_are_judged();
	hosts_are_judged();
	return done();
}
