/*
 * signals - no handler ever runs: sidekeyd reads its signals as events, the children ignore what a
 *           terminal sends.
 * Process: sidekeyd, and each child.
 * Owns: the signalfd of struct signals.
 * Secrets: none.   Limits: none.
 * Failure: ERR_SYS; nothing is watched, the signals stay blocked.
 */
#ifndef PROC_SIGNALS_H
#define PROC_SIGNALS_H

#include "common/loop.h"

struct signals {
	struct loop *loop;
	struct watch watch;
	void (*fn)(int signo, void *arg);
	void *arg;
};

/* First statement of sidekeyd: blocks TERM, INT, HUP and CHLD before anything can raise them, and
 * ignores SIGPIPE. */
void signals_block(void);
/* fn is called from the loop, once a signal (signals of one number that came together count as one:
 * signal(7)). */
enum err signals_watch(
    struct signals *s, struct loop *l, void (*fn)(int signo, void *arg), void *arg) NODISCARD;
void signals_close(struct signals *s);

/* Between fork and exec: the mask of an ordinary program again, default actions. */
void signals_restore(void);
/* In a child: PIPE, INT, HUP, TERM, QUIT and XFSZ are ignored: a child obeys its supervisor, not
 * the terminal's process group. */
void signals_ignore(void);

#endif
