#include "broker/sidekeyd/listeners.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/sys.h"

#define BACKLOG_WORKLOADS 4096 /* the kernel cuts it to somaxconn */
#define BACKLOG_LOCAL 16
/* Children of a sidekeyd that was killed end by themselves, but may hold its sockets a moment
 * longer. */
#define ORPHAN_TRIES 40
#define ORPHAN_PAUSE_NS 50000000

static const struct unix_kind {
	enum listen_kind kind;
	const char *name;
	int type;
	mode_t mask; /* umask: the socket is born with its mode */
	int backlog;
} unix_kinds[] = {
	/* 0666: whoever connects must show a certificate, and nothing else counts */
	{ LISTEN_TLS_UNIX, "gateway.sock", SOCK_STREAM, 0111, BACKLOG_WORKLOADS },
	{ LISTEN_ADMIN, "admin.sock", SOCK_STREAM, 0177, BACKLOG_LOCAL },
	{ LISTEN_KEEPER, "keeper.sock", SOCK_SEQPACKET, 0177, BACKLOG_LOCAL },
};

enum role
listeners_role(enum listen_kind kind)
{
	static const enum role roles[LISTEN_KINDS] = {
		[LISTEN_TLS_TCP] = ROLE_GATEWAY,
		[LISTEN_TLS_UNIX] = ROLE_GATEWAY,
		[LISTEN_ADMIN] = ROLE_ADMIN,
		[LISTEN_KEEPER] = ROLE_KEEPER,
	};

	return roles[kind];
}

/* Apart, so that a container may mount the gateway's folder whole and finds no other socket. */
static const struct listen_dir *
dir_of(const struct listeners *l, const struct unix_kind *k)
{
	return k->kind == LISTEN_TLS_UNIX && l->gateway.fd >= 0 ? &l->gateway : &l->run;
}

static void
pause_for_orphans(void)
{
	struct timespec t = { 0, ORPHAN_PAUSE_NS };

	(void)nanosleep(&t, NULL);
}

/* Nobody but us may put or swap a file there, or the checks below would be of another file. */
static enum err
open_dir(struct listen_dir *d, char *why)
{
	struct stat st;

	if (mkdir(d->path, 0755) != 0 && errno != EEXIST) {
		(void)snprintf(
		    why, LISTEN_WHY_SIZE, "%s: cannot be made: %s", d->path, strerror(errno));
		return ERR_SYS;
	}
	d->fd = sys_open(d->path, O_RDONLY | O_DIRECTORY, 0);
	if (d->fd < 0 || fstat(d->fd, &st) != 0) {
		(void)snprintf(
		    why, LISTEN_WHY_SIZE, "%s: cannot be opened: %s", d->path, strerror(errno));
		return ERR_SYS;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
		(void)snprintf(why, LISTEN_WHY_SIZE,
		    "%s: must belong to uid %u and be writable by no one else (it is uid %u, mode "
		    "%04o): chown and chmod 0755 it",
		    d->path, (unsigned)geteuid(), (unsigned)st.st_uid,
		    (unsigned)(st.st_mode & 07777));
		return ERR_DENIED;
	}
	if (flock(d->fd, LOCK_EX | LOCK_NB) != 0) {
		(void)snprintf(
		    why, LISTEN_WHY_SIZE, "%s: another sidekeyd is running there", d->path);
		return ERR_CONFLICT;
	}
	return ERR_OK;
}

static struct sockaddr_un
unix_address(const struct listen_dir *d, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s/%s", d->path, name);
	return un;
}

static bool
answers(const struct sockaddr_un *un, int type)
{
	AUTO(sys_closep) int fd = sys_socket(AF_UNIX, type | SOCK_NONBLOCK, 0);

	/* a full backlog (EAGAIN) is an answer too */
	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)un, sizeof *un) == 0 || errno == EAGAIN);
}

static enum err
remove_stale(const struct listen_dir *d, const struct unix_kind *k, char *why)
{
	struct sockaddr_un un = unix_address(d, k->name);
	struct stat st;

	if (fstatat(d->fd, k->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? ERR_OK : ERR_SYS;
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid()) {
		(void)snprintf(why, LISTEN_WHY_SIZE, "%s: is not a socket of uid %u; move it away",
		    un.sun_path, (unsigned)geteuid());
		return ERR_DENIED;
	}
	for (int i = 0; answers(&un, k->type); i++) {
		if (i == ORPHAN_TRIES) {
			(void)snprintf(why, LISTEN_WHY_SIZE,
			    "%s: another process still answers there", un.sun_path);
			return ERR_CONFLICT;
		}
		pause_for_orphans();
	}
	return unlinkat(d->fd, k->name, 0) == 0 || errno == ENOENT ? ERR_OK : ERR_SYS;
}

static enum err
open_unix(struct listeners *l, const struct unix_kind *k, char *why)
{
	const struct listen_dir *d = dir_of(l, k);
	struct sockaddr_un un = unix_address(d, k->name);
	AUTO(sys_closep) int fd = -1;
	mode_t before;
	bool bound;
	enum err e;

	(void)snprintf(why, LISTEN_WHY_SIZE, "%s: cannot be replaced", un.sun_path);
	e = remove_stale(d, k, why);
	if (e != ERR_OK)
		return e;
	fd = sys_socket(AF_UNIX, k->type | SOCK_NONBLOCK, 0);
	before = umask(k->mask);
	bound = fd >= 0 && bind(fd, (const struct sockaddr *)&un, sizeof un) == 0;
	(void)umask(before);
	if (!bound || listen(fd, k->backlog) != 0) {
		(void)snprintf(
		    why, LISTEN_WHY_SIZE, "%s: cannot listen: %s", un.sun_path, strerror(errno));
		return ERR_SYS;
	}
	l->fds[k->kind] = fd;
	fd = -1; /* given away */
	return ERR_OK;
}

static bool
bind_tcp(int fd, const struct daemon_config *c)
{
	for (int i = 0; bind(fd, (const struct sockaddr *)&c->tcp, c->tcp_len) != 0; i++) {
		if (errno != EADDRINUSE || i == ORPHAN_TRIES)
			return false;
		pause_for_orphans();
	}
	return true;
}

static enum err
open_tcp(struct listeners *l, const struct daemon_config *c, char *why)
{
	AUTO(sys_closep) int fd = -1;
	int one = 1;

	if (c->tcp.ss_family == AF_UNSPEC)
		return ERR_OK;
	fd = sys_socket(c->tcp.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    !bind_tcp(fd, c) || listen(fd, BACKLOG_WORKLOADS) != 0) {
		(void)snprintf(
		    why, LISTEN_WHY_SIZE, "listen.tcp: cannot listen: %s", strerror(errno));
		return ERR_SYS;
	}
	l->fds[LISTEN_TLS_TCP] = fd;
	fd = -1; /* given away */
	return ERR_OK;
}

static enum err
open_all(const struct daemon_config *c, struct listeners *l, char *why)
{
	enum err e = open_dir(&l->run, why);

	if (e == ERR_OK && c->listen_unix && strcmp(l->gateway.path, l->run.path) != 0)
		e = open_dir(&l->gateway, why);
	for (size_t i = 0; e == ERR_OK && i < COUNT(unix_kinds); i++) {
		if (unix_kinds[i].kind != LISTEN_TLS_UNIX || c->listen_unix)
			e = open_unix(l, &unix_kinds[i], why);
	}
	return e == ERR_OK ? open_tcp(l, c, why) : e;
}

enum err
listeners_open(
    const struct daemon_config *c, struct listeners *ret_l, char ret_why[LISTEN_WHY_SIZE])
{
	struct listeners l = { .run.fd = -1, .gateway.fd = -1 };
	enum err e;

	for (size_t i = 0; i < LISTEN_KINDS; i++)
		l.fds[i] = -1;
	memcpy(l.run.path, c->run_dir, sizeof l.run.path);
	memcpy(l.gateway.path, c->gateway_dir, sizeof l.gateway.path);
	e = open_all(c, &l, ret_why);
	if (e != ERR_OK) {
		listeners_close(&l);
		return e;
	}
	*ret_l = l;
	return ERR_OK;
}

void
listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < COUNT(unix_kinds); i++) {
		if (l->fds[unix_kinds[i].kind] >= 0)
			(void)unlinkat(dir_of(l, &unix_kinds[i])->fd, unix_kinds[i].name, 0);
	}
	for (size_t i = 0; i < LISTEN_KINDS; i++)
		sys_closep(&l->fds[i]);
	sys_closep(&l->gateway.fd);
	sys_closep(&l->run.fd); /* last: it is the lock */
}
