/*
 * tool_gateway - the gateway itself on a clock that a test pushes and with host names of its own:
 * sidekey-gateway, of which the linker wraps the monotonic clock and the reading of /etc/hosts
 * (ld(1) --wrap). How far the clock was pushed, in ms, stands in the file "clock" beside the
 * program, the names in "hosts"; wall time is not pushed, since certificates live by it.
 * Process: tests.   Owns: a mapping of that file, made before the sandbox closes.
 * Secrets: the gateway's.   Limits: none.   Failure: without the file it ends.
 */
#include "broker/gateway/hosts.h"
#include "tests/lib/beside.h"

static const volatile int64_t *pushed_ms;
static char hosts_path[BESIDE_PATH_SIZE];

static void __attribute__((constructor)) find_clock(void)
{
	beside_path("hosts", hosts_path);
	pushed_ms = beside_ms("clock");
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

enum err __real_hosts_read(const char *path, struct hosts **ret_h);
enum err __wrap_hosts_read(const char *path, struct hosts **ret_h);

enum err
__wrap_hosts_read(const char *path, struct hosts **ret_h)
{
	(void)path;
	return __real_hosts_read(hosts_path, ret_h);
}

#include "broker/gateway/main.c"
