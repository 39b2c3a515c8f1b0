/*
 * What the C library would be asked, asked here: the program's own names go before those of shared
 * libraries, so that OpenSSL, SQLite and the rest fail with us.
 */
#include <errno.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <malloc.h>

#include "common/secret.h"
#include "common/sys.h"
#include "tests/torture/torture.h"

#ifdef SIDEKEY_SANITIZE /* this file itself is not: it is called before the runtime is there */
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t);
void *REAL(calloc)(size_t, size_t);
void *REAL(realloc)(void *, size_t);
void *REAL(memalign)(size_t, size_t);
void REAL(free)(void *);

#define FRAMES_MAX 24

static struct {
	enum torture_kind kind;
	unsigned long nth, counted[TORTURE_KINDS], failures[TORTURE_KINDS];
	enum torture_mode mode;
	long full_bytes; /* there are no more */
	bool armed;
	void *frames[FRAMES_MAX];
	int frame_count;
} plan;

static long live_blocks, live_bytes;
static const char *canary;
static size_t canary_len;

void
torture_arm(enum torture_kind kind, unsigned long nth, enum torture_mode mode)
{
	void *warm[2];

	(void)backtrace(warm, 2); /* the first loads a library */
	memset(&plan, 0, sizeof plan);
	plan.kind = kind;
	plan.nth = nth;
	plan.mode = mode;
	plan.armed = true;
}

void
torture_disarm(void)
{
	plan.armed = false;
}

void
torture_resume(void)
{
	plan.armed = true;
}

void
torture_relent(void)
{
	if (plan.mode == TORTURE_ONWARDS)
		plan.kind = TORTURE_NONE;
}

unsigned long
torture_counted(enum torture_kind kind)
{
	return plan.counted[kind];
}

unsigned long
torture_failures(enum torture_kind kind)
{
	return plan.failures[kind];
}

bool
torture_was_full(void)
{
	return plan.mode == TORTURE_FULL;
}

void
torture_show_failure(void)
{
	backtrace_symbols_fd(plan.frames, plan.frame_count, STDERR_FILENO);
}

long
torture_live_blocks(void)
{
	return live_blocks;
}

void
torture_watch_canary(const char *text)
{
	canary = text;
	canary_len = text == NULL ? 0 : strlen(text);
}

static bool
is_due(unsigned long n, long more)
{
	if (plan.mode == TORTURE_ONCE)
		return n == plan.nth;
	if (plan.mode == TORTURE_FULL && n == plan.nth)
		plan.full_bytes = live_bytes;
	return n >= plan.nth &&
	       (plan.mode == TORTURE_ONWARDS || live_bytes + more > plan.full_bytes);
}

/* Whether this one is to fail; more: bytes than there are. */
static bool
fails(enum torture_kind kind, long more)
{
	unsigned long n;

	if (!plan.armed)
		return false;
	n = ++plan.counted[kind];
	if (kind != plan.kind || !is_due(n, more))
		return false;
	if (plan.failures[kind]++ == 0) {
		plan.armed = false; /* backtrace() allocates */
		plan.frame_count = backtrace(plan.frames, FRAMES_MAX);
		plan.armed = true;
	}
	return true;
}

static bool
no_memory(long more)
{
	if (!fails(TORTURE_ALLOCATION, more))
		return false;
	errno = ENOMEM;
	return true;
}

/* For memory that is full; no other asks so early that a sanitizer has not begun. */
static long
size_of(void *p)
{
	return plan.mode == TORTURE_FULL ? (long)malloc_usable_size(p) : 0;
}

static void *
block(void *p)
{
	live_blocks += p != NULL;
	live_bytes += size_of(p);
	return p;
}

void *
malloc(size_t size)
{
	return no_memory((long)size) ? NULL : block(REAL(malloc)(size));
}

void *
calloc(size_t count, size_t size)
{
	return no_memory((long)(count * size)) ? NULL : block(REAL(calloc)(count, size));
}

void *
memalign(size_t alignment, size_t size)
{
	return no_memory((long)size) ? NULL : block(REAL(memalign)(alignment, size));
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int
posix_memalign(void **ret_p, size_t alignment, size_t size)
{
	void *p = memalign(alignment, size);

	if (p != NULL)
		*ret_p = p;
	return p == NULL ? ENOMEM : 0;
}

static void
look_for_canary(void *p)
{
	if (canary != NULL && p != NULL &&
	    memmem(p, malloc_usable_size(p), canary, canary_len) != NULL)
		torture_canary_freed();
}

void
free(void *p)
{
	int saved = errno;

	look_for_canary(p);
	live_blocks -= p != NULL;
	live_bytes -= size_of(p);
	REAL(free)(p);
	errno = saved;
}

void *
realloc(void *p, size_t size)
{
	void *moved;
	long was;

	if (size == 0 || p == NULL) {
		free(p);
		return malloc(size);
	}
	was = size_of(p);
	if (no_memory((long)size - was))
		return NULL;
	look_for_canary(p); /* it may move, and then leaves the old block behind */
	moved = REAL(realloc)(p, size);
	if (moved != NULL)
		live_bytes += size_of(moved) - was;
	return moved;
}

/* The arena is memory, too. */
enum err __real_secret_new(size_t len, struct secret **ret_s);
enum err __wrap_secret_new(size_t len, struct secret **ret_s);

enum err
__wrap_secret_new(size_t len, struct secret **ret_s)
{
	return fails(TORTURE_ALLOCATION, 0) ? ERR_NOMEM : __real_secret_new(len, ret_s);
}

/* CALL(name, result, error, (parameters), syscall arguments) */
#define CALL(name, type, error, parameters, ...)                                                   \
	type torture_##name parameters __asm__(#name);                                             \
	type torture_##name parameters                                                             \
	{                                                                                          \
		if (fails(TORTURE_CALL, 0)) {                                                      \
			errno = error;                                                             \
			return -1;                                                                 \
		}                                                                                  \
		return (type)syscall(__VA_ARGS__);                                                 \
	}
CALL(read, ssize_t, EIO, (int fd, void *p, size_t len), SYS_read, fd, p, len)
CALL(write, ssize_t, ENOSPC, (int fd, const void *p, size_t len), SYS_write, fd, p, len)
/* SQLite takes EIO for damage; here the device is gone. */
CALL(pread, ssize_t, ENODEV, (int fd, void *p, size_t len, off_t at), SYS_pread64, fd, p, len, at)
CALL(pread64, ssize_t, ENODEV, (int fd, void *p, size_t len, off_t at), SYS_pread64, fd, p, len, at)
CALL(pwrite, ssize_t, ENOSPC, (int fd, const void *p, size_t len, off_t at), SYS_pwrite64, fd, p,
    len, at)
CALL(pwrite64, ssize_t, ENOSPC, (int fd, const void *p, size_t len, off_t at), SYS_pwrite64, fd, p,
    len, at)
CALL(sendmsg, ssize_t, ENOBUFS, (int fd, const struct msghdr *m, int flags), SYS_sendmsg, fd, m,
    flags)
CALL(recvmsg, ssize_t, ENOMEM, (int fd, struct msghdr *m, int flags), SYS_recvmsg, fd, m, flags)
CALL(socket, int, EMFILE, (int domain, int type, int protocol), SYS_socket, domain, type, protocol)
CALL(socketpair, int, EMFILE, (int domain, int type, int protocol, int fds[2]), SYS_socketpair,
    domain, type, protocol, fds)
CALL(accept4, int, EMFILE, (int fd, struct sockaddr *sa, socklen_t *len, int flags), SYS_accept4,
    fd, sa, len, flags)
CALL(fdatasync, int, EIO, (int fd), SYS_fdatasync, fd)
CALL(fsync, int, EIO, (int fd), SYS_fsync, fd)
CALL(rename, int, EIO, (const char *from, const char *to), SYS_rename, from, to)
CALL(unlink, int, EIO, (const char *path), SYS_unlink, path)
CALL(mkdir, int, ENOSPC, (const char *path, mode_t mode), SYS_mkdir, path, mode)
CALL(fchmod, int, EIO, (int fd, mode_t mode), SYS_fchmod, fd, mode)
CALL(ftruncate, int, EIO, (int fd, off_t len), SYS_ftruncate, fd, len)
CALL(ftruncate64, int, EIO, (int fd, off_t len), SYS_ftruncate, fd, len)
CALL(fallocate, int, ENOSPC, (int fd, int mode, off_t at, off_t len), SYS_fallocate, fd, mode, at,
    len)
CALL(fallocate64, int, ENOSPC, (int fd, int mode, off_t at, off_t len), SYS_fallocate, fd, mode, at,
    len)
CALL(memfd_create, int, EMFILE, (const char *name, unsigned flags), SYS_memfd_create, name, flags)
CALL(epoll_create1, int, EMFILE, (int flags), SYS_epoll_create1, flags)

/* Taking one out needs nothing and cannot fail; libmicrohttpd ends the process if it does. */
int torture_epoll_ctl(int fd, int op, int target, struct epoll_event *ev) __asm__("epoll_ctl");
int
torture_epoll_ctl(int fd, int op, int target, struct epoll_event *ev)
{
	if (op != EPOLL_CTL_DEL && fails(TORTURE_CALL, 0)) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, fd, op, target, ev);
}

/* open(2) and openat(2) have their mode only sometimes; it does no harm always. */
static int
open_at(int dir_fd, const char *path, int flags, mode_t mode)
{
	if (fails(TORTURE_CALL, 0)) {
		errno = EMFILE;
		return -1;
	}
	return (int)syscall(SYS_openat, dir_fd, path, flags, mode);
}

#define OPEN(name, dir, ...)                                                                       \
	int torture_##name(__VA_ARGS__, ...) __asm__(#name);                                       \
	int torture_##name(__VA_ARGS__, ...)                                                       \
	{                                                                                          \
		mode_t mode;                                                                       \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
		return open_at(dir, path, flags, mode);                                            \
	}

OPEN(open, AT_FDCWD, const char *path, int flags)
OPEN(open64, AT_FDCWD, const char *path, int flags)
OPEN(openat, dir_fd, int dir_fd, const char *path, int flags)
OPEN(openat64, dir_fd, int dir_fd, const char *path, int flags)
