/*
 * member - one child as the crew sees it, with what it is told.
 * Process: sidekeyd.   Owns: see crew.h.   Secrets: none.   Limits: see crew.h.
 * Failure: a member that does not take what it is told is killed, and started again as any that
 * ended.
 */
#ifndef SIDEKEYD_MEMBER_H
#define SIDEKEYD_MEMBER_H

#include "broker/ipc/channel.h"
#include "broker/proc/child.h"
#include "broker/sidekeyd/crew.h"
#include "broker/sidekeyd/restart.h"

struct member {
	struct crew *crew;
	enum role role;
	uint8_t index;
	char name[24]; /* "gateway 0", "keeper" */
	pid_t pid;     /* 0: not running */
	struct channel *channel;
	bool ready, drain_sent;
	uint32_t starts;
	struct restart restart;
	struct timer
	    timer; /* while it runs not: of the next start; while it lingers: of its kill */
};

struct crew {
	struct crew_tools t;
	struct member members[CREW_MAX];
	size_t count;
	struct child_exit exits[CREW_EXITS_MAX]; /* what the keeper has not heard of yet */
	size_t exit_count;
	bool all_were_ready, draining, failed;
	size_t phase; /* of the drain */
	int64_t drain_began_ms;
	struct timer drain_timer;
};

/* Settings, a link to each peer that runs, listeners, go. */
void member_introduce(struct member *m);
void member_tell_reload(struct member *m);
void member_tell_drain(struct member *m, uint32_t ms);
void member_tell_exited(struct member *keeper, const struct child_exit *x);
void member_kill(struct member *m, const char *why); /* NULL: nothing to log */

#endif
