#include "broker/keeper/limits.h"

#include <stdlib.h>
#include <string.h>

#include "broker/rules/match.h"

#define SWEEP_MAX 64

void
limits_init(struct limits *l)
{
	*l = (struct limits){ .all = TABLE_MAX(LIMITS_MAX) };
}

void
limits_close(struct limits *l)
{
	size_t cursor = 0;
	struct limit *p;

	while ((p = table_next(&l->all, &cursor)) != NULL)
		free(p);
	table_close(&l->all);
	free(l->listed);
}

static uint32_t *
slot(struct limit *l, int64_t slice)
{
	return &l->counts[(uint64_t)slice % COUNT(l->counts)];
}

static uint32_t
sum(const struct limit *l)
{
	uint32_t n = 0;

	for (size_t i = 0; i < COUNT(l->counts); i++)
		n += l->counts[i];
	return n;
}

/* Empties the slices that lie behind the window by now. */
static void
move_to(struct limit *l, int64_t slice)
{
	int64_t steps = slice - l->slice;

	if (steps <= 0)
		return;
	if (steps > (int64_t)COUNT(l->counts))
		steps = COUNT(l->counts);
	for (int64_t i = 0; i < steps; i++)
		*slot(l, slice - i) = 0;
	l->slice = slice;
}

/* A reload changed the window: what was counted counts as if it had just happened, so that no
 * reload gives a burst. */
static void
set_window(struct limit *l, uint32_t window_s, int64_t now_ms)
{
	uint32_t slice_ms = (uint32_t)((uint64_t)window_s * 1000 / LIMIT_SLICES) + 1;
	uint32_t before;

	if (l->slice_ms == slice_ms)
		return;
	before = sum(l);
	memset(l->counts, 0, sizeof l->counts);
	l->slice_ms = slice_ms;
	l->slice = now_ms / slice_ms;
	*slot(l, l->slice) = before;
}

/* When enough of the oldest slices will have left the window for one more request. */
static uint32_t
retry_s(struct limit *l, uint32_t most, int64_t now_ms)
{
	uint32_t left = sum(l);
	int64_t slice = l->slice - (int64_t)LIMIT_SLICES, at_ms;

	for (; slice < l->slice; slice++) {
		left -= *slot(l, slice);
		if (left < most)
			break;
	}
	at_ms = (slice + LIMIT_SLICES + 1) * l->slice_ms;
	return (uint32_t)((at_ms - now_ms + 999) / 1000);
}

static enum err
limit_get(struct limits *l, uint64_t workload_id, const struct use *use, struct limit **ret_limit)
{
	struct table_key key = table_number(workload_id, use->counter);
	struct limit *p = table_get(&l->all, key);
	enum err e;

	if (p == NULL) {
		p = calloc(1, sizeof *p);
		if (p == NULL)
			return ERR_NOMEM;
		p->key = key;
		e = table_put(&l->all, key, p);
		if (e != ERR_OK) {
			free(p);
			return ERR_NOMEM;
		}
	}
	*ret_limit = p;
	return ERR_OK;
}

/* One memory for all requests: it grows with the rules, and no request pays for it. */
static enum err
make_room(struct limits *l, size_t max)
{
	const struct use **fresh;

	if (max <= l->listed_max)
		return ERR_OK;
	fresh = calloc(max, sizeof *fresh);
	if (fresh == NULL)
		return ERR_NOMEM;
	free(l->listed);
	l->listed = fresh;
	l->listed_max = max;
	return ERR_OK;
}

enum err
limit_uses_of(struct limits *l, const struct rules *view, uint16_t upstream, const struct decide *d,
    struct limit_uses *ret_uses)
{
	size_t max = 0, count = 0;

	for (uint32_t i = 0; i < view->policy_count; i++)
		max += view->policies[i].use_count;
	if (make_room(l, max) != ERR_OK)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < view->policy_count; i++)
		for (uint16_t n = 0; n < view->policies[i].use_count; n++) {
			const struct use *u = &view->policies[i].uses[n];

			if (u->upstream == upstream &&
			    (d == NULL || match_allows(u, d->method, d->target, d->browser)))
				l->listed[count++] = u;
		}
	*ret_uses = (struct limit_uses){ .list = l->listed, .count = count };
	return ERR_OK;
}

static struct limit *
held_at(const struct held *h, size_t i)
{
	return i == 0 ? h->first : h->more[i - 1];
}

static void
held_wipe(struct held *h)
{
	free(h->more);
	*h = (struct held){ .first = NULL };
}

/* Nothing is counted yet. */
static enum err
held_new(struct limits *l, const struct limit_ask *a, struct held *ret_held)
{
	enum err e;

	*ret_held = (struct held){ .first = NULL };
	e = limit_get(l, a->workload_id, a->uses[0], &ret_held->first);
	if (e == ERR_OK && a->count > 1) {
		ret_held->more = calloc(a->count - 1, sizeof(struct limit *));
		e = ret_held->more == NULL ? ERR_NOMEM : ERR_OK;
	}
	for (size_t i = 1; e == ERR_OK && i < a->count; i++)
		e = limit_get(
		    l, a->workload_id, a->uses[i], &ret_held->more[ret_held->more_count++]);
	if (e != ERR_OK)
		held_wipe(ret_held);
	return e;
}

static enum err
has_room(struct limit *p, const struct use *use, int64_t now_ms, uint32_t *ret_retry_s)
{
	if (use->limit_concurrent != 0 && p->open >= use->limit_concurrent)
		return ERR_CONFLICT;
	if (use->limit_requests == 0)
		return ERR_OK;
	set_window(p, use->limit_window_s, now_ms);
	move_to(p, now_ms / p->slice_ms);
	if (sum(p) < use->limit_requests)
		return ERR_OK;
	*ret_retry_s = retry_s(p, use->limit_requests, now_ms);
	return ERR_LIMIT;
}

enum err
limits_take(struct limits *l, const struct limit_ask *a, struct held *ret_held,
    struct limit_refusal *ret_why)
{
	AUTO(held_wipe) struct held h = { .first = NULL };
	enum err e = held_new(l, a, &h);

	for (size_t i = 0; e == ERR_OK && i < a->count; i++) {
		e = has_room(held_at(&h, i), a->uses[i], a->now_ms, &ret_why->retry_s);
		ret_why->use = a->uses[i];
	}
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < a->count; i++) {
		struct limit *p = held_at(&h, i);

		p->open++;
		if (a->uses[i]->limit_requests != 0)
			++*slot(p, p->slice);
	}
	*ret_held = h;
	h = (struct held){ .first = NULL }; /* given away */
	return ERR_OK;
}

enum err
limits_hold(struct limits *l, const struct limit_ask *a, struct held *ret_held)
{
	enum err e = held_new(l, a, ret_held);

	for (size_t i = 0; e == ERR_OK && i < a->count; i++)
		held_at(ret_held, i)->open++;
	return e;
}

void
held_close(struct held *h)
{
	for (size_t i = 0; h->first != NULL && i <= h->more_count; i++) {
		must(held_at(h, i)->open > 0);
		held_at(h, i)->open--;
	}
	held_wipe(h);
}

void
held_give_back(struct held *h)
{
	for (size_t i = 0; h->first != NULL && i <= h->more_count; i++) {
		struct limit *p = held_at(h, i);

		if (p->slice_ms != 0 && *slot(p, p->slice) > 0)
			--*slot(p, p->slice);
	}
	held_close(h);
}

void
limits_sweep(struct limits *l, int64_t now_ms)
{
	struct limit *idle[SWEEP_MAX], *p;
	size_t cursor = 0, n = 0;

	while (n < SWEEP_MAX && (p = table_next(&l->all, &cursor)) != NULL) {
		if (p->open != 0)
			continue;
		if (p->slice_ms != 0 && now_ms / p->slice_ms - p->slice <= LIMIT_SLICES &&
		    sum(p) != 0)
			continue;
		idle[n++] = p;
	}
	for (size_t i = 0; i < n; i++) {
		(void)table_remove(&l->all, idle[i]->key);
		free(idle[i]);
	}
}
