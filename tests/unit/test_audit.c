#include <signal.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "tests/unit/audit_fixture.h"

static void
test_append(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;
	char id[AUDIT_ID_SIZE];

	fixture_init(&f, 64 * MIB);
	ok(audit_seq(f.audit) == 0 && !audit_pending(f.audit), "append: a new log is empty");
	must(add(&f, "/a?key=canary") == ERR_OK);
	ok(audit_seq(f.audit) == 1 && audit_durable_seq(f.audit) == 0, "append: in memory first");
	ok(audit_pending(f.audit), "append: pending");
	segment_load(&f, 1, &b);
	ok(count_lines(buf_span(&b)) == 1,
	    "append: nothing but the header is written before the sync");
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "append: sync");
	ok(audit_durable_seq(f.audit) == 1 && !audit_pending(f.audit), "append: durable");
	audit_id(f.audit, 123, id);
	ok(strcmp(id, "01-000123") == 0, "append: the id that people are shown");
	ok(audit_last_time_ms(f.audit) / 1000 == NOW, "append: the time floor");
	f.now_s -= 3600;
	add_many(&f, 1);
	ok(audit_last_time_ms(f.audit) / 1000 == NOW,
	    "append: a clock that steps back does not move it");
	f.now_s += 3600;
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.last_seq == 2 && r.proven_seq == 0, "append: unproven so far");
	f.now_s += AUDIT_CHECKPOINT_S;
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "append: the checkpoint is due");
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.last_seq == 3 && r.proven_seq == 3, "append: proven");
	fixture_shut(&f);
	segment_load(&f, 1, &b);
	ok(count_lines(buf_span(&b)) == 4, "append: no second checkpoint without a record");
	ok(!holds(&b, "canary") && holds(&b, "\"query\":true"),
	    "append: no query value, but that there was one");
	ok(holds(&b, "\"time\":\"2026-11-24T03:35:51.123Z\""), "append: the time");
}

static void
test_reopen(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;

	fixture_init(&f, 64 * MIB);
	add_many(&f, 5);
	fixture_shut(&f);
	is_err(fixture_open(&f, 6), ERR_OK, "reopen: clean");
	ok(audit_seq(f.audit) == 6 && audit_durable_seq(f.audit) == 6,
	    "reopen: goes on behind the checkpoint");
	add_many(&f, 2);
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 9 && access(f.dir, F_OK) == 0, "reopen: one chain");
	segment_load(&f, 1, &b);
	ok(count_lines(buf_span(&b)) == 10, "reopen: one segment");
	is_err(fixture_open(&f, 10), ERR_AUTH, "reopen: the store knows a later record");
	ok(strstr(f.why, "truncated") != NULL, "reopen: says so: %s", f.why);
	f.revision = 2;
	is_err(fixture_open(&f, 9), ERR_AUTH, "reopen: the log knows a later revision");
	ok(strstr(f.why, "store was rolled back") != NULL, "reopen: says so: %s", f.why);
	f.revision = 3;
	is_err(fixture_open(&f, 9), ERR_OK, "reopen: the same revision is fine");
	fixture_shut(&f);
	empty_dir(f.dir);
	is_err(fixture_open(&f, 9), ERR_AUTH, "reopen: the log is gone");
	is_err(fixture_open(&f, 0), ERR_OK, "reopen: a new store has a new log");
}

/* kill -9: what was synced stays, the tail moves into a new segment, half a line is reported. */
/* A deed's record is written before its commit, with the revision before it. */
static void
test_revision(void)
{
	AUTO(fixture_close) struct fixture f;
	struct verify_result r;

	fixture_init(&f, 64 * MIB);
	add_many(&f, 1);
	audit_revision(f.audit, 4, f.now_s);
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "revision: the store came to 4");
	ok(audit_seq(f.audit) == 1, "revision: no line for it alone, yet");
	add_many(&f, 1);
	audit_revision(f.audit, 5, f.now_s);
	fixture_shut(&f);
	f.revision = 4;
	is_err(fixture_open(&f, 3), ERR_AUTH, "revision: the end of the log says it");
	f.revision = 5;
	is_err(fixture_open(&f, 3), ERR_OK, "revision: and the store of it is the right one");
	audit_revision(f.audit, 6, f.now_s);
	audit_revision(f.audit, 7, f.now_s + 1);
	f.now_s += 2;
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "revision: in an idle log, two seconds later");
	ok(audit_seq(f.audit) == 4, "revision: one checkpoint");
	is_err(audit_sync(f.audit, f.now_s + 5), ERR_OK, "revision: it is told");
	ok(audit_seq(f.audit) == 4, "revision: once");
	audit_revision(f.audit, 8, f.now_s);
	is_err(audit_tell_revision(f.audit, f.now_s), ERR_OK, "revision: at once");
	ok(audit_seq(f.audit) == 5 && audit_durable_seq(f.audit) == 5, "revision: durably");
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 5, "revision: a checkpoint right behind one");
	f.revision = 7;
	is_err(fixture_open(&f, 4), ERR_AUTH, "revision: an idle log knows it too");
	f.revision = 8;
	is_err(fixture_open(&f, 4), ERR_OK, "revision: and goes on");
}

static void
test_crash(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), second = BUF_MAX(MIB);
	struct verify_result r;

	fixture_init(&f, 64 * MIB);
	add_many(&f, 3);
	f.now_s += AUDIT_CHECKPOINT_S;
	must(audit_sync(f.audit, f.now_s) == ERR_OK);
	add_many(&f, 4);
	segment_load(&f, 1, &b);
	fixture_shut(&f);
	must(buf_append_str(&b, "{\"chain\":\"01\",\"seq\":9,\"re") == ERR_OK);
	segment_store(&f, 1, buf_span(&b));
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.torn && r.proven_seq == 4 && r.last_seq == 8,
	    "crash: proven to the checkpoint, then unproven, then half a line");
	is_err(fixture_open(&f, 8), ERR_OK, "crash: opens");
	ok(audit_seq(f.audit) == 9 && audit_durable_seq(f.audit) == 9,
	    "crash: with a record about it");
	segment_load(&f, 2, &second);
	ok(count_lines(buf_span(&second)) == 6, "crash: the tail is written again");
	ok(holds(&second, "\"event\":\"audit_cut\",\"detail\":\"segment 00000001\",\"count\":25"),
	    "crash: audit_cut says what and how much");
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && !r.torn && r.proven_seq == 4 && r.last_seq == 9,
	    "crash: the new header explains the old end");
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 10 && r.last_seq == 10,
	    "crash: all proven in the end");
	segment_store(&f, 3, span_str("{\"chain\":\"01\",\"se"));
	segment_store(&f, 4, SPAN_NONE);
	is_err(fixture_open(&f, 10), ERR_OK, "crash: segments without a header");
	add_many(&f, 1);
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 12, "crash: are explained too");
}

static void
limit_files(uint64_t bytes)
{
	struct rlimit l;

	must(getrlimit(RLIMIT_FSIZE, &l) == 0);
	l.rlim_cur = bytes == 0 ? l.rlim_max : bytes;
	must(setrlimit(RLIMIT_FSIZE, &l) == 0);
}

static void
test_full_disk(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;
	char path[128];

	fixture_init(&f, 64 * MIB);
	add_many(&f, 5);
	segment_load(&f, 1, &b);
	limit_files(b.len + 300); /* one record and a half */
	must(add(&f, "/x") == ERR_OK && add(&f, "/y") == ERR_OK && add(&f, "/z") == ERR_OK);
	is_err(audit_sync(f.audit, f.now_s), ERR_IO, "full: the sync fails");
	ok(audit_failing(f.audit) && audit_durable_seq(f.audit) == 5,
	    "full: nothing of it is durable");
	is_err(audit_sync(f.audit, f.now_s), ERR_IO, "full: and stays failed");
	must(add(&f, "/w") == ERR_OK);
	limit_files(10);
	is_err(audit_recover(f.audit, f.now_s), ERR_IO, "full: still full");
	segment_path(&f, 2, path);
	ok(access(path, F_OK) != 0, "full: the try left nothing behind");
	limit_files(0);
	is_err(audit_recover(f.audit, f.now_s), ERR_OK, "full: recovered");
	ok(!audit_failing(f.audit) && audit_durable_seq(f.audit) == 9,
	    "full: all of it is durable now");
	add_many(&f, 1);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.last_seq == 10, "full: no record is missing, none is double");
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 11, "full: all proven");
	limit_files(10);
	is_err(fixture_open(&f, 11), ERR_OK, "full: a clean log opens");
	must(add(&f, "/x") == ERR_OK);
	is_err(audit_sync(f.audit, f.now_s), ERR_IO, "full: but does not take a record");
	limit_files(0);
	is_err(audit_recover(f.audit, f.now_s), ERR_OK, "full: recovers by itself");
}

/* A crash, then a start on a full disk: it opens, refuses, recovers. */
static void
test_full_start(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;

	fixture_init(&f, 64 * MIB);
	add_many(&f, 5);
	segment_load(&f, 1, &b);
	fixture_shut(&f);
	segment_store(&f, 1, buf_span(&b));
	limit_files(10);
	is_err(fixture_open(&f, 5), ERR_OK, "full start: opens");
	ok(audit_failing(f.audit), "full start: but is failing");
	is_err(audit_sync(f.audit, f.now_s), ERR_IO, "full start: no sync");
	limit_files(0);
	is_err(audit_recover(f.audit, f.now_s), ERR_OK, "full start: recovers");
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 6, "full start: whole");
}

/* fdatasync fails behind a whole write: the old segment keeps records and checkpoint, and the new
 * one repeats them. */
static void
test_step_back(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf first = BUF_MAX(MIB), second = BUF_MAX(MIB);
	struct verify_result r;
	struct span header;

	fixture_init(&f, 64 * MIB);
	add_many(&f, 5);
	must(add(&f, "/x") == ERR_OK && add(&f, "/y") == ERR_OK);
	must(audit_sync(f.audit, f.now_s) == ERR_OK);
	segment_load(&f, 1, &first);
	f.now_s += AUDIT_CHECKPOINT_S;
	limit_files(first.len + 10);
	is_err(audit_sync(f.audit, f.now_s), ERR_IO, "step back: a checkpoint fails");
	limit_files(0);
	must(add(&f, "/z") == ERR_OK);
	is_err(audit_recover(f.audit, f.now_s), ERR_OK, "step back: recovered");
	segment_load(&f, 2, &second);
	header = line_at(buf_span(&second), 0);
	must(buf_append(&first, second.data + header.len, second.len - header.len) == ERR_OK);
	segment_store(&f, 1, buf_span(&first));
	add_many(&f, 1);
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 11 && r.last_seq == 11, "step back: verifies (%s)",
	    r.why);
	first.data[line_at(buf_span(&first), 9).p - first.data + 100] ^= 1;
	segment_store(&f, 1, buf_span(&first));
	r = verify_all(&f, NULL);
	ok(r.bad_segment == 1 && r.bad_line == 10 && r.bad_seq == 9,
	    "step back: what was taken back must come again: %s", r.why);
	first.data[line_at(buf_span(&first), 0).len + 200] ^= 1;
	segment_store(&f, 1, buf_span(&first));
	r = verify_all(&f, NULL);
	ok(r.bad_line == 2 && r.bad_segment == 1 && r.bad_seq == 1,
	    "step back: what was not may not: %s", r.why);
}

static void
test_rotation(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;
	uint32_t segment, oldest, newest;
	char path[128];
	uint64_t last;
	int fd = -1;

	fixture_init(&f, MIB / 2);
	add_many(&f, 1000);
	must(audit_segment_fd(f.audit, 0, &fd, &segment, &oldest, &newest) == ERR_OK);
	sys_close(fd);
	ok(oldest == 1 && newest >= 4 && segment == newest, "rotation: %u segments", newest);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.first_seq == 1, "rotation: verifies across segments (%s)", r.why);
	add_many(&f, 3000);
	must(audit_segment_fd(f.audit, 0, &fd, &segment, &oldest, &newest) == ERR_OK);
	sys_close(fd);
	ok(oldest > 1 && audit_bytes(f.audit) <= MIB / 2 + AUDIT_LINE_MAX,
	    "retention: the oldest are gone");
	is_err(audit_segment_fd(f.audit, 1, &fd, &segment, &oldest, &newest), ERR_NOT_FOUND,
	    "retention: and cannot be opened");
	is_err(audit_segment_fd(f.audit, newest + 1, &fd, &segment, &oldest, &newest),
	    ERR_NOT_FOUND, "retention: nor can one that does not exist");
	last = audit_seq(f.audit);
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.first_seq > 1 && r.proven_seq == last + 1,
	    "retention: verifies from the first that is left (%llu)",
	    (unsigned long long)r.first_seq);
	ok(!r.segments_removed, "retention: what is gone is accounted for");
	segment_load(&f, newest, &b);
	ok(holds(&b, "audit_removed"), "retention: removals are on record");
	segment_load(&f, oldest, &b);
	segment_path(&f, oldest, path);
	must(sys_unlink(path) == 0);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.segments_removed,
	    "retention: one segment more that is gone is not");
	segment_store(&f, oldest, buf_span(&b));
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && !r.segments_removed, "retention: put back, it is in order");
	is_err(fixture_open(&f, last), ERR_OK, "retention: opens again");
}

/* A log rotator renames the file that we write, or removes it. */
static void
test_moved(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result r;
	char path[128], away[160];

	fixture_init(&f, 64 * MIB);
	is_err(audit_reopen(f.audit, f.now_s), ERR_OK, "moved: nothing is");
	add_many(&f, 2);
	segment_path(&f, 1, path);
	(void)snprintf(away, sizeof(away), "%s.1", path);
	must(sys_rename(path, away) == 0);
	is_err(audit_reopen(f.audit, f.now_s), ERR_OK, "moved: told so");
	add_many(&f, 1);
	segment_load(&f, 2, &b);
	ok(holds(&b, "audit_moved"), "moved: on record, in the next segment");
	segment_path(&f, 2, path);
	must(sys_unlink(path) == 0);
	add_many(&f, 1);
	f.now_s += AUDIT_CHECKPOINT_S;
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "moved: noticed at the checkpoint");
	add_many(&f, 1);
	fixture_shut(&f);
	segment_path(&f, 1, path);
	must(sys_rename(away, path) == 0);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 1 && r.bad_segment == 3, "moved: the verifier says what is missing: %s",
	    r.why);
	is_err(fixture_open(&f, 5), ERR_OK, "moved: the log still opens");
	ok(audit_failing(f.audit) == false, "moved: and works");
}

/* The same right before the end: what is still to be written must not go where nobody finds it. */
static void
test_moved_at_the_end(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	char path[128];

	fixture_init(&f, 64 * MIB);
	add_many(&f, 2);
	segment_path(&f, 1, path);
	must(sys_unlink(path) == 0 && add(&f, "/the/last") == ERR_OK);
	fixture_shut(&f);
	segment_path(&f, 2, path);
	ok(sys_read_file(path, &b) == ERR_OK && holds(&b, "audit_moved") &&
		holds(&b, "/the/last") && holds(&b, "checkpoint"),
	    "moved at the end: the next segment has what was pending, and the reason");
	is_err(fixture_open(&f, 3), ERR_OK, "moved at the end: the log opens");
}

/* One that copies and then cuts, or somebody who writes into it. */
static void
test_another_length(void)
{
	static const off_t lengths[] = { 0, 100, 1 << 20, 0 };

	for (size_t i = 0; i < COUNT(lengths); i++) {
		AUTO(fixture_close) struct fixture f;
		AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
		char path[128];

		fixture_init(&f, i == 3 ? MIB / 2 : 64 * MIB);
		add_many(&f, 3);
		segment_path(&f, 1, path);
		must(truncate(path, lengths[i]) == 0);
		add_many(&f, i == 3); /* so small a log has no reserve: the line makes it longer */
		f.now_s += AUDIT_CHECKPOINT_S;
		is_err(audit_sync(f.audit, f.now_s), ERR_OK, "another length: noticed");
		segment_load(&f, 2, &b);
		ok(holds(&b, "audit_moved"), "another length: on record, in the next segment");
	}
}

static void
test_modes(void)
{
	AUTO(fixture_close) struct fixture f;
	char path[128];

	fixture_init(&f, 64 * MIB);
	add_many(&f, 1);
	fixture_shut(&f);
	segment_path(&f, 1, path);
	must(chmod(path, 0640) == 0);
	is_err(fixture_open(&f, 0), ERR_DENIED, "modes: a segment that others may read");
	must(chmod(path, 0600) == 0 && chmod(f.dir, 0750) == 0);
	is_err(fixture_open(&f, 0), ERR_DENIED, "modes: a directory that others may list");
	must(chmod(f.dir, 0700) == 0);
	is_err(fixture_open(&f, 0), ERR_OK, "modes: in order");
	fixture_shut(&f);
	segment_path(&f, 2, path);
	must(symlink("/etc/passwd", path) == 0);
	is_err(fixture_open(&f, 0), ERR_DENIED, "modes: a link for a segment");
	must(sys_unlink(path) == 0);
}

static void
test_pending_limit(void)
{
	AUTO(fixture_close) struct fixture f;
	enum err e = ERR_OK;
	char *target = calloc(1, 8001);
	int n = 0;

	fixture_init(&f, 64 * MIB);
	must(target != NULL);
	memset(target, 'a', 8000);
	for (; e == ERR_OK && n < 10000; n++)
		e = add(&f, target);
	is_err(e, ERR_LIMIT, "pending: bounded when nothing can be written");
	ok(n > 3000, "pending: but not small (%d)", n);
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "pending: all of it is written");
	free(target);
}

static void
test_speed(void)
{
	AUTO(fixture_close) struct fixture f;
	uint8_t digest[HASH_LEN] = { 0 }, trace[TRACE_ID_LEN] = { 0 };
	struct audit_record r = { .event = "decide",
		.workload = span_str("mcp-github"),
		.instance = span_str("00112233445566778899aabbccddeeff"),
		.upstream = span_str("github"),
		.secret = span_str("github-token"),
		.secret_version = 3,
		.method = span_str("GET"),
		.target = span_str("/repos/acme/site/issues/17/comments?page=2"),
		.decision = "allow",
		.code = span_str("allowed"),
		.rule = span_str("GET /repos/acme/**"),
		.rules_digest = digest,
		.trace_id = trace };
	int64_t spent_us = 0;
	uint64_t seq;

	fixture_init(&f, 64 * MIB);
	for (int batch = 0; batch < 200; batch++) {
		int64_t start = clock_mono_us();

		for (int i = 0; i < 100; i++)
			must(audit_append(f.audit, &r, 3, NOW * INT64_C(1000) + i, &seq) == ERR_OK);
		spent_us += clock_mono_us() - start;
		must(audit_sync(f.audit, f.now_s) == ERR_OK);
	}
	ok(audit_durable_seq(f.audit) >= 20000, "speed: %.2f us a record, without the sync",
	    (double)spent_us / 20000);
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	test_append();
	test_reopen();
	test_revision();
	test_crash();
	test_full_disk();
	test_full_start();
	test_step_back();
	test_rotation();
	test_moved();
	test_moved_at_the_end();
	test_another_length();
	test_modes();
	test_pending_limit();
	test_speed();
	return done();
}
