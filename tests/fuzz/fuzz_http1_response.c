/* As for requests; the first byte of the input chooses the request's method. */
#include "broker/gateway/http1.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/head.h"

static void
check_written(const struct http1_head *h, struct span method)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(2 * HTTP1_HEAD_MAX);
	struct http1_head again;
	const char *reason;

	must(buf_printf(&b, "HTTP/1.%d %d ", h->minor, h->status) == ERR_OK);
	head_put(&b, h->reason);
	head_put(&b, span_str("\r\n"));
	head_put_fields(&b, h);
	if (b.len > HTTP1_HEAD_MAX)
		return;
	must(http1_parse_response(buf_span(&b), method, &again, &reason) == ERR_OK);
	must(again.head_len == b.len && again.status == h->status);
	must(span_eq(h->reason, again.reason));
	head_same(h, &again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = { "GET", "HEAD", "POST" };
	struct http1_head h, part;
	const char *reason, *part_reason;
	struct span in, method;
	enum err e;

	if (size == 0)
		return 0;
	method = span_str(methods[data[0] % COUNT(methods)]);
	in = span_of(data + 1, size - 1);
	e = http1_parse_response(in, method, &h, &reason);
	must((reason != NULL) == (e == ERR_SYNTAX || e == ERR_LIMIT));
	if (e != ERR_OK)
		return 0;
	head_inside(&h, in);
	must(h.status >= 100 && h.status < 600);
	if (h.status < 200 || h.status == 204 || h.status == 304 || span_eq_str(method, "HEAD"))
		must(h.framing == HTTP1_NO_BODY);
	else
		must(h.framing != HTTP1_NO_BODY);
	must(h.framing != HTTP1_UNTIL_CLOSE || !h.keep_alive);
	for (size_t n = 0; n < h.head_len; n += 1 + h.head_len / 64)
		must(http1_parse_response(span_of(in.p, n), method, &part, &part_reason) ==
		     ERR_AGAIN);
	check_written(&h, method);
	return 0;
}
