#include "broker/api/drain.h"

#define LOOK_MS 50 /* how often open connections are counted */

static void
look(struct timer *t)
{
	struct drain *d = t->arg;
	int64_t now_ms = loop_now_ms(d->loop);

	if (server_open_count(d->server) == 0 || now_ms >= d->end_ms ||
	    loop_timer(d->loop, t, now_ms + LOOK_MS) != ERR_OK)
		loop_stop(d->loop);
}

void
drain_start(struct drain *d, struct loop *l, struct server *s, uint32_t ms)
{
	d->loop = l;
	d->server = s;
	d->end_ms = loop_now_ms(l) + (int64_t)ms;
	d->timer.fn = look;
	d->timer.arg = d;
	look(&d->timer);
}
