#include "broker/keeper/audit/chain.h"
#include "broker/keeper/audit/record.h"
#include "tests/unit/audit_fixture.h"

/* A record behind previous, as whoever knows the interval's key writes it. */
static void
forge(struct buf *out, const char *target, uint64_t seq, const uint8_t key[KEY_LEN],
    uint8_t previous[HASH_LEN])
{
	struct audit_head h = { .chain = AUDIT_CHAIN_ID,
		.event = "decide",
		.seq = seq,
		.revision = 3,
		.time_ms = (int64_t)NOW * 1000 };
	struct audit_record r = { .event = "decide",
		.workload = span_str("mcp-github"),
		.target = span_str(target),
		.decision = "allow" };
	char line[AUDIT_LINE_MAX], *p = audit_record_write(line, &h, &r);

	crypto_chain(key, previous, span_of(line, (size_t)(p - line)), previous);
	p = audit_put_hex(p, "mac", previous, HASH_LEN);
	must(buf_append(out, line, (size_t)(p - line)) == ERR_OK &&
	     buf_append_str(out, "}\n") == ERR_OK);
}

static struct audit_line
scanned(const struct buf *b, int i)
{
	struct span s = line_at(buf_span(b), i);
	struct audit_line l;

	must(s.len > 0 && audit_line_scan(span_of(s.p, s.len - 1), &l) == ERR_OK);
	return l;
}

/* The broker is down. The lines up to the first keep of segment 1 stay; the interval behind them is
 * written anew under the key that the checkpoint at line ends published, without that checkpoint,
 * up to the record that the store has seen. */
static void
rewrite(const struct fixture *f, int keep, int ends, uint64_t last)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), edited = BUF_MAX(MIB);
	struct audit_line base, published;
	uint8_t previous[HASH_LEN];

	segment_load(f, 1, &b);
	base = scanned(&b, keep - 1);
	published = scanned(&b, ends);
	memcpy(previous, base.mac, HASH_LEN);
	for (int i = 0; i < keep; i++)
		must(buf_append_span(&edited, line_at(buf_span(&b), i)) == ERR_OK);
	for (uint64_t seq = base.seq + 1; seq <= last; seq++)
		forge(&edited, "/nothing/happened", seq, published.key, previous);
	segment_store(f, 1, buf_span(&edited));
}

/* Segment 1: line 0 header; 1-4 records; 5 checkpoint (record 5); 6-9 records 6-9; 10 checkpoint
 * (record 10), of a clean end. */
static void
fill(struct fixture *f)
{
	fixture_init_as(f, 64 * MIB, true);
	add_many(f, 4);
	f->now_s += AUDIT_CHECKPOINT_S;
	must(audit_sync(f->audit, f->now_s) == ERR_OK);
	add_many(f, 4);
	fixture_shut(f);
	must(f->ended.seq == 9 && f->ended.interval == 2);
}

static const struct {
	const char *what;
	int keep, ends;
	uint64_t last;
} rewrites[] = {
	{ "the last interval", 6, 10, 9 },
	{ "the last interval, and one record more", 6, 10, 10 },
	{ "its last record", 9, 10, 9 },
	{ "a record behind it", 10, 10, 10 },
	{ "both intervals in one", 1, 5, 9 },
};

static void
test_rewritten(void)
{
	for (size_t i = 0; i < COUNT(rewrites); i++) {
		AUTO(fixture_close) struct fixture f;
		struct verify_result r;

		fill(&f);
		rewrite(&f, rewrites[i].keep, rewrites[i].ends, rewrites[i].last);
		r = verify_all(&f, NULL);
		ok(r.bad_line == 0 && r.last_seq == rewrites[i].last,
		    "%s written anew: nobody sees it in the files", rewrites[i].what);
		is_err(fixture_open(&f, 9), ERR_AUTH, "  but the keeper, who would prove it");
		(void)printf("# %s\n", f.why);
	}
}

static void
keep_lines(const struct fixture *f, int count)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct span next;

	segment_load(f, 1, &b);
	next = line_at(buf_span(&b), count);
	segment_store(f, 1, span_of(b.data, next.len == 0 ? b.len : (size_t)(next.p - b.data)));
}

/* A crash behind the store's transaction: the checkpoint that it announced is not there. */
static void
test_owed(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;

	fill(&f);
	keep_lines(&f, 10);
	is_err(fixture_open(&f, 9), ERR_OK, "owed: without its checkpoint the log opens");
	segment_load(&f, 2, &b);
	ok(scanned(&b, 5).kind == AUDIT_LINE_CHECKPOINT && scanned(&b, 5).interval == 2,
	    "owed: it is the first thing that is written");
	must(add(&f, "/repos/acme/next") == ERR_OK && audit_sync(f.audit, f.now_s) == ERR_OK);
	segment_load(&f, 2, &b);
	fixture_shut(&f);
	segment_store(&f, 2, buf_span(&b));
	f.ended = (struct audit_mark){ .seq = 9, .interval = 2, .mac = { 0 } };
	is_err(fixture_open(&f, 11), ERR_OK, "owed: behind it the next interval goes on");
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == r.last_seq, "owed: all of it is proven: %s", r.why);
}

static void
test_owed_and_torn(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;

	fill(&f);
	segment_load(&f, 1, &b);
	segment_store(&f, 1, span_of(b.data, b.len - 60));
	is_err(fixture_open(&f, 9), ERR_OK, "owed: half of the checkpoint");
	segment_load(&f, 2, &b);
	ok(holds(&b, "\"" AUDIT_EVENT_CUT "\""), "owed: half of the checkpoint is reported");
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == r.last_seq, "owed: all of it is proven: %s", r.why);
}

static void
test_cut(void)
{
	AUTO(fixture_close) struct fixture f;

	fill(&f);
	keep_lines(&f, 9);
	is_err(fixture_open(&f, 0), ERR_AUTH, "cut: in front of the end that the store knows");
	(void)printf("# %s\n", f.why);
	keep_lines(&f, 6);
	is_err(fixture_open(&f, 0), ERR_AUTH, "cut: at the checkpoint before");
}

/* As long as the store takes nothing, no key is published; the records are durable. */
static void
test_store_refuses(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(64 * MIB);
	static char target[4096];
	enum err e = ERR_OK;
	size_t n = 0;

	fixture_init_as(&f, 64 * MIB, true);
	add_many(&f, 4);
	f.end = ERR_LIMIT;
	f.now_s += AUDIT_CHECKPOINT_S;
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "refused: the records are durable");
	segment_load(&f, 1, &b);
	ok(audit_durable_seq(f.audit) == 4 && !holds(&b, "\"checkpoint\""),
	    "refused: and there is no checkpoint");
	f.end = ERR_OK;
	must(audit_sync(f.audit, f.now_s) == ERR_OK);
	segment_load(&f, 1, &b);
	ok(holds(&b, "\"checkpoint\"") && f.ended.seq == 4, "refused: it comes with the next sync");
	f.end = ERR_LIMIT;
	memset(target, 'x', sizeof(target) - 1);
	for (; e == ERR_OK && n < 32 * MIB; n += sizeof(target)) {
		must(add(&f, target) == ERR_OK);
		e = audit_sync(f.audit, f.now_s);
	}
	ok(e == ERR_IO && n >= AUDIT_INTERVAL_BYTES_MAX / 2,
	    "refused: an interval without end is not written on for ever (%zu bytes)", n);
	f.end = ERR_OK;
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "refused: the store takes it again");
	fixture_shut(&f);
	ok(verify_all(&f, NULL).bad_line == 0, "refused: and it verifies");
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	test_rewritten();
	test_owed();
	test_owed_and_torn();
	test_cut();
	test_store_refuses();
	return done();
}
