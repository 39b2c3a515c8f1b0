/*
 * talk - one HTTP exchange with a struct server in this process, and a keeper that is played by a
 * child process. Process: tests.   Owns: the sockets of one exchange.   Secrets: none. Limits:
 * TALK_MS milliseconds an exchange.   Failure: an empty reply.
 */
#ifndef TESTS_TALK_H
#define TESTS_TALK_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/api/server.h"
#include "broker/ipc/channel.h"
#include "common/clock.h"
#include "common/sys.h"

#define TALK_MS 5000

/* Sends request, turns the loop until the server has closed, returns the reply with a NUL behind
 * it. */
static inline const char *
talk(struct loop *l, struct server *s, struct span request)
{
	static char reply[1 << 20];
	int64_t end_ms = clock_mono_ms() + TALK_MS;
	size_t sent = 0, len = 0;
	bool closed = false;
	int fds[2];

	must(sys_socketpair(SOCK_STREAM | SOCK_NONBLOCK, fds) == 0);
	server_add(s, fds[1]);
	while (!closed && clock_mono_ms() < end_ms) {
		ssize_t n = sent < request.len
				? send(fds[0], request.p + sent, request.len - sent, MSG_NOSIGNAL)
				: 0;

		sent += n > 0 ? (size_t)n : 0;
		must(loop_turn(l, 1) == ERR_OK);
		n = recv(fds[0], reply + len, sizeof(reply) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
		closed = n == 0 || (n < 0 && errno != EAGAIN);
	}
	sys_close(fds[0]);
	reply[len] = '\0';
	return reply;
}

static inline const char *
talk_str(struct loop *l, struct server *s, const char *request)
{
	return talk(l, s, span_str(request));
}

static inline int
talk_status(const char *reply)
{
	return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? atoi(reply + 9) : 0;
}

static inline void
talk_keeper_end(struct channel *ch, enum err e, void *arg)
{
	(void)ch;
	(void)arg;
	_exit(e == ERR_EOF ? 0 : 1);
}

/* A child process that answers as keeper; *ret_fd is the peer's end. Ends when that is closed. */
static inline pid_t
talk_keeper(enum role peer, channel_fn *answer, int *ret_fd)
{
	const struct channel_role role = { .me = ROLE_KEEPER,
		.peer = peer,
		.queue_max = 1 << 20,
		.on_msg = answer,
		.on_end = talk_keeper_end };
	struct channel *ch;
	struct loop *l;
	int fds[2];
	pid_t pid;

	must(sys_socketpair(SOCK_SEQPACKET, fds) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid != 0) {
		sys_close(fds[1]);
		*ret_fd = fds[0];
		return pid;
	}
	sys_close(fds[0]);
	must(loop_new(&l) == ERR_OK && channel_new(l, fds[1], &role, &ch) == ERR_OK);
	channel_set_ready(ch);
	(void)!loop_run(l);
	_exit(1);
}

static inline void
talk_keeper_wait(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid);
}

#endif
