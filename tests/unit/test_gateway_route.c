/* The one table of paths: what each needs, and on which kind of connection. */
#include "broker/gateway/route.h"
#include "tests/lib/tap.h"

static const struct {
	const char *method, *target;
	bool workload;
	enum alpn alpn;
	enum route_refusal refusal;
	enum route_kind kind;
} cases[] = {
	{ "POST", "/v1/enroll", false, ALPN_CONTROL, ROUTE_OK, ROUTE_CONTROL },
	{ "POST", "/v1/enroll", true, ALPN_CONTROL, ROUTE_OK, ROUTE_CONTROL },
	{ "POST", "/v1/enroll", true, ALPN_FORWARD, ROUTE_CONTROL_ONLY, ROUTE_CONTROL },
	{ "POST", "/v1/enroll", false, ALPN_FORWARD, ROUTE_CONTROL_ONLY, ROUTE_CONTROL },
	{ "POST", "/v1/enroll?x", true, ALPN_FORWARD, ROUTE_CONTROL_ONLY, ROUTE_CONTROL },
	{ "GET", "/v1/enroll", false, ALPN_CONTROL, ROUTE_METHOD, ROUTE_CONTROL },
	{ "post", "/v1/enroll", false, ALPN_CONTROL, ROUTE_METHOD, ROUTE_CONTROL },
	{ "POST", "/v1/enroll/", false, ALPN_CONTROL, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "POST", "/V1/enroll", false, ALPN_CONTROL, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "POST", "/v1/%65nroll", false, ALPN_CONTROL, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "POST", "//v1/enroll", false, ALPN_CONTROL, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "POST", "/v1/renew", true, ALPN_CONTROL, ROUTE_OK, ROUTE_CONTROL },
	{ "POST", "/v1/renew", false, ALPN_CONTROL, ROUTE_NO_WORKLOAD, ROUTE_CONTROL },
	{ "POST", "/v1/renew", true, ALPN_FORWARD, ROUTE_CONTROL_ONLY, ROUTE_CONTROL },
	{ "DELETE", "/v1/self", true, ALPN_CONTROL, ROUTE_OK, ROUTE_CONTROL },
	{ "DELETE", "/v1/self", true, ALPN_FORWARD, ROUTE_CONTROL_ONLY, ROUTE_CONTROL },
	{ "GET", "/v1/self", true, ALPN_FORWARD, ROUTE_OK, ROUTE_CONTROL },
	{ "GET", "/v1/self", true, ALPN_CONTROL, ROUTE_OK, ROUTE_CONTROL },
	{ "GET", "/v1/self", false, ALPN_FORWARD, ROUTE_NO_WORKLOAD, ROUTE_CONTROL },
	{ "PUT", "/v1/self", true, ALPN_CONTROL, ROUTE_METHOD, ROUTE_CONTROL },
	{ "GET", "/v1/admin/status", true, ALPN_CONTROL, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/healthz", false, ALPN_FORWARD, ROUTE_OK, ROUTE_HEALTH },
	{ "GET", "/readyz", false, ALPN_CONTROL, ROUTE_OK, ROUTE_READY },
	{ "POST", "/healthz", false, ALPN_FORWARD, ROUTE_METHOD, ROUTE_HEALTH },
	{ "GET", "/p/openai/", true, ALPN_FORWARD, ROUTE_OK, ROUTE_PROXY },
	{ "PATCH", "/p/openai/v1/x?a=b", true, ALPN_CONTROL, ROUTE_OK, ROUTE_PROXY },
	{ "GET", "/p/openai/v1", false, ALPN_FORWARD, ROUTE_NO_WORKLOAD, ROUTE_PROXY },
	{ "GET", "/p/openai", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/p/openai?x=/", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/p//v1", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/p/", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/p/../v1/self", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/p/Open/x", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/p/o%70enai/x", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/P/openai/x", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "GET", "/", true, ALPN_FORWARD, ROUTE_NOT_FOUND, ROUTE_NONE },
	{ "CONNECT", "api.openai.com:443", true, ALPN_FORWARD, ROUTE_UNSUPPORTED, ROUTE_NONE },
	{ "TRACE", "/p/openai/x", true, ALPN_FORWARD, ROUTE_UNSUPPORTED, ROUTE_NONE },
};

static void
test_split(const char *target, const char *upstream, const char *rest)
{
	struct route r = route_find(span_str("GET"), span_str(target), true, ALPN_FORWARD);

	ok(span_eq_str(r.upstream, upstream) && span_eq_str(r.rest, rest), "%s is %s and %s",
	    target, upstream, rest);
}

int
main(void)
{
	struct route r;

	for (size_t i = 0; i < COUNT(cases); i++) {
		r = route_find(span_str(cases[i].method), span_str(cases[i].target),
		    cases[i].workload, cases[i].alpn);
		ok(r.refusal == cases[i].refusal && r.kind == cases[i].kind,
		    "%s %s, %s certificate, %s", cases[i].method, cases[i].target,
		    cases[i].workload ? "with" : "without",
		    cases[i].alpn == ALPN_CONTROL ? "control" : "forward");
	}
	test_split("/p/openai/v1/x?a=b/c", "openai", "/v1/x?a=b/c");
	test_split("/p/openaix//", "openaix", "//");
	test_split("/p/a/../../v1/self", "a", "/../../v1/self");
	r = route_find(span_str("PUT"), span_str("/v1/self"), true, ALPN_CONTROL);
	ok(span_eq_str(span_str(r.allow), "GET, DELETE"), "Allow names both methods");
	r = route_find(span_str("GET"), span_str("/v1/renew"), true, ALPN_CONTROL);
	ok(span_eq_str(span_str(r.allow), "POST"), "Allow names the one method");
	return done();
}
