#include "broker/gateway/fields.h"

#include <string.h>

#include "common/secret.h"
#include "common/text.h"

/* A header that ends so carries a credential, whatever API it is of. Not every "-token" does: some
 * are nonces that a client must send. */
static const char *const credential_ends[] = {
	"access-key",
	"access-token",
	"api-key",
	"api-token",
	"apikey",
	"auth-token",
	"secret",
	"secret-key",
};

/* Others that are known to; all of them go, whatever the upstream, since one may read several. */
static const char *const credential_names[] = {
	"apca-api-key-id",
	"authentication",
	"authorization",
	"cb-access-passphrase",
	"cb-access-sign",
	"circle-token",
	"cookie",
	"cookie2",
	"dd-application-key",
	"deploy-token",
	"fastly-key",
	"job-token",
	"ocp-apim-subscription-key",
	"private-token",
	"proxy-authorization",
	"x-amz-security-token",
	"x-app-key",
	"x-appwrite-key",
	"x-auth-key",
	"x-auth-user-service-key",
	"x-authorization",
	"x-consul-token",
	"x-figma-token",
	"x-functions-key",
	"x-github-token",
	"x-gitlab-token",
	"x-goog-iam-authorization-token",
	"x-honeycomb-team",
	"x-insert-key",
	"x-jfrog-art-api",
	"x-license-key",
	"x-mashape-key",
	"x-metabase-session",
	"x-nomad-token",
	"x-original-authorization",
	"x-parse-master-key",
	"x-plex-token",
	"x-postmark-account-token",
	"x-postmark-server-token",
	"x-query-key",
	"x-rapidapi-key",
	"x-sentry-auth",
	"x-session-token",
	"x-subscription-token",
	"x-tableau-auth",
	"x-token",
	"x-vault-token",
};

static const char *const override_names[] = {
	"forwarded",
	"http-method-override",
	"proxy",
	"x-host",
	"x-http-host-override",
	"x-http-method",
	"x-http-method-override",
	"x-method-override",
	"x-override-url",
	"x-real-ip",
	"x-rewrite-uri",
	"x-rewrite-url",
	"x-waws-unencoded-url",
};

/* x-original-: url, uri, path, host, method; x-envoy-: the same, and retries. */
static const char *const override_prefixes[] = {
	"sidekey-",
	"x-envoy-",
	"x-forwarded-",
	"x-original-",
};

static bool
in_list(struct span name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (http1_name_like(name, list[i]))
			return true;
	return false;
}

/* The first bytes of name are like prefix, which is lower case. */
static bool
prefix_like(struct span name, const char *prefix)
{
	size_t len = strlen(prefix);

	return name.len >= len && http1_name_like(span_of(name.p, len), prefix);
}

static bool
is_credential_name(struct span name)
{
	for (size_t i = 0; i < COUNT(credential_ends); i++) {
		size_t len = strlen(credential_ends[i]);

		if (name.len >= len &&
		    http1_name_like(span_of(name.p + name.len - len, len), credential_ends[i]))
			return true;
	}
	return in_list(name, credential_names, COUNT(credential_names));
}

/* As http1_name_like(), against a name that may itself be in any spelling. */
static bool
same_name(struct span name, const char *other)
{
	size_t len = strlen(other);

	if (name.len != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t a = name.p[i], b = (uint8_t)other[i];

		a = a == '_' ? '-' : a >= 'A' && a <= 'Z' ? (uint8_t)(a | 0x20) : a;
		b = b == '_' ? '-' : b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b;
		if (a != b)
			return false;
	}
	return true;
}

bool
fields_is_credential(const struct upstream *up, struct span name)
{
	if (is_credential_name(name))
		return true;
	if (up == NULL)
		return false;
	if (up->inject == INJECT_HEADER && same_name(name, up->inject_name))
		return true;
	for (uint16_t i = 0; i < up->strip_count; i++)
		if (same_name(name, up->strip[i]))
			return true;
	return false;
}

bool
fields_is_override(struct span name)
{
	for (size_t i = 0; i < COUNT(override_prefixes); i++)
		if (prefix_like(name, override_prefixes[i]))
			return true;
	return in_list(name, override_names, COUNT(override_names));
}

static void
present(struct fields_presented *p, struct span value)
{
	if (value.len > 0 && value.len <= PRESENTED_LEN_MAX && p->count < PRESENTED_MAX)
		p->values[p->count++] = value;
}

/* Removes a scheme and the spaces behind it. */
static bool
cut_scheme(struct span *value, const char *scheme)
{
	size_t len = strlen(scheme);

	if (value->len <= len || !span_eq_nocase(span_of(value->p, len), scheme) ||
	    value->p[len] != ' ')
		return false;
	while (len < value->len && value->p[len] == ' ')
		len++;
	*value = span_of(value->p + len, value->len - len);
	return true;
}

static void
present_basic(struct fields_presented *p, struct span encoded)
{
	uint8_t *store;
	uint8_t *colon;
	size_t len;

	if (p->decoded_count == COUNT(p->decoded))
		return;
	store = p->decoded[p->decoded_count];
	if (text_unbase64(encoded, TEXT_BASE64, store, PRESENTED_LEN_MAX, &len) != ERR_OK)
		return;
	p->decoded_count++;
	colon = memchr(store, ':', len);
	if (colon == NULL) {
		present(p, span_of(store, len));
		return;
	}
	present(p, span_of(colon + 1, len - (size_t)(colon + 1 - store)));
	present(p, span_of(store, (size_t)(colon - store)));
}

void
fields_collect_presented(
    const struct upstream *up, const struct http1_head *h, struct fields_presented *ret_p)
{
	ret_p->count = 0;
	ret_p->decoded_count = 0;
	for (uint16_t i = 0; i < h->header_count; i++) {
		struct span value = h->headers[i].value;

		if (!fields_is_credential(up, h->headers[i].name))
			continue;
		if (cut_scheme(&value, "Basic")) {
			present_basic(ret_p, value);
			continue;
		}
		if (!cut_scheme(&value, "Bearer"))
			(void)cut_scheme(&value, "token");
		present(ret_p, value);
	}
}

bool
fields_is_browser(const struct http1_head *h)
{
	const struct http1_header *site;

	if (http1_find(h, "Origin", 0) != NULL)
		return true;
	for (uint16_t n = 0; (site = http1_find(h, "Sec-Fetch-Site", n)) != NULL; n++)
		if (!span_eq_str(site->value, "none") && !span_eq_str(site->value, "same-origin"))
			return true;
	return false;
}

bool
fields_trace_id(const struct http1_head *h, uint8_t ret_id[TRACE_ID_LEN])
{
	static const uint8_t none[TRACE_ID_LEN];
	const struct http1_header *f = http1_find(h, "traceparent", 0);
	const uint8_t *p;

	if (f == NULL || f->value.len != 55 || http1_find(h, "traceparent", 1) != NULL)
		return false;
	p = f->value.p;
	if (p[2] != '-' || p[35] != '-' || p[52] != '-')
		return false;
	return text_unhex(span_of(p + 3, 32), ret_id, TRACE_ID_LEN) == ERR_OK &&
	       !span_eq(span_of(ret_id, TRACE_ID_LEN), span_of(none, TRACE_ID_LEN));
}

bool
fields_is_own_host(struct span host)
{
	static const char *const names[] = { "127.0.0.1", "localhost", "[::1]" };

	if (span_eq_nocase(host, "sidekey"))
		return true;
	for (size_t i = 0; i < COUNT(names); i++) {
		size_t len = strlen(names[i]);

		if (host.len >= len && span_eq_nocase(span_of(host.p, len), names[i]) &&
		    (host.len == len ||
			host.p[len] == ':')) /* what follows, the parser held to digits */
			return true;
	}
	return false;
}
