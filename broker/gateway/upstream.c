#include "broker/gateway/upstream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "broker/gateway/tls_client.h"
#include "common/sys.h"

static void dial_next(struct upstream_conn *uc);

/* ---- the pool ---- */

static void
pool_remove(struct upstream_conn *uc)
{
	struct slot *s = uc->slot;

	if (uc->newer != NULL)
		uc->newer->older = uc->older;
	else
		s->newest = uc->older;
	if (uc->older != NULL)
		uc->older->newer = uc->newer;
	else
		s->oldest = uc->newer;
	uc->newer = uc->older = NULL;
	s->idle_count--;
}

static bool
is_idle(const struct upstream_conn *uc)
{
	return uc->ready && uc->ops == NULL;
}

void
upstream_drop(struct upstream_conn *uc)
{
	if (uc == NULL)
		return;
	if (is_idle(uc))
		pool_remove(uc);
	loop_timer_stop(uc->home->loop, &uc->timer);
	resolve_cancel(uc->query);
	stream_close(&uc->stream, uc->ready);
	config_drop(uc->slot->config);
	uc->older = uc->home->buried; /* a callback of its own may be below us on the stack */
	uc->home->buried = uc;
}

void
upstream_sweep(struct upstreams *u)
{
	while (u->buried != NULL) {
		struct upstream_conn *uc = u->buried;

		u->buried = uc->older;
		free(uc);
	}
}

void
upstream_keep(struct upstream_conn *uc)
{
	struct slot *s = uc->slot;

	uc->ops = NULL;
	uc->reused = true;
	uc->older = s->newest;
	if (s->newest != NULL)
		s->newest->newer = uc;
	else
		s->oldest = uc;
	s->newest = uc;
	s->idle_count++;
	stream_wait(&uc->stream, true); /* its end, or a byte too many, is noticed at once */
	if (loop_timer(uc->home->loop, &uc->timer, loop_now_ms(uc->home->loop) + POOL_IDLE_MS) !=
	    ERR_OK) {
		upstream_drop(uc);
		return;
	}
	if (s->idle_count > POOL_IDLE_MAX)
		upstream_drop(s->oldest);
}

void
upstream_retire(struct config *c)
{
	config_hold(c); /* the last idle connection must not take c along */
	for (uint32_t i = 0; i < c->rules->upstream_count; i++)
		while (c->slots[i].oldest != NULL)
			upstream_drop(c->slots[i].oldest);
	config_drop(c);
}

/* An idle connection must be silent: a byte would be the answer to no request, and is maybe the
 * answer to the next one if we let it. */
static void
on_idle_event(struct upstream_conn *uc)
{
	if (stream_silent(&uc->stream))
		stream_wait(&uc->stream, true); /* a session ticket: never used */
	else
		upstream_drop(uc);
}

/* The newest that fits. What came since the loop last looked is found here: an answer that nobody
 * asked for must not become the next one's. */
static struct upstream_conn *
pool_take(struct slot *s, uint32_t secret_id, uint32_t version)
{
	struct upstream_conn *uc = s->newest, *older;

	for (; uc != NULL; uc = older) {
		older = uc->older;
		if (uc->secret_id != secret_id || uc->version != version)
			continue;
		if (stream_silent(&uc->stream)) {
			pool_remove(uc);
			return uc;
		}
		upstream_drop(uc);
	}
	return NULL;
}

/* ---- dialling ---- */

/* Told from the timer: never inside a call of the user's. */
static void
fail(struct upstream_conn *uc, enum err e)
{
	stream_close(&uc->stream, false);
	uc->failure = e;
	if (loop_timer(uc->home->loop, &uc->timer, loop_now_ms(uc->home->loop)) != ERR_OK)
		uc->ops->on_ready(e, uc->arg);
}

static void
connected(struct upstream_conn *uc)
{
	loop_timer_stop(uc->home->loop, &uc->timer);
	uc->ready = true;
	uc->ops->on_ready(ERR_OK, uc->arg);
}

static void
shake_hands(struct upstream_conn *uc)
{
	enum err e = stream_handshake(&uc->stream);

	if (e == ERR_OK && !tls_client_is_host(uc->stream.ssl, uc->slot->up->host))
		e = ERR_AUTH;
	if (e == ERR_OK)
		connected(uc);
	else if (e == ERR_IO)
		dial_next(
		    uc); /* it took the connection and dropped it: another address may do better */
	else if (e != ERR_AGAIN)
		fail(uc, e);
}

static int
socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof error;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

static void
on_event(struct watch *w, uint32_t events)
{
	struct upstream_conn *uc = w->arg;

	if (uc->ready) {
		stream_note(&uc->stream, events);
		if (is_idle(uc))
			on_idle_event(uc);
		else
			uc->ops->on_event(events, uc->arg);
		return;
	}
	if (socket_error(w->fd) != 0) {
		dial_next(uc);
		return;
	}
	uc->answered = true;
	shake_hands(uc);
}

static void
on_timer(struct timer *t)
{
	struct upstream_conn *uc = t->arg;

	if (is_idle(uc))
		upstream_drop(uc);
	else if (uc->failure != ERR_OK)
		uc->ops->on_ready(uc->failure, uc->arg);
	else if (loop_now_ms(uc->home->loop) >= uc->give_up_ms)
		fail(uc, ERR_TIMEOUT);
	else
		dial_next(uc); /* this address does not answer */
}

static enum err
slot_tls(struct upstream_conn *uc, SSL_CTX **ret_ctx)
{
	struct slot *s = uc->slot;

	if (s->up->ca_pem == NULL) {
		*ret_ctx = uc->home->system_tls;
		return *ret_ctx == NULL ? ERR_AUTH : ERR_OK; /* nobody is trusted here */
	}
	if (s->tls == NULL && tls_client_from_pem(s->up->ca_pem, &s->tls) != ERR_OK)
		return ERR_AUTH;
	*ret_ctx = s->tls;
	return ERR_OK;
}

/* ERR_UNREACHABLE: this address is out of the question at once. */
static enum err
dial(struct upstream_conn *uc, const struct addr *a)
{
	SSL_CTX *ctx;
	SSL *ssl;
	int fd, on = 1;
	enum err e = slot_tls(uc, &ctx);

	if (e != ERR_OK)
		return e;
	fd = sys_socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ERR_UNREACHABLE;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	if (connect(fd, &a->sa, a->len) != 0 && errno != EINPROGRESS && errno != EINTR) {
		sys_close(fd);
		return ERR_UNREACHABLE;
	}
	e = tls_client_new(ctx, uc->slot->up->host, &ssl);
	if (e != ERR_OK) {
		sys_close(fd);
		return e;
	}
	e = stream_init(&uc->stream, uc->home->loop, fd, ssl, on_event, uc);
	return e == ERR_OK ? loop_want(uc->home->loop, &uc->stream.watch, EPOLLOUT) : e;
}

static void
dial_next(struct upstream_conn *uc)
{
	int64_t now_ms = loop_now_ms(uc->home->loop);
	enum err e = ERR_UNREACHABLE;

	stream_close(&uc->stream, false);
	if (uc->next_addr > 0)
		uc->slot->addrs.count = 0; /* a known answer that does not work is asked for anew */
	while (e == ERR_UNREACHABLE && uc->next_addr < uc->addrs.count)
		e = dial(uc, &uc->addrs.list[uc->next_addr++]);
	if (e == ERR_UNREACHABLE && uc->answered)
		e = ERR_PROTO;
	if (e == ERR_OK)
		e = loop_timer(uc->home->loop, &uc->timer,
		    now_ms + DIAL_MS < uc->give_up_ms ? now_ms + DIAL_MS : uc->give_up_ms);
	if (e != ERR_OK)
		fail(uc, e);
}

static void
on_resolved(enum err e, const struct addrs *a, void *arg)
{
	struct upstream_conn *uc = arg;

	uc->query = NULL;
	if (e != ERR_OK) {
		fail(uc, e);
		return;
	}
	uc->addrs = *a;
	uc->slot->addrs = *a;
	uc->slot->addrs_until_ms = loop_now_ms(uc->home->loop) + (int64_t)a->ttl_s * 1000;
	dial_next(uc);
}

static void
start(struct upstream_conn *uc)
{
	const struct upstream *up = uc->slot->up;
	bool redirected = up->connect_host[0] != '\0';
	enum err e;

	if (uc->slot->addrs.count > 0 && loop_now_ms(uc->home->loop) < uc->slot->addrs_until_ms) {
		uc->addrs = uc->slot->addrs;
		dial_next(uc);
		return;
	}
	e = resolve_start(uc->home->resolver, redirected ? up->connect_host : up->host,
	    redirected ? up->connect_port : up->port, redirected || up->allow_private, on_resolved,
	    uc, &uc->query);
	if (e != ERR_OK)
		fail(uc, e);
}

enum err
upstream_get(struct upstreams *u, struct slot *slot, uint32_t secret_id, uint32_t version,
    bool fresh, const struct upstream_ops *ops, void *arg, struct upstream_conn **ret_uc)
{
	struct upstream_conn *uc = fresh ? NULL : pool_take(slot, secret_id, version);

	if (uc != NULL) {
		loop_timer_stop(u->loop, &uc->timer);
	} else {
		uc = calloc(1, sizeof *uc);
		if (uc == NULL)
			return ERR_NOMEM;
		config_hold(slot->config);
		uc->home = u;
		uc->slot = slot;
		uc->secret_id = secret_id;
		uc->version = version;
		uc->timer.fn = on_timer;
		uc->timer.arg = uc;
		uc->give_up_ms = loop_now_ms(u->loop) + UPSTREAM_READY_MS;
	}
	uc->ops = ops;
	uc->arg = arg;
	*ret_uc = uc;
	if (!uc->ready) {
		if (loop_timer(u->loop, &uc->timer, uc->give_up_ms) != ERR_OK) {
			upstream_drop(uc);
			return ERR_NOMEM;
		}
		start(uc);
	}
	return ERR_OK;
}
