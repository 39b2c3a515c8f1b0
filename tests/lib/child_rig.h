/*
 * child_rig - a child in a process of its own, with the test as its supervisor.
 * Process: tests.   Owns: the process and both ends.   Secrets: none.   Limits: 4 KiB of log.
 * Failure: aborts the test; a child that hangs is killed.
 */
#ifndef TESTS_CHILD_RIG_H
#define TESTS_CHILD_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/ipc/frame.h"
#include "broker/ipc/wire.h"
#include "broker/proc/child.h"
#include "common/log.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define WAIT_MS 10000

static const uint8_t __attribute__((unused)) drain_ms[4] = { 0x10, 0x27, 0, 0 };

static inline int
count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static inline void
on_link(enum role peer, uint8_t index, int fd, void *arg)
{
	(void)arg;
	log_info("link %s %u %s", role_name(peer), index,
	    sys_write(fd, "hello", 5) == 5 ? "works" : "is dead");
	sys_close(fd);
}

static inline void
on_listen(enum listen_kind kind, int fd, void *arg)
{
	(void)arg;
	log_info("listen %d", (int)kind);
	sys_close(fd);
}

static inline void
on_reload(void *arg)
{
	(void)arg;
	log_info("reload");
}

static inline void
on_drain(uint32_t ms, void *arg)
{
	log_info("drain %u", ms);
	loop_stop(child_loop(arg));
}

static inline void
on_exited(const struct child_exit *x, void *arg)
{
	(void)arg;
	log_info("exited %s %u %lld %s", role_name(x->role), x->index, (long long)x->pid, x->how);
}

static inline int
rig_child_main(int argc, char **argv)
{
	static const struct child_ops ops = { on_link, on_listen, on_reload, on_drain, on_exited };
	struct child *c = child_start(argc, argv, 1u << ROLE_KEEPER | 1u << ROLE_EDGE);
	int descriptors = count_descriptors();

	log_info("started %s %u with %d descriptors, dumpable %d, no_new_privs %d",
	    role_name(child_role(c)), child_index(c), descriptors,
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	log_info("state_dir %s, none %s", child_setting_need(c, "state_dir"),
	    child_setting(c, "none") == NULL ? "NULL" : "?");
	if (child_setting(c, "wants") != NULL)
		log_info("number %llu", (unsigned long long)child_setting_u64(c, "wants", 100));
	if (child_setting(c, "hopeless") != NULL)
		child_hopeless("no store in %s", child_setting(c, "state_dir"));
	child_confine(c);
	if (child_setting(c, "forbidden") != NULL)
		(void)!socket(AF_UNIX, SOCK_STREAM, 0);
	child_attach(c, &ops, c);
	child_ready(c);
	if (loop_run(child_loop(c)) != ERR_OK)
		return 3;
	child_free(c);
	return 0;
}

/* One run of a child: our end of the supervisor socket, and its log. */
struct child_run {
	pid_t pid;
	int fd, log_fd;
	char said[4096];
	int status;
};

static inline void
rig_begin(struct child_run *r, const char *role)
{
	char name[] = "sidekey-test", arg[16];
	char *argv[] = { name, arg, NULL };
	int pair[2], log_pipe[2];

	*r = (struct child_run){ .fd = -1 };
	(void)snprintf(arg, sizeof arg, "%s", role);
	if (sys_socketpair(SOCK_SEQPACKET, pair) != 0 || pipe(log_pipe) != 0)
		abort();
	(void)fflush(stdout);
	r->pid = fork();
	if (r->pid == 0) {
		(void)dup2(log_pipe[1], STDERR_FILENO);
		(void)dup2(log_pipe[1], 40); /* left open on purpose: the child must close it */
		(void)dup2(pair[1], CHILD_SUPERVISOR_FD);
		_exit(rig_child_main(2, argv)); /* no leak search: it is confined */
	}
	sys_close(pair[1]);
	sys_close(log_pipe[1]);
	r->fd = pair[0];
	r->log_fd = log_pipe[0];
}

static inline void
rig_read_log(struct child_run *r)
{
	size_t len = strlen(r->said);
	ssize_t n = sys_read(r->log_fd, r->said + len, sizeof r->said - len - 1);

	r->said[len + (n > 0 ? (size_t)n : 0)] = '\0';
	if (n <= 0)
		sys_closep(&r->log_fd);
}

static inline bool
rig_wait_for(struct child_run *r, const char *text)
{
	while (strstr(r->said, text) == NULL && r->log_fd >= 0) {
		struct pollfd p = { .fd = r->log_fd, .events = POLLIN };

		if (poll(&p, 1, WAIT_MS) != 1)
			return false;
		rig_read_log(r);
	}
	return strstr(r->said, text) != NULL;
}

/* Reads the rest of the log and the exit status: 1000 + signal if it was one. */
static inline int
rig_end(struct child_run *r)
{
	while (r->log_fd >= 0) {
		struct pollfd p = { .fd = r->log_fd, .events = POLLIN };

		if (poll(&p, 1, WAIT_MS) != 1) {
			(void)kill(r->pid, SIGKILL);
			sys_closep(&r->log_fd);
		} else {
			rig_read_log(r);
		}
	}
	if (waitpid(r->pid, &r->status, 0) != r->pid)
		abort();
	sys_closep(&r->fd);
	return WIFSIGNALED(r->status) ? 1000 + WTERMSIG(r->status) : WEXITSTATUS(r->status);
}

static inline void
rig_send(struct child_run *r, enum msg_type type, const void *body, size_t len, int fd)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	size_t at = 0;

	if (frame_begin(&frame, type, &at) != ERR_OK || buf_append(&frame, body, len) != ERR_OK)
		abort();
	frame_end(&frame, at);
	(void)!frame_send(r->fd, buf_span(&frame), fd);
}

static inline void
rig_setting(struct child_run *r, const char *name, const char *value)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(FRAME_MAX);
	struct wire_writer w = wire_write(&body);

	wire_put_str(&w, name);
	wire_put_str(&w, value);
	rig_send(r, SUP_SETTING, body.data, body.len, -1);
}

static inline int
rig_link(struct child_run *r, uint8_t role, uint8_t index)
{
	uint8_t body[] = { role, index };
	int pair[2];

	if (sys_socketpair(SOCK_SEQPACKET, pair) != 0)
		abort();
	rig_send(r, SUP_LINK, body, sizeof body, pair[1]);
	sys_close(pair[1]);
	return pair[0];
}

#endif
