#include "broker/keeper/audit/segment.h"
#include "tests/unit/audit_fixture.h"

/* A file that somebody put where the next segment goes, while it runs. */
static void
test_in_the_way(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf kept = BUF_MAX(MIB);
	char path[128 + 8], first[128];
	struct verify_result r;

	fixture_init(&f, MIB / 2);
	segment_store(&f, 2, span_str("mine\n"));
	add_many(&f, 300);
	segment_path(&f, 2, first);
	(void)snprintf(path, sizeof(path), "%s.kept", first);
	ok(sys_read_file(path, &kept) == ERR_OK && span_eq_str(buf_span(&kept), "mine\n"),
	    "a file in the next segment's place is kept");
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.last_seq > 300, "  and the log goes on: %s", r.why);
	segment_store(&f, 3, span_str("mine\n"));
	(void)snprintf(path, sizeof(path), "%s/00000003.jsonl.kept", f.dir);
	must(sys_rename(first, path) == 0);
	is_err(audit_reopen(f.audit, f.now_s), ERR_IO, "  one is not lost for another");
	ok(audit_failing(f.audit), "  nothing is handed out before they are moved");
	must(sys_unlink(path) == 0);
	is_err(audit_recover(f.audit, f.now_s), ERR_OK, "  and then it goes on");
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	test_in_the_way();
	return done();
}
