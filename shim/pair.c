#include "shim/pair.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sys.h"
#include "shim/answer.h"

static void
over(struct shim_pair *p)
{
	p->state = SHIM_PAIR_OVER;
	p->setup.on_end(p, p->setup.arg);
}

/* A reset, not an orderly end: what came until now is not the whole. */
static void
break_off(struct shim_pair *p)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(p->client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	over(p);
}

static void
want_client(struct shim_pair *p, uint32_t events)
{
	/* With 0 too it is watched: a hang-up is always reported, and ends the pair. */
	if (loop_want(p->loop, &p->client, events) != ERR_OK)
		break_off(p);
}

/* Here a hang-up may have to wait until the client took what came before it. It would be reported
 * in each turn, so a connection that wants nothing is not watched. */
static enum err
want_gateway(struct shim_pair *p, uint32_t events)
{
	struct watch *w = &p->up->watch;

	if (events == 0) {
		loop_unwatch(p->loop, w);
		return ERR_OK;
	}
	if (w->active)
		return loop_want(p->loop, w, events);
	w->events = events;
	return loop_watch(p->loop, w);
}

static void
drop_gateway(struct shim_pair *p)
{
	shim_uplink_free(p->up);
	p->up = NULL;
	p->relay.gateway = NULL;
}

/* Nothing more will be sent, but what the client still sends is read and thrown away: closing with
 * unread bytes would reset the connection, and the client might lose the answer. */
static void
linger(struct shim_pair *p)
{
	drop_gateway(p);
	p->state = SHIM_PAIR_LINGERING;
	(void)shutdown(p->client.fd, SHUT_WR);
	if (p->relay.client_ended ||
	    loop_timer(p->loop, &p->timer, loop_now_ms(p->loop) + SHIM_LINGER_MS) != ERR_OK)
		over(p);
	else
		want_client(p, EPOLLIN);
}

/* Answers once the client said something: one that was only opened is no error yet. */
static void
refuse(struct shim_pair *p)
{
	drop_gateway(p);
	p->state = SHIM_PAIR_REFUSING;
	if (!p->relay.began_up)
		want_client(p, EPOLLIN);
	else if (shim_answer_write(&p->relay.to_client, p->refusal.status, p->refusal.code,
		     p->refusal.detail, false) != ERR_OK)
		break_off(p);
	else
		want_client(p, EPOLLOUT);
}

static void
gateway_failed(struct shim_pair *p, enum err e)
{
	const char *why = p->up->tls != NULL ? shim_tls_why(p->up->tls) : p->up->why;
	const char *what = p->relay.began_up ? "went away before it answered" : "cannot be reached";

	if (p->relay.began_down) {
		break_off(p);
		return;
	}
	p->refusal.status = e == ERR_DENIED ? 403 : 502;
	p->refusal.code = "gateway_unreachable";
	if (e == ERR_DENIED) {
		p->refusal.code = "identity_refused";
		what = "refused this workload's certificate";
	} else if (e == ERR_AUTH) {
		p->refusal.code = "gateway_unverified";
		what = "is not to be trusted";
	}
	(void)snprintf(p->refusal.detail, sizeof p->refusal.detail,
	    "sidekey: the gateway at %s %s: %.150s", p->setup.uplinks->gateway->text, what, why);
	refuse(p);
}

static void
relay(struct shim_pair *p)
{
	enum err e = shim_relay_run(&p->relay);

	if (p->relay.moved)
		p->moved_ms = loop_now_ms(p->loop);
	if (e == ERR_AGAIN)
		e = want_gateway(p, shim_relay_wants_gateway(&p->relay)) == ERR_OK ? ERR_AGAIN
										   : ERR_CONFLICT;
	if (e == ERR_AGAIN)
		want_client(p, shim_relay_wants_client(&p->relay));
	else if (e == ERR_CONFLICT)
		break_off(p);
	else if (e == ERR_EOF && (p->relay.began_down || !p->relay.began_up))
		linger(p);
	else
		gateway_failed(p, e);
}

static void
throw_away(struct shim_pair *p)
{
	uint8_t waste[4096];

	for (int n = 0; n < SHIM_TURN_RECORDS; n++) {
		ssize_t len = sys_read(p->client.fd, waste, sizeof waste);

		if (len < 0 && errno == EAGAIN)
			return;
		if (len <= 0) {
			over(p);
			return;
		}
	}
}

/* The first bytes tell whether the answer may have a body. ERR_AGAIN: there are none yet. */
static enum err
write_answer(struct shim_pair *p)
{
	uint8_t first[8];
	ssize_t n = sys_read(p->client.fd, first, sizeof first);

	if (n < 0 && errno == EAGAIN)
		return ERR_AGAIN;
	if (n <= 0)
		return ERR_EOF;
	p->relay.began_up = true;
	return shim_answer_write(&p->relay.to_client, p->refusal.status, p->refusal.code,
	    p->refusal.detail, span_starts(span_of(first, (size_t)n), "HEAD "));
}

static void
answer(struct shim_pair *p)
{
	enum err e = p->relay.began_up ? ERR_OK : write_answer(p);

	if (e == ERR_AGAIN)
		return;
	if (e == ERR_OK)
		e = shim_relay_flush(&p->relay);
	if (e == ERR_AGAIN)
		want_client(p, EPOLLOUT);
	else if (e == ERR_OK)
		linger(p);
	else
		over(p);
}

static void
on_client(struct watch *w, uint32_t events)
{
	struct shim_pair *p = w->arg;

	if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (events & EPOLLIN) == 0)
		over(p);
	else if (p->state == SHIM_PAIR_RELAYING)
		relay(p);
	else if (p->state == SHIM_PAIR_REFUSING)
		answer(p);
	else if (p->state == SHIM_PAIR_LINGERING)
		throw_away(p);
}

static void
on_gateway(struct watch *w, uint32_t events)
{
	(void)events;
	relay(w->arg);
}

static void
take_gateway(struct shim_pair *p)
{
	p->up->watch.fn = on_gateway;
	p->up->watch.arg = p;
	p->relay.gateway = p->up->tls;
	p->state = SHIM_PAIR_RELAYING;
	relay(p);
}

static void
on_made(struct shim_uplink *u, enum err e)
{
	struct shim_pair *p = u->arg;

	if (e == ERR_OK)
		take_gateway(p);
	else
		gateway_failed(p, e);
}

static void
on_timer(struct timer *t)
{
	over(t->arg);
}

/* Probes tell a client that only ended its side from one that is gone: the second would be waited
 * for as long as its stream is silent. */
static void
tune(int fd)
{
	int on = 1, idle_s = SHIM_PROBE_IDLE_S, interval_s = SHIM_PROBE_INTERVAL_S;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
}

enum err
shim_pair_new(const struct shim_pair_setup *setup, int client_fd, struct shim_pair **ret_p)
{
	struct shim_pair *p = calloc(1, sizeof *p);
	enum err e = ERR_OK;

	if (p == NULL)
		return ERR_NOMEM;
	p->setup = *setup;
	p->loop = setup->uplinks->loop;
	p->moved_ms = loop_now_ms(p->loop);
	p->timer = (struct timer){ .fn = on_timer, .arg = p };
	p->client = (struct watch){ .fd = client_fd, .fn = on_client, .arg = p };
	shim_relay_init(&p->relay, client_fd, NULL);
	tune(client_fd);
	if (setup->refusal != NULL)
		p->refusal = *setup->refusal;
	else if (setup->spare == NULL)
		e = shim_uplink_new(setup->uplinks, SHIM_ALPN_FORWARD, on_made, p, &p->up);
	if (e == ERR_OK)
		e = loop_watch(p->loop,
		    &p->client); /* for nothing yet but a hang-up: its bytes wait in the kernel */
	if (e != ERR_OK) {
		shim_uplink_free(p->up);
		free(p);
		return e;
	}
	if (setup->spare != NULL)
		p->up = setup->spare;
	*ret_p = p;
	return ERR_OK;
}

void
shim_pair_begin(struct shim_pair *p)
{
	if (p->setup.refusal != NULL)
		refuse(p);
	else if (p->setup.spare != NULL)
		take_gateway(p);
}

void
shim_pair_close(struct shim_pair *p)
{
	p->state = SHIM_PAIR_OVER;
	drop_gateway(p);
	loop_timer_stop(p->loop, &p->timer);
	loop_unwatch(p->loop, &p->client);
	sys_closep(&p->client.fd);
}

void
shim_pair_free(struct shim_pair *p)
{
	must(p->client.fd == -1);
	shim_relay_wipe(&p->relay);
	free(p);
}

bool
shim_pair_retirable(const struct shim_pair *p, uint32_t generation, int64_t now_s, int64_t now_ms)
{
	bool soon = now_s >= p->setup.not_after_s - SHIM_RETIRE_LAST_S;
	int64_t quiet_ms = now_ms - p->moved_ms;

	if (p->state != SHIM_PAIR_RELAYING || p->setup.generation == generation)
		return false;
	return quiet_ms >= (soon ? SHIM_RETIRE_LAST_QUIET_MS : SHIM_RETIRE_QUIET_MS);
}
