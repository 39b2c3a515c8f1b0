#include "shim/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"
#include "shim/answer.h"

#define DESCRIPTORS_APART 32 /* stdio, epoll, signals, DNS, spares, our own requests */
#define ACCEPTS_PER_TURN 16

enum err
shim_forward_listen(const union shim_sockaddr *sa, int *ret_fd, uint16_t *ret_port)
{
	AUTO(sys_closep) int fd = sys_socket(sa->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	union shim_sockaddr real = { 0 };
	socklen_t len = sa->sa.sa_family == AF_INET ? sizeof sa->in : sizeof sa->in6;
	socklen_t real_len = sizeof real;
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		return ERR_SYS;
	if (bind(fd, &sa->sa, len) != 0 || listen(fd, SHIM_BACKLOG) != 0 ||
	    getsockname(fd, &real.sa, &real_len) != 0)
		return ERR_SYS;
	*ret_port = ntohs(real.sa.sa_family == AF_INET ? real.in.sin_port : real.in6.sin6_port);
	*ret_fd = fd;
	fd = -1; /* given away */
	return ERR_OK;
}

static void
link_pair(struct shim_pair **list, struct shim_pair *p)
{
	p->prev = NULL;
	p->next = *list;
	if (p->next != NULL)
		p->next->prev = p;
	*list = p;
}

static void
unlink_pair(struct shim_pair **list, struct shim_pair *p)
{
	if (p->next != NULL)
		p->next->prev = p->prev;
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		*list = p->next;
}

static void
bury(void *arg)
{
	struct shim_forward *f = arg;

	while (f->dead != NULL) {
		struct shim_pair *p = f->dead;

		unlink_pair(&f->dead, p);
		shim_pair_free(p);
	}
}

static void
resume(struct shim_forward *f)
{
	if (f->listener.active)
		return;
	f->listener.events = EPOLLIN;
	if (loop_watch(f->uplinks->loop, &f->listener) != ERR_OK &&
	    loop_timer(f->uplinks->loop, &f->resume,
		loop_now_ms(f->uplinks->loop) + SHIM_ACCEPT_PAUSE_MS) != ERR_OK)
		log_error("no memory: no more connections are accepted");
}

static void
pause_listening(struct shim_forward *f)
{
	loop_unwatch(f->uplinks->loop, &f->listener);
	if (loop_timer(f->uplinks->loop, &f->resume,
		loop_now_ms(f->uplinks->loop) + SHIM_ACCEPT_PAUSE_MS) != ERR_OK)
		resume(f);
}

static void
on_resume(struct timer *t)
{
	struct shim_forward *f = t->arg;

	if (f->count < f->max)
		resume(f);
	else
		pause_listening(f);
}

static void
on_end(struct shim_pair *p, void *arg)
{
	struct shim_forward *f = arg;

	shim_pair_close(p);
	unlink_pair(&f->pairs, p);
	link_pair(&f->dead, p);
	f->count--;
	if (f->count < f->max)
		resume(f);
}

/* Without a certificate nothing is worth a connection. */
static void
explain(const struct shim_forward *f, struct shim_refusal *ret)
{
	bool refused = f->renew->refused;

	ret->status = refused ? 403 : 502;
	ret->code = refused ? "renewal_refused" : "certificate_expired";
	(void)snprintf(ret->detail, sizeof ret->detail,
	    "sidekey: this workload's certificate ended and was not renewed; restart the container "
	    "(%.380s)",
	    f->renew->why[0] != '\0' ? f->renew->why : "no reason is known");
}

static void
serve(struct shim_forward *f, int fd)
{
	struct shim_refusal refusal;
	struct shim_pair_setup setup = {
		.uplinks = f->uplinks,
		.generation = f->identity->generation,
		.not_after_s = f->identity->not_after_s,
		.on_end = on_end,
		.arg = f,
	};
	struct shim_pair *p;

	if (shim_identity_usable(f->identity, clock_wall_s())) {
		setup.spare = shim_spares_take(&f->spares);
	} else {
		explain(f, &refusal);
		setup.refusal = &refusal;
	}
	if (shim_pair_new(&setup, fd, &p) != ERR_OK) {
		shim_uplink_free(setup.spare);
		sys_close(fd);
		return;
	}
	link_pair(&f->pairs, p);
	f->count++;
	shim_pair_begin(p);
}

/* The spare descriptor buys the one client in front an answer; without it accept() would fail and
 * the listener stay ready, for ever. */
static void
shed(struct shim_forward *f)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(4096);
	int fd;

	sys_closep(&f->spare_fd);
	fd = sys_accept(f->listener.fd, NULL, NULL);
	if (fd >= 0 && shim_answer_write(&text, 503, "no_descriptors",
			   "sidekey: the shim has no file descriptor left", false) == ERR_OK)
		(void)!sys_write(
		    fd, text.data, text.len); /* it fits a new socket's buffer; if not, so be it */
	sys_close(fd);
	f->spare_fd = fcntl(f->listener.fd, F_DUPFD_CLOEXEC, 3);
	pause_listening(f);
}

static void
on_listener(struct watch *w, uint32_t events)
{
	struct shim_forward *f = w->arg;

	(void)events;
	for (int n = 0; n < ACCEPTS_PER_TURN; n++) {
		int fd;

		if (f->count >= f->max) {
			loop_unwatch(f->uplinks->loop, &f->listener); /* on_end() resumes */
			return;
		}
		fd = sys_accept(w->fd, NULL, NULL);
		if (fd >= 0)
			serve(f, fd);
		else if (errno == EMFILE || errno == ENFILE)
			shed(f);
		else if (errno != EAGAIN && errno != ECONNABORTED)
			pause_listening(f);
		if (fd < 0)
			return;
	}
}

static void
plan_retire(struct shim_forward *f)
{
	struct loop *l = f->uplinks->loop;

	if (loop_timer(l, &f->retire, loop_now_ms(l) + SHIM_RETIRE_TICK_MS) != ERR_OK)
		log_warn("no memory: connections with the old certificate stay until it ends");
}

static void
on_retire(struct timer *t)
{
	struct shim_forward *f = t->arg;
	int64_t now_s = clock_wall_s(), now_ms = loop_now_ms(f->uplinks->loop);

	for (struct shim_pair *p = f->pairs, *next; p != NULL; p = next) {
		next = p->next;
		if (shim_pair_retirable(p, f->identity->generation, now_s, now_ms))
			on_end(p, f);
	}
	plan_retire(f);
}

static size_t
count_max(void)
{
	struct rlimit nofile;
	size_t pairs;

	if (getrlimit(RLIMIT_NOFILE, &nofile) != 0 || nofile.rlim_cur <= DESCRIPTORS_APART + 2)
		return 1;
	pairs = (nofile.rlim_cur - DESCRIPTORS_APART) / 2;
	return pairs < SHIM_CLIENTS_MAX ? pairs : SHIM_CLIENTS_MAX;
}

enum err
shim_forward_start(struct shim_forward *f, int listen_fd)
{
	f->listener =
	    (struct watch){ .fd = listen_fd, .events = EPOLLIN, .fn = on_listener, .arg = f };
	f->resume = (struct timer){ .fn = on_resume, .arg = f };
	f->retire = (struct timer){ .fn = on_retire, .arg = f };
	f->spares.uplinks = f->uplinks;
	f->spares.identity = f->identity;
	f->max = count_max();
	f->spare_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
	if (f->spare_fd < 0) {
		sys_closep(&f->listener.fd);
		return ERR_SYS;
	}
	loop_each_turn(f->uplinks->loop, bury, f);
	shim_spares_start(&f->spares);
	plan_retire(f);
	return loop_watch(f->uplinks->loop, &f->listener);
}

void
shim_forward_renewed(struct shim_forward *f)
{
	shim_spares_renew(&f->spares);
}

void
shim_forward_close(struct shim_forward *f)
{
	if (f->uplinks == NULL)
		return;
	loop_unwatch(f->uplinks->loop, &f->listener);
	loop_timer_stop(f->uplinks->loop, &f->resume);
	loop_timer_stop(f->uplinks->loop, &f->retire);
	while (f->pairs != NULL) {
		f->max = 0; /* nothing is to be accepted in its place */
		on_end(f->pairs, f);
	}
	bury(f);
	shim_spares_close(&f->spares);
	sys_closep(&f->listener.fd);
	sys_closep(&f->spare_fd);
}
