/*
 * restart - how long a child that ended waits until it is started again.
 * Process: sidekeyd.   Owns: nothing; plain data, zero is the start.   Secrets: none.
 * Limits: RESTART_MIN_MS to RESTART_MAX_MS, doubled at each end, forgotten after RESTART_CALM_MS
 *         of life.
 * Failure: none.
 * Clock: none; every function is given monotonic now_ms.
 */
#ifndef SIDEKEYD_RESTART_H
#define SIDEKEYD_RESTART_H

#include <stdint.h>

#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 10000
#define RESTART_CALM_MS 30000

struct restart {
	int64_t started_ms;
	uint32_t delay_ms; /* of the last end; 0: none yet */
};

void restart_started(struct restart *r, int64_t now_ms);
/* The child ended: milliseconds to wait. */
uint32_t restart_delay(struct restart *r, int64_t now_ms);

#endif
