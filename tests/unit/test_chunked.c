#include <string.h>

#include "broker/gateway/chunked.h"
#include "tests/lib/tap.h"

#define BYTES(s) s, sizeof(s) - 1
#define EXT64 ";0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

struct row {
	const char *what;
	const char *in;
	size_t len;
	enum err want;
	const char *body; /* ERR_OK: decoded; the rest of in is left over */
	size_t left_over;
	bool done;
};

static const struct row rows[] = {
	{ "nothing", BYTES(""), ERR_OK, "", 0, false },
	{ "empty body", BYTES("0\r\n\r\n"), ERR_OK, "", 0, true },
	{ "one chunk", BYTES("5\r\nhello\r\n0\r\n\r\n"), ERR_OK, "hello", 0, true },
	{ "two chunks", BYTES("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), ERR_OK, "hello!", 0, true },
	{ "unfinished", BYTES("5\r\nhel"), ERR_OK, "hel", 0, false },
	{ "end missing", BYTES("5\r\nhello\r\n0\r\n"), ERR_OK, "hello", 0, false },
	{ "bytes behind the end", BYTES("1\r\na\r\n0\r\n\r\nGET / "), ERR_OK, "a", 6, true },
	{ "hex in both cases", BYTES("A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"), ERR_OK,
	    "01234567890123456789a", 0, true },
	{ "nine", BYTES("9\r\n012345678\r\n0\r\n\r\n"), ERR_OK, "012345678", 0, true },
	{ "zeros in front", BYTES("0000000000000001\r\na\r\n0000\r\n\r\n"), ERR_OK, "a", 0, true },
	{ "CR LF in the body", BYTES("4\r\n\r\n\r\n\r\n0\r\n\r\n"), ERR_OK, "\r\n\r\n", 0, true },
	{ "extension", BYTES("1;a=b\r\nx\r\n0;c=\"d;e\"\r\n\r\n"), ERR_OK, "x", 0, true },
	{ "extension of 256", BYTES("1;" EXT64 EXT64 EXT64 EXT64 "\r\nx"), ERR_SYNTAX, NULL, 0,
	    false },
	{ "extension of 255", BYTES("1" EXT64 EXT64 EXT64 EXT64 "\r\nx"), ERR_OK, "x", 0, false },
	{ "trailers", BYTES("1\r\na\r\n0\r\nHost: x\r\nA:\r\n\r\nZ"), ERR_OK, "a", 1, true },
	{ "16 digits", BYTES("ffffffffffffffff\r\nab"), ERR_OK, "ab", 0, false },
	{ "17 digits", BYTES("00000000000000001\r\na"), ERR_SYNTAX, NULL, 0, false },
	{ "17 digits that wrap", BYTES("10000000000000005\r\nhello"), ERR_SYNTAX, NULL, 0, false },
	{ "no digit", BYTES("\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "no digit in the second chunk", BYTES("5\r\nhello\r\n\r\n\r\n"), ERR_SYNTAX, NULL, 0,
	    false },
	{ "16 digits in the second chunk", BYTES("1\r\na\r\n0000000000000001\r\nb\r\n0\r\n\r\n"),
	    ERR_OK, "ab", 0, true },
	{ "no digit, extension", BYTES(";a\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "0x", BYTES("0x5\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "plus", BYTES("+5\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "minus", BYTES("-5\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "underscore", BYTES("5_0\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "space in front", BYTES(" 5\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "space behind", BYTES("5 \r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "space before the extension", BYTES("5 ;a\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "not hex", BYTES("g\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "byte between hex and @", BYTES("1`\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "bare LF behind the size", BYTES("5\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "bare CR behind the size", BYTES("5\rhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "space in an extension", BYTES("5; a=b\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "tab in an extension", BYTES("5;a\t=b\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "a byte over 0x7f in an extension", BYTES("5;\xa0\r\nhello\r\n"), ERR_SYNTAX, NULL, 0,
	    false },
	{ "a trailer that is a length", BYTES("0\r\ncontent-LENGTH: 3\r\n\r\n"), ERR_SYNTAX, NULL,
	    0, false },
	{ "a trailer that is a coding", BYTES("0\r\nA: b\r\nTransfer-Encoding: x\r\n\r\n"),
	    ERR_SYNTAX, NULL, 0, false },
	{ "a trailer like a length", BYTES("0\r\nContent-Lengths: 3\r\nContent-Lengt: 3\r\n\r\n"),
	    ERR_OK, "", 0, true },
	{ "bare LF in an extension", BYTES("5;a\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "bare CR in an extension", BYTES("5;a\rb\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "NUL in an extension", BYTES("5;a\0b\r\nhello\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "body too long", BYTES("5\r\nhello!\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "another byte for the CR behind it", BYTES("5\r\nhello!\n0\r\n\r\n"), ERR_SYNTAX, NULL, 0,
	    false },
	{ "no CR behind the body", BYTES("5\r\nhello\n0\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "no LF behind the body", BYTES("5\r\nhello\r0\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "nothing behind the body", BYTES("5\r\nhello0\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "end by LF", BYTES("0\r\n\n"), ERR_SYNTAX, NULL, 0, false },
	{ "end by CR X", BYTES("0\r\n\rX"), ERR_SYNTAX, NULL, 0, false },
	{ "trailer without a colon", BYTES("0\r\nabc\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "trailer folded", BYTES("0\r\na: b\r\n c\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "trailer without a name", BYTES("0\r\n: b\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "trailer with a space in its name", BYTES("0\r\na : b\r\n\r\n"), ERR_SYNTAX, NULL, 0,
	    false },
	{ "trailer with a bare LF", BYTES("0\r\na: b\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "trailer with a bare CR", BYTES("0\r\na: b\rc\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
	{ "trailer with a control", BYTES("0\r\na: \x01\r\n\r\n"), ERR_SYNTAX, NULL, 0, false },
};

/* Feeds in, appends the body to out, and says in *ret_used how far it came. */
static enum err
feed(struct chunked *c, struct span in, struct buf *out, size_t *ret_used)
{
	*ret_used = 0;
	while (!c->done) {
		struct span body;
		size_t used;
		enum err e =
		    chunked_decode(c, span_of(in.p + *ret_used, in.len - *ret_used), &used, &body);

		if (e != ERR_OK)
			return e;
		if (used == 0)
			break;
		*ret_used += used;
		if (buf_append_span(out, body) != ERR_OK)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

static bool
as_wanted(const struct row *r, size_t first, size_t second)
{
	AUTO(buf_wipe) struct buf out = BUF_MAX(4096);
	struct chunked c = { 0 };
	size_t cuts[4] = { 0, first, second, r->len }, total = 0, used = 0;
	enum err e = ERR_OK;

	for (size_t i = 0; i < 3 && e == ERR_OK && !c.done; i++) {
		e = feed(&c, span_of(r->in + cuts[i], cuts[i + 1] - cuts[i]), &out, &used);
		total += used;
	}
	if (e != r->want)
		return false;
	if (e != ERR_OK) { /* and it stays so */
		struct span body;

		return chunked_decode(&c, span_str("0\r\n\r\n"), &used, &body) == e;
	}
	return c.done == r->done && span_eq_str(buf_span(&out), r->body) &&
	       r->len - total == r->left_over;
}

static void
run_row(const struct row *r)
{
	size_t bad = 0, tried = 0;

	ok(as_wanted(r, r->len, r->len), "%s", r->what);
	for (size_t i = 0; i <= r->len; i++)
		for (size_t k = i; k <= r->len; k++, tried++)
			bad += !as_wanted(r, i, k);
	ok(bad == 0, "%s: the same at %zu splits in three", r->what, tried);
}

static enum err
trailers_of(size_t len)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(1 << 20), out = BUF_MAX(16);
	struct chunked c = { 0 };
	size_t used;

	if (buf_append_str(&b, "0\r\nA:") != ERR_OK)
		return ERR_NOMEM;
	for (size_t i = 3; i < len; i++) /* "A:" and the CR count too */
		if (buf_append_byte(&b, 'x') != ERR_OK)
			return ERR_NOMEM;
	if (buf_append_str(&b, "\r\n\r\n") != ERR_OK)
		return ERR_NOMEM;
	return feed(&c, buf_span(&b), &out, &used);
}

static void
heads_are_written(void)
{
	static const struct {
		uint64_t len;
		const char *want;
	} heads[] = { { 1, "1\r\n" }, { 15, "f\r\n" }, { 16, "10\r\n" }, { 0x1a2b, "1a2b\r\n" },
		{ UINT64_MAX, "ffffffffffffffff\r\n" } };

	for (size_t i = 0; i < COUNT(heads); i++) {
		char dst[CHUNKED_HEAD_LEN];
		size_t n = chunked_head(heads[i].len, dst);

		ok(span_eq_str(span_of(dst, n), heads[i].want), "head of %llu",
		    (unsigned long long)heads[i].len);
	}
}

int
main(void)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		run_row(&rows[i]);
	is_err(trailers_of(CHUNKED_TRAILER_MAX), ERR_OK, "trailers of the maximum");
	is_err(trailers_of(CHUNKED_TRAILER_MAX + 1), ERR_SYNTAX, "one byte more");
	heads_are_written();
	return done();
}
