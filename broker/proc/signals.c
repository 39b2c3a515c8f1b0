#include "broker/proc/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

#include "common/sys.h"

static const int signals_read[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };

static sigset_t
signals_mask(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < COUNT(signals_read); i++)
		sigaddset(&mask, signals_read[i]);
	return mask;
}

static void
signals_set(int signo, void (*action)(int))
{
	struct sigaction sa = { .sa_handler = action };

	must(sigaction(signo, &sa, NULL) == 0);
}

void
signals_block(void)
{
	sigset_t mask = signals_mask();

	must(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
	signals_set(SIGPIPE, SIG_IGN);
	signals_set(SIGCHLD, SIG_DFL); /* an inherited "ignore" would lose the exit statuses */
}

static void
signals_on_fd(struct watch *w, uint32_t events)
{
	struct signals *s = w->arg;
	struct signalfd_siginfo info;

	(void)events;
	while (s->watch.active && sys_read(w->fd, &info, sizeof info) == sizeof info)
		s->fn((int)info.ssi_signo, s->arg);
}

enum err
signals_watch(struct signals *s, struct loop *l, void (*fn)(int signo, void *arg), void *arg)
{
	sigset_t mask = signals_mask();
	AUTO(sys_closep) int fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	enum err e;

	if (fd < 0)
		return ERR_SYS;
	*s = (struct signals){ .loop = l, .fn = fn, .arg = arg };
	s->watch = (struct watch){ .fd = fd, .events = EPOLLIN, .fn = signals_on_fd, .arg = s };
	e = loop_watch(l, &s->watch);
	if (e != ERR_OK)
		return e;
	fd = -1; /* given away */
	return ERR_OK;
}

void
signals_close(struct signals *s)
{
	if (s->loop == NULL)
		return;
	loop_unwatch(s->loop, &s->watch);
	sys_close(s->watch.fd);
	s->loop = NULL;
}

void
signals_restore(void)
{
	sigset_t none;

	signals_set(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	must(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
}

void
signals_ignore(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGHUP, SIGTERM, SIGQUIT,
		SIGXFSZ }; /* a limit on files then fails write(2), as a full disk does */

	for (size_t i = 0; i < COUNT(ignored); i++)
		signals_set(ignored[i], SIG_IGN);
}
