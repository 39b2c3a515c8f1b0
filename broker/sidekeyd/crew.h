/*
 * crew - the children: started together, linked to each other, started again when they end, drained
 *        at the end.
 * Process: sidekeyd.
 * Owns: the processes, their supervisor channels, their timers.
 * Secrets: none: it hands over settings and descriptors.
 * Limits: CREW_MAX processes; CREW_EXITS_MAX ends that a keeper has not heard of yet: of more, the
 *         oldest are dropped, and the log says which.
 * Failure: a child that cannot be started is tried again with back-off; at the first start
 *          CHILD_EXIT_HOPELESS ends the crew.
 */
#ifndef SIDEKEYD_CREW_H
#define SIDEKEYD_CREW_H

#include "broker/sidekeyd/daemon_config.h"
#include "broker/sidekeyd/listeners.h"
#include "broker/sidekeyd/spawn.h"
#include "common/loop.h"

#define CREW_MAX (GATEWAYS_MAX + 3)
#define CREW_EXITS_MAX 32
#define CREW_DRAIN_MS 10000 /* from TERM to the last SIGKILL */

struct crew;

/* What it works with; all of it must outlive the crew. */
struct crew_tools {
	struct loop *loop;
	const struct daemon_config *config;
	const struct listeners *listeners;
	const struct spawn *spawn;
	int64_t begun_ms; /* monotonic: when sidekeyd was started */
};

enum err crew_new(const struct crew_tools *t, struct crew **ret_c) NODISCARD;
void crew_free(struct crew *c); /* kills what still lives */

void crew_start(struct crew *c);  /* all at once */
void crew_reap(struct crew *c);	  /* SIGCHLD came */
void crew_reload(struct crew *c); /* SIGHUP came */
/* SIGTERM or SIGINT came: gateways finish first, then edge and admin, then the keeper, which writes
 * down what they did; whoever is late is killed. A call more than a second later kills at once. The
 * loop is stopped when all are gone. */
void crew_drain(struct crew *c);
/* 0, or 1 when the crew ended because it could not start. */
int crew_status(const struct crew *c);

#endif
