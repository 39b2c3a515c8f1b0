/*
 * init - what PID 1 owes its container: signals, zombies, nothing left behind at the end.
 * Process: shim.   Owns: the signalfd.   Secrets: none.
 * Limits: SHIM_REAPS_PER_TURN, SHIM_TERM_MS, SHIM_KILL_MS.
 * Failure: ERR_SYS, ERR_NOMEM: the shim must not start a child.
 */
#ifndef SHIM_INIT_H
#define SHIM_INIT_H

#include <sys/types.h>

#include "common/loop.h"

struct shim_init {
	struct loop *loop;
	struct watch signals;
	struct timer reap;     /* the rest of many zombies */
	struct timer deadline; /* at the end: SIGKILL, then leaving */
	pid_t child;	       /* 0: none yet */
	pid_t terminal_owner;  /* the group that has it again at the end; 0: not ours to give */
	bool is_pid1;
	bool ending, killed, swept;
	int status;		     /* once the child ended: what the shim exits with */
	void (*on_end)(void *arg);   /* the child ended */
	void (*on_swept)(void *arg); /* and nothing of it is left, or SIGKILL did not help */
	void *arg;
};

/* Watches signals; descendants that lose their parent become our children. Until shim_init_adopt()
 * a signal that would end a process stops the loop, and shim_init_stopped() says which. */
enum err shim_init_start(struct shim_init *in, struct loop *l) NODISCARD;
int shim_init_stopped(const struct shim_init *in); /* 0: none came */

/* From now on signals go to the child's process group. on_end and on_swept are called once each, in
 * this order. */
void shim_init_adopt(struct shim_init *in, pid_t child);
void shim_init_close(struct shim_init *in);

#endif
