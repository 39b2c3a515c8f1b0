#include "broker/keeper/audit/quota.h"

#define SLICE_MS (QUOTA_WINDOW_MS / QUOTA_SLICES)
#define PLACES (QUOTA_SLICES + 1)

static uint64_t *
place(struct quota *q, int64_t slice)
{
	return &q->bytes[(uint64_t)slice % PLACES];
}

/* Empties what lies behind the window by now. A clock that stepped back empties nothing. */
static void
move_to(struct quota *q, int64_t slice)
{
	int64_t steps = slice - q->slice;

	if (steps <= 0)
		return;
	for (int64_t i = 0; i < steps && i < PLACES; i++) {
		q->total -= *place(q, slice - i);
		*place(q, slice - i) = 0;
	}
	q->slice = slice;
}

void
quota_add(struct quota *q, size_t bytes, int64_t now_ms)
{
	move_to(q, now_ms / SLICE_MS);
	*place(q, q->slice) += bytes;
	q->total += bytes;
}

bool
quota_left(struct quota *q, uint64_t max, int64_t now_ms)
{
	move_to(q, now_ms / SLICE_MS);
	return q->total < max;
}

uint32_t
quota_retry_s(const struct quota *q, uint64_t max, int64_t now_ms)
{
	uint64_t left = q->total;
	int64_t slice = q->slice - QUOTA_SLICES;

	for (; slice < q->slice; slice++) {
		left -= q->bytes[(uint64_t)slice % PLACES];
		if (left < max)
			break;
	}
	return (uint32_t)(((slice + PLACES) * SLICE_MS - now_ms + 999) / 1000);
}
