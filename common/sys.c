#include "common/sys.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/buf.h"

/* A signal that was handled is no failure. */
#define RETRY(call)                                                                                \
	__extension__({                                                                            \
		__typeof__(call) r_;                                                               \
		do                                                                                 \
			r_ = (call);                                                               \
		while (r_ == -1 && errno == EINTR);                                                \
		r_;                                                                                \
	})

ssize_t
sys_read(int fd, void *p, size_t len)
{
	return RETRY(read(fd, p, len));
}

ssize_t
sys_write(int fd, const void *p, size_t len)
{
	return RETRY(write(fd, p, len));
}

ssize_t
sys_pread(int fd, void *p, size_t len, off_t at)
{
	return RETRY(pread(fd, p, len, at));
}

ssize_t
sys_pwrite(int fd, const void *p, size_t len, off_t at)
{
	return RETRY(pwrite(fd, p, len, at));
}

ssize_t
sys_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return RETRY(sendmsg(fd, m, flags | MSG_NOSIGNAL));
}

ssize_t
sys_recvmsg(int fd, struct msghdr *m, int flags)
{
	return RETRY(recvmsg(fd, m, flags | MSG_CMSG_CLOEXEC));
}

int
sys_open(const char *path, int flags, mode_t mode)
{
	return RETRY(open(path, flags | O_CLOEXEC | O_NOFOLLOW, mode));
}

int
sys_openat(int dir_fd, const char *path, int flags, mode_t mode)
{
	return RETRY(openat(dir_fd, path, flags | O_CLOEXEC | O_NOFOLLOW, mode));
}

int
sys_socket(int domain, int type, int protocol)
{
	return socket(domain, type | SOCK_CLOEXEC, protocol);
}

int
sys_socketpair(int type, int ret_fds[2])
{
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_fds);
}

int
sys_accept(int fd, struct sockaddr *sa, socklen_t *len)
{
	return RETRY(accept4(fd, sa, len, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

int
sys_fdatasync(int fd)
{
	return RETRY(fdatasync(fd));
}

int
sys_fsync(int fd)
{
	return RETRY(fsync(fd));
}

int
sys_rename(const char *from, const char *to)
{
	return rename(from, to);
}

int
sys_unlink(const char *path)
{
	return unlink(path);
}

int
sys_memfd(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int
sys_random(void *p, size_t len)
{
	uint8_t *at = p;

	while (len > 0) {
		ssize_t n = RETRY(getrandom(at, len, 0));

		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

void
sys_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd); /* never retried: the descriptor is gone also after EINTR */
	errno = saved;
}

void
sys_closep(int *fd)
{
	sys_close(*fd);
	*fd = -1;
}

enum err
sys_write_all(int fd, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len > 0) {
		ssize_t n = sys_write(fd, at, len);

		if (n <= 0)
			return ERR_IO;
		at += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}

enum err
sys_pwrite_all(int fd, const void *p, size_t len, off_t at)
{
	const uint8_t *from = p;

	while (len > 0) {
		ssize_t n = sys_pwrite(fd, from, len, at);

		if (n <= 0)
			return ERR_IO;
		from += n;
		at += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}

/* at -1: from where the descriptor stands. */
static ssize_t
read_some(int fd, void *dst, size_t len, off_t at)
{
	return at < 0 ? sys_read(fd, dst, len) : sys_pread(fd, dst, len, at);
}

static enum err
read_all(int fd, off_t at, struct buf *ret)
{
	for (;;) {
		uint8_t extra;
		ssize_t n;
		size_t room;
		enum err e = buf_reserve(ret, ret->len < ret->max ? 1 : 0);

		if (e != ERR_OK)
			return e;
		room = buf_room(ret);
		n = room > 0 ? read_some(fd, buf_tail(ret), room, at)
			     : read_some(fd, &extra, 1, at);
		if (n < 0)
			return ERR_IO;
		if (n == 0)
			return ERR_OK;
		if (room == 0)
			return ERR_LIMIT;
		buf_added(ret, (size_t)n);
		at += at < 0 ? 0 : n;
	}
}

enum err
sys_read_whole(int fd, struct buf *ret)
{
	return read_all(fd, 0, ret);
}

static bool
is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

enum err
sys_read_file(const char *path, struct buf *ret)
{
	AUTO(sys_closep) int fd = sys_open(path, O_RDONLY | O_NONBLOCK, 0);
	enum err e;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	if (is_pipe(fd)) /* who opens one waits until somebody fills it, signals blocked or not */
		return ERR_DENIED;
	e = read_all(fd, -1, ret);
	if (e != ERR_OK)
		buf_clear(ret);
	return e;
}

static enum err
write_beside(const char *path, struct span contents, mode_t mode)
{
	AUTO(sys_closep) int fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL, mode);

	if (fd < 0)
		return ERR_IO;
	if (fchmod(fd, mode) != 0 || sys_write_all(fd, contents.p, contents.len) != ERR_OK ||
	    sys_fsync(fd) != 0)
		return ERR_IO;
	return ERR_OK;
}

enum err
sys_sync_folder(const char *path)
{
	char copy[4096], folder[4096 + 2];
	AUTO(sys_closep) int fd = -1;

	if (!span_copy_str(span_str(path), copy, sizeof copy))
		return ERR_LIMIT;
	(void)snprintf(folder, sizeof folder, "%s/.", dirname(copy)); /* which may be a link */
	fd = sys_open(folder, O_RDONLY | O_DIRECTORY, 0);
	return fd >= 0 && sys_fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

enum err
sys_lock_folder(const char *path, int *ret_fd)
{
	AUTO(sys_closep) int fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
	struct stat held, there;

	if (fd < 0 || fstat(fd, &held) != 0)
		return errno == ENOENT ? ERR_CONFLICT : ERR_SYS;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_SYS;
	if (stat(path, &there) != 0 || there.st_dev != held.st_dev || there.st_ino != held.st_ino)
		return ERR_CONFLICT;
	*ret_fd = fd;
	fd = -1; /* given away */
	return ERR_OK;
}

enum err
sys_replace_file(const char *path, struct span contents, mode_t mode)
{
	char beside[4096];
	int len = snprintf(beside, sizeof beside, "%s.new", path);
	enum err e;

	if (len < 0 || (size_t)len >= sizeof beside)
		return ERR_LIMIT;
	(void)sys_unlink(beside); /* what a crash left */
	e = write_beside(beside, contents, mode);
	if (e == ERR_OK && sys_rename(beside, path) != 0)
		e = ERR_IO;
	if (e != ERR_OK) {
		int saved = errno;

		(void)sys_unlink(beside);
		errno = saved;
		return e;
	}
	return sys_sync_folder(path);
}
