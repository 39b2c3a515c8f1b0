#include <string.h>

#include "broker/ipc/wire.h"
#include "tests/lib/tap.h"

static void
put_all(struct wire_writer *w)
{
	wire_put_u8(w, 0xab);
	wire_put_u16(w, 0x1234);
	wire_put_u32(w, 0xdeadbeef);
	wire_put_u64(w, 0x0102030405060708);
	wire_put_i64(w, -2);
	wire_put_bool(w, true);
	wire_put_fixed(w, "xyz", 3);
	wire_put_bytes(w, span_str("bytes"));
	wire_put_blob(w, span_str("blob"));
	wire_put_str(w, "str");
	wire_put_str(w, NULL);
}

static enum err
get_all(struct span in, bool *ret_same)
{
	struct wire_reader r = wire_read(in);
	char s[8], none[1];
	bool same = wire_u8(&r) == 0xab;

	same = wire_u16(&r) == 0x1234 && same;
	same = wire_u32(&r) == 0xdeadbeef && same;
	same = wire_u64(&r) == 0x0102030405060708 && same;
	same = wire_i64(&r) == -2 && same;
	same = wire_bool(&r) && same;
	same = span_eq_str(wire_fixed(&r, 3), "xyz") && same;
	same = span_eq_str(wire_bytes(&r, 5), "bytes") && same;
	same = span_eq_str(wire_blob(&r, 4), "blob") && same;
	wire_str(&r, s, sizeof(s));
	wire_str(&r, none, sizeof(none));
	*ret_same = same && strcmp(s, "str") == 0 && none[0] == '\0';
	return wire_done(&r);
}

static void
goes_round(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(256);
	struct wire_writer w = wire_write(&b);
	size_t bad = 0;
	bool same;

	put_all(&w);
	is_err(w.e, ERR_OK, "written");
	ok(memcmp(b.data, "\xab\x34\x12\xef\xbe\xad\xde\x08\x07", 9) == 0, "little-endian");
	is_err(get_all(buf_span(&b), &same), ERR_OK, "read");
	ok(same, "every value");
	for (size_t n = 0; n < b.len; n++)
		bad += get_all(span_of(b.data, n), &same) == ERR_OK;
	ok(bad == 0, "no prefix of it is whole");
	is_err(buf_append_byte(&b, 0), ERR_OK, "one byte more");
	is_err(get_all(buf_span(&b), &same), ERR_SYNTAX, "is one too many");
}

static void
refuses(void)
{
	struct wire_reader r = wire_read(span_of("\x02", 1));
	char s[4];

	ok(!wire_bool(&r), "a bool of 2 is false");
	is_err(wire_done(&r), ERR_SYNTAX, "and an error");
	r = wire_read(span_of("\x05\x00"
			      "abcde",
	    7));
	ok(wire_bytes(&r, 4).len == 0, "bytes over the limit");
	is_err(wire_done(&r), ERR_LIMIT, "are ERR_LIMIT");
	r = wire_read(span_of("\xff\xff\xff\xff"
			      "abc",
	    7));
	ok(wire_blob(&r, UINT32_MAX).len == 0, "a length that lies");
	is_err(wire_done(&r), ERR_SYNTAX, "is refused");
	r = wire_read(span_of("\x04\x00"
			      "abcd",
	    6));
	memset(s, 'x', sizeof(s));
	wire_str(&r, s, sizeof(s));
	ok(s[0] == '\0' && wire_done(&r) == ERR_LIMIT, "a string that does not fit is empty");
	r = wire_read(span_of("\x03\x00"
			      "a\0b",
	    5));
	wire_str(&r, s, sizeof(s));
	ok(s[0] == '\0' && wire_done(&r) == ERR_SYNTAX, "so is one with a NUL");
	r = wire_read(SPAN_NONE);
	is_err(wire_done(&r), ERR_OK, "nothing is whole");
	ok(wire_u64(&r) == 0 && wire_fixed(&r, 1).p == NULL, "and gives zero");
	is_err(wire_done(&r), ERR_SYNTAX, "with an error");
	ok(wire_u8(&r) == 0, "which sticks");
	is_err(wire_done(&r), ERR_SYNTAX, "whatever is asked next");
}

static void
writer_sticks(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(8);
	static uint8_t big[65536];
	struct wire_writer w = wire_write(&b);

	wire_put_u64(&w, 1);
	is_err(w.e, ERR_OK, "full");
	wire_put_u8(&w, 1);
	is_err(w.e, ERR_LIMIT, "over");
	buf_clear(&b);
	wire_put_u8(&w, 1);
	ok(w.e == ERR_LIMIT && b.len == 0, "and stays so");
	b.max = 1 << 20;
	w = wire_write(&b);
	wire_put_bytes(&w, span_of(big, 65536));
	is_err(w.e, ERR_LIMIT, "65 536 bytes have no length of 16 bits");
	buf_clear(&b);
	w = wire_write(&b);
	wire_put_bytes(&w, span_of(big, 65535));
	ok(w.e == ERR_OK && b.len == 65537, "65 535 have");
	wire_put_blob(&w, span_of(big, 65536));
	is_err(w.e, ERR_OK, "a blob may be longer");
}

int
main(void)
{
	goes_round();
	refuses();
	writer_sticks();
	return done();
}
