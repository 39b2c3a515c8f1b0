/*
 * Whole or cut in two anywhere: the same bytes, the same end, the same verdict. What was decoded,
 * encoded again and decoded, is the same. The first two bytes of the input say where it is cut.
 */
#include "broker/gateway/chunked.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX (1u << 20)

static enum err
feed(struct chunked *c, struct span in, struct buf *out, size_t *ret_used)
{
	while (!c->done) {
		struct span body = SPAN_NONE;
		size_t used = 0;
		enum err e = chunked_decode(c, in, &used, &body);

		if (e != ERR_OK)
			return e;
		must(used <= in.len && body.len <= used);
		if (used == 0)
			break;
		must(body.len == 0 || (body.p >= in.p && body.p + body.len <= in.p + used));
		must(buf_append_span(out, body) == ERR_OK);
		in = span_of(in.p + used, in.len - used);
		*ret_used += used;
	}
	return ERR_OK;
}

static void
check_encoded(struct span body)
{
	AUTO(buf_wipe) struct buf wire = BUF_MAX(BODY_MAX), out = BUF_MAX(BODY_MAX);
	struct chunked c = { 0 };
	char head[CHUNKED_HEAD_LEN];
	size_t used = 0;

	if (body.len > 0) {
		must(buf_append(&wire, head, chunked_head(body.len, head)) == ERR_OK);
		must(buf_append_span(&wire, body) == ERR_OK);
		must(buf_append_str(&wire, "\r\n") == ERR_OK);
	}
	must(buf_append_str(&wire, CHUNKED_END) == ERR_OK);
	must(feed(&c, buf_span(&wire), &out, &used) == ERR_OK && c.done && used == wire.len);
	must(span_eq(buf_span(&out), body));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf whole = BUF_MAX(BODY_MAX), halves = BUF_MAX(BODY_MAX);
	struct chunked a = { 0 }, b = { 0 };
	size_t used_a = 0, used_b = 0, cut;
	enum err ea, eb;

	if (size < 2)
		return 0;
	cut = (size_t)(data[0] << 8 | data[1]);
	data += 2;
	size -= 2;
	cut = size > 0 ? cut % (size + 1) : 0;
	ea = feed(&a, span_of(data, size), &whole, &used_a);
	eb = feed(&b, span_of(data, cut), &halves, &used_b);
	if (eb == ERR_OK && !b.done)
		eb = feed(&b, span_of(data + cut, size - cut), &halves, &used_b);
	must(ea == eb);
	if (ea != ERR_OK)
		return 0;
	must(a.done == b.done && used_a == used_b);
	must(a.done || used_a == size);
	must(span_eq(buf_span(&whole), buf_span(&halves)));
	if (a.done)
		check_encoded(buf_span(&whole));
	return 0;
}
