#include "broker/gateway/resphead.h"

static bool
is_ours(struct span name)
{
	static const char *const names[] = { "content-length", "transfer-encoding" };
	static const char own[] = "sidekey-";

	for (size_t i = 0; i < COUNT(names); i++)
		if (http1_name_like(name, names[i]))
			return true;
	return name.len >= sizeof own - 1 && http1_name_like(span_of(name.p, sizeof own - 1), own);
}

/* Anything but identity hides the secret from the scanner. */
static bool
can_scan(const struct http1_head *h)
{
	const struct http1_header *f;

	for (uint16_t n = 0; (f = http1_find(h, "Content-Encoding", n)) != NULL; n++)
		if (f->value.len > 0 && !span_eq_nocase(f->value, "identity"))
			return false;
	return true;
}

static enum err
put_fields(const struct http1_head *h, struct buf *out)
{
	enum err e = ERR_OK;

	for (uint16_t i = 0; i < h->header_count && e == ERR_OK; i++) {
		const struct http1_header *f = &h->headers[i];

		if (is_ours(f->name) || http1_is_hop_by_hop(h, f->name))
			continue;
		e = buf_append_span(out, f->name);
		if (e == ERR_OK)
			e = buf_append(out, ": ", 2);
		if (e == ERR_OK)
			e = buf_append_span(out, f->value);
		if (e == ERR_OK)
			e = buf_append(out, "\r\n", 2);
	}
	return e;
}

static enum err
put_status_line(const struct http1_head *h, struct buf *out)
{
	enum err e = buf_printf(out, "HTTP/1.1 %u ", h->status);

	if (e == ERR_OK)
		e = buf_append_span(out, h->reason);
	return e == ERR_OK ? buf_append(out, "\r\n", 2) : e;
}

/* Without a body the length still says how long a GET's would be (RFC 9110 section 8.6); 204 has
 * none. */
static enum err
put_length_of_none(const struct resphead *r, struct buf *out)
{
	const struct http1_header *f = http1_find(r->head, "Content-Length", 0);

	if (f == NULL || (!r->to_head && r->head->status != 304))
		return ERR_OK;
	return buf_printf(
	    out, "Content-Length: %.*s\r\n", (int)f->value.len, (const char *)f->value.p);
}

static enum err
put_framing(const struct resphead *r, struct buf *out, enum http1_framing *ret_framing)
{
	switch (r->head->framing) {
	case HTTP1_NO_BODY:
		*ret_framing = HTTP1_NO_BODY;
		return put_length_of_none(r, out);
	case HTTP1_LENGTH:
		*ret_framing = HTTP1_LENGTH;
		return buf_printf(
		    out, "Content-Length: %llu\r\n", (unsigned long long)r->head->content_length);
	case HTTP1_CHUNKED:
	case HTTP1_UNTIL_CLOSE:
		break;
	}
	if (r->client_minor == 0) {
		*ret_framing = HTTP1_UNTIL_CLOSE;
		return ERR_OK;
	}
	*ret_framing = HTTP1_CHUNKED;
	return buf_append_str(out, "Transfer-Encoding: chunked\r\n");
}

enum err
resphead_write(const struct resphead *r, struct buf *out, enum http1_framing *ret_framing)
{
	size_t start = out->len;
	enum err e;

	if (r->redact != NULL && !can_scan(r->head))
		return ERR_DENIED;
	e = put_status_line(r->head, out);
	if (e == ERR_OK)
		e = put_fields(r->head, out);
	if (e == ERR_OK && r->redact != NULL)
		redact_blank(r->redact, out->data + start, out->len - start, r->echoed);
	if (e == ERR_OK)
		e = put_framing(r, out, ret_framing);
	if (e == ERR_OK && r->close)
		e = buf_append_str(out, "Connection: close\r\n");
	return e == ERR_OK ? buf_append(out, "\r\n", 2) : e;
}
