/*
 * tool_gateway - the gateway itself on a clock that a test pushes: sidekey-gateway with these four
 * functions in the place of common/clock.c. How far it was pushed, in ms, stands in the file
 * "clock" beside the program; wall time is not pushed, since certificates live by it. Process:
 * tests.   Owns: a mapping of that file, made before the sandbox closes. Secrets: the gateway's.
 * Limits: none.   Failure: without the file it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/sys.h"

static const volatile int64_t *pushed_ms;

static void __attribute__((constructor)) find_clock(void)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof "clock");
	char *slash;
	void *at;
	int fd;

	if (len <= 0)
		abort();
	path[len] = '\0';
	slash = strrchr(path, '/');
	(void)memcpy(slash + 1, "clock", sizeof "clock");
	fd = sys_open(path, O_RDONLY, 0);
	at = mmap(NULL, sizeof *pushed_ms, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || at == MAP_FAILED) {
		perror(path);
		abort();
	}
	sys_close(fd);
	pushed_ms = at;
}

static int64_t
read_us(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall_s(void)
{
	return read_us(CLOCK_REALTIME) / 1000000;
}

int64_t
clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC) + *pushed_ms * 1000;
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

#include "broker/gateway/main.c"
