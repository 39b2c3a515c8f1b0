#include "shim/uplink.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys.h"
#include "shim/limits.h"

enum { STARTING = 0, RESOLVING, CROWDED, CONNECTING, SHAKING, READY, FAILED };

static void
bury(void *arg)
{
	struct shim_uplinks *all = arg;

	while (all->dead != NULL) {
		struct shim_uplink *u = all->dead;

		all->dead = u->next_dead;
		free(u);
	}
}

enum err
shim_uplinks_init(struct shim_uplinks *all, struct loop *l, const struct shim_gateway *gateway,
    struct shim_tls_ctx *ctx)
{
	enum err e;

	*all = (struct shim_uplinks){ .loop = l, .gateway = gateway, .ctx = ctx };
	e = shim_resolve_new(l, gateway, &all->resolve);
	if (e == ERR_OK)
		loop_each_turn(l, bury, all);
	return e;
}

void
shim_uplinks_close(struct shim_uplinks *all)
{
	bury(all);
	shim_resolve_free(all->resolve);
	all->resolve = NULL;
}

/* No more events, no descriptor. */
static void
cut(struct shim_uplink *u)
{
	shim_resolve_forget(u->all->resolve, &u->waiter);
	loop_timer_stop(u->all->loop, &u->timer);
	loop_unwatch(u->all->loop, &u->watch);
	shim_tls_free(u->tls);
	u->tls = NULL;
	u->watch.fd = -1;
}

static void
fail(struct shim_uplink *u, enum err e, const char *why)
{
	if (why != u->why)
		(void)snprintf(u->why, sizeof u->why, "%s", why);
	cut(u);
	u->state = FAILED;
	u->fn(u, e);
}

static void
tell_greeted(struct shim_uplink *u)
{
	void (*greeted)(struct shim_uplink * u) = u->greeted;

	u->greeted = NULL;
	if (greeted != NULL)
		greeted(u);
}

static void
shake(struct shim_uplink *u)
{
	enum err e = shim_tls_handshake(u->tls);

	if (e == ERR_AGAIN)
		e = loop_want(u->all->loop, &u->watch, shim_tls_wants(u->tls));
	else if (e == ERR_OK) {
		u->state = READY;
		u->made_ms = loop_now_ms(u->all->loop);
		loop_timer_stop(u->all->loop, &u->timer);
		u->fn(u, ERR_OK);
		return;
	}
	if (e == ERR_IO)
		e = ERR_UNREACHABLE;
	if (e != ERR_OK)
		fail(u, e, e == ERR_SYS ? "no memory" : shim_tls_why(u->tls));
	else
		tell_greeted(u);
}

static void try_next(struct shim_uplink *u);

/* Without probes a silent connection to a host that vanished looks alive until the next request. */
static void
tune(int fd)
{
	int on = 1, idle_s = SHIM_PROBE_IDLE_S, interval_s = SHIM_PROBE_INTERVAL_S;
	unsigned gone_ms = SHIM_GONE_MS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof gone_ms);
}

static void
connected(struct shim_uplink *u)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(u->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		(void)snprintf(u->why, sizeof u->why, "%s", strerror(error != 0 ? error : errno));
		u->address++;
		try_next(u);
		return;
	}
	if (u->all->gateway->is_tcp)
		tune(u->watch.fd);
	u->state = SHAKING;
	shake(u);
}

static void
on_event(struct watch *w, uint32_t events)
{
	struct shim_uplink *u = w->arg;

	(void)events;
	if (u->state == CONNECTING)
		connected(u);
	else
		shake(u);
}

static const struct sockaddr *
address_of(const struct shim_uplink *u, socklen_t *ret_len)
{
	const union shim_sockaddr *sa;

	if (!u->all->gateway->is_tcp) {
		*ret_len = sizeof u->all->gateway->path;
		return u->address == 0 ? (const struct sockaddr *)&u->all->gateway->path : NULL;
	}
	sa = shim_resolve_address(u->all->resolve, u->address);
	*ret_len = sa == NULL ? 0 : sa->sa.sa_family == AF_INET ? sizeof sa->in : sizeof sa->in6;
	return sa == NULL ? NULL : &sa->sa;
}

/* A socket on its way to sa, or -1 and errno. */
static int
start_connect(const struct sockaddr *sa, socklen_t len)
{
	int fd = sys_socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* EAGAIN: the backlog of a unix socket is full, see connect(2). */
	if (connect(fd, sa, len) == 0 || errno == EINPROGRESS || errno == EINTR)
		return fd;
	sys_close(fd);
	return -1;
}

static enum err
watch_connect(struct shim_uplink *u, int fd)
{
	enum err e = shim_tls_set_fd(u->tls, fd);

	if (e != ERR_OK) {
		sys_close(fd);
		return e;
	}
	u->watch.fd = fd;
	u->watch.events = EPOLLOUT;
	u->watch.fn = on_event;
	u->watch.arg = u;
	return loop_watch(u->all->loop, &u->watch);
}

/* An address that refused leaves a TLS object without a byte on it: it takes the next socket. */
static void
drop_socket(struct shim_uplink *u)
{
	loop_unwatch(u->all->loop, &u->watch);
	if (u->watch.fd >= 0)
		shim_tls_drop_fd(u->tls);
	u->watch.fd = -1;
}

static void
wait_until(struct shim_uplink *u, int64_t at_ms)
{
	if (loop_timer(u->all->loop, &u->timer, at_ms) != ERR_OK)
		fail(u, ERR_NOMEM, "no memory");
}

static void
try_next(struct shim_uplink *u)
{
	socklen_t len;
	const struct sockaddr *sa;

	drop_socket(u);
	for (sa = address_of(u, &len); sa != NULL; sa = address_of(u, &len)) {
		int fd = start_connect(sa, len);

		if (fd >= 0) {
			u->state = CONNECTING;
			if (watch_connect(u, fd) != ERR_OK)
				fail(u, ERR_NOMEM, "no memory");
			return;
		}
		(void)snprintf(u->why, sizeof u->why, "%s", strerror(errno));
		if (errno ==
		    EAGAIN) { /* a unix socket's backlog is full for a moment: connect(2) */
			u->state = CROWDED;
			wait_until(u, loop_now_ms(u->all->loop) + SHIM_CROWDED_MS);
			return;
		}
		u->address++;
	}
	shim_resolve_distrust(u->all->resolve);
	fail(u, ERR_UNREACHABLE, u->why);
}

static void
on_resolved(struct shim_resolve_waiter *w, enum err e)
{
	struct shim_uplink *u = w->arg;

	if (e == ERR_OK)
		try_next(u);
	else
		fail(u, ERR_UNREACHABLE,
		    e == ERR_NOT_FOUND ? "there is no such host"
				       : "its name could not be resolved");
}

static void
start(struct shim_uplink *u)
{
	enum err e;

	u->state = RESOLVING;
	u->deadline_ms = loop_now_ms(u->all->loop) + SHIM_CONNECT_MS;
	e = loop_timer(u->all->loop, &u->timer, u->deadline_ms);
	if (e == ERR_OK)
		e = shim_resolve_ask(u->all->resolve, &u->waiter);
	if (e != ERR_AGAIN)
		on_resolved(&u->waiter, e);
}

static void
on_timer(struct timer *t)
{
	struct shim_uplink *u = t->arg;

	if (u->state == STARTING) {
		start(u);
	} else if (u->state == CROWDED && loop_now_ms(u->all->loop) < u->deadline_ms) {
		try_next(u);
		if (u->state == CONNECTING)
			wait_until(u, u->deadline_ms);
	} else {
		fail(u, ERR_UNREACHABLE, u->state == CROWDED ? u->why : "no answer in time");
	}
}

enum err
shim_uplink_new(struct shim_uplinks *all, const char *alpn,
    void (*fn)(struct shim_uplink *u, enum err e), void *arg, struct shim_uplink **ret_u)
{
	struct shim_uplink *u = calloc(1, sizeof *u);
	enum err e;

	if (u == NULL)
		return ERR_NOMEM;
	u->all = all;
	u->fn = fn;
	u->arg = arg;
	u->watch.fd = -1;
	u->timer = (struct timer){ .fn = on_timer, .arg = u };
	u->waiter = (struct shim_resolve_waiter){ .fn = on_resolved, .arg = u };
	(void)snprintf(u->why, sizeof u->why, "there is no address");
	/* now: the certificate may be replaced before the connection is there */
	e = shim_tls_new(all->ctx, alpn, &u->tls);
	if (e == ERR_OK)
		e = loop_timer(all->loop, &u->timer, loop_now_ms(all->loop));
	if (e != ERR_OK) {
		shim_tls_free(u->tls);
		free(u);
		return e;
	}
	*ret_u = u;
	return ERR_OK;
}

void
shim_uplink_free(struct shim_uplink *u)
{
	if (u == NULL)
		return;
	cut(u);
	u->next_dead = u->all->dead;
	u->all->dead = u;
}
