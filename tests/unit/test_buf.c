#include <string.h>

#include "common/buf.h"
#include "tests/lib/tap.h"

static void
grows_to_its_ceiling(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(1000);
	struct buf none = BUF_MAX(0);
	uint8_t in[1001];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	is_err(buf_append(&b, in, 600), ERR_OK, "600 of 1000");
	is_err(buf_append(&b, in + 600, 401), ERR_LIMIT, "one byte too many");
	ok(b.len == 600 && memcmp(b.data, in, 600) == 0, "the contents are unchanged");
	is_err(buf_append(&b, in + 600, 400), ERR_OK, "exactly full");
	is_err(buf_append_byte(&b, 1), ERR_LIMIT, "and no byte more");
	is_err(buf_append(&b, NULL, 0), ERR_OK, "nothing always fits");
	is_err(buf_reserve(&b, SIZE_MAX), ERR_LIMIT, "a sum that would wrap");
	ok(b.len == 1000 && memcmp(b.data, in, 1000) == 0, "all there");
	is_err(buf_append_byte(&none, 1), ERR_LIMIT, "a ceiling of zero");
	is_err(buf_append_str(&none, ""), ERR_OK, "and nothing into it");
	buf_wipe(&none);
}

/* Pushed and taken at every step against a plain array: the queue of a relay. */
static void
is_a_queue(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(4096);
	uint8_t next_in = 0, next_out = 0;
	size_t in = 0, out = 0;
	bool good = true;

	for (size_t step = 1; step < 3000 && good; step++) {
		size_t push = step * 37 % 200, pull = step * 53 % 210;

		for (size_t i = 0; i < push && b.len < b.max; i++, in++)
			good = buf_append_byte(&b, next_in++) == ERR_OK && good;
		if (pull > b.len)
			pull = b.len;
		for (size_t i = 0; i < pull; i++)
			good = b.data[i] == next_out++ && good;
		buf_consume(&b, pull);
		out += pull;
		good = b.len == in - out && good;
	}
	ok(good && in > 100000, "%zu bytes through it in order", in);
}

static void
wipes_what_it_drops(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(4096);
	const uint8_t *block;

	is_err(buf_append_str(&b, "secretsecretsecret"), ERR_OK, "fill");
	block = b.data;
	buf_truncate(&b, 6);
	ok(b.len == 6 && memcmp(block, "secret\0\0\0\0\0\0\0\0\0\0\0\0", 18) == 0,
	    "truncate wipes the end");
	buf_consume(&b, 3);
	ok(b.len == 3 && memcmp(block, "\0\0\0ret\0\0\0", 9) == 0, "consume wipes the front");
	ok(span_eq_str(buf_span(&b), "ret"), "the rest stays");
	is_err(buf_append_str(&b, "urn"), ERR_OK, "and grows");
	ok(span_eq_str(buf_span(&b), "return"), "behind what was left");
	buf_clear(&b);
	ok(b.len == 0 && memcmp(block, "\0\0\0\0\0\0\0\0\0", 9) == 0, "clear wipes all");
	ok(buf_room(&b) >= 256, "and keeps the block");
	buf_wipe(&b);
	buf_wipe(&b);
	ok(b.data == NULL && b.cap == 0, "wipe, twice");
	is_err(buf_append_str(&b, "again"), ERR_OK, "usable again");
}

static void
prints_and_reads(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(64);

	is_err(buf_printf(&b, "%s-%d", "a", 7), ERR_OK, "print");
	is_err(buf_printf(&b, "%070d", 1), ERR_LIMIT, "print beyond the ceiling");
	ok(span_eq_str(buf_span(&b), "a-7"), "changes nothing");
	is_err(buf_reserve(&b, 61), ERR_OK, "room for the rest");
	ok(buf_room(&b) >= 61, "there it is");
	memcpy(buf_tail(&b), "xyz", 3);
	buf_added(&b, 3);
	is_err(buf_append_span(&b, span_str("!")), ERR_OK, "a span");
	ok(span_eq_str(buf_span(&b), "a-7xyz!"), "what was read in is there");
	buf_consume(&b, 0);
	ok(b.len == 7, "consuming nothing");
}

int
main(void)
{
	grows_to_its_ceiling();
	is_a_queue();
	wipes_what_it_drops();
	prints_and_reads();
	return done();
}
