/*
 * tool_gateway - the gateway itself on a clock that a test pushes: sidekey-gateway, of which the
 * linker wraps the monotonic clock (ld(1) --wrap). How far it was pushed, in ms, stands in the file
 * "clock" beside the program; wall time is not pushed, since certificates live by it.
 * Process: tests.   Owns: a mapping of that file, made before the sandbox closes.
 * Secrets: the gateway's.   Limits: none.   Failure: without the file it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

int64_t __real_clock_mono_ms(void);
int64_t __real_clock_mono_us(void);
int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_us(void);

int64_t
__wrap_clock_mono_us(void)
{
	return __real_clock_mono_us() + *pushed_ms * 1000;
}

int64_t
__wrap_clock_mono_ms(void)
{
	return __real_clock_mono_ms() + *pushed_ms;
}

#include "broker/gateway/main.c"
