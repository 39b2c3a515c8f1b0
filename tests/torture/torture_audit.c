/* The audit log: what was said to be durable is in it and verifies, whatever fails under it. */
#include "tests/torture/torture.h"
#include "tests/unit/audit_fixture.h"

#define RECORDS 12

static struct fixture f;
static uint64_t promised; /* durable as far as this, said the log */
static uint64_t began;

static void
first(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
}

static void
set_up(void)
{
	fixture_init_as(&f, 1u << 20, true);
	add_many(&f, 3);
	began = promised = audit_durable_seq(f.audit);
}

static void
set_up_shut(void)
{
	set_up();
	fixture_shut(&f);
}

static void
tear_down(void)
{
	fixture_close(&f);
}

static enum err
run_append(void)
{
	for (int i = 0; i < RECORDS; i++) {
		enum err e = add(&f, "/x");

		if (e == ERR_OK)
			e = audit_sync(f.audit, f.now_s);
		if (e != ERR_OK)
			return e;
		promised = audit_seq(f.audit);
	}
	return ERR_OK;
}

/* Opened again from the disk alone, as after a kill: all that was promised is there. */
static void
look(const char *when)
{
	struct verify_result r;

	fixture_shut(&f);
	if (fixture_open(&f, promised) != ERR_OK)
		torture_wrong("%s: it does not open: %s", when, f.why);
	if (audit_durable_seq(f.audit) < promised)
		torture_wrong("%s: %llu was promised, %llu is there", when,
		    (unsigned long long)promised, (unsigned long long)audit_durable_seq(f.audit));
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	if (r.bad_line != 0 || r.segments_removed || r.proven_seq < promised)
		torture_wrong("%s: it does not verify: segment %u line %llu: %s", when,
		    r.bad_segment, (unsigned long long)r.bad_line, r.why);
}

/* One more, with everything working again. */
static void
goes_on(enum err e)
{
	enum err synced = add(&f, "/after") == ERR_OK ? audit_sync(f.audit, f.now_s) : ERR_NOMEM;

	if (synced == ERR_IO)
		synced = audit_recover(f.audit, f.now_s);
	if (synced != ERR_OK)
		torture_wrong("after %s it takes no record: %s", err_name(e), err_name(synced));
	promised = audit_seq(f.audit);
}

static void
check_append(enum err e)
{
	if (e == ERR_OK && promised != began + RECORDS)
		torture_wrong("only %llu are counted", (unsigned long long)promised);
	goes_on(e);
	look("append");
}

static enum err
run_checkpoint(void)
{
	enum err e = add(&f, "/x");

	f.now_s += AUDIT_CHECKPOINT_S + 1;
	if (e == ERR_OK)
		e = audit_sync(f.audit, f.now_s);
	if (e == ERR_OK)
		e = audit_tell_revision(f.audit, f.now_s);
	if (e == ERR_OK)
		promised = audit_seq(f.audit);
	return e;
}

static void
check_checkpoint(enum err e)
{
	if (e == ERR_OK && promised <= began)
		torture_wrong("nothing was counted");
	if (e == ERR_IO && audit_recover(f.audit, f.now_s) != ERR_OK)
		torture_wrong("it does not recover when all works again");
	look("checkpoint");
}

/* A log rotator took the newest segment away. */
static void
set_up_moved(void)
{
	char path[128], away[160];

	set_up();
	segment_path(&f, 1, path);
	(void)snprintf(away, sizeof away, "%s/moved", f.dir);
	must(sys_rename(path, away) == 0);
}

static enum err
run_reopen(void)
{
	return audit_reopen(f.audit, f.now_s);
}

static void
check_reopen(enum err e)
{
	char path[128], away[160];

	goes_on(e);
	fixture_shut(&f);
	segment_path(&f, 1, path);
	(void)snprintf(away, sizeof away, "%s/moved", f.dir);
	if (access(path, F_OK) != 0)
		must(sys_rename(away, path) == 0);
	look("reopen");
}

static enum err
run_open(void)
{
	return fixture_open(&f, promised);
}

static void
check_open(enum err e)
{
	if (e == ERR_AUTH)
		torture_wrong("a good log is called bad: %s", f.why);
	if (e != ERR_OK && f.why[0] == '\0')
		torture_wrong("%s without a word", err_name(e));
	if (e == ERR_OK)
		goes_on(e);
	look("open");
}

/* A log that was not closed: records behind the last checkpoint, and half a line. */
static void
set_up_crashed(void)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(1u << 20);

	set_up();
	add_many(&f, 4);
	promised = audit_durable_seq(f.audit);
	segment_load(&f, 1, &text);
	fixture_shut(&f);
	must(buf_append_str(&text, "{\"chain\":\"01\",\"se") == ERR_OK);
	segment_store(&f, 1, buf_span(&text));
}

static enum err
run_recover(void)
{
	return audit_recover(f.audit, f.now_s);
}

/* A disk that took nothing for a while. */
static void
set_up_failing(void)
{
	struct fixture *at = &f;

	set_up();
	must(add(at, "/pending") == ERR_OK);
	torture_arm(TORTURE_CALL, 1, TORTURE_ONWARDS);
	must(audit_sync(at->audit, at->now_s) == ERR_IO);
	torture_disarm();
}

static void
check_recover(enum err e)
{
	if (e != ERR_OK && !audit_failing(f.audit))
		torture_wrong("%s, and it says that it does not fail", err_name(e));
	if (e != ERR_OK && audit_recover(f.audit, f.now_s) != ERR_OK)
		torture_wrong("the second try fails too");
	promised = audit_seq(f.audit);
	look("recover");
}

static struct verify *verifier;

static void
set_up_verify(void)
{
	set_up();
	fixture_shut(&f);
	must(fixture_open(&f, 0) == ERR_OK);
	add_many(&f, 3);
	fixture_shut(&f);
}

static enum err
run_verify(void)
{
	enum err e = verify_new(f.public_key, &verifier);

	for (uint32_t n = 1; n < 3 && e == ERR_OK; n++) {
		char path[128];
		AUTO(sys_closep) int fd = -1;

		segment_path(&f, n, path);
		fd = sys_open(path, O_RDONLY, 0);
		if (fd >= 0)
			e = verify_segment(verifier, n, fd);
		else if (n == 1)
			e = ERR_IO;
	}
	return e;
}

static void
check_verify(enum err e)
{
	if (e == ERR_AUTH)
		torture_wrong("a good log is called bad: %s", verify_end(verifier).why);
	if (e == ERR_OK && verify_end(verifier).bad_line != 0)
		torture_wrong("a good log has a bad line: %s", verify_end(verifier).why);
	verify_free(verifier);
	verifier = NULL;
}

static const struct torture_path paths[] = {
	{ "append and sync", NULL, set_up, run_append, check_append, tear_down, false },
	{ "checkpoint", NULL, set_up, run_checkpoint, check_checkpoint, tear_down, false },
	{ "log rotated under us", NULL, set_up_moved, run_reopen, check_reopen, tear_down, false },
	{ "open", NULL, set_up_shut, run_open, check_open, tear_down, false },
	{ "open after a crash", NULL, set_up_crashed, run_open, check_open, tear_down, false },
	{ "recover", NULL, set_up_failing, run_recover, check_recover, tear_down, false },
	{ "verify", NULL, set_up_verify, run_verify, check_verify, tear_down, false },
};

int
main(int argc, char **argv)
{
	return torture_main(paths, COUNT(paths), first, argc, argv);
}
