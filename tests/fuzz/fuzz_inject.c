/* Whatever request is taken: what goes upstream parses to the same request, with our one credential
 * and none of the client's. */
#include <string.h>

#include "broker/gateway/fields.h"
#include "broker/gateway/inject.h"
#include "broker/gateway/route.h"
#include "tests/fuzz/fuzz.h"

#define KEY "sk-fuzz-0123456789"

static char header_name[] = "X-Api-Key", header_value[] = "{credential}";
static char basic_user[] = "user", query_name[] = "key", no_path[] = "";

static const struct upstream ups[] = {
	{ .host = "up.example",
	    .port = 443,
	    .base_path = no_path,
	    .inject = INJECT_HEADER,
	    .inject_name = header_name,
	    .inject_value = header_value },
	{ .host = "up.example",
	    .port = 443,
	    .base_path = no_path,
	    .inject = INJECT_BASIC,
	    .inject_name = basic_user },
	{ .host = "up.example",
	    .port = 443,
	    .base_path = no_path,
	    .inject = INJECT_QUERY,
	    .inject_name = query_name },
};

static struct span
want_value(const struct upstream *up)
{
	return up->inject == INJECT_BASIC ? span_str("Basic dXNlcjpzay1mdXp6LTAxMjM0NTY3ODk=")
					  : span_str(KEY);
}

static void
check_fields(const struct upstream *up, const struct http1_head *out)
{
	size_t credentials = 0;

	for (uint16_t i = 0; i < out->header_count; i++) {
		const struct http1_header *f = &out->headers[i];

		must(!fields_is_override(f->name));
		if (!fields_is_credential(up, f->name))
			continue;
		credentials++;
		must(span_eq(f->value, want_value(up)));
	}
	must(credentials == (up->inject == INJECT_QUERY ? 0 : 1));
	must(http1_find(out, "Connection", 0) == NULL && http1_find(out, "Upgrade", 0) == NULL);
	must(span_eq_str(out->host, "up.example"));
}

static void
check_target(const struct upstream *up, struct span in, struct span out)
{
	must(out.len >= in.len && span_eq(span_of(out.p, in.len), in)); /* byte for byte */
	if (up->inject == INJECT_QUERY)
		must(span_eq_str(span_of(out.p + in.len + 1, out.len - in.len - 1), "key=" KEY));
	else
		must(out.len == in.len);
}

static void
check(const struct upstream *up, const struct http1_head *in)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(INJECT_HEAD_MAX);
	struct http1_head out;
	const char *reason;

	must(inject_head(up, in, in->target, span_str(KEY), &text) == ERR_OK);
	if (http1_parse_request(buf_span(&text), &out, &reason) == ERR_LIMIT)
		return; /* our fields were a few too many for our own limits: the upstream's to
			   judge */
	must(out.head_len == text.len && span_eq(out.method, in->method));
	must(out.framing == in->framing ||
	     (in->framing == HTTP1_NO_BODY && out.framing == HTTP1_LENGTH &&
		 out.content_length == 0));
	must(in->framing != HTTP1_LENGTH || out.content_length == in->content_length);
	check_fields(up, &out);
	check_target(up, in->target, out.target);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fields_presented presented;
	struct http1_head h;
	const char *reason;
	struct route r;

	if (http1_parse_request(span_of(data, size), &h, &reason) != ERR_OK)
		return 0;
	r = route_find(h.method, h.target, true, ALPN_FORWARD);
	if (r.refusal != ROUTE_OK || r.kind != ROUTE_PROXY)
		return 0;
	must(r.rest.len > 0 && r.rest.p[0] == '/' && name_object_check(r.upstream) == ERR_OK);
	h.target = r.rest;
	for (size_t i = 0; i < COUNT(ups); i++) {
		fields_collect_presented(&ups[i], &h, &presented);
		must(presented.count <= PRESENTED_MAX);
		check(&ups[i], &h);
	}
	(void)inject_query_conflict(h.target, query_name);
	return 0;
}
