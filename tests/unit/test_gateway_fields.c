/* What a client's header fields say before they are dropped. */
#include <string.h>

#include "broker/gateway/fields.h"
#include "tests/lib/tap.h"

static struct http1_head
parse(const char *fields)
{
	static char request[4096];
	const char *reason;
	struct http1_head h;

	(void)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
	must(http1_parse_request(span_str(request), &h, &reason) == ERR_OK);
	return h;
}

static const struct {
	const char *fields;
	const char *want[PRESENTED_MAX + 1]; /* up to a NULL */
} presented[] = {
	{ "", { NULL } },
	{ "User-Agent: sk-ant-1\r\n", { NULL } },
	{ "x-api-key: sk-ant-1\r\n", { "sk-ant-1" } },
	{ "Authorization: Bearer sk-ant-1\r\n", { "sk-ant-1" } },
	{ "Authorization: bearer   sk-ant-1\r\n", { "sk-ant-1" } },
	{ "Authorization: token ghp_1\r\n", { "ghp_1" } },
	{ "Authorization: ghp_1\r\n", { "ghp_1" } },
	{ "Authorization: Bearer\r\n", { "Bearer" } },
	{ "Authorization:\r\n", { NULL } },
	{ "authorization: Bearer a\r\nX_API_KEY: b\r\n", { "a", "b" } },
	{ "Authorization: Basic eC1hY2Nlc3MtdG9rZW46Z2hwXzE=\r\n", { "ghp_1", "x-access-token" } },
	{ "Authorization: Basic Z2hwXzE6\r\n", { "ghp_1" } },
	{ "Authorization: Basic Z2hwXzE=\r\n", { "ghp_1" } },
	{ "Authorization: Basic !!!\r\n", { NULL } },
	{ "x-api-key: 1\r\napi-key: 2\r\nprivate-token: 3\r\nx-auth-token: 4\r\ncookie: 5\r\n",
	    { "1", "2", "3", "4" } },
};

static void
test_presented(void)
{
	for (size_t i = 0; i < COUNT(presented); i++) {
		struct http1_head h = parse(presented[i].fields);
		struct fields_presented p;
		uint16_t n = 0;
		bool good = true;

		fields_collect_presented(NULL, &h, &p);
		for (; presented[i].want[n] != NULL; n++)
			good =
			    good && n < p.count && span_eq_str(p.values[n], presented[i].want[n]);
		ok(good && n == p.count, "presented %zu: %u values", i, p.count);
	}
}

static void
test_long(void)
{
	char fields[PRESENTED_LEN_MAX + 64];
	struct http1_head h;
	struct fields_presented p;

	for (size_t len = PRESENTED_LEN_MAX; len <= PRESENTED_LEN_MAX + 1; len++) {
		(void)snprintf(fields, sizeof fields, "x-api-key: %0*d\r\n", (int)len, 0);
		h = parse(fields);
		fields_collect_presented(NULL, &h, &p);
		ok(p.count == (len <= PRESENTED_LEN_MAX), "a value of %zu bytes", len);
	}
}

static const struct {
	const char *fields;
	bool want;
} browsers[] = {
	{ "", false },
	{ "Origin: https://evil.example\r\n", true },
	{ "Origin: null\r\n", true },
	{ "origin:\r\n", true },
	{ "Sec-Fetch-Site: none\r\n", false },
	{ "Sec-Fetch-Site: same-origin\r\n", false },
	{ "Sec-Fetch-Site: same-site\r\n", true },
	{ "Sec-Fetch-Site: cross-site\r\n", true },
	{ "Sec-Fetch-Site: None\r\n", true },
	{ "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", true },
	{ "Sec-Fetch-Mode: cors\r\n", false },
};

static const struct {
	const char *host;
	bool want;
} hosts[] = {
	{ "127.0.0.1", true },
	{ "127.0.0.1:7433", true },
	{ "localhost", true },
	{ "LocalHost:1", true },
	{ "[::1]", true },
	{ "[::1]:7433", true },
	{ "sidekey", true },
	{ "SIDEKEY", true },
	{ "sidekey:80", false },
	{ "", false },
	{ "127.0.0.10", false },
	{ "127.0.0.1.evil.example", false },
	{ "localhost.evil.example", false },
	{ "localhostx", false },
	{ "evil.example", false },
	{ "evil.example:7433", false },
	{ "0.0.0.0", false },
	{ "127.1", false },
	{ "[::]", false },
	{ "[::1]x", false },
	{ "api.anthropic.com", false },
};

static const struct {
	const char *fields;
	bool want;
} traces[] = {
	{ "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", true },
	{ "", false },
	{ "traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01\r\n", false },
	{ "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01\r\n", false },
	{ "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\r\n", false },
	{ "traceparent: 00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", false },
	{ "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
	  "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
	    false },
};

static const struct {
	const char *name;
	bool want;
} credentials[] = {
	{ "Authorization", true },
	{ "AUTHORIZATION", true },
	{ "Proxy_Authorization", true },
	{ "Cookie", true },
	{ "x-api-key", true },
	{ "X_API_KEY", true },
	{ "api-key", true },
	{ "DD-API-KEY", true },
	{ "DD-APPLICATION-KEY", true },
	{ "dd_application_key", true },
	{ "xi-api-key", true },
	{ "X-OpenAI-Api-Key", true },
	{ "X-Goog-Api-Key", true },
	{ "X-MBX-APIKEY", true },
	{ "APCA-API-KEY-ID", true },
	{ "APCA-API-SECRET-KEY", true },
	{ "X-Figma-Token", true },
	{ "X-Auth-Token", true },
	{ "PRIVATE-TOKEN", true },
	{ "X-Vault-Token", true },
	{ "X-Shopify-Access-Token", true },
	{ "X-Amz-Security-Token", true },
	{ "Circle-Token", true },
	{ "X-Postmark-Server-Token", true },
	{ "X-Postmark-Account-Token", true },
	{ "X-Auth-User-Service-Key", true },
	{ "X-Hasura-Admin-Secret", true },
	{ "CF-Access-Client-Secret", true },
	{ "x-honeycomb-team", true },
	{ "Fastly-Key", true },
	/* what clients must be able to send */
	{ "Idempotency-Key", false },
	{ "X-Atlassian-Token", false },
	{ "X-CSRF-Token", false },
	{ "X-Amz-Date", false },
	{ "x-goog-user-project", false },
	{ "anthropic-version", false },
	{ "openai-organization", false },
	{ "x-authorization-id", false },
	{ "api-key-id", false },
	{ "X-Auth-Email", false },
	{ "key", false },
	{ "a", false },
};

int
main(void)
{
	uint8_t id[TRACE_ID_LEN];

	test_presented();
	test_long();
	for (size_t i = 0; i < COUNT(credentials); i++)
		ok(fields_is_credential(NULL, span_str(credentials[i].name)) == credentials[i].want,
		    "%s is %s credential", credentials[i].name, credentials[i].want ? "a" : "no");
	for (size_t i = 0; i < COUNT(browsers); i++) {
		struct http1_head h = parse(browsers[i].fields);

		ok(fields_is_browser(&h) == browsers[i].want, "browser %zu", i);
	}
	for (size_t i = 0; i < COUNT(hosts); i++)
		ok(fields_is_own_host(span_str(hosts[i].host)) == hosts[i].want, "host \"%s\"",
		    hosts[i].host);
	for (size_t i = 0; i < COUNT(traces); i++) {
		struct http1_head h = parse(traces[i].fields);

		ok(fields_trace_id(&h, id) == traces[i].want, "trace %zu", i);
	}
	return done();
}
