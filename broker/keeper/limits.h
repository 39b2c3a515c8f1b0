/*
 * limits - how many requests a workload may make of an upstream in a window, and how many may be
 * open at once.
 * Process: keeper.   Owns: one struct limit a pair that is in use.
 * Secrets: none.
 * Limits: LIMITS_MAX pairs; LIMIT_SLICES slices a window: a request counts for at most one slice
 *          longer than the window, never shorter.
 * Failure: ERR_LIMIT (too many in the window), ERR_CONFLICT (too many open), ERR_NOMEM; nothing
 *          was counted.
 * Clock: given the monotonic clock.
 */
#ifndef KEEPER_LIMITS_H
#define KEEPER_LIMITS_H

#include "broker/keeper/table.h"
#include "broker/rules/rules.h"

#define LIMITS_MAX 200000
#define LIMIT_SLICES 16

struct limit {
	uint64_t workload_id;
	uint32_t upstream_id;
	uint32_t open;
	uint32_t slice_ms;
	int64_t slice;			   /* number of the newest slice: now / slice_ms */
	uint32_t counts[LIMIT_SLICES + 1]; /* counts[slice % COUNT] */
};

struct limits {
	struct table pairs; /* of struct limit */
};

void limits_init(struct limits *l);
void limits_close(struct limits *l);

/* Counts one request, open until limit_close(). ERR_LIMIT: *ret_retry_s says when one more will
 * fit. */
enum err limits_take(struct limits *l, uint64_t workload_id, uint32_t upstream_id,
    const struct use *use, int64_t now_ms, struct limit **ret_limit,
    uint32_t *ret_retry_s) NODISCARD;  /* 7 parameters: the one question that limits answer */
void limit_close(struct limit *l);     /* the request ended */
void limit_give_back(struct limit *l); /* it was never let through */
/* Forgets pairs that hold nothing, a bounded number a call. */
void limits_sweep(struct limits *l, int64_t now_ms);

#endif
