/*
 * child - how every child of sidekeyd starts, is confined, and obeys its supervisor.
 * Process: gateway, keeper, edge, admin.
 * Owns: the loop, the supervisor channel; links and listeners until child_attach() gives them away.
 * Secrets: none: settings are names, paths and numbers.
 * Limits: CHILD_SETTINGS_MAX, CHILD_LINKS_MAX, CHILD_LISTENERS_MAX, CHILD_EXITS_MAX; beyond them
 *         the supervisor is broken.
 * Failure: a start that fails is fatal, and so is a supervisor that breaks the order of messages:
 *          both end the process. When the supervisor goes away the child ends too.
 *
 * The order in main():
 *
 *	struct child *c = child_start(argc, argv, 1u << ROLE_GATEWAY);
 *
 *	(settings, files, root key, arena: the last things that need the file system)
 *
 *	child_confine(c);
 *
 *	child_attach(c, &ops, arg);
 *
 *	child_ready(c);
 *
 *	e = loop_run(child_loop(c));
 *
 *	child_free(c);
 */
#ifndef PROC_CHILD_H
#define PROC_CHILD_H

#include "broker/ipc/msg.h"
#include "common/loop.h"

#define CHILD_SUPERVISOR_FD                                                                        \
	3 /* the one descriptor that is inherited, behind stdin, stdout and stderr */
#define CHILD_SETTINGS_MAX 32
#define CHILD_SETTING_NAME_MAX 31
#define CHILD_SETTING_VALUE_MAX 1023
#define CHILD_LINKS_MAX                                                                            \
	80 /* held between start and child_attach(): 64 gateways, edge, admin, a few restarts */
#define CHILD_LISTENERS_MAX 8
#define CHILD_EXITS_MAX 64

/* Exit status that says: starting me again changes nothing (no store, wrong key, bad setting). At
 * the first start sidekeyd then stops with status 1 instead of trying again; the reason was logged
 * by the child. */
#define CHILD_EXIT_HOPELESS 78

struct child;

/* What SUP_EXITED says: another child ended and is being started again. */
struct child_exit {
	enum role role;
	uint8_t index;
	int64_t pid;
	char how[32]; /* "signal 9", "exit 1" */
};

/* Each may be NULL but for on_link, where the role has links; a message without its callback is
 * ignored, a descriptor is then closed. */
struct child_ops {
	/* A link to a peer: at the start, and again when that peer was restarted. fd is given away.
	 * The link of the same role and index that came before is dead, even if its end was not
	 * seen yet: close it first. */
	void (*on_link)(enum role peer, uint8_t index, int fd, void *arg);
	void (*on_listen)(enum listen_kind kind, int fd, void *arg); /* fd is given away */
	void (*on_reload)(void *arg);
	void (*on_drain)(uint32_t ms,
	    void *arg); /* finish what is open within ms, then loop_stop() and exit 0 */
	void (*on_exited)(const struct child_exit *x, void *arg);
};

/* First statement of main(). Checks that sidekeyd started us as one of roles (mask of 1u << enum
 * role), closes every descriptor but 0 to 3, ignores SIGPIPE and terminal signals, becomes
 * non-dumpable, drops capabilities, sets limits, and reads what it is handed until SUP_GO. Does not
 * return on failure: status 2 when it was started by hand, else 1. */
struct child *child_start(int argc, char **argv, uint32_t roles);
void child_free(struct child *c);

enum role child_role(const struct child *c);
uint8_t child_index(
    const struct child *c); /* setting role_index; 0 when there is one of the role */
struct loop *child_loop(struct child *c);

/* NULL if it was not sent. */
const char *child_setting(const struct child *c, const char *name);
/* The same, fatal if it was not sent: the two programs are not of one build. */
const char *child_setting_need(const struct child *c, const char *name);
/* A needed decimal number, at most max; fatal otherwise. */
uint64_t child_setting_u64(const struct child *c, const char *name, uint64_t max);

/* The arena for secrets, bytes long. Memory that cannot be locked ends the process as hopeless, or
 * is warned of where the operator said `memlock: warn`. Before child_confine(). */
void child_secret_arena(const struct child *c, size_t bytes);

/* Landlock with the role's paths, then seccomp with the role's list: after it only these work. A
 * missing Landlock is logged and remembered, all else that fails is fatal. */
void child_confine(struct child *c);
bool child_has_landlock(const struct child *c);

/* Gives every link and listener that came until now to ops, in the order of their coming, then what
 * else was said meanwhile; and later messages from the loop. Before loop_run(). */
void child_attach(struct child *c, const struct child_ops *ops, void *arg);
/* SUP_READY: in the loop, confined. */
void child_ready(struct child *c);

/* The keeper alone: asks for the death of a gateway that does not do as it is told. One that died
 * meanwhile, and whose successor has that index by now, is started once more than needed. */
void child_kill_gateway(struct child *c, uint8_t index);

/* Logs the reason and exits with CHILD_EXIT_HOPELESS. */
void child_hopeless(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));

#endif
