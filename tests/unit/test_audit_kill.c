#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/audit_fixture.h"

#define ROUNDS 8
#define KEY_NAME "ring" /* beside the segments: a name that the log does not take for its own */

static const uint8_t id[STORE_ID_LEN] = "audit test", salt[ARGON2_SALT_LEN];

static struct secret *
fixed_kek(void)
{
	struct secret *kek = NULL;
	uint8_t bytes[KEY_LEN] = { 7 };

	must(secret_from(bytes, sizeof(bytes), &kek) == ERR_OK);
	return kek;
}

static void
keep_ring(const struct fixture *f)
{
	AUTO(buf_wipe) struct buf w = BUF_MAX(KEYRING_WRAPPED_MAX);
	struct secret *kek = fixed_kek();
	char path[128];

	must(keyring_wrap(f->keyring, UNSEAL_KEY_FILE, salt, kek, &w) == ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/" KEY_NAME, f->dir);
	must(sys_replace_file(path, buf_span(&w), 0600) == ERR_OK);
	secret_free(kek);
}

/* What the store would know of the log's intervals, from one process to the next. */
static void
remember(struct fixture *f, int flags)
{
	struct audit_mark ended;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/ended", f->dir);
	if (f->ended_fd <= 0)
		f->ended_fd = sys_open(path, O_RDWR | flags, 0600);
	f->remembers = f->ended_fd > 0;
	if (f->remembers &&
	    sys_pread(f->ended_fd, &ended, sizeof(ended), 0) == (ssize_t)sizeof(ended))
		f->ended = ended;
}

/* The child: batches as fast as it can, and on stdout what is durable after each. */
static int
append_forever(const char *dir)
{
	AUTO(buf_wipe) struct buf w = BUF_MAX(KEYRING_WRAPPED_MAX);
	struct fixture f = { .bytes_max = 1u << 20, .now_s = NOW };
	char path[128];

	(void)snprintf(f.dir, sizeof(f.dir), "%s", dir);
	(void)snprintf(path, sizeof(path), "%s/" KEY_NAME, dir);
	must(sys_read_file(path, &w) == ERR_OK);
	must(keyring_unwrap(buf_span(&w), id, fixed_kek(), &f.keyring) == ERR_OK);
	remember(&f, 0);
	must(fixture_open(&f, 0) == ERR_OK);
	for (int batch = 0; batch < 1000000; batch++) {
		uint64_t durable;

		for (int i = 0; i < batch % 50; i++)
			must(add(&f, "/some/target/of/usual/length") == ERR_OK);
		f.now_s += batch % 7 == 0;
		must(audit_sync(f.audit, f.now_s) == ERR_OK);
		durable = audit_durable_seq(f.audit);
		must(write(STDOUT_FILENO, &durable, sizeof(durable)) == (ssize_t)sizeof(durable));
	}
	return 0;
}

/* Kills it after some batches; what it said last. */
static uint64_t
run_and_kill(const struct fixture *f, int batches)
{
	uint64_t acked = 0, durable;
	int fds[2], status;
	pid_t pid;

	must(pipe2(fds, O_CLOEXEC) == 0);
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) { /* a program of its own: a fork would not have the locked arena */
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)execl(program_invocation_name, "test_audit_kill", f->dir, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	for (int i = 0; i < batches; i++)
		if (read(fds[0], &durable, sizeof(durable)) == (ssize_t)sizeof(durable))
			acked = durable;
	must(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	while (read(fds[0], &durable, sizeof(durable)) == (ssize_t)sizeof(durable))
		acked = durable;
	close(fds[0]);
	return acked;
}

static void
test_rounds(void)
{
	AUTO(fixture_close) struct fixture f;
	uint64_t before = 0, ended = 0;

	fixture_init_as(&f, 1u << 20, true);
	remember(&f, O_CREAT);
	keep_ring(&f);
	fixture_shut(&f);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t acked = run_and_kill(&f, 20 + 37 * round);
		struct verify_result r = verify_all(&f, NULL);

		ok(acked > before && r.bad_line == 0 && r.last_seq >= acked,
		    "kill: %llu were durable, %llu are there: %s", (unsigned long long)acked,
		    (unsigned long long)r.last_seq, r.why);
		remember(&f, 0);
		ended += f.ended.interval;
		is_err(fixture_open(&f, acked), ERR_OK, "kill: it opens");
		/* What the log says about itself; the second time, when the first one found its
		 * segment full and removed the oldest. */
		for (int i = 0; i < 2; i++)
			must(audit_sync(f.audit, f.now_s) == ERR_OK);
		before = audit_seq(f.audit);
		ok(before >= acked && audit_durable_seq(f.audit) == before,
		    "kill: and goes on there");
		if (round % 2 == 0)
			fixture_shut(&f);
		r = verify_all(&f, NULL);
		ok(r.bad_line == 0 && r.last_seq >= before, "kill: and verifies: %s", r.why);
		fixture_shut(&f);
	}
	ok(ended > ROUNDS, "kill: the store was told of intervals");
	sys_close(f.ended_fd);
}

/* Killed at the first byte behind max of a file. */
static void
run_until(const struct fixture *f, rlim_t max)
{
	struct rlimit l = { max, max }, no_core = { 0, 0 };
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		(void)signal(SIGXFSZ, SIG_DFL);
		must(setrlimit(RLIMIT_CORE, &no_core) == 0 && setrlimit(RLIMIT_FSIZE, &l) == 0);
		(void)execl(program_invocation_name, "test_audit_kill", f->dir, (char *)NULL);
		_exit(127);
	}
	must(waitpid(pid, &status, 0) == pid);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ, "half: killed at byte %llu",
	    (unsigned long long)max);
}

/* A second kill, in the middle of repeating what the first one left behind the last checkpoint. */
static void
test_half_repeated(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(1u << 20);
	struct verify_result r;

	fixture_init(&f, 1u << 20);
	keep_ring(&f);
	add_many(&f, 50);
	segment_load(&f, 1, &b);
	fixture_shut(&f);
	segment_store(&f, 1, buf_span(&b));
	for (rlim_t max = 100; max < 8000; max += 1300)
		run_until(&f, max);
	is_err(fixture_open(&f, 50), ERR_OK, "half: it opens");
	ok(f.audit != NULL && audit_seq(f.audit) == 50, "half: all records are there: %s", f.why);
	fixture_shut(&f);
	r = verify_all(&f, NULL);
	ok(r.bad_line == 0 && r.proven_seq == 51, "half: and verify: %s", r.why);
}

int
main(int argc, char **argv)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 18) == ERR_OK);
	if (argc == 2)
		return append_forever(argv[1]);
	test_rounds();
	test_half_repeated();
	return done();
}
