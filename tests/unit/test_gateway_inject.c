/* The head that goes upstream: every credential of the client gone in all spellings, exactly one
 * put in, nothing else changed. */
#include <stdlib.h>
#include <string.h>

#include "broker/gateway/inject.h"
#include "tests/lib/tap.h"

static char anthropic_header[] = "x-api-key", anthropic_value[] = "{credential}";
static char bearer_header[] = "Authorization", bearer_value[] = "Bearer {credential}";
static char basic_user[] = "x-access-token", query_name[] = "api_key", empty[] = "";
static char strip_one[] = "x-corp-pass";

static const struct upstream header_up = { .host = "api.anthropic.com",
	.port = 443,
	.base_path = empty,
	.inject = INJECT_HEADER,
	.inject_name = anthropic_header,
	.inject_value = anthropic_value,
	.strip = { strip_one },
	.strip_count = 1 };
static const struct upstream bearer_up = { .host = "api.openai.com",
	.port = 8443,
	.base_path = empty,
	.inject = INJECT_HEADER,
	.inject_name = bearer_header,
	.inject_value = bearer_value };
static const struct upstream basic_up = { .host = "2600::1",
	.port = 443,
	.base_path = empty,
	.inject = INJECT_BASIC,
	.inject_name = basic_user };
static const struct upstream query_up = { .host = "q.example",
	.port = 443,
	.base_path = empty,
	.inject = INJECT_QUERY,
	.inject_name = query_name };
static const struct upstream none_up = {
	.host = "n.example", .port = 443, .base_path = empty, .inject = INJECT_NONE
};

/* Parses request, injects, gives the head as text (static). NULL: not injected, *ret_e says why. */
static const char *
inject(const struct upstream *up, const char *request, const char *target, struct span credential,
    enum err *ret_e)
{
	static char text[INJECT_HEAD_MAX + 1];
	AUTO(buf_wipe) struct buf out = BUF_MAX(INJECT_HEAD_MAX);
	const char *reason;
	struct http1_head h;

	must(http1_parse_request(span_str(request), &h, &reason) == ERR_OK);
	*ret_e = inject_head(up, &h, span_str(target), credential, &out);
	if (*ret_e != ERR_OK)
		return NULL;
	must(span_copy_str(buf_span(&out), text, sizeof text));
	return text;
}

static void
is_head(const struct upstream *up, const char *request, const char *want, const char *what)
{
	enum err e;
	const char *got = inject(up, request, "/v1/x?a=~b", span_str("sk-secret"), &e);

	if (!ok(got != NULL && strcmp(got, want) == 0, "%s", what))
		printf("# got %s\n", got == NULL ? err_name(e) : got);
}

#define LINE "GET /p/u/v1/x?a=~b HTTP/1.1\r\nHost: 127.0.0.1:7433\r\n"
#define OUT "GET /v1/x?a=~b HTTP/1.1\r\nHost: api.anthropic.com\r\n"
#define TAIL "x-api-key: sk-secret\r\nAccept-Encoding: identity\r\n\r\n"

/* Each must not reach an upstream, whatever the spelling. */
static const char *const removed[] = { "Authorization", "AUTHORIZATION", "authorization",
	"x-api-key", "X-Api-Key", "X_API_KEY", "x_api-key", "api-key", "API_KEY", "Cookie",
	"x-subscription-token", "X_Subscription_Token", "X-Goog-Api-Key", "Proxy-Authorization",
	"Proxy_Authorization", "X-Auth-Token", "Private-Token", "PRIVATE_TOKEN", "X-Corp-Pass",
	"x_corp_pass", "X-Amz-Security-Token", "X-HTTP-Method-Override", "X_HTTP_METHOD_OVERRIDE",
	"X-Method-Override", "X-HTTP-Method", "X-Original-URL", "X-Original-Path",
	"X_Envoy-Original-Path", "X-HTTP-Host-Override", "X-Rewrite-URL", "Forwarded",
	"X-Forwarded-For", "X_Forwarded_Host", "x-forwarded-anything", "Sidekey-Ticket",
	"Sidekey_Decision", "Expect-Not-Really-Connection-Named", "Accept-Encoding", "Range",
	"If-Range", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Upgrade" };
static const char *const kept[] = { "User-Agent", "anthropic-version", "Accept", "Content-Type",
	"Origin", "Sec-Fetch-Site", "traceparent", "If-None-Match", "X-Api-Keys", "Authorizations",
	"X-Forwarded", "Sidekey", "Mcp-Session-Id", "X-Stainless-Lang" };

static void
test_fields(void)
{
	char request[512], want[512];

	for (size_t i = 0; i < COUNT(removed); i++) {
		(void)snprintf(request, sizeof request,
		    LINE "Connection: keep-alive, Expect-Not-Really-Connection-Named\r\n%s: "
			 "leak\r\n\r\n",
		    removed[i]);
		is_head(&header_up, request, OUT TAIL, removed[i]);
	}
	for (size_t i = 0; i < COUNT(kept); i++) {
		(void)snprintf(request, sizeof request, LINE "%s: v\r\n\r\n", kept[i]);
		(void)snprintf(want, sizeof want, OUT "%s: v\r\n" TAIL, kept[i]);
		is_head(&header_up, request, want, kept[i]);
	}
	is_head(&header_up, LINE "x-api-key: a\r\nX-Api-Key: b\r\nAuthorization: c\r\n\r\n",
	    OUT TAIL, "several at once");
	is_head(&header_up, LINE "Connection: x-api-key\r\n\r\n", OUT TAIL,
	    "ours cannot be named away");
}

static void
test_places(void)
{
	is_head(&bearer_up, LINE "\r\n",
	    "GET /v1/x?a=~b HTTP/1.1\r\nHost: api.openai.com:8443\r\n"
	    "Authorization: Bearer sk-secret\r\nAccept-Encoding: identity\r\n\r\n",
	    "a template, and a port that is not 443");
	is_head(&basic_up, LINE "Authorization: Basic eDp5\r\n\r\n",
	    "GET /v1/x?a=~b HTTP/1.1\r\nHost: [2600::1]\r\n"
	    "Authorization: Basic eC1hY2Nlc3MtdG9rZW46c2stc2VjcmV0\r\n"
	    "Accept-Encoding: identity\r\n\r\n",
	    "basic, and an address for a host");
	is_head(&query_up, LINE "Authorization: Bearer x\r\n\r\n",
	    "GET /v1/x?a=~b&api_key=sk-secret HTTP/1.1\r\nHost: q.example\r\n"
	    "Accept-Encoding: identity\r\n\r\n",
	    "a query parameter behind the client's");
}

static void
test_framing(void)
{
	static const struct {
		const char *request, *want;
	} cases[] = {
		{ "POST /p/u/a HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n",
		    "POST /t HTTP/1.1\r\nHost: n.example\r\nContent-Length: 7\r\n\r\n" },
		{ "POST /p/u/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
		    "POST /t HTTP/1.1\r\nHost: n.example\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ "POST /p/u/a HTTP/1.1\r\nHost: h\r\n\r\n",
		    "POST /t HTTP/1.1\r\nHost: n.example\r\nContent-Length: 0\r\n\r\n" },
		{ "DELETE /p/u/a HTTP/1.0\r\n\r\n",
		    "DELETE /t HTTP/1.1\r\nHost: n.example\r\n\r\n" },
		{ "PUT /p/u/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: "
		  "100-continue\r\n\r\n",
		    "PUT /t HTTP/1.1\r\nHost: n.example\r\nContent-Length: 3\r\n"
		    "Expect: 100-continue\r\n\r\n" },
		{ "GET /p/u/a HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br\r\nRange: "
		  "bytes=0-1\r\n\r\n",
		    "GET /t HTTP/1.1\r\nHost: n.example\r\nAccept-Encoding: br\r\n"
		    "Range: bytes=0-1\r\n\r\n" },
	};
	enum err e;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got = inject(&none_up, cases[i].request, "/t", SPAN_NONE, &e);

		if (!ok(got != NULL && strcmp(got, cases[i].want) == 0, "framing %zu", i))
			printf("# got %s\n", got == NULL ? err_name(e) : got);
	}
}

static void
test_credentials(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum err want;
	} cases[] = {
		{ "a\r\nX: y", 7, ERR_RANGE },
		{ "a\nb", 3, ERR_RANGE },
		{ "a\rb", 3, ERR_RANGE },
		{ "a\0b", 3, ERR_RANGE },
		{ "a\tb", 3, ERR_RANGE },
		{ "\x7f", 1, ERR_RANGE },
		{ "\x1f", 1, ERR_RANGE },
		{ "with space", 10, ERR_OK },
		{ "\xc3\xa9", 2, ERR_OK },
	};
	const struct upstream *const ups[] = { &header_up, &basic_up, &query_up };
	enum err e;

	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t u = 0; u < COUNT(ups); u++) {
			(void)inject(
			    ups[u], LINE "\r\n", "/", span_of(cases[i].bytes, cases[i].len), &e);
			is_err(e, cases[i].want, "bytes of a credential");
		}
	ok(strstr(inject(&query_up, LINE "\r\n", "/x", span_str("a&b=c d%\xff#+"), &e),
	       "GET /x?api_key=a%26b%3Dc%20d%25%FF%23%2B HTTP/1.1\r\n") != NULL,
	    "a credential in a query is escaped");
}

static void
test_conflicts(void)
{
	static const struct {
		const char *target;
		bool want;
	} cases[] = {
		{ "/x", false },
		{ "/x?", false },
		{ "/x?a=b", false },
		{ "/x?api_key=1", true },
		{ "/x?api_key", true },
		{ "/x?a=b&api_key=1", true },
		{ "/x?a=b;api_key=1", true },
		{ "/x?API_KEY=1", true },
		{ "/x?%61pi_key=1", true },
		{ "/x?%61%70%69%5F%6b%65%79=1", true },
		{ "/x?%2561pi_key=1", true },
		{ "/x?api%5fkey=", true },
		{ "/x?api_keys=1", false },
		{ "/x?xapi_key=1", false },
		{ "/x?a=api_key", false },
		{ "/x?a=api_key=1", false },
		{ "/api_key=1", false },
		{ "/x?api_ke", false },
		{ "/x?api_key%", false },
		{ "/x?&&api_key", true },
		{ "/x?a?api_key=1", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(inject_query_conflict(span_str(cases[i].target), "api_key") == cases[i].want,
		    "%s %s", cases[i].target, cases[i].want ? "conflicts" : "is fine");
}

int
main(void)
{
	test_fields();
	test_places();
	test_framing();
	test_credentials();
	test_conflicts();
	return done();
}
