/*
 * limits - how many requests a workload may make under one policy's rule for an upstream in a
 * window, and how many may be open at once.
 * Process: keeper.   Owns: one struct limit for each workload and rule that is in use.
 * Secrets: none.
 * Limits: LIMITS_MAX of them; LIMIT_SLICES slices a window: a request counts for at most one slice
 *          longer than the window, never shorter.
 * Failure: ERR_LIMIT (too many in the window), ERR_CONFLICT (too many open), ERR_NOMEM; nothing
 *          was counted.
 * Clock: given the monotonic clock.
 *
 * A request that several policies allow counts under each of them, and each must have room for it:
 * the strictest decides.
 */
#ifndef KEEPER_LIMITS_H
#define KEEPER_LIMITS_H

#include "broker/ipc/body.h"
#include "broker/keeper/table.h"
#include "broker/rules/rules.h"

#define LIMITS_MAX 200000
#define LIMIT_SLICES 16

struct limit {
	struct table_key key; /* workload, use.counter */
	uint32_t open;
	uint32_t slice_ms;
	int64_t slice;			   /* number of the newest slice: now / slice_ms */
	uint32_t counts[LIMIT_SLICES + 1]; /* counts[slice % COUNT] */
};

struct limits {
	struct table all;	   /* of struct limit */
	const struct use **listed; /* of the last limit_uses_of() */
	size_t listed_max;
};

/* What one request counts under, until it has ended; nearly always one. */
struct held {
	struct limit *first; /* NULL: nothing */
	struct limit **more;
	size_t more_count;
};

/* One request of a workload, and the rules that allow it. */
struct limit_ask {
	uint64_t workload_id;
	const struct use *const *uses;
	size_t count; /* 1 at least */
	int64_t now_ms;
};
struct limit_refusal {
	const struct use *use; /* whose limit it is */
	uint32_t retry_s;      /* with ERR_LIMIT: when one more will fit */
};

/* The rules that one request counts under, each with a limit of its own. */
struct limit_uses {
	const struct use *const *list; /* valid until the next limit_uses_of() */
	size_t count;
};

void limits_init(struct limits *l);
void limits_close(struct limits *l);

/* Of view's rules for that upstream (its index) those that allow d; d NULL: all. ERR_NOMEM. */
enum err limit_uses_of(struct limits *l, const struct rules *view, uint16_t upstream,
    const struct decide *d, struct limit_uses *ret_uses) NODISCARD;

/* Counts one request, open until held_close(). */
enum err limits_take(struct limits *l, const struct limit_ask *a, struct held *ret_held,
    struct limit_refusal *ret_why) NODISCARD;
/* Counts one as open that was let through before, whatever the limits. ERR_NOMEM. */
enum err limits_hold(struct limits *l, const struct limit_ask *a, struct held *ret_held) NODISCARD;
void held_close(struct held *h);     /* the request ended */
void held_give_back(struct held *h); /* it was never let through */
/* Forgets those that hold nothing, a bounded number a call. */
void limits_sweep(struct limits *l, int64_t now_ms);

#endif
