/*
 * tool_keeper - the keeper itself with a wall clock that a test sets: sidekey-keeper, of which the
 * linker wraps the wall clock (ld(1) --wrap). How far it is set forward or back, in ms, stands in
 * the file "wall" beside the program; the monotonic clock goes on as it does.
 * Process: tests.   Owns: a mapping of that file, made before the sandbox closes.
 * Secrets: the keeper's.   Limits: none.   Failure: without the file it ends.
 */
#include "common/clock.h"
#include "tests/lib/beside.h"

static const volatile int64_t *set_ms;

static void __attribute__((constructor)) find_wall(void)
{
	set_ms = beside_ms("wall");
}

int64_t __real_clock_wall_ms(void);
int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_wall_s(void);

int64_t
__wrap_clock_wall_ms(void)
{
	return __real_clock_wall_ms() + *set_ms;
}

int64_t
__wrap_clock_wall_s(void)
{
	return __wrap_clock_wall_ms() / 1000;
}

#include "broker/keeper/main.c"
