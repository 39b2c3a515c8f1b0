#include "broker/gateway/live.h"

#include <stdlib.h>
#include <string.h>

#include "broker/gateway/conn.h"
#include "common/log.h"

#define RING_FIRST 256

struct live_end {
	struct live live; /* upstream "": nothing went out for it */
	struct finish finish;
};

static struct live
live_of(const struct conn *c)
{
	struct live l = { .seq = c->exchange.seq };

	memcpy(l.serial, c->peer.id.serial, SERIAL_LEN);
	if (c->exchange.slot != NULL)
		must(span_copy_str(
		    span_str(c->exchange.slot->up->name), l.upstream, sizeof l.upstream));
	return l;
}

static void
sent(enum err e, const char *what)
{
	if (e != ERR_OK)
		log_warn("the keeper does not drain: %s was not told", what);
}

static void
tell_open(struct gateway *g, const struct live *l)
{
	struct wire_writer w;

	if (l->upstream[0] == '\0')
		return;
	w = channel_begin(g->keeper, GK_LIVE);
	live_put(&w, l);
	sent(channel_end(g->keeper, &w), "an open exchange");
}

static void
tell_end(struct gateway *g, const struct finish *f)
{
	struct wire_writer w = channel_begin(g->keeper, GK_FINISH);

	finish_put(&w, f);
	sent(channel_end(g->keeper, &w), "the end of an exchange");
}

void
live_tell(struct gateway *g)
{
	for (const struct conn *c = g->conns; c != NULL; c = c->next) {
		struct live l = live_of(c);

		if (c->exchange.allowed)
			tell_open(g, &l);
	}
}

static struct live_end *
at(const struct live_ends *e, uint32_t i)
{
	return &e->ring[(e->first + i) % e->cap];
}

void
live_on_state(struct gateway *g, enum ready_state ready)
{
	struct live_ends *e = &g->ends;
	bool open = ready != READY_NOT && ready != READY_SEALED;

	if (ready == READY_SEALED)
		e->was_sealed = true;
	if (!open)
		e->told = false;
	if (!open || e->told)
		return;
	if (e->was_sealed)
		live_tell(g); /* it heard nothing of that */
	e->was_sealed = false;
	for (uint32_t i = 0; i < e->count; i++) {
		tell_open(g, &at(e, i)->live);
		tell_end(g, &at(e, i)->finish);
	}
	e->told = true;
}

void
live_lost(struct gateway *g)
{
	g->ends.told = g->ends.was_sealed = false;
}

static void
grow(struct live_ends *e)
{
	struct live_ends bigger = { .cap = e->cap == 0 ? RING_FIRST : e->cap * 2,
		.count = e->count,
		.told = e->told,
		.was_sealed = e->was_sealed };

	if (e->count >= LIVE_ENDS_MAX)
		log_fatal("the keeper does not confirm how exchanges ended");
	bigger.ring = calloc(bigger.cap, sizeof *bigger.ring);
	if (bigger.ring == NULL)
		log_fatal("no memory to keep how exchanges ended");
	for (uint32_t i = 0; i < e->count; i++)
		bigger.ring[i] = *at(e, i);
	free(e->ring);
	*e = bigger;
}

void
live_end(struct gateway *g, const struct conn *c, const struct finish *f)
{
	struct live_ends *e = &g->ends;
	struct live_end *end;

	if (e->count == e->cap)
		grow(e);
	end = at(e, e->count++);
	*end = (struct live_end){ .live = { .seq = f->seq } };
	if (c != NULL)
		end->live = live_of(c);
	end->finish = *f;
	if (e->told)
		tell_end(g, f);
}

void
live_confirmed(struct gateway *g, uint64_t seq)
{
	struct live_ends *e = &g->ends;

	for (uint32_t i = 0; i < e->count; i++) {
		if (at(e, i)->finish.seq != seq)
			continue;
		e->first = (e->first + i + 1) % e->cap;
		e->count -= i + 1;
		return;
	}
}
