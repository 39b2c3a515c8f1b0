/*
 * tool_keeper - the keeper itself with a wall clock that a test sets: sidekey-keeper, of which the
 * linker wraps the wall clock (ld(1) --wrap). How far it is set forward or back, in ms, stands in
 * the file "wall" beside the program; the monotonic clock goes on as it does.
 * Process: tests.   Owns: a mapping of that file, made before the sandbox closes.
 * Secrets: the keeper's.   Limits: none.   Failure: without the file it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/sys.h"

static const volatile int64_t *set_ms;

static void __attribute__((constructor)) find_wall(void)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof "wall");
	char *slash;
	void *at;
	int fd;

	if (len <= 0)
		abort();
	path[len] = '\0';
	slash = strrchr(path, '/');
	(void)memcpy(slash + 1, "wall", sizeof "wall");
	fd = sys_open(path, O_RDONLY, 0);
	at = mmap(NULL, sizeof *set_ms, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || at == MAP_FAILED) {
		perror(path);
		abort();
	}
	sys_close(fd);
	set_ms = at;
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
