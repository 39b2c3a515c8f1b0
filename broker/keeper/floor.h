/*
 * floor - the keeper's time: never behind what the audit log has seen, never behind itself.
 * Process: keeper.   Owns: nothing.
 * Secrets: none.
 * Limits: FLOOR_AHEAD_MS_MAX.
 * Failure: none.
 * Clock: given both clocks. After a wall clock was set back, time goes on at the monotonic clock's
 *          pace: nothing that expired lives again.
 */
#ifndef KEEPER_FLOOR_H
#define KEEPER_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

#define FLOOR_AHEAD_MS_MAX                                                                         \
	(10 * 60 * 1000) /* a log that is further ahead of the wall clock at start: not ready      \
			    until accepted */

struct floor {
	int64_t base_ms,
	    base_mono_ms; /* time was base_ms when the monotonic clock read base_mono_ms */
};

/* audit_ms: time of the last audit record, 0 for none. True when it lies too far ahead of the wall
 * clock. */
bool floor_init(struct floor *f, int64_t audit_ms, int64_t wall_ms, int64_t mono_ms);
/* The operator says that the wall clock is right and the log was ahead: time starts anew from the
 * wall clock. */
void floor_accept(struct floor *f, int64_t wall_ms, int64_t mono_ms);
int64_t floor_now_ms(struct floor *f, int64_t wall_ms, int64_t mono_ms);

#endif
