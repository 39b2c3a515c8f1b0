/* What is queued when the socket takes nothing: the kernel has no memory for it, the peer is slow,
 * the process ends. sendmsg(2) is our own here, so that it can have no memory. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/ipc/channel.h"
#include "broker/ipc/frame.h"
#include "common/clock.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define MANY 200
#define BODY_LEN 40000

static int no_memory_errno; /* 0: there is some */
static int ended;

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (no_memory_errno != 0) {
		errno = no_memory_errno;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, m, flags);
}

static void
on_msg(struct channel *ch, struct msg *m, void *arg)
{
	(void)ch;
	(void)m;
	(void)arg;
}

static void
on_end(struct channel *ch, enum err e, void *arg)
{
	(void)e;
	(void)arg;
	ended++;
	channel_close(ch);
}

static struct channel *
channel_on(struct loop *l, int fd)
{
	const struct channel_role role = { ROLE_KEEPER, ROLE_GATEWAY, MANY * (BODY_LEN + 100L),
		on_msg, on_end, NULL };
	struct channel *ch = NULL;

	must(channel_new(l, fd, &role, &ch) == ERR_OK);
	return ch;
}

static void
say(struct channel *ch, int n)
{
	static uint8_t body[BODY_LEN];

	while (n-- > 0) {
		struct wire_writer w = channel_begin(ch, GK_REVOKED);

		wire_put_fixed(&w, body, sizeof body);
		must(channel_end(ch, &w) == ERR_OK);
	}
}

/* How many messages of say() come until the link ends. */
static size_t
count_all(int fd)
{
	AUTO(buf_wipe) struct buf in = BUF_MAX(FRAME_MAX);
	AUTO(sys_closep) int none = -1;
	size_t len = 0;

	while (frame_receive(fd, &in, &none) == ERR_OK)
		len += in.len;
	return len / (FRAME_HEADER_LEN + BODY_LEN);
}

static void
without_memory(struct loop *l, int code)
{
	int fds[2], turns = 0;
	struct channel *ch;
	int64_t until_ms;

	must(sys_socketpair(SOCK_SEQPACKET, fds) == 0);
	ch = channel_on(l, fds[0]);
	say(ch, 1);
	no_memory_errno = code;
	until_ms = clock_mono_ms() + 20 * FRAME_AGAIN_MS;
	for (; clock_mono_ms() < until_ms && turns < 1000; turns++)
		must(loop_turn(l, 20) == ERR_OK);
	ok(turns <= 30, "errno %d: the loop sleeps between two tries (%d turns)", code, turns);
	ok(ended == 0 && channel_stalled_since_ms(ch) > 0, "the link stays, and is seen to stall");
	no_memory_errno = 0;
	must(loop_turn(l, 20) == ERR_OK);
	ok(channel_stalled_since_ms(ch) == 0, "it is sent once there is memory");
	channel_close(ch);
	ok(count_all(fds[1]) == 1, "and arrives, once");
	must(loop_turn(l, 0) == ERR_OK);
	sys_close(fds[1]);
}

/* A peer that reads late, in a process of its own: says by its exit whether all came. */
static void
last_words(struct loop *l, const char *what, int code)
{
	int fds[2], status;
	struct channel *ch;
	pid_t pid;

	must(sys_socketpair(SOCK_SEQPACKET, fds) == 0);
	(void)fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		sys_close(fds[0]);
		(void)usleep(50000);
		_exit(count_all(fds[1]) == MANY ? 0 : 1);
	}
	sys_close(fds[1]);
	ch = channel_on(l, fds[0]);
	say(ch, MANY);
	no_memory_errno = code;
	if (code != 0) {
		channel_flush_all(ch, 4 * FRAME_AGAIN_MS);
		ok(channel_stalled_since_ms(ch) > 0, "%s: given up in time", what);
		no_memory_errno = 0;
	}
	channel_flush_all(ch, 60000);
	channel_close(ch);
	must(waitpid(pid, &status, 0) == pid);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: all of it arrives", what);
	must(loop_turn(l, 0) == ERR_OK);
}

static void
nobody_listens(struct loop *l)
{
	int64_t begun_ms = clock_mono_ms();
	struct channel *ch;
	int fds[2];

	must(sys_socketpair(SOCK_SEQPACKET, fds) == 0);
	ch = channel_on(l, fds[0]);
	say(ch, MANY);
	channel_flush_all(ch, 50);
	ok(clock_mono_ms() - begun_ms >= 49 && channel_stalled_since_ms(ch) > 0,
	    "a peer that reads nothing is waited for as long as was said");
	sys_close(fds[1]);
	channel_flush_all(ch, 60000);
	ok(clock_mono_ms() - begun_ms < 30000, "one that is gone is not");
	must(loop_turn(l, 0) == ERR_OK);
	ok(ended == 1, "whose end is told once");
}

int
main(void)
{
	struct loop *l;

	must(loop_new(&l) == ERR_OK);
	without_memory(l, ENOBUFS);
	without_memory(l, ENOMEM);
	last_words(l, "a slow peer", 0);
	last_words(l, "no memory for a while", ENOBUFS);
	nobody_listens(l);
	loop_free(l);
	return done();
}
