#include "broker/gateway/refuse.h"

#include <string.h>

#define MESSAGE_MAX 4096
#define BODY_MAX 32768 /* every byte of the texts may become a six-byte escape */

static const struct phrase {
	uint16_t status;
	const char *reason;
	const char *anthropic_type; /* what its clients map to an exception */
} phrases[] = {
	{ 200, "OK", "" },
	{ 400, "Bad Request", "invalid_request_error" },
	{ 401, "Unauthorized", "authentication_error" },
	{ 403, "Forbidden", "permission_error" },
	{ 404, "Not Found", "not_found_error" },
	{ 405, "Method Not Allowed", "invalid_request_error" },
	{ 408, "Request Timeout", "timeout_error" },
	{ 409, "Conflict", "invalid_request_error" },
	{ 413, "Content Too Large", "request_too_large" },
	{ 414, "URI Too Long", "invalid_request_error" },
	{ 417, "Expectation Failed", "invalid_request_error" },
	{ 421, "Misdirected Request", "permission_error" },
	{ 429, "Too Many Requests", "rate_limit_error" },
	{ 431, "Request Header Fields Too Large", "invalid_request_error" },
	{ 501, "Not Implemented", "invalid_request_error" },
	{ 502, "Bad Gateway", "api_error" },
	{ 503, "Service Unavailable", "api_error" },
	{ 504, "Gateway Timeout", "timeout_error" },
};

static const struct phrase *
phrase_of(uint16_t status)
{
	static const struct phrase other = { 0, "Error", "api_error" };

	for (size_t i = 0; i < COUNT(phrases); i++)
		if (phrases[i].status == status)
			return &phrases[i];
	return &other;
}

static bool
given(const char *s)
{
	return s != NULL && s[0] != '\0';
}

/* A JSON string. Bytes beyond ASCII are escaped one by one: the result is valid whatever a client
 * sent. */
static enum err
put_string(struct buf *out, const char *s)
{
	enum err e = buf_append_byte(out, '"');

	for (; *s != '\0' && e == ERR_OK; s++) {
		uint8_t c = (uint8_t)*s;

		if (c == '"' || c == '\\')
			e = buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			e = buf_printf(out, "\\u%04x", c);
		else
			e = buf_append_byte(out, c);
	}
	return e == ERR_OK ? buf_append_byte(out, '"') : e;
}

/* Appends before, s as a JSON string, after. */
static enum err
put_member(struct buf *out, const char *before, const char *s, const char *after)
{
	enum err e = buf_append_str(out, before);

	if (e == ERR_OK)
		e = put_string(out, s);
	return e == ERR_OK ? buf_append_str(out, after) : e;
}

/* code, rule and audit: what an operator greps for, in every shape. */
static enum err
put_details(struct buf *out, const struct refusal *r)
{
	enum err e = put_member(out, "\"code\":", r->code, "");

	if (e == ERR_OK && given(r->rule))
		e = put_member(out, ",\"rule\":", r->rule, "");
	if (e == ERR_OK && given(r->audit))
		e = put_member(out, ",\"audit\":", r->audit, "");
	return e;
}

static enum err
put_problem(struct buf *out, const struct refusal *r, const char *message)
{
	enum err e = put_member(
	    out, "{\"type\":\"about:blank\",\"title\":", phrase_of(r->status)->reason, "");

	if (e == ERR_OK)
		e = buf_printf(out, ",\"status\":%u", r->status);
	if (e == ERR_OK)
		e = put_member(out, ",\"detail\":", message, "");
	if (e == ERR_OK)
		e = put_member(out, ",\"hint\":", r->hint, ",");
	if (e == ERR_OK)
		e = put_details(out, r);
	return e == ERR_OK ? buf_append_str(out, "}") : e;
}

static enum err
put_anthropic(struct buf *out, const struct refusal *r, const char *message)
{
	enum err e = put_member(out,
	    "{\"type\":\"error\",\"error\":{\"type\":", phrase_of(r->status)->anthropic_type, "");

	if (e == ERR_OK)
		e = put_member(out, ",\"message\":", message, "},\"sidekey\":{");
	if (e == ERR_OK)
		e = put_details(out, r);
	return e == ERR_OK ? buf_append_str(out, "}}") : e;
}

static enum err
put_openai(struct buf *out, const struct refusal *r, const char *message)
{
	enum err e = put_member(out, "{\"error\":{\"message\":", message, "");

	if (e == ERR_OK)
		e = put_member(out, ",\"type\":", r->deny ? "permission_error" : "server_error",
		    ",\"param\":null,\"code\":");
	if (e == ERR_OK)
		e = put_member(out, "", r->code, "},\"sidekey\":{");
	if (e == ERR_OK)
		e = put_details(out, r);
	return e == ERR_OK ? buf_append_str(out, "}}") : e;
}

static enum err
put_github(struct buf *out, const struct refusal *r, const char *message)
{
	enum err e = put_member(out, "{\"message\":", message, "");

	if (e == ERR_OK)
		e = buf_printf(out, ",\"status\":\"%u\",\"sidekey\":{", r->status);
	if (e == ERR_OK)
		e = put_details(out, r);
	return e == ERR_OK ? buf_append_str(out, "}}") : e;
}

static enum err
put_body(struct buf *out, const struct refusal *r)
{
	static enum err (*const put[])(struct buf *, const struct refusal *, const char *) = {
		[SHAPE_PROBLEM] = put_problem,
		[SHAPE_ANTHROPIC] = put_anthropic,
		[SHAPE_OPENAI] = put_openai,
		[SHAPE_GITHUB] = put_github,
	};
	AUTO(buf_wipe) struct buf message = BUF_MAX(MESSAGE_MAX);
	/* A decision's hint is the keeper's own whole sentence, with its audit number. */
	bool whole = span_starts(span_str(r->hint), "sidekey: ");
	enum err e = buf_printf(&message, "%s%s", whole ? "" : "sidekey: ", r->hint);

	if (e == ERR_OK)
		e = buf_append_byte(&message, '\0');
	return e == ERR_OK ? put[r->shape](out, r, (const char *)message.data) : e;
}

static enum err
put_head(struct buf *out, uint16_t status, const char *type, size_t body_len, bool close)
{
	return buf_printf(out,
	    "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n%s",
	    status, phrase_of(status)->reason, type, body_len,
	    close ? "Connection: close\r\n" : "");
}

static enum err
put_extra_fields(struct buf *out, const struct refusal *r)
{
	enum err e = ERR_OK;

	if (r->deny) /* ends the client at once instead of after a minute of retries */
		e = buf_append_str(out, "x-should-retry: false\r\nSidekey-Decision: deny\r\n");
	if (e == ERR_OK && r->retry_after_s != 0)
		e = buf_printf(out, "Retry-After: %u\r\n", r->retry_after_s);
	if (e == ERR_OK && given(r->allow))
		e = buf_printf(out, "Allow: %s\r\n", r->allow);
	return e == ERR_OK ? buf_append_str(out, "\r\n") : e;
}

enum err
refuse_write(const struct refusal *r, bool close, bool head_only, struct buf *out)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(BODY_MAX);
	const char *type =
	    r->shape == SHAPE_PROBLEM ? "application/problem+json" : "application/json";
	enum err e = put_body(&body, r);

	if (e == ERR_OK)
		e = put_head(out, r->status, type, body.len, close);
	if (e == ERR_OK)
		e = put_extra_fields(out, r);
	return e == ERR_OK && !head_only ? buf_append_span(out, buf_span(&body)) : e;
}

enum err
refuse_write_json(uint16_t status, const char *json, bool close, bool head_only, struct buf *out)
{
	enum err e = put_head(out, status, "application/json", strlen(json), close);

	if (e == ERR_OK)
		e = buf_append_str(out, "\r\n");
	return e == ERR_OK && !head_only ? buf_append_str(out, json) : e;
}

struct refusal
refuse_denied(const struct deny *d)
{
	return (struct refusal){ .status = d->status,
		.code = d->code,
		.hint = d->hint,
		.rule = d->rule,
		.audit = d->audit,
		.retry_after_s = d->retry_after_s,
		.deny = d->status < 500 };
}
