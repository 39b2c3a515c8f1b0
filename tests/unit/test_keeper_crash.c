/* kill -9 at any moment: what was acknowledged is there, what was used up stays used up, and log
 * and store agree. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/lib/keeper_rig.h"
#include "tests/lib/tap.h"

#define ROUNDS 25
#define ACKS_MAX 4096
#define WORK_FD 9 /* where the child says what it was told */

/* What the child was told, before it tells anybody else. */
struct ack {
	char kind; /* 'e' a certificate for a key, 'k' a key that was not used, 's' a secret's
		      version */
	uint8_t key[ENROLL_KEY_LEN], serial[SERIAL_LEN];
	uint32_t version;
};

static struct ack acks[ACKS_MAX];
static size_t ack_count;

static void
say(int fd, const struct ack *a)
{
	must(sys_write_all(fd, a, sizeof *a) ==
	     ERR_OK); /* less than PIPE_BUF: whole or not at all */
}

static void
enroll_and_say(int fd)
{
	struct ack a = { .kind = 'k' };
	uint8_t ticket[TICKET_LEN];
	struct deny deny;
	struct issued issued;

	must(rig_enrollment("agent", false, 0, a.key) == ERR_OK);
	say(fd, &a);
	must(rig_control("POST", "/v1/enroll", NULL, span_of(a.key, sizeof a.key), ticket, &deny) ==
	     ERR_OK);
	must(rig_issue(EK_ENROLL, ticket, a.serial, &issued) == ERR_OK);
	a.kind = 'e';
	say(fd, &a);
}

static void
work(int fd)
{
	struct ack a = { .kind = 's' };
	char text[32];

	rig_start();
	for (;;) {
		enroll_and_say(fd);
		(void)snprintf(text, sizeof text, "value-%u", ++a.version);
		must(rig_secret("key", text, 0) == ERR_OK);
		a.version = secrets_active(secrets_find(&rig.k->secrets, "key"));
		say(fd, &a);
	}
}

static void
collect(int fd)
{
	ack_count = 0;
	while (ack_count < ACKS_MAX &&
	       sys_read(fd, &acks[ack_count], sizeof acks[0]) == sizeof acks[0])
		ack_count++;
}

static bool
key_works(const uint8_t key[ENROLL_KEY_LEN])
{
	return identity_enrollment_of_key(&rig.k->identity, span_of(key, ENROLL_KEY_LEN)) != NULL;
}

/* A key whose certificate was acknowledged is used; the last key may be either, its certificate was
 * under way. */
static void
check(int round)
{
	uint32_t version = 0;
	size_t certificates = 0;
	bool good = !rig.k->sealed;

	for (size_t i = 0; good && i < ack_count; i++) {
		const struct certificate *c;

		if (acks[i].kind == 's')
			version = acks[i].version;
		if (acks[i].kind != 'e')
			continue;
		c = identity_certificate(&rig.k->identity, acks[i].serial);
		good = c != NULL && identity_refusal(c, keeper_now_s(rig.k)) == NULL &&
		       !key_works(acks[i].key);
		certificates++;
	}
	if (version != 0)
		good = good && secrets_active(secrets_find(&rig.k->secrets, "key")) >= version;
	ok(good, "round %d: %zu certificates and version %u are there", round, certificates,
	    version);
}

static size_t all_acks;

static void
one_round(int round)
{
	int fds[2], status;
	pid_t pid;

	must(pipe(fds) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) { /* exec, since the arena of secrets does not cross a fork */
		must(dup2(fds[1], WORK_FD) == WORK_FD);
		(void)execl(program_invocation_name, "test_keeper_crash", rig.state, rig.key, NULL);
		_exit(1);
	}
	sys_close(fds[1]);
	must(poll(&(struct pollfd){ .fd = fds[0], .events = POLLIN }, 1, 20000) == 1);
	must(poll(NULL, 0, round * 7 % 60) == 0);
	must(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	collect(fds[0]);
	sys_close(fds[0]);
	rig_start();
	check(round);
	all_acks += ack_count;
	rig_stop();
}

int
main(int argc, char **argv)
{
	if (argc == 3) {
		(void)snprintf(rig.state, sizeof rig.state, "%s", argv[1]);
		(void)snprintf(rig.key, sizeof rig.key, "%s", argv[2]);
		must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
		work(WORK_FD);
	}
	rig_init();
	must(rig_workload("agent") == ERR_OK);
	rig_stop();
	for (int round = 0; round < ROUNDS; round++)
		one_round(round);
	rig_start();
	ok(!rig.k->sealed && all_acks > ROUNDS,
	    "log and store agree in the end, after %zu acknowledgements", all_acks);
	rig_done();
	return done();
}
