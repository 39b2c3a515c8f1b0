#include "broker/keeper/audit/segment.h"
#include "tests/unit/audit_fixture.h"

/*
 * The log under test, fixture_fill() with two rounds: line 0 header; 1-4 records 1-4; 5 checkpoint
 * (record 5); 6-9 records 6-9; 10 checkpoint (record 10); 11-13 records 11-13 (unproven, as a crash
 * leaves them).
 */
static const struct {
	const char *what;
	int order[20];
	uint64_t bad_line, bad_seq, proven;
	enum err open; /* what the keeper says */
} orders[] = {
	{ "untouched", { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 0, 0, 10, ERR_OK },
	{ "deleted record", { 0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 3, 2, 0, ERR_OK },
	{ "deleted record in the second interval",
	    { 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, -1 }, 8, 7, 5, ERR_OK },
	{ "doubled record", { 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 4, 3, 0,
	    ERR_OK },
	{ "swapped records", { 0, 1, 3, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 3, 2, 0,
	    ERR_OK },
	{ "swapped intervals", { 0, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 11, 12, 13, -1 }, 2, 1, 0,
	    ERR_AUTH },
	{ "deleted interval", { 0, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 2, 1, 0, ERR_OK },
	{ "deleted checkpoint", { 0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 6, 5, 0,
	    ERR_OK },
	{ "no header", { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 1, 1, 0, ERR_AUTH },
	{ "two headers", { 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, -1 }, 2, 1, 0, ERR_OK },
	{ "unproven record deleted", { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, -1 }, 13, 12, 10,
	    ERR_AUTH },
	{ "unproven records swapped", { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 11, 13, -1 }, 12, 11,
	    10, ERR_AUTH },
	{ "unproven end cut", { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -1 }, 0, 0, 10, ERR_AUTH },
	{ "cut at a checkpoint", { 0, 1, 2, 3, 4, 5, -1 }, 0, 0, 5, ERR_AUTH },
};

static void
test_orders(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);

	for (size_t i = 0; i < COUNT(orders); i++) {
		AUTO(fixture_close) struct fixture f;
		struct verify_result r;

		fixture_fill(&f, 2, &b);
		put_lines(&b, orders[i].order, &edited);
		segment_store(&f, 1, buf_span(&edited));
		r = verify_all(&f, NULL);
		ok(r.bad_line == orders[i].bad_line && r.bad_seq == orders[i].bad_seq &&
			r.proven_seq == orders[i].proven,
		    "%s: line %llu, record %llu, proven %llu: %s", orders[i].what,
		    (unsigned long long)r.bad_line, (unsigned long long)r.bad_seq,
		    (unsigned long long)r.proven_seq, r.why);
		is_err(fixture_open(&f, 13), orders[i].open, "  and at a start");
	}
}

/* Any byte of a proven log: never fewer complaints than one. */
static void
test_every_byte(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	size_t noticed = 0, end;

	fixture_fill(&f, 2, &b);
	end = (size_t)(line_at(buf_span(&b), 11).p - b.data);
	for (size_t i = 0; i < end; i++) {
		struct verify_result r;

		b.data[i] ^= (uint8_t)(1u << i % 7);
		segment_store(&f, 1, buf_span(&b));
		r = verify_all(&f, NULL);
		noticed += r.bad_line != 0;
		b.data[i] ^= (uint8_t)(1u << i % 7);
	}
	ok(noticed == end, "every byte: %zu of %zu changes of a proven log are noticed", noticed,
	    end);
}

/* Behind the last checkpoint only the keeper can tell; and it does, byte by byte. */
static void
test_every_unproven_byte(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	size_t noticed = 0, start, end;

	fixture_fill(&f, 2, &b);
	start = (size_t)(line_at(buf_span(&b), 11).p - b.data);
	end =
	    (size_t)(line_at(buf_span(&b), 13).p - b.data); /* the last line could pass for torn */
	for (size_t i = start; i < end; i++) {
		uint8_t kept = b.data[i];

		b.data[i] = kept == 'x' ? 'y' : 'x';
		segment_store(&f, 1, buf_span(&b));
		noticed += fixture_open(&f, 13) == ERR_AUTH;
		fixture_shut(&f);
		b.data[i] = kept;
	}
	ok(noticed == end - start, "unproven: %zu of %zu changes are noticed at a start", noticed,
	    end - start);
}

static void
test_torn(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	bool good = true;
	size_t start;

	fixture_fill(&f, 2, &b);
	start = (size_t)(line_at(buf_span(&b), 13).p - b.data);
	for (size_t len = start + 1; len < b.len; len += 13) {
		struct verify_result r;

		segment_store(&f, 1, span_of(b.data, len));
		r = verify_all(&f, NULL);
		good = good && r.bad_line == 0 && r.torn && r.last_seq == 12;
		good = good && fixture_open(&f, 12) == ERR_OK && audit_seq(f.audit) == 13;
		fixture_shut(&f);
		r = verify_all(&f, NULL);
		good = good && r.bad_line == 0 && r.proven_seq == 14;
		empty_dir(f.dir);
	}
	ok(good, "torn: cut anywhere in the last line, it opens, says so and verifies");
	memset(b.data + start, 0, b.len - start);
	segment_store(&f, 1, buf_span(&b));
	is_err(fixture_open(&f, 13), ERR_AUTH,
	    "torn: zeros where a record was that the store has seen");
	is_err(fixture_open(&f, 12), ERR_OK, "torn: and where it has not");
	ok(audit_seq(f.audit) == 12, "torn: are the reserve");
}

static void
test_anchor(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result whole, r;

	fixture_fill(&f, 2, &b);
	segment_store(&f, 1, buf_span(&b));
	whole = verify_all(&f, NULL);
	r = verify_all(&f, whole.anchor);
	ok(r.bad_line == 0 && !r.anchor_missing, "anchor: met");
	segment_store(&f, 1, span_of(b.data, (size_t)(line_at(buf_span(&b), 6).p - b.data)));
	r = verify_all(&f, whole.anchor);
	ok(r.bad_line == 0 && r.anchor_missing && r.proven_seq == 5,
	    "anchor: a cut log does not meet it");
	r = verify_all(&f, r.anchor);
	ok(!r.anchor_missing, "anchor: an earlier one is met");
}

/* Whole segments: removed in the middle, swapped, taken from another log, repeated. */
static void
test_segments(void)
{
	AUTO(fixture_close) struct fixture f, other;
	AUTO(buf_wipe) struct buf s1 = BUF_MAX(MIB), s2 = BUF_MAX(MIB);
	AUTO(buf_wipe) struct buf s3 = BUF_MAX(MIB), foreign = BUF_MAX(MIB);
	struct verify_result r;

	fixture_init(&f, MIB / 2);
	fixture_init(&other, MIB / 2);
	add_many(&f, 700);
	add_many(&other, 700);
	fixture_shut(&f);
	fixture_shut(&other);
	segment_load(&f, 1, &s1);
	segment_load(&f, 2, &s2);
	segment_load(&f, 3, &s3);
	segment_load(&other, 2, &foreign);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == r.last_seq, "segments");
	segment_store(&f, 2, SPAN_NONE);
	r = verify_all(&f, NULL);
	ok(r.bad_segment == 3 && r.bad_line == 1, "segments: an emptied one: %s", r.why);
	segment_store(&f, 2, buf_span(&s3));
	segment_store(&f, 3, buf_span(&s2));
	r = verify_all(&f, NULL);
	ok(r.bad_segment == 2 && r.bad_line == 1, "segments: swapped: %s", r.why);
	segment_store(&f, 3, buf_span(&s3));
	segment_store(&f, 2, buf_span(&foreign));
	r = verify_all(&f, NULL);
	ok(r.bad_segment == 2 && r.bad_line == 1, "segments: of another log: %s", r.why);
	segment_store(&f, 2, span_of(s2.data, s2.len / 2));
	r = verify_all(&f, NULL);
	ok(r.bad_segment == 2 && r.bad_line > 1, "segments: half of one: %s", r.why);
	segment_store(&f, 2, buf_span(&s2));
	segment_rename(&f, 3, 4);
	r = verify_all(&f, NULL);
	ok(r.bad_segment == 4 && r.bad_line == 1, "segments: under another number: %s", r.why);
	segment_rename(&f, 4, 3);
	segment_store(&f, 1, SPAN_NONE);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.first_seq > 1 && r.segments_removed,
	    "segments: the first is gone, and nobody recorded that");
}

/* Two lines are bad, and only the key that comes behind them tells of the first. */
static const struct {
	const char *what;
	int order[20];
	uint64_t bad_line, proven;
} twos[] = {
	{ "changed, and a later one deleted: the first is named",
	    { 0, 1, 2, 3, 4, 5, 6, CHANGED + 7, 8, 10, 11, 12, 13, -1 }, 8, 5 },
	{ "changed, and a line put in that is far too long",
	    { 0, 1, 2, 3, 4, 5, 6, CHANGED + 7, 8, LONG, 9, 10, 11, 12, 13, -1 }, 8, 5 },
	{ "too long first, then one deleted",
	    { 0, 1, 2, 3, 4, 5, 6, LONG, 7, 8, 10, 11, 12, 13, -1 }, 8, 5 },
	{ "behind the last checkpoint nothing can be told",
	    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, CHANGED + 12, -1 }, 0, 10 },
};

static void
test_first_of_two(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);
	struct verify_result r;

	fixture_fill(&f, 2, &b);
	for (size_t i = 0; i < COUNT(twos); i++) {
		put_lines(&b, twos[i].order, &edited);
		segment_store(&f, 1, buf_span(&edited));
		r = verify_all(&f, NULL);
		ok(r.bad_line == twos[i].bad_line && r.proven_seq == twos[i].proven &&
			(i > 0 || r.bad_seq == 7),
		    "%s: %s", twos[i].what, r.why);
	}
}

/* Changing a line and giving it a fitting mac takes the key of the interval, and that one is
 * published with a signature. */
static void
test_forged_record(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct audit_line checkpoint, record;
	uint8_t zero[HASH_LEN] = { 0 }, mac[HASH_LEN];
	struct verify_result r;
	struct span line;
	char *digits;

	fixture_fill(&f, 2, &b);
	line = line_at(buf_span(&b), 5);
	must(audit_line_scan(span_of(line.p, line.len - 1), &checkpoint) == ERR_OK);
	line = line_at(buf_span(&b), 1);
	digits = memmem(line.p, line.len, "acme/0", 6);
	must(digits != NULL);
	digits[5] = '9';
	must(audit_line_scan(span_of(line.p, line.len - 1), &record) == ERR_OK);
	crypto_chain(checkpoint.key, zero, record.maced, mac);
	digits = memmem(line.p, line.len, ",\"mac\":\"", 8);
	for (int i = 0; i < HASH_LEN; i++)
		(void)snprintf(digits + 8 + 2 * i, 3, "%02x", mac[i]);
	digits[8 + 2 * HASH_LEN] = '"';
	segment_store(&f, 1, buf_span(&b));
	r = verify_all(&f, NULL);
	ok(r.bad_line == 3 && r.proven_seq == 0,
	    "forged: with the published key, the next record gives it away: %s", r.why);
}

static void
test_wrong_key(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;

	fixture_fill(&f, 2, &b);
	f.public_key[3] ^= 1;
	r = verify_all(&f, NULL);
	ok(r.bad_line == 1 && r.proven_seq == 0, "wrong public key: %s", r.why);
}

/* A crash left records 11-13 at the end of segment 1, and half a line, 14; segment 2 repeats them
 * in lines 1-3. Each row changes one segment behind that. */
static const struct {
	const char *what;
	uint32_t segment;
	int lines[20];
	uint64_t bad_line; /* 0: none */
} repeats[] = {
#define BEFORE 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	{ "nothing", 1, { BEFORE, 11, 12, 13, 14, -1 }, 0 },
	{ "the first copy, changed", 1, { BEFORE, 11, CHANGED + 12, 13, 14, -1 }, 13 },
	{ "the first copy, the last line", 1, { BEFORE, 11, 12, CHANGED + 13, 14, -1 }, 14 },
	{ "the first copy, no line of ours", 1, { BEFORE, 11, STRANGE + 12, 13, 14, -1 }, 13 },
	{ "the first copy, zeros, as a power cut leaves them", 1,
	    { BEFORE, 11, ZEROS + 12, 13, 14, -1 }, 0 },
	{ "the first copy, one gone", 1, { BEFORE, 11, 13, 14, -1 }, 13 },
	{ "the first copy, its last one gone", 1, { BEFORE, 11, 12, 14, -1 }, 0 },
	{ "a line more than is repeated", 1, { BEFORE, 11, 12, 13, LATER + 13, 14, -1 }, 15 },
	{ "the repetition, changed", 2, { 0, 1, CHANGED + 2, 3, 4, 5, -1 }, 3 },
	{ "the repetition, one gone", 2, { 0, 1, 3, 4, 5, -1 }, 3 },
};

static void
judge_repeat(const struct fixture *f, size_t i, const char *when)
{
	struct verify_result r = verify_all(f, NULL);

	ok(r.bad_line == repeats[i].bad_line &&
		r.bad_segment == (r.bad_line == 0 ? 0 : repeats[i].segment),
	    "repeated, %s, %s: segment %u, line %llu: %s", when, repeats[i].what, r.bad_segment,
	    (unsigned long long)r.bad_line, r.why);
}

static void
test_repeats(void)
{
	for (size_t i = 0; i < COUNT(repeats); i++) {
		AUTO(fixture_close) struct fixture f;
		AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);
		uint32_t n = repeats[i].segment;

		fixture_fill(&f, 2, &b);
		put_line(&b, HALF, &b);
		segment_store(&f, 1, buf_span(&b));
		must(fixture_open(&f, 13) == ERR_OK);
		if (n == 1) { /* of two copies that nothing proves the older is named */
			put_lines(&b, repeats[i].lines, &edited);
			segment_store(&f, n, buf_span(&edited));
			judge_repeat(&f, i, "unproven");
			segment_store(&f, n, buf_span(&b));
		}
		fixture_shut(&f);
		segment_load(&f, n, &b);
		must(count_lines(buf_span(&b)) == (n == 1 ? 15 : 6));
		put_lines(&b, repeats[i].lines, &edited);
		segment_store(&f, n, buf_span(&edited));
		judge_repeat(&f, i, "proven");
	}
}

static const struct {
	uint32_t stray;
	enum err open;
} strays[] = {
	{ 2, ERR_OK }, /* as a crash in front of its header */
	{ 2 + AUDIT_MISSING_MAX, ERR_OK },
	{ 3 + AUDIT_MISSING_MAX, ERR_AUTH },
	{ 20261124, ERR_AUTH },
	{ AUDIT_SEGMENT_MAX, ERR_AUTH },
};

/* A copy of a segment that somebody named by its date must not have the keeper try all numbers. */
static void
test_strays(void)
{
	for (size_t i = 0; i < COUNT(strays); i++) {
		AUTO(fixture_close) struct fixture f;
		AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
		char name[32];

		fixture_fill(&f, 2, &b);
		segment_store(&f, strays[i].stray, SPAN_NONE);
		is_err(fixture_open(&f, 13), strays[i].open, "a stray segment");
		(void)snprintf(name, sizeof(name), "%08u.jsonl", strays[i].stray);
		ok(strays[i].open == ERR_OK || strstr(f.why, name) != NULL, "  it is named: %s",
		    f.why);
	}
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	test_orders();
	test_every_byte();
	test_every_unproven_byte();
	test_torn();
	test_anchor();
	test_segments();
	test_first_of_two();
	test_forged_record();
	test_wrong_key();
	test_repeats();
	test_strays();
	return done();
}
