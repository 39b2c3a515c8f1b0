/*
 * head - what must hold for any HTTP head that parsed, for both fuzz targets of it.
 * Process: tests.   Owns: nothing.   Secrets: none.   Limits: none.   Failure: must().
 */
#ifndef TESTS_FUZZ_HEAD_H
#define TESTS_FUZZ_HEAD_H

#include <string.h>

#include "broker/gateway/http1.h"

static inline void
head_put(struct buf *b, struct span s)
{
	must(buf_append_span(b, s) == ERR_OK);
}

static inline void
head_put_fields(struct buf *b, const struct http1_head *h)
{
	for (uint16_t i = 0; i < h->header_count; i++) {
		head_put(b, h->headers[i].name);
		head_put(b, span_str(": "));
		head_put(b, h->headers[i].value);
		head_put(b, span_str("\r\n"));
	}
	head_put(b, span_str("\r\n"));
}

static inline void
head_same(const struct http1_head *a, const struct http1_head *b)
{
	must(a->minor == b->minor && a->header_count == b->header_count);
	must(a->framing == b->framing && a->content_length == b->content_length);
	must(a->keep_alive == b->keep_alive && a->upgrade == b->upgrade);
	for (uint16_t i = 0; i < a->header_count; i++) {
		must(span_eq(a->headers[i].name, b->headers[i].name));
		must(span_eq(a->headers[i].value, b->headers[i].value));
	}
}

static inline void
head_span_inside(struct span s, struct span head)
{
	if (s.len == 0)
		return;
	must(s.p >= head.p && s.p + s.len <= head.p + head.len);
	must(memchr(s.p, '\r', s.len) == NULL && memchr(s.p, '\n', s.len) == NULL &&
	     memchr(s.p, '\0', s.len) == NULL);
}

static inline void
head_inside(const struct http1_head *h, struct span in)
{
	struct span head = span_of(in.p, h->head_len);

	must(h->head_len <= in.len && h->head_len <= HTTP1_HEAD_MAX);
	must(h->header_count <= HTTP1_HEADERS_MAX && h->minor <= 1);
	must(memcmp(head.p + head.len - 4, "\r\n\r\n", 4) == 0);
	head_span_inside(h->method, head);
	head_span_inside(h->target, head);
	head_span_inside(h->reason, head);
	head_span_inside(h->host, head);
	for (uint16_t i = 0; i < h->header_count; i++) {
		must(h->headers[i].name.len > 0);
		head_span_inside(h->headers[i].name, head);
		head_span_inside(h->headers[i].value, head);
		(void)http1_is_hop_by_hop(h, h->headers[i].name);
	}
	must(http1_find(h, "content-length", 1) == NULL);
	must(http1_find(h, "transfer-encoding", 1) == NULL);
	must(http1_find(h, "content-length", 0) == NULL ||
	     http1_find(h, "transfer-encoding", 0) == NULL);
}

#endif
