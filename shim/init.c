#include "shim/init.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sys.h"
#include "shim/limits.h"

/* To all that is left: as PID 1 everybody in the container, else the child's group. */
static int
signal_rest(const struct shim_init *in, int signo)
{
	return kill(in->is_pid1 ? -1 : -in->child, signo);
}

static void
swept(struct shim_init *in)
{
	if (in->swept)
		return;
	in->swept = true;
	loop_timer_stop(in->loop, &in->deadline);
	in->on_swept(in->arg);
}

/* Nobody is left to wait for: no child at all, or (not PID 1, so that others' processes may be our
 * children too) none of that group. */
static bool
is_empty(const struct shim_init *in, bool no_children)
{
	return no_children || (!in->is_pid1 && kill(-in->child, 0) == -1 && errno == ESRCH);
}

static void
arm(struct shim_init *in, struct timer *t, int64_t ms)
{
	if (loop_timer(in->loop, t, loop_now_ms(in->loop) + ms) != ERR_OK)
		log_fatal("no memory for a timer"); /* PID 1 without timers would never end */
}

static void
on_deadline(struct timer *t)
{
	struct shim_init *in = t->arg;

	if (in->killed) {
		swept(in);
		return;
	}
	in->killed = true;
	(void)signal_rest(in, SIGKILL);
	arm(in, &in->deadline, SHIM_KILL_MS);
}

static void
child_ended(struct shim_init *in, int wait_status)
{
	in->status =
	    WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
	in->ending = true;
	if (in->terminal_owner > 0)
		(void)tcsetpgrp(STDIN_FILENO, in->terminal_owner);
	(void)signal_rest(in, SIGTERM);
	(void)signal_rest(in, SIGCONT); /* a stopped process hears SIGTERM only when it goes on */
	arm(in, &in->deadline, SHIM_TERM_MS);
	in->on_end(in->arg);
}

static void
reap(struct shim_init *in)
{
	for (int n = 0; n < SHIM_REAPS_PER_TURN; n++) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == -1 && errno == EINTR)
			continue;
		if (pid <= 0) {
			if (in->ending && is_empty(in, pid == -1))
				swept(in);
			return;
		}
		if (pid == in->child && !in->ending)
			child_ended(in, status);
	}
	arm(in, &in->reap, 0); /* SIGCHLD does not come again for those that wait already */
}

static void
on_reap(struct timer *t)
{
	reap(t->arg);
}

static void
pass_on(struct shim_init *in, int signo)
{
	if (in->child == 0) {
		bool ends =
		    signo == SIGTERM || signo == SIGINT || signo == SIGHUP || signo == SIGQUIT;

		if (ends && in->status == 0)
			in->status = 128 + signo;
		if (ends)
			loop_stop(in->loop);
		return;
	}
	/* A child that moved to another group is still to hear it. */
	if (kill(-in->child, signo) != 0 && !in->ending)
		(void)kill(in->child, signo);
}

static void
on_signals(struct watch *w, uint32_t events)
{
	struct shim_init *in = w->arg;
	struct signalfd_siginfo info;
	bool children = false;

	(void)events;
	while (sys_read(w->fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			children = true;
		else if (info.ssi_signo != SIGTTIN &&
			 info.ssi_signo != SIGTTOU) /* ours: we are in the background */
			pass_on(in, (int)info.ssi_signo);
	}
	if (children)
		reap(in);
}

enum err
shim_init_start(struct shim_init *in, struct loop *l)
{
	sigset_t all;
	enum err e;

	(void)sigfillset(&all);
	in->loop = l;
	in->is_pid1 = getpid() == 1;
	in->reap = (struct timer){ .fn = on_reap, .arg = in };
	in->deadline = (struct timer){ .fn = on_deadline, .arg = in };
	in->signals = (struct watch){ .fn = on_signals, .arg = in, .events = EPOLLIN };
	if (isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp())
		in->terminal_owner = getpgrp();
	if (!in->is_pid1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		return ERR_SYS;
	in->signals.fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in->signals.fd < 0)
		return ERR_SYS;
	e = loop_watch(l, &in->signals);
	if (e != ERR_OK)
		sys_closep(&in->signals.fd);
	return e;
}

int
shim_init_stopped(const struct shim_init *in)
{
	return in->child == 0 ? in->status : 0;
}

void
shim_init_adopt(struct shim_init *in, pid_t child)
{
	in->child = child;
	in->status = 0;
	arm(in, &in->reap, 0); /* it may have ended before we looked */
}

void
shim_init_close(struct shim_init *in)
{
	if (in->loop == NULL)
		return;
	loop_unwatch(in->loop, &in->signals);
	loop_timer_stop(in->loop, &in->reap);
	loop_timer_stop(in->loop, &in->deadline);
	sys_closep(&in->signals.fd);
}
