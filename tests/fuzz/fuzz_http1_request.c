/*
 * A request that parses means one thing only: nothing of it lies outside of its head, what is
 * written from its parts parses to the same, and no prefix of it is anything but unfinished.
 */
#include "broker/gateway/http1.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/head.h"

static void
check_written(const struct http1_head *h)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(2 * HTTP1_HEAD_MAX);
	struct http1_head again;
	const char *reason;

	head_put(&b, h->method);
	head_put(&b, span_str(" "));
	head_put(&b, h->target);
	head_put(&b, span_str(h->minor == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n"));
	head_put_fields(&b, h);
	if (b.len > HTTP1_HEAD_MAX)
		return; /* "a:" is one byte shorter than "a: " */
	must(http1_parse_request(buf_span(&b), &again, &reason) == ERR_OK);
	must(again.head_len == b.len);
	must(span_eq(h->method, again.method) && span_eq(h->target, again.target));
	must(span_eq(h->host, again.host) && h->expect_continue == again.expect_continue);
	head_same(h, &again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_head h, part;
	const char *reason, *part_reason;
	enum err e = http1_parse_request(span_of(data, size), &h, &reason);

	must((reason != NULL) == (e == ERR_SYNTAX || e == ERR_LIMIT));
	if (e != ERR_OK) {
		/* what was refused stays refused, whatever comes behind */
		enum err less = http1_parse_request(span_of(data, size / 2), &part, &part_reason);

		must(less == ERR_AGAIN || less == e);
		return 0;
	}
	head_inside(&h, span_of(data, size));
	must(h.framing != HTTP1_UNTIL_CLOSE && (h.minor == 0 || h.host.len > 0));
	for (size_t n = 0; n < h.head_len; n += 1 + h.head_len / 64)
		must(http1_parse_request(span_of(data, n), &part, &part_reason) == ERR_AGAIN);
	must(http1_parse_request(span_of(data, h.head_len - 1), &part, &part_reason) == ERR_AGAIN);
	check_written(&h);
	return 0;
}
