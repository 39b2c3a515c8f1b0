#include "broker/keeper/limits.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_MAX 64

void
limits_init(struct limits *l)
{
	l->pairs = (struct table)TABLE_MAX(LIMITS_MAX);
}

void
limits_close(struct limits *l)
{
	size_t cursor = 0;
	struct limit *p;

	while ((p = table_next(&l->pairs, &cursor)) != NULL)
		free(p);
	table_close(&l->pairs);
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
pair_get(struct limits *l, uint64_t workload_id, uint32_t upstream_id, struct limit **ret_limit)
{
	struct table_key key = table_number(workload_id, upstream_id);
	struct limit *p = table_get(&l->pairs, key);
	enum err e;

	if (p == NULL) {
		p = calloc(1, sizeof *p);
		if (p == NULL)
			return ERR_NOMEM;
		p->workload_id = workload_id;
		p->upstream_id = upstream_id;
		e = table_put(&l->pairs, key, p);
		if (e != ERR_OK) {
			free(p);
			return ERR_NOMEM;
		}
	}
	*ret_limit = p;
	return ERR_OK;
}

enum err
limits_take(struct limits *l, uint64_t workload_id, uint32_t upstream_id, const struct use *use,
    int64_t now_ms, struct limit **ret_limit, uint32_t *ret_retry_s)
{
	struct limit *p;
	enum err e = pair_get(l, workload_id, upstream_id, &p);

	if (e != ERR_OK)
		return e;
	if (use->limit_concurrent != 0 && p->open >= use->limit_concurrent)
		return ERR_CONFLICT;
	if (use->limit_requests != 0) {
		set_window(p, use->limit_window_s, now_ms);
		move_to(p, now_ms / p->slice_ms);
		if (sum(p) >= use->limit_requests) {
			*ret_retry_s = retry_s(p, use->limit_requests, now_ms);
			return ERR_LIMIT;
		}
		++*slot(p, p->slice);
	}
	p->open++;
	*ret_limit = p;
	return ERR_OK;
}

void
limit_close(struct limit *l)
{
	must(l->open > 0);
	l->open--;
}

void
limit_give_back(struct limit *l)
{
	limit_close(l);
	if (l->slice_ms != 0 && *slot(l, l->slice) > 0)
		--*slot(l, l->slice);
}

void
limits_sweep(struct limits *l, int64_t now_ms)
{
	struct limit *idle[SWEEP_MAX], *p;
	size_t cursor = 0, n = 0;

	while (n < SWEEP_MAX && (p = table_next(&l->pairs, &cursor)) != NULL) {
		if (p->open != 0)
			continue;
		if (p->slice_ms != 0 && now_ms / p->slice_ms - p->slice <= LIMIT_SLICES &&
		    sum(p) != 0)
			continue;
		idle[n++] = p;
	}
	for (size_t i = 0; i < n; i++) {
		(void)table_remove(
		    &l->pairs, table_number(idle[i]->workload_id, idle[i]->upstream_id));
		free(idle[i]);
	}
}
