/*
 * sidekeyd, from start to loop: configuration, users, sockets, privileges away, sandbox, children.
 * It reads no byte from any peer: only its own file, signals, and one message of each child.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/proc/drop.h"
#include "broker/proc/sandbox.h"
#include "broker/proc/signals.h"
#include "broker/sidekeyd/arguments.h"
#include "broker/sidekeyd/crew.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"

#define MEMLOCK_WANTED (64u << 20) /* for the children, who inherit the limit */
#define STATUS_FAILED 1

static void
on_signal(int signo, void *arg)
{
	struct crew *c = arg;

	if (signo == SIGCHLD)
		crew_reap(c);
	else if (signo == SIGHUP)
		crew_reload(c);
	else
		crew_drain(c);
}

/* Descriptors 0 to 2 must be something, or the first file that is opened becomes our log. */
static void
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = sys_open("/dev/null", O_RDWR, 0);
	while (fd >= 0 && fd <= STDERR_FILENO);
	sys_close(fd);
}

static struct daemon_config
load_config(const struct arguments *a)
{
	struct daemon_config c;
	struct place_error error;
	char *absolute = realpath(a->config_dir, NULL);
	enum err e = daemon_config_load(absolute == NULL ? a->config_dir : absolute, &c, &error);

	free(absolute);
	if (e != ERR_OK) {
		if (error.line == 0)
			log_error("%s: %s", error.file, error.text);
		else
			log_error("%s:%u:%u: %s", error.file, error.line, error.column, error.text);
		exit(STATUS_FAILED);
	}
	c.accept_clock = a->accept_clock;
	return c;
}

static struct users
settle_users(const struct daemon_config *c)
{
	struct users u;
	char why[USERS_WHY_SIZE] = "";

	if (users_find(c, &u, why) != ERR_OK || users_hand_over(c, &u, why) != ERR_OK)
		log_fatal("%s", why);
	if (geteuid() == 0 && !u.change)
		log_warn("user: none: all processes share root's uid, without its capabilities");
	return u;
}

/* What is left is what starting and ending children under other uids needs, and without them
 * nothing. */
static void
give_up_privileges(const struct users *u)
{
	uint64_t keep = DROP_CAP(CAP_SETUID) | DROP_CAP(CAP_SETGID) | DROP_CAP(CAP_KILL);

	(void)drop_memlock_raise(MEMLOCK_WANTED);
	if (drop_capabilities(u->change ? keep : 0) != ERR_OK || drop_inspection() != ERR_OK)
		log_fatal("privileges cannot be given up");
}

/* Children inherit all of this, so it holds what the hungriest of them needs and each takes more
 * away. */
static void
confine(const struct daemon_config *c, const struct spawn *s)
{
	const struct sandbox_path paths[] = {
		{ "/", SANDBOX_READ },
		{ s->program_dir, SANDBOX_EXEC },
		{ "/lib", SANDBOX_EXEC }, /* the dynamic linker */
		{ "/lib64", SANDBOX_EXEC },
		{ "/usr/lib", SANDBOX_EXEC },
		{ c->state_dir, SANDBOX_WRITE },
		{ c->run_dir, SANDBOX_REMOVE }, /* the sockets, at the end */
		{ c->gateway_dir, SANDBOX_REMOVE },
	};
	int abi;

	if (sandbox_files(ROLE_SIDEKEYD, paths, COUNT(paths), &abi) != ERR_OK)
		log_fatal("Landlock refuses: %s", strerror(errno));
	if (abi == 0)
		log_warn("THIS KERNEL HAS NO LANDLOCK: files are protected by modes and by system "
			 "call filters alone; sidekey status repeats this");
	else
		log_debug("Landlock ABI %d", abi);
	if (sandbox_syscalls(ROLE_SIDEKEYD) != ERR_OK)
		log_fatal("the system call filter cannot be set");
}

static int
supervise(const struct daemon_config *c, const struct spawn *s, const struct listeners *listeners,
    int64_t begun_ms)
{
	struct crew_tools tools = {
		.config = c, .listeners = listeners, .spawn = s, .begun_ms = begun_ms
	};
	struct signals signals;
	struct crew *crew;
	int status;

	if (loop_new(&tools.loop) != ERR_OK || crew_new(&tools, &crew) != ERR_OK ||
	    signals_watch(&signals, tools.loop, on_signal, crew) != ERR_OK)
		log_fatal("no event loop");
	crew_start(crew);
	if (loop_run(tools.loop) != ERR_OK)
		log_error("event loop failed");
	status = crew_status(crew);
	signals_close(&signals);
	crew_free(crew);
	(void)!loop_turn(tools.loop, 0); /* what was closed is freed at the end of a turn */
	loop_free(tools.loop);
	return status;
}

int
main(int argc, char **argv)
{
	int64_t begun_ms = clock_mono_ms();
	char why[LISTEN_WHY_SIZE] = "";
	struct arguments a;
	struct daemon_config c;
	struct listeners listeners;
	struct spawn spawn;
	struct users users;
	int status;

	signals_block();
	fill_standard_descriptors();
	log_init("sidekeyd", LOG_LEVEL_INFO);
	a = arguments_read(argc, argv);
	c = load_config(&a);
	if (a.check_config) {
		puts("sidekey.yaml is good");
		return 0;
	}
	log_init("sidekeyd", daemon_config_log_level(&c));
	users = settle_users(&c);
	if (spawn_init(&spawn, &users) != ERR_OK)
		log_fatal("sidekey-keeper is neither beside sidekeyd nor in ../libexec/sidekey");
	if (listeners_open(&c, &listeners, why) != ERR_OK)
		log_fatal("%s", why);
	give_up_privileges(&users);
	confine(&c, &spawn);
	status = supervise(&c, &spawn, &listeners, begun_ms);
	listeners_close(&listeners);
	spawn_close(&spawn);
	log_info("stopped");
	return status;
}
