#include "broker/sidekeyd/spawn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/proc/child.h"
#include "broker/proc/drop.h"
#include "broker/proc/signals.h"
#include "common/log.h"
#include "common/sys.h"

#define FD_ABOVE_ALL 16 /* where the child's socket waits while 0 to 3 are laid out */

static const char *
program_of(enum role role)
{
	static const char *const names[ROLE_COUNT] = {
		[ROLE_GATEWAY] = "sidekey-gateway",
		[ROLE_KEEPER] = "sidekey-keeper",
		[ROLE_EDGE] = "sidekey-api",
		[ROLE_ADMIN] = "sidekey-api",
	};

	return names[role];
}

static bool
holds_programs(const char *dir)
{
	char path[CONFIG_PATH_MAX + 32];

	(void)snprintf(path, sizeof path, "%s/%s", dir, program_of(ROLE_KEEPER));
	return access(path, X_OK) == 0;
}

static enum err
find_programs(char *dst, size_t size)
{
	char self[CONFIG_PATH_MAX - 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n <= 0 || (size_t)n >= sizeof self - 1)
		return ERR_NOT_FOUND;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return ERR_NOT_FOUND;
	*slash = '\0';
	(void)snprintf(dst, size, "%s", self);
	if (holds_programs(dst))
		return ERR_OK;
	(void)snprintf(dst, size, "%s/../libexec/sidekey", self);
	return holds_programs(dst) ? ERR_OK : ERR_NOT_FOUND;
}

enum err
spawn_init(struct spawn *s, const struct users *u)
{
	*s = (struct spawn){ .users = *u, .null_fd = -1 };
	if (find_programs(s->program_dir, sizeof s->program_dir) != ERR_OK)
		return ERR_NOT_FOUND;
	s->null_fd = sys_open("/dev/null", O_RDWR, 0);
	return s->null_fd < 0 ? ERR_SYS : ERR_OK;
}

void
spawn_close(struct spawn *s)
{
	sys_closep(&s->null_fd);
}

/* Standard input and output are nothing, standard error is the log, 3 is the supervisor; all else
 * is close-on-exec. */
static void
lay_out_descriptors(int null_fd, int socket_fd)
{
	int safe = fcntl(socket_fd, F_DUPFD_CLOEXEC, FD_ABOVE_ALL);

	if (safe < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
	    dup2(safe, CHILD_SUPERVISOR_FD) < 0)
		log_fatal("descriptors of a child: %s", strerror(errno));
}

static void __attribute__((noreturn)) become(const struct spawn *s, enum role role, int socket_fd)
{
	char path[CONFIG_PATH_MAX + 32];
	char name[32];
	char role_arg[16];
	char *argv[] = { name, role_arg, NULL };
	char *envp[] = { NULL };

	(void)snprintf(path, sizeof path, "%s/%s", s->program_dir, program_of(role));
	(void)snprintf(name, sizeof name, "%s", program_of(role));
	(void)snprintf(role_arg, sizeof role_arg, "%s", role_name(role));
	signals_restore();
	lay_out_descriptors(s->null_fd, socket_fd);
	if (s->users.change && drop_user(s->users.uid[role], s->users.gid[role]) != ERR_OK)
		log_fatal("%s: cannot become uid %u", name, (unsigned)s->users.uid[role]);
	(void)execve(path, argv, envp);
	log_error("%s: cannot be executed: %s", path, strerror(errno));
	_exit(CHILD_EXIT_HOPELESS);
}

enum err
spawn_child(const struct spawn *s, enum role role, pid_t *ret_pid, int *ret_fd)
{
	int pair[2];
	pid_t pid;

	if (sys_socketpair(SOCK_SEQPACKET, pair) != 0)
		return ERR_SYS;
	pid = fork();
	if (pid == 0)
		become(s, role, pair[1]);
	sys_close(pair[1]);
	if (pid < 0) {
		sys_close(pair[0]);
		return ERR_SYS;
	}
	*ret_pid = pid;
	*ret_fd = pair[0];
	return ERR_OK;
}
