#include "broker/keeper/audit/reserve.h"
#include "tests/unit/audit_fixture.h"

static off_t
file_size(const struct fixture *f, uint32_t n)
{
	struct stat st;
	char path[128];

	segment_path(f, n, path);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* The zeros behind the last line are nobody's loss: not while it runs, and not after a kill. */
static void
test_reserve(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), killed = BUF_MAX(4 * MIB);
	struct verify_result r;
	char path[128];
	off_t size;

	fixture_init(&f, 64 * MIB);
	add_many(&f, 1);
	size = file_size(&f, 1);
	ok(size >= AUDIT_RESERVE_BYTES, "reserve: there, behind the first line (%lld)",
	    (long long)size);
	add_many(&f, 3);
	ok(file_size(&f, 1) == size, "reserve: further lines change no length");
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && !r.torn && r.last_seq == 4, "reserve: verifies: %s", r.why);
	f.now_s += AUDIT_CHECKPOINT_S;
	is_err(audit_sync(f.audit, f.now_s), ERR_OK, "reserve: a checkpoint");
	segment_path(&f, 1, path);
	must(sys_read_file(path, &killed) == ERR_OK);
	fixture_shut(&f);
	segment_load(&f, 1, &b);
	ok(file_size(&f, 1) == (off_t)b.len, "reserve: gone at the end");
	segment_store(&f, 1, buf_span(&killed));
	is_err(fixture_open(&f, 5), ERR_OK, "reserve: opens as a kill left it");
	ok(audit_seq(f.audit) == 5, "reserve: nothing was lost");
	add_many(&f, 2);
	ok(file_size(&f, 1) == (off_t)killed.len && file_size(&f, 2) < 0, "reserve: goes on in it");
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.last_seq == 7, "reserve: whole: %s", r.why);
	while (file_size(&f, 1) == (off_t)killed.len)
		add_many(&f, 100);
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == r.last_seq && r.last_seq > 400,
	    "reserve: used up, there is another (%llu records)", (unsigned long long)r.last_seq);
}

/* Pages reach the disk in any order: a checkpoint may be there and a line in front of it not. Then
 * neither was acknowledged. */
static void
test_hole(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB), second = BUF_MAX(MIB);
	struct verify_result r;
	struct span line;
	char segment[128];

	fixture_init(&f, 64 * MIB);
	for (int i = 0; i < 2; i++) {
		add_many(&f, 3);
		f.now_s += AUDIT_CHECKPOINT_S;
		must(audit_sync(f.audit, f.now_s) == ERR_OK);
	}
	segment_load(&f, 1, &b);
	fixture_shut(&f);
	line = line_at(buf_span(&b), 7); /* header, 3, checkpoint, 2, this one, checkpoint */
	memset(b.data + (line.p - b.data) + 20, 0, 60);
	segment_store(&f, 1, buf_span(&b));
	segment_path(&f, 1, segment);
	must(truncate(segment, (off_t)(b.len + AUDIT_RESERVE_BYTES)) == 0);
	is_err(fixture_open(&f, 4), ERR_OK, "a hole in front of a checkpoint: opens");
	ok(file_size(&f, 1) == (off_t)b.len,
	    "a hole in front of a checkpoint: the reserve that a kill left is given back");
	segment_load(&f, 2, &second);
	ok(holds(&second, AUDIT_EVENT_CUT), "a hole in front of a checkpoint: said");
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == r.last_seq, "a hole in front of a checkpoint: %s",
	    r.bad_line == 0 ? "verifies" : r.why);
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	test_reserve();
	test_hole();
	return done();
}
