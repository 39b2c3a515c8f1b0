#include "tests/unit/audit_fixture.h"

/*
 * fixture_fill() with one round. Segment 1: line 0 header; 1-4 records 1-4; 5 checkpoint (record
 * 5); 6-8 records 6-8, and half a line, as a kill leaves them. Segment 2: 0 header; 1-3 records 6-8
 * again; 4 audit_cut; 5 checkpoint.
 */

/* The first segment is changed when the second one repeats what it held. */
static const struct {
	const char *what;
	int lines[16];
	uint64_t bad_line; /* of segment 1; 0: none */
} repeated[] = {
	{ "nothing", { 0, 1, 2, 3, 4, 5, 6, 7, 8, HALF, -1 }, 0 },
	{ "zeros in the first", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 7, 8, HALF, -1 }, 0 },
	{ "in the last", { 0, 1, 2, 3, 4, 5, 6, 7, ZEROS + 8, -1 }, 0 },
	{ "in all", { 0, 1, 2, 3, 4, 5, ZEROS + 6, ZEROS + 7, ZEROS + 8, HALF, -1 }, 0 },
	{ "in the first and the last", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 7, ZEROS + 8, -1 }, 0 },
	{ "over a line's end", { 0, 1, 2, 3, 4, 5, TAIL + 6, 7, 8, HALF, -1 }, 0 },
	{ "a line behind them changed", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 7, CHANGED + 8, -1 }, 9 },
	{ "two lines behind them swapped", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 8, 7, -1 }, 8 },
	{ "a line behind them twice", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 7, 7, 8, -1 }, 9 },
	{ "an old line behind them", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 7, 2, 8, -1 }, 9 },
	{ "the same line behind them", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 6, 7, 8, -1 }, 8 },
	{ "a header behind them", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 0, 8, -1 }, 8 },
	{ "text behind them", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 7, TEXT, 8, -1 }, 9 },
	{ "an empty line behind them", { 0, 1, 2, 3, 4, 5, ZEROS + 6, EMPTY, 7, 8, -1 }, 8 },
	{ "a line of more bytes in their place",
	    { 0, 1, 2, 3, 4, 5, ZEROS + 6, CHANGED + 1, 7, 8, -1 }, 8 },
	{ "and the line behind them gone", { 0, 1, 2, 3, 4, 5, ZEROS + 6, 8, -1 }, 8 },
	{ "over a line's end, text behind", { 0, 1, 2, 3, 4, 5, TAIL + 6, 7, TEXT, 8, -1 }, 8 },
	{ "and more than is repeated", { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, 8, 8, 8, 8, -1 }, 10 },
	{ "in a record that is not repeated", { 0, 1, 2, 3, ZEROS + 4, 5, 6, 7, 8, HALF, -1 }, 5 },
	{ "in the checkpoint", { 0, 1, 2, 3, 4, ZEROS + 5, 6, 7, 8, HALF, -1 }, 6 },
	{ "over a record's end and the checkpoint", { 0, 1, 2, 3, TAIL + 4, 5, 6, 7, 8, -1 }, 5 },
	{ "in the header", { ZEROS + 0, 1, 2, 3, 4, 5, 6, 7, 8, HALF, -1 }, 1 },
	{ "in a record that is changed as well",
	    { 0, 1, CHANGED + 2, 3, ZEROS + 4, 5, 6, 7, 8, -1 }, 3 },
};

static void
test_repeated(void)
{
	for (size_t i = 0; i < COUNT(repeated); i++) {
		AUTO(fixture_close) struct fixture f;
		AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);
		struct verify_result r;

		fixture_fill(&f, 1, &b);
		put_lines(&b, repeated[0].lines, &edited);
		segment_store(&f, 1, buf_span(&edited));
		must(fixture_open(&f, 8) == ERR_OK);
		fixture_shut(&f);
		put_lines(&b, repeated[i].lines, &edited);
		segment_store(&f, 1, buf_span(&edited));
		r = verify_all(&f, NULL);
		ok(r.bad_line == repeated[i].bad_line && r.bad_segment == (r.bad_line != 0) &&
			(r.bad_line != 0 || (r.proven_seq == 10 && r.last_seq == 10)),
		    "zeros in what is repeated, %s: segment %u, line %llu: %s", repeated[i].what,
		    r.bad_segment, (unsigned long long)r.bad_line, r.why);
	}
}

/* The copy under zeros, and then the other one cut off. */
static void
test_cut(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);
	struct verify_result r;

	fixture_fill(&f, 1, &b);
	segment_store(&f, 1, buf_span(&b));
	must(fixture_open(&f, 8) == ERR_OK);
	fixture_shut(&f);
	put_lines(&b, repeated[1].lines, &edited);
	segment_store(&f, 1, buf_span(&edited));
	segment_load(&f, 2, &b);
	for (int n = 1; n < 4; n++) {
		put_lines(&b, (const int[3][5]){ { 0, -1 }, { 0, 1, -1 }, { 0, 1, 2, -1 } }[n - 1],
		    &edited);
		segment_store(&f, 2, buf_span(&edited));
		r = verify_all(&f, NULL);
		ok(r.bad_segment == 1 && r.bad_line == 7,
		    "zeros in one copy, and the other cut behind line %d: %s", n, r.why);
	}
}

/* A hole at a start: the keeper says what it lost, and it is the end. */
static const struct {
	const char *what;
	int found[16], left[16]; /* by the keeper; by the verifier */
	uint64_t bad_line;
} lost[] = {
	{ "as it was found", { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, -1 },
	    { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, -1 }, 0 },
	{ "then text behind it", { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, -1 },
	    { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, TEXT, -1 }, 8 },
	{ "then the line behind it gone", { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, -1 },
	    { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, -1 }, 8 },
	{ "then more zeros", { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, -1 },
	    { 0, 1, 2, 3, 4, 5, 6, TAIL + 7, ZEROS + 8, -1 }, 0 },
	{ "then in the record in front of it, which is repeated",
	    { 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, -1 },
	    { 0, 1, 2, 3, 4, 5, ZEROS + 6, ZEROS + 7, 8, -1 }, 0 },
};

static void
test_lost(void)
{
	for (size_t i = 0; i < COUNT(lost); i++) {
		AUTO(fixture_close) struct fixture f;
		AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);
		struct verify_result r;

		fixture_fill(&f, 1, &b);
		put_lines(&b, lost[i].found, &edited);
		segment_store(&f, 1, buf_span(&edited));
		must(fixture_open(&f, 6) == ERR_OK);
		fixture_shut(&f);
		put_lines(&b, lost[i].left, &edited);
		segment_store(&f, 1, buf_span(&edited));
		r = verify_all(&f, NULL);
		ok(r.bad_line == lost[i].bad_line &&
			(r.bad_line != 0 || r.proven_seq == r.last_seq),
		    "a hole at a start, %s: line %llu: %s", lost[i].what,
		    (unsigned long long)r.bad_line, r.why);
		if (i > 0)
			continue;
		segment_load(&f, 2, &b);
		put_lines(&b, (const int[]){ 0, CHANGED + 1, 2, 3, -1 }, &edited);
		segment_store(&f, 2, buf_span(&edited));
		r = verify_all(&f, NULL);
		ok(r.bad_segment == 2 && r.bad_line == 2, "  what is repeated is proven: %s",
		    r.why);
		put_lines(&b, (const int[]){ 0, 1, 3, -1 }, &edited);
		segment_store(&f, 2, buf_span(&edited));
		r = verify_all(&f, NULL);
		ok(r.bad_line != 0, "  and so is what says that one was lost: %s", r.why);
	}
}

/* Longer than any line, and than any read: zeros over hundreds of records, in both ways. */
static void
test_long(void)
{
	for (int cut = 0; cut < 2; cut++) {
		AUTO(fixture_close) struct fixture f;
		AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), hole = BUF_MAX(MIB);
		struct verify_result r;
		size_t from, to;

		fixture_init(&f, 64 * MIB);
		add_many(&f, 900);
		segment_load(&f, 1, &b);
		fixture_shut(&f);
		empty_dir(f.dir);
		must(buf_append_span(&hole, buf_span(&b)) == ERR_OK);
		from = (size_t)(line_at(buf_span(&b), 20).p - b.data) + 77;
		to = (size_t)(line_at(buf_span(&b), 850).p - b.data) + 99;
		memset(hole.data + from, 0, to - from);
		ok(to - from > 200000, "a hole of %zu bytes", to - from);
		segment_store(&f, 1, buf_span(cut > 0 ? &hole : &b));
		must(fixture_open(&f, 19) == ERR_OK);
		fixture_shut(&f);
		segment_store(&f, 1, buf_span(&hole));
		r = verify_all(&f, NULL);
		ok(r.bad_line == 0 && r.proven_seq == (cut > 0 ? 21 : 901),
		    "  is a power cut's (%d): %s", cut, r.why);
		hole.data[hole.len - 100] ^= 1;
		segment_store(&f, 1, buf_span(&hole));
		r = verify_all(&f, NULL);
		ok(cut > 0 ? r.bad_line == 0 : r.bad_line == 21 + 50,
		    "  a byte behind it changed: line %llu: %s", (unsigned long long)r.bad_line,
		    r.why);
		memset(hole.data, 0, hole.len - 100);
		segment_store(&f, 1, buf_span(&hole));
		r = verify_all(&f, NULL);
		ok(r.bad_line == 1 && r.bad_segment == 1, "  and over the header: %s", r.why);
	}
}

/* Nothing comes behind them that explains them. */
static void
test_newest(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);
	struct verify_result r;

	fixture_fill(&f, 1, &b);
	put_lines(&b, (const int[]){ 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, 8, -1 }, &edited);
	segment_store(&f, 1, buf_span(&edited));
	r = verify_all(&f, NULL);
	ok(r.bad_line == 8,
	    "zeros in the newest segment are bad until the keeper has seen them: %s", r.why);
	put_lines(&b, (const int[]){ 0, 1, 2, 3, 4, 5, 6, ZEROS + 7, TEXT, -1 }, &edited);
	segment_store(&f, 1, buf_span(&edited));
	r = verify_all(&f, NULL);
	ok(r.bad_line != 0, "and with text behind them: %s", r.why);
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	test_repeated();
	test_cut();
	test_lost();
	test_long();
	test_newest();
	return done();
}
