#include "broker/gateway/inject.h"

#include <string.h>

#include "broker/gateway/fields.h"
#include "common/text.h"

#define HTTPS_PORT 443

/* Refused when it was stored, and here again: a CR or LF would end our header and begin another. */
static enum err
check_credential(struct span credential)
{
	for (size_t i = 0; i < credential.len; i++)
		if (credential.p[i] < 0x20 || credential.p[i] == 0x7f)
			return ERR_RANGE;
	return ERR_OK;
}

static bool
is_unreserved(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static enum err
put_escaped(struct buf *out, struct span s)
{
	static const char digits[] = "0123456789ABCDEF";
	enum err e = ERR_OK;

	for (size_t i = 0; i < s.len && e == ERR_OK; i++) {
		uint8_t c = s.p[i];
		const uint8_t escape[3] = { '%', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15] };

		e = is_unreserved(c) ? buf_append_byte(out, c) : buf_append(out, escape, 3);
	}
	return e;
}

static enum err
put_query(const struct upstream *up, struct span target, struct span credential, struct buf *out)
{
	bool has_query = memchr(target.p, '?', target.len) != NULL;
	enum err e = buf_append_str(out, has_query ? "&" : "?");

	if (e == ERR_OK)
		e = put_escaped(out, span_str(up->inject_name));
	if (e == ERR_OK)
		e = buf_append_str(out, "=");
	return e == ERR_OK ? put_escaped(out, credential) : e;
}

static enum err
put_request_line(const struct upstream *up, const struct http1_head *h, struct span target,
    struct span credential, struct buf *out)
{
	enum err e = buf_append_span(out, h->method);

	if (e == ERR_OK)
		e = buf_append_byte(out, ' ');
	if (e == ERR_OK)
		e = buf_append_span(out, target);
	if (e == ERR_OK && up->inject == INJECT_QUERY && credential.len > 0)
		e = put_query(up, target, credential, out);
	return e == ERR_OK ? buf_append_str(out, " HTTP/1.1\r\nHost: ") : e;
}

static enum err
put_host(const struct upstream *up, struct buf *out)
{
	bool brackets = strchr(up->host, ':') != NULL; /* an IPv6 literal */
	enum err e = buf_append_str(out, brackets ? "[" : "");

	if (e == ERR_OK)
		e = buf_append_str(out, up->host);
	if (e == ERR_OK && brackets)
		e = buf_append_str(out, "]");
	if (e == ERR_OK && up->port != HTTPS_PORT)
		e = buf_printf(out, ":%u", up->port);
	return e == ERR_OK ? buf_append_str(out, "\r\n") : e;
}

/* What is set by us, and what would take a part of a secret past the scanner. */
static bool
is_ours(struct span name, bool scanned)
{
	static const char *const always[] = { "host", "content-length", "expect" };
	static const char *const when_scanned[] = { "accept-encoding", "range", "if-range" };

	for (size_t i = 0; i < COUNT(always); i++)
		if (http1_name_like(name, always[i]))
			return true;
	for (size_t i = 0; scanned && i < COUNT(when_scanned); i++)
		if (http1_name_like(name, when_scanned[i]))
			return true;
	return false;
}

static enum err
put_field(struct span name, struct span value, struct buf *out)
{
	enum err e = buf_append_span(out, name);

	if (e == ERR_OK)
		e = buf_append(out, ": ", 2);
	if (e == ERR_OK)
		e = buf_append_span(out, value);
	return e == ERR_OK ? buf_append(out, "\r\n", 2) : e;
}

static enum err
put_client_fields(
    const struct upstream *up, const struct http1_head *h, bool scanned, struct buf *out)
{
	enum err e = ERR_OK;

	for (uint16_t i = 0; i < h->header_count && e == ERR_OK; i++) {
		struct span name = h->headers[i].name;

		if (!is_ours(name, scanned) && !http1_is_hop_by_hop(h, name) &&
		    !fields_is_credential(up, name) && !fields_is_override(name))
			e = put_field(name, h->headers[i].value, out);
	}
	return e;
}

static bool
method_has_body(struct span method)
{
	return span_eq_str(method, "POST") || span_eq_str(method, "PUT") ||
	       span_eq_str(method, "PATCH");
}

static enum err
put_framing(const struct http1_head *h, struct buf *out)
{
	enum err e = ERR_OK;

	if (h->framing == HTTP1_CHUNKED)
		e = buf_append_str(out, "Transfer-Encoding: chunked\r\n");
	else if (h->framing == HTTP1_LENGTH)
		e = buf_printf(
		    out, "Content-Length: %llu\r\n", (unsigned long long)h->content_length);
	else if (method_has_body(h->method))
		e = buf_append_str(out, "Content-Length: 0\r\n");
	if (e == ERR_OK && h->expect_continue)
		e = buf_append_str(out, "Expect: 100-continue\r\n");
	return e;
}

static enum err
put_basic(const struct upstream *up, struct span credential, struct buf *out)
{
	AUTO(buf_wipe) struct buf pair = BUF_MAX(INJECT_HEAD_MAX);
	size_t len;
	enum err e = buf_append_str(&pair, up->inject_name);

	if (e == ERR_OK)
		e = buf_append_byte(&pair, ':');
	if (e == ERR_OK)
		e = buf_append_span(&pair, credential);
	if (e == ERR_OK)
		e = buf_append_str(out, "Authorization: Basic ");
	if (e != ERR_OK)
		return e;
	len = text_base64_len(pair.len, TEXT_BASE64);
	e = buf_reserve(out, len + 1);
	if (e != ERR_OK)
		return e;
	text_base64(pair.data, pair.len, TEXT_BASE64, (char *)buf_tail(out));
	buf_added(out, len);
	return buf_append(out, "\r\n", 2);
}

static enum err
put_header(const struct upstream *up, struct span credential, struct buf *out)
{
	static const char mark[] = "{credential}";
	const char *at = strstr(up->inject_value, mark);
	enum err e;

	if (at == NULL)
		return ERR_RANGE;
	e = buf_append_str(out, up->inject_name);
	if (e == ERR_OK)
		e = buf_append(out, ": ", 2);
	if (e == ERR_OK)
		e = buf_append(out, up->inject_value, (size_t)(at - up->inject_value));
	if (e == ERR_OK)
		e = buf_append_span(out, credential);
	if (e == ERR_OK)
		e = buf_append_str(out, at + sizeof mark - 1);
	return e == ERR_OK ? buf_append(out, "\r\n", 2) : e;
}

static enum err
put_credential(const struct upstream *up, struct span credential, struct buf *out)
{
	if (credential.len == 0 || up->inject == INJECT_QUERY)
		return ERR_OK;
	if (up->inject == INJECT_BASIC)
		return put_basic(up, credential, out);
	return up->inject == INJECT_HEADER ? put_header(up, credential, out) : ERR_RANGE;
}

enum err
inject_head(const struct upstream *up, const struct http1_head *h, struct span target,
    struct span credential, struct buf *out)
{
	bool scanned = credential.len > 0;
	enum err e = check_credential(credential);

	if (e == ERR_OK)
		e = put_request_line(up, h, target, credential, out);
	if (e == ERR_OK)
		e = put_host(up, out);
	if (e == ERR_OK)
		e = put_client_fields(up, h, scanned, out);
	if (e == ERR_OK)
		e = put_credential(up, credential, out);
	if (e == ERR_OK && scanned) /* behind it: OpenSSL's AES-GCM (3.1, AVX-512) keeps a record's
				       last 15 bytes for as long as the connection is open */
		e = buf_append_str(out, "Accept-Encoding: identity\r\n");
	if (e == ERR_OK)
		e = put_framing(h, out);
	return e == ERR_OK ? buf_append(out, "\r\n", 2) : e;
}

/* Decoded as often as it takes: "%256b" is "k" to a server that decodes twice. */
static uint8_t
decode_one(struct span s, size_t *at)
{
	uint8_t c = s.p[(*at)++];

	while (c == '%' && *at + 1 < s.len && text_hex_value(s.p[*at]) >= 0 &&
	       text_hex_value(s.p[*at + 1]) >= 0) {
		c = (uint8_t)(text_hex_value(s.p[*at]) << 4 | text_hex_value(s.p[*at + 1]));
		*at += 2;
	}
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c == '+' ? ' ' : c;
}

static bool
name_is(struct span raw, const char *name)
{
	size_t at = 0;

	for (; *name != '\0'; name++) {
		uint8_t want = (uint8_t)*name;

		if (at >= raw.len)
			return false;
		if (want >= 'A' && want <= 'Z')
			want |= 0x20;
		if (decode_one(raw, &at) != want)
			return false;
	}
	return at == raw.len;
}

bool
inject_query_conflict(struct span target, const char *name)
{
	const uint8_t *query = memchr(target.p, '?', target.len);
	const uint8_t *end = target.p + target.len;

	while (query != NULL && query < end) {
		const uint8_t *start = query + 1, *p = start;

		while (p < end && *p != '&' && *p != ';' && *p != '=')
			p++;
		if (name_is(span_of(start, (size_t)(p - start)), name))
			return true;
		while (p < end && *p != '&' && *p != ';')
			p++;
		query = p;
	}
	return false;
}
