#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "broker/keeper/store/kv_state.h"
#include "tests/unit/kv_fixture.h"

static void
test_commit(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(secret_freep) struct secret *value = NULL;
	char path[128];
	struct audit_mark mark = { .seq = 21, .interval = 3, .mac = { [31] = 9 } }, ended;
	struct kv_op ops[3] = { { .key = "b", .plain = span_str("two") },
		{ .key = "a", .plain = span_str("one") },
		{ .key = "b", .plain = span_str("three") } };

	fixture_init(&f);
	is_err(fixture_open(&f), ERR_OK, "commit: open an empty store");
	ok(seen.len == 0 && kv_revision(f.kv) == 1, "commit: no rows, revision 1");
	ok(strcmp(kv_meta(f.kv)->trust_domain, "example.org") == 0,
	    "commit: the trust domain is kept");
	is_err(kv_commit(f.kv, ops, 3, 17), ERR_OK, "commit: three changes of two keys");
	ok(kv_revision(f.kv) == 2 && kv_audit_seq(f.kv) == 17,
	    "commit: revision and audit sequence");
	is_err(kv_open_row(f.kv, "b", &value), ERR_OK, "commit: the row opens");
	ok(span_eq_str(secret_span(value), "three"), "commit: the last change of a key counts");
	is_err(put(f.kv, "a", "uno"), ERR_OK, "commit: overwrite");
	is_err(put(f.kv, "c", "x"), ERR_OK, "commit: insert");
	is_err(put(f.kv, "b", NULL), ERR_OK, "commit: delete");
	is_err(put(f.kv, "nothing", NULL), ERR_OK, "commit: delete what is not there");
	is_err(kv_commit(f.kv, NULL, 0, 5), ERR_OK, "commit: nothing at all");
	ok(kv_audit_seq(f.kv) == 17, "commit: the audit sequence never falls");
	ok(kv_interval_ended(f.kv).interval == 0, "commit: no interval of the log ended yet");
	is_err(kv_end_interval(f.kv, &mark), ERR_OK, "commit: one ends");
	secret_freep(&value);
	is_err(kv_open_row(f.kv, "b", &value), ERR_NOT_FOUND, "commit: deleted is gone");
	fixture_shut(&f);
	is_err(fixture_open(&f), ERR_OK, "commit: open again");
	ok(seen_is("a@2=uno\nc@1=x\n"), "commit: rows in order, versions counted");
	ok(kv_revision(f.kv) == 8 && kv_audit_seq(f.kv) == 21, "commit: the manifest was kept");
	ended = kv_interval_ended(f.kv);
	ok(ended.seq == 21 && ended.interval == 3 && ended.mac[31] == 9,
	    "commit: and where the log's interval ended");
	must(put(f.kv, "a", "dos") == ERR_OK);
	fixture_path(&f, "store.db-wal", path);
	ok(access(path, F_OK) == 0, "commit: what is new stands in the write-ahead log");
	fixture_path(&f, "store.db-shm", path);
	ok(access(path, F_OK) != 0, "commit: whose index is in no file that others could map");
}

static void
test_seal(void)
{
	AUTO(fixture_close) struct fixture f;
	struct secret *value = NULL;

	fixture_init(&f);
	must(fixture_open(&f) == ERR_OK && put(f.kv, "a", "1") == ERR_OK);
	is_err(kv_unseal(f.kv, f.keyring, see_row, NULL, f.why, sizeof(f.why)), ERR_CONFLICT,
	    "seal: it is unsealed already");
	kv_seal(f.kv);
	is_err(put(f.kv, "a", "2"), ERR_SEALED, "seal: no commit while sealed");
	is_err(kv_open_row(f.kv, "a", &value), ERR_SEALED, "seal: no row while sealed");
	is_err(kv_rekey_start(f.kv), ERR_SEALED, "seal: no rekey while sealed");
	ok(kv_revision(f.kv) == 0 && kv_rekey_left(f.kv) == 0, "seal: nothing is known");
	buf_clear(&seen);
	is_err(kv_unseal(f.kv, f.keyring, see_row, NULL, f.why, sizeof(f.why)), ERR_OK,
	    "seal: unsealed again");
	ok(seen_is("a@1=1\n"), "seal: the rows are back");
}

static void
test_limits(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf big = BUF_MAX(KV_VALUE_MAX + 1);
	struct kv_op op = { .key = "" };
	struct secret *value = NULL;
	struct kv_op *many = calloc(KV_OPS_MAX + 1, sizeof(*many));

	fixture_init(&f);
	must(many != NULL && fixture_open(&f) == ERR_OK);
	for (size_t i = 0; i <= KV_VALUE_MAX; i++)
		must(buf_append_byte(&big, (uint8_t)i) == ERR_OK);
	op.plain = buf_span(&big);
	is_err(kv_commit(f.kv, &op, 1, 0), ERR_LIMIT, "limits: an empty key");
	memset(op.key, 'k', KV_KEY_MAX);
	is_err(kv_commit(f.kv, &op, 1, 0), ERR_LIMIT, "limits: a value one byte too long");
	op.plain.len--;
	is_err(kv_commit(f.kv, &op, 1, 0), ERR_OK, "limits: longest key and value");
	is_err(
	    kv_open_row(f.kv, op.key, &value), ERR_LIMIT, "limits: it is no secret of that length");
	for (int i = 0; i <= KV_OPS_MAX; i++)
		(void)snprintf(many[i].key, sizeof(many[i].key), "m%d", i);
	for (int i = 0; i <= KV_OPS_MAX; i++)
		many[i].plain = span_str("v");
	is_err(kv_commit(f.kv, many, KV_OPS_MAX + 1, 0), ERR_LIMIT, "limits: too many changes");
	is_err(kv_commit(f.kv, many, KV_OPS_MAX, 0), ERR_OK, "limits: as many as allowed");
	fixture_shut(&f);
	is_err(fixture_open(&f), ERR_OK, "limits: all of it opens again");
	free(many);
}

static void
test_rekey(void)
{
	AUTO(fixture_close) struct fixture f;
	uint64_t left = 99;
	char key[16];

	fixture_init(&f);
	must(fixture_open(&f) == ERR_OK);
	for (int i = 0; i < 10; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		must(put(f.kv, key, "v") == ERR_OK);
	}
	is_err(kv_rekey_start(f.kv), ERR_OK, "rekey: start");
	ok(kv_rekey_left(f.kv) == 10 && keyring_active(f.keyring) == 2, "rekey: ten rows to do");
	is_err(kv_rekey_step(f.kv, 4, 0, &left), ERR_OK, "rekey: a step");
	ok(left == 6, "rekey: six left");
	must(put(f.kv, "k9", "new") == ERR_OK && put(f.kv, "k8", NULL) == ERR_OK);
	must(put(f.kv, "a", "in front") == ERR_OK);
	ok(kv_rekey_left(f.kv) == 4, "rekey: a commit helps");
	fixture_shut(&f);
	is_err(fixture_open(&f), ERR_OK, "rekey: a restart in between");
	ok(kv_rekey_left(f.kv) == 4, "rekey: it knows where it was");
	is_err(kv_rekey_step(f.kv, 100, 0, &left), ERR_OK, "rekey: the rest");
	ok(left == 0 && !keyring_has_older(f.keyring), "rekey: the old key is gone");
	fixture_shut(&f);
	is_err(fixture_open(&f), ERR_OK, "rekey: opens with the new key alone");
	ok(!keyring_has_older(f.keyring) && kv_rekey_left(f.kv) == 0, "rekey: nothing is left");
	ok(seen_is("a@1=in front\nk0@2=v\nk1@2=v\nk2@2=v\nk3@2=v\nk4@2=v\nk5@2=v\nk6@2=v\nk7@2=v\n"
		   "k9@2=new\n"),
	    "rekey: every row is there once");
}

/* Killed behind the last row, before the old keys were dropped: one more step drops them. */
static void
test_rekey_end(void)
{
	AUTO(fixture_close) struct fixture f;
	uint64_t left = 99;

	fixture_init(&f);
	must(fixture_open(&f) == ERR_OK && put(f.kv, "a", "1") == ERR_OK);
	must(kv_rekey_start(f.kv) == ERR_OK && put(f.kv, "a", "2") == ERR_OK);
	fixture_shut(&f);
	must(fixture_open(&f) == ERR_OK);
	ok(keyring_has_older(f.keyring) && kv_rekey_left(f.kv) == 1, "rekey end: one step is left");
	is_err(kv_rekey_step(f.kv, 10, 0, &left), ERR_OK, "rekey end: step");
	ok(left == 0 && kv_rekey_left(f.kv) == 0 && !keyring_has_older(f.keyring),
	    "rekey end: done");
	must(kv_rekey_start(f.kv) == ERR_OK && put(f.kv, "a", "3") == ERR_OK);
	f.kv->meta.wrapped.data[0] ^= 1;
	ok(kv_rekey_step(f.kv, 10, 0, &left) != ERR_OK && kv_rekey_left(f.kv) == 1,
	    "rekey end: a last step that fails is still to be done");
	f.kv->meta.wrapped.data[0] ^= 1;
	is_err(kv_rekey_step(f.kv, 10, 0, &left), ERR_OK, "rekey end: again");
	fixture_shut(&f);
	must(fixture_open(&f) == ERR_OK);
	ok(kv_rekey_left(f.kv) == 0, "rekey end: done, on disk too");
	for (int i = 1; i < KEYRING_KEYS_MAX; i++)
		must(kv_rekey_start(f.kv) == ERR_OK);
	is_err(kv_rekey_start(f.kv), ERR_LIMIT, "rekey end: not more keys than allowed");
	fixture_shut(&f);
	is_err(fixture_open(&f), ERR_OK, "rekey end: opens with all of them");
}

static void
test_rewrap(void)
{
	static const uint8_t salt[ARGON2_SALT_LEN] = "new salt";
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf w = BUF_MAX(KEYRING_WRAPPED_MAX);
	struct secret *fresh = NULL;

	fixture_init(&f);
	must(fixture_open(&f) == ERR_OK && crypto_random_secret(KEY_LEN, &fresh) == ERR_OK);
	must(keyring_wrap(f.keyring, UNSEAL_PASSPHRASE, salt, fresh, &w) == ERR_OK);
	is_err(kv_rewrap(f.kv, buf_span(&w)), ERR_OK, "rewrap");
	fixture_shut(&f);
	is_err(fixture_open(&f), ERR_AUTH, "rewrap: the old key does not open it any more");
	fixture_shut(&f);
	secret_free(f.kek);
	f.kek = fresh;
	is_err(fixture_open(&f), ERR_OK, "rewrap: the new one does");
}

/* The child: commits as fast as it can, and says on stdout each number that was acknowledged. */
static int
commit_forever(const char *dir)
{
	struct fixture f = { .kv = NULL };
	struct buf kek = BUF_MAX(KEY_LEN);

	(void)snprintf(f.dir, sizeof(f.dir), "%s", dir);
	file_load(&f, "kek", &kek);
	must(secret_from(kek.data, kek.len, &f.kek) == ERR_OK && fixture_open(&f) == ERR_OK);
	for (int n = 0; n < 100000; n++) {
		char value[16];

		(void)snprintf(value, sizeof(value), "%d", n);
		if (put(f.kv, "n", value) != ERR_OK || put(f.kv, value, "x") != ERR_OK)
			return 1;
		must(write(STDOUT_FILENO, &n, sizeof(n)) == (ssize_t)sizeof(n));
	}
	return 0;
}

/* A program of its own: a fork would not have the locked arena. */
static pid_t
start_child(const struct fixture *f, int out)
{
	pid_t pid;

	file_store(f, "kek", secret_span(f->kek));
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid > 0)
		return pid;
	(void)dup2(out, STDOUT_FILENO);
	(void)execl(program_invocation_name, "test_kv", f->dir, (char *)NULL);
	_exit(127);
}

/* Whatever the kill met, the store holds at least what was acknowledged. */
static void
kill_once(struct fixture *f, int round)
{
	int fds[2], acked = -1, n, status;
	char want[32];
	pid_t pid;

	must(pipe2(fds, O_CLOEXEC) == 0);
	pid = start_child(f, fds[1]);
	close(fds[1]);
	while (acked < 3 + round * 7 && read(fds[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
		acked = n;
	must(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	while (read(fds[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
		acked = n;
	close(fds[0]);
	is_err(fixture_open(f), ERR_OK, "kill: the store opens");
	(void)snprintf(want, sizeof(want), "%d@1=x\n", acked);
	must(buf_append_byte(&seen, '\0') == ERR_OK);
	ok(acked >= 3 && strstr((const char *)seen.data, want) != NULL,
	    "kill: it holds what was acknowledged");
	fixture_shut(f);
}

static void
test_kill(void)
{
	for (int round = 0; round < 5; round++) {
		AUTO(fixture_close) struct fixture f;

		fixture_init(&f);
		kill_once(&f, round);
	}
}

/* The power goes: a copy of what is on disk at that moment, WAL and all. */
static void
test_copy(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf db = BUF_MAX(1u << 24), wal = BUF_MAX(1u << 24);
	bool good = true;

	fixture_init(&f);
	must(fixture_open(&f) == ERR_OK && put(f.kv, "a", "1") == ERR_OK);
	must(put(f.kv, "b", "2") == ERR_OK);
	file_load(&f, "store.db", &db);
	file_load(&f, "store.db-wal", &wal);
	fixture_shut(&f);
	file_store(&f, "store.db", buf_span(&db));
	file_store(&f, "store.db-wal", buf_span(&wal));
	is_err(fixture_open(&f), ERR_OK, "copy: store and WAL of a running keeper open");
	ok(seen_is("a@1=1\nb@1=2\n"), "copy: with all that was committed");
	fixture_shut(&f);
	for (size_t len = 0; len < wal.len;
	     len += 97) { /* torn anywhere: a whole state, or refused */
		file_store(&f, "store.db", buf_span(&db));
		file_store(&f, "store.db-wal", span_of(wal.data, len));
		if (fixture_open(&f) == ERR_OK)
			good = good && (seen_is("") || seen_is("a@1=1\n"));
		fixture_shut(&f);
	}
	ok(good, "copy: a torn WAL gives an older whole state");
}

/* A full disk, by way of a file size limit. */
static void
test_full(void)
{
	AUTO(fixture_close) struct fixture f;
	struct rlimit old, tight = { 16384, 0 };
	char value[8000];
	enum err e = ERR_OK;
	int done_n = 0;

	fixture_init(&f);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	must(fixture_open(&f) == ERR_OK && put(f.kv, "a", "1") == ERR_OK);
	must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && getrlimit(RLIMIT_FSIZE, &old) == 0);
	tight.rlim_max = old.rlim_max;
	must(setrlimit(RLIMIT_FSIZE, &tight) == 0);
	while (e == ERR_OK && done_n < 1000) {
		e = put(f.kv, "a", value);
		done_n += e == ERR_OK;
	}
	must(setrlimit(RLIMIT_FSIZE, &old) == 0);
	ok(e == ERR_IO || e == ERR_LIMIT, "full: the commit fails (%s after %d)", err_name(e),
	    done_n);
	if (e == ERR_IO)
		is_err(put(f.kv, "a", "x"), ERR_IO, "full: and nothing is believed any more");
	fixture_shut(&f);
	is_err(fixture_open(&f), ERR_OK, "full: what is on disk opens");
	ok(seen.len > 0, "full: with the last acknowledged state");
}

int
main(int argc, char **argv)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	if (argc == 2)
		return commit_forever(argv[1]);
	test_commit();
	test_seal();
	test_limits();
	test_rekey();
	test_rekey_end();
	test_rewrap();
	test_kill();
	test_copy();
	test_full();
	buf_wipe(&seen);
	return done();
}
