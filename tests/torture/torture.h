/*
 * torture - fails the Nth allocation, and the Nth system call, of a path: for each N, once and from
 *   there on; or memory is full from the Nth allocation on, and what is freed can be had again.
 * Process: tests.   Owns: malloc() and the system calls of the whole program, libraries included.
 * Secrets: a path names its canary; a block that is freed with it, or memory that holds it behind
 *   the path, is a failure.
 * Limits: one thread.
 * Failure: "not ok" with path, kind and N; PROGRAM PATH KIND N runs that one alone, under a
 *   debugger.
 */
#ifndef TESTS_TORTURE_H
#define TESTS_TORTURE_H

#include <stddef.h>

#include "common/err.h"

enum torture_kind { TORTURE_NONE = 0, TORTURE_ALLOCATION, TORTURE_CALL, TORTURE_KINDS };

struct torture_path {
	const char *name;
	const char *canary; /* in read-only memory, at least 16 bytes; NULL: no secret */
	void (*set_up)(void);
	/* with the failure; ERR_OK: says that all was done */
	enum err (*run)(void);
	/* without it: e is what run() said. must() or torture_wrong() where outputs or state are
	 * not what e promises */
	void (*check)(enum err e);
	void (*tear_down)(void);
	bool tolerant; /* ERR_OK is right whatever failed: check() looks at what was done */
};

/* Runs them all as TAP; first is called once in each process that runs paths. The exit code. */
int torture_main(
    const struct torture_path *paths, size_t count, void (*first)(void), int argc, char **argv);

/* log_fatal() is an outcome, too: sidekeyd starts the process again. first() then finds what it
 * left. */
void torture_may_end(void);

/* Memory is full, too. */
void torture_may_be_full(void);

/* Ends the process of this path: what it did is wrong. */
void torture_wrong(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));

/* From here on nothing fails any more: the path is over, and the test looks at what came of it. */
void torture_disarm(void);
/* ... and from here on again, as if it had not been: for a test that plays a part in between. */
void torture_resume(void);
/* What fails from N on works again; the one failure that is still to come comes. */
void torture_relent(void);

/* How many of that kind failed in this run. */
unsigned long torture_failures(enum torture_kind kind);
/* Whether they did because memory was full. */
bool torture_was_full(void);

/* The rest is between torture.c and fail.c. */

enum torture_mode { TORTURE_ONCE = 0, TORTURE_ONWARDS, TORTURE_FULL, TORTURE_MODES };

/* From now on the nth of that kind fails, and those behind it with TORTURE_ONWARDS; TORTURE_FULL:
 * no allocation from the nth on gets more than was freed since. TORTURE_NONE: they are only
 * counted. */
void torture_arm(enum torture_kind kind, unsigned long nth, enum torture_mode mode);
unsigned long torture_counted(enum torture_kind kind);
/* Where the failure was, for a person. */
void torture_show_failure(void);
long torture_live_blocks(void);
/* Blocks that hold it may not be freed; NULL: no more. */
void torture_watch_canary(const char *canary);
/* Ends the process: a freed block held the canary. Called by free(). */
void torture_canary_freed(void) __attribute__((noreturn));

#endif
