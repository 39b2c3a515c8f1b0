/*
 * clock - the two clocks; only loops and main() call this, everything else is given now.
 * Process: all.   Owns: nothing.   Secrets: none.   Limits: none.
 * Failure: none: clock_gettime(2) cannot fail here.
 * Clock: wall for lifetimes and records, monotonic for timers.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

int64_t clock_wall_s(void);  /* seconds since the epoch */
int64_t clock_wall_ms(void); /* the same in milliseconds */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

#endif
