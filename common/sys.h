/*
 * sys - the system calls that can fail in a way tests must reach, each wrapped once.
 * Process: all.   Owns: nothing; descriptors are the caller's. All are close-on-exec.
 * Secrets: read and write may carry one in the caller's memory.   Limits: none.
 * Failure: as the system call: -1 and errno. EINTR is retried inside, but for connect() and
 * epoll_wait().
 */
#ifndef COMMON_SYS_H
#define COMMON_SYS_H

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/span.h"

ssize_t sys_read(int fd, void *p, size_t len);
ssize_t sys_write(int fd, const void *p, size_t len);
ssize_t sys_pread(int fd, void *p, size_t len, off_t at);
ssize_t sys_pwrite(int fd, const void *p, size_t len, off_t at);
ssize_t sys_sendmsg(int fd, const struct msghdr *m, int flags); /* adds MSG_NOSIGNAL */
ssize_t sys_recvmsg(int fd, struct msghdr *m, int flags);	/* adds MSG_CMSG_CLOEXEC */
int sys_open(const char *path, int flags, mode_t mode);		/* adds O_CLOEXEC and O_NOFOLLOW */
int sys_openat(int dir_fd, const char *path, int flags, mode_t mode);
int sys_socket(int domain, int type, int protocol);	     /* adds SOCK_CLOEXEC */
int sys_socketpair(int type, int ret_fds[2]);		     /* AF_UNIX */
int sys_accept(int fd, struct sockaddr *sa, socklen_t *len); /* SOCK_NONBLOCK */
int sys_fdatasync(int fd);
int sys_fsync(int fd);
int sys_rename(const char *from, const char *to);
int sys_unlink(const char *path);
int sys_memfd(const char *name);     /* sealable; see memfd_create(2) */
int sys_random(void *p, size_t len); /* getrandom(2), all of it; 0 or -1 */

void sys_close(int fd);	  /* -1 is fine */
void sys_closep(int *fd); /* for AUTO(); sets -1 */

/* Writes all, across short writes. ERR_IO with errno set. */
enum err sys_write_all(int fd, const void *p, size_t len) NODISCARD;
enum err sys_pwrite_all(int fd, const void *p, size_t len, off_t at) NODISCARD;
/* Reads a whole file of at most max bytes into *ret (struct buf, wiped by its owner).
 * ERR_NOT_FOUND, ERR_LIMIT, ERR_IO, ERR_DENIED for a pipe. */
struct buf;
enum err sys_read_file(const char *path, struct buf *ret) NODISCARD; /* at most ret->max */
/* All of an open file, from its start; the offset, which others may share, stays. ERR_LIMIT: more
 * than ret can hold. */
enum err sys_read_whole(int fd, struct buf *ret) NODISCARD;
/* The folder that holds path: a new name in it outlives a power cut only then. ERR_IO, ERR_LIMIT.
 */
enum err sys_sync_folder(const char *path) NODISCARD;
/* For who makes things in a folder and takes them back when that fails: one at a time, until
 * *ret_fd is closed. ERR_CONFLICT: another one is at it, or took the folder itself back; ERR_SYS.
 */
enum err sys_lock_folder(const char *path, int *ret_fd) NODISCARD;
/* Writes beside it, syncs, renames over, syncs the directory. mode is exact, whatever the umask. */
enum err sys_replace_file(const char *path, struct span contents, mode_t mode) NODISCARD;

#endif
