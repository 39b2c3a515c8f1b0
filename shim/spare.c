#include "shim/spare.h"

#include "common/clock.h"
#include "common/sys.h"

static void
plan(struct shim_spare *sp, int64_t ms)
{
	struct loop *l = sp->all->uplinks->loop;

	if (loop_timer(l, &sp->timer, loop_now_ms(l) + ms) != ERR_OK)
		sp->backoff_ms = 0; /* this spare stays empty until the next renewal; clients
				       connect themselves */
}

static void
drop(struct shim_spare *sp)
{
	loop_timer_stop(sp->all->uplinks->loop, &sp->timer);
	shim_uplink_free(sp->up);
	sp->up = NULL;
	sp->ready = false;
}

static void
retry_later(struct shim_spare *sp)
{
	drop(sp);
	plan(sp, sp->backoff_ms);
	sp->backoff_ms = sp->backoff_ms * 2 < SHIM_SPARE_RETRY_LAST_MS ? sp->backoff_ms * 2
								       : SHIM_SPARE_RETRY_LAST_MS;
}

/* The gateway has nothing to say on a connection without a request, but for the protocol's own
 * messages. */
static bool
is_alive(struct shim_uplink *u)
{
	uint8_t byte;
	size_t len;

	return shim_tls_read(u->tls, &byte, 1, &len) == ERR_AGAIN;
}

static void
on_event(struct watch *w, uint32_t events)
{
	struct shim_spare *sp = w->arg;

	(void)events;
	if (!is_alive(sp->up))
		retry_later(sp);
}

static void
on_made(struct shim_uplink *u, enum err e)
{
	struct shim_spare *sp = u->arg;

	u->watch.fn = on_event;
	u->watch.arg = sp;
	if (e == ERR_OK)
		e = loop_want(u->all->loop, &u->watch, EPOLLIN | EPOLLRDHUP);
	if (e != ERR_OK) {
		retry_later(sp);
		return;
	}
	sp->ready = true;
	plan(sp, SHIM_SPARE_AGE_MS);
}

static void
on_timer(struct timer *t)
{
	struct shim_spare *sp = t->arg;

	if (sp->ready) /* it lived its life: nothing is wrong with the gateway */
		sp->backoff_ms = SHIM_BACKOFF_FIRST_MS;
	drop(sp);
	if (!shim_identity_usable(sp->all->identity, clock_wall_s()) ||
	    shim_uplink_new(sp->all->uplinks, SHIM_ALPN_FORWARD, on_made, sp, &sp->up) != ERR_OK)
		retry_later(sp);
}

void
shim_spares_start(struct shim_spares *s)
{
	for (size_t i = 0; i < SHIM_SPARES; i++) {
		struct shim_spare *sp = &s->slots[i];

		*sp = (struct shim_spare){ .all = s, .timer = { .fn = on_timer, .arg = sp } };
		sp->backoff_ms = SHIM_BACKOFF_FIRST_MS;
		plan(sp, 0);
	}
}

void
shim_spares_close(struct shim_spares *s)
{
	for (size_t i = 0; i < SHIM_SPARES; i++)
		if (s->slots[i].all != NULL)
			drop(&s->slots[i]);
}

struct shim_uplink *
shim_spares_take(struct shim_spares *s)
{
	for (size_t i = 0; i < SHIM_SPARES; i++) {
		struct shim_spare *sp = &s->slots[i];
		struct shim_uplink *u = sp->up;

		if (!sp->ready)
			continue;
		if (!is_alive(u)) { /* closed since the last turn */
			retry_later(sp);
			continue;
		}
		sp->up = NULL;
		sp->ready = false;
		sp->backoff_ms = SHIM_BACKOFF_FIRST_MS;
		plan(sp, 0);
		return u;
	}
	return NULL;
}

void
shim_spares_renew(struct shim_spares *s)
{
	for (size_t i = 0; i < SHIM_SPARES; i++) {
		drop(&s->slots[i]);
		s->slots[i].backoff_ms = SHIM_BACKOFF_FIRST_MS;
		plan(&s->slots[i], 0);
	}
}
