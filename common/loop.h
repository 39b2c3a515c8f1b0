/*
 * loop - one epoll(7) loop a process: descriptors, timers, end-of-turn work.
 * Process: all but the command line.   Owns: the epoll descriptor; watches and timers belong to
 * their users. Secrets: none.   Limits: LOOP_EVENTS_MAX events a turn; the rest come in the next.
 * Failure: ERR_NOMEM or ERR_SYS; nothing was registered.
 * Clock: reads the monotonic clock once a turn; loop_now_ms() is that reading.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "common/err.h"

#define LOOP_EVENTS_MAX 256

struct loop;

/* A descriptor's interest. Lives in its user's object, zeroed before loop_watch(). */
struct watch {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT, EPOLLRDHUP; level-triggered */
	void (*fn)(struct watch *w, uint32_t events);
	void *arg;
	bool active;
};

/* A one-shot timer. Lives in its user's object, zeroed before the first loop_timer(). */
struct timer {
	int64_t due_ms; /* monotonic */
	void (*fn)(struct timer *t);
	void *arg;
	size_t slot; /* heap index + 1; 0 = not armed */
};

enum err loop_new(struct loop **ret_l) NODISCARD;
void loop_free(struct loop *l);

enum err loop_watch(struct loop *l, struct watch *w) NODISCARD; /* w->fd, events, fn, arg are set */
enum err loop_want(
    struct loop *l, struct watch *w, uint32_t events) NODISCARD; /* no system call when unchanged */
void loop_unwatch(struct loop *l,
    struct watch
	*w); /* safe when inactive, and inside any callback: an event of this turn is dropped */

enum err loop_timer(struct loop *l, struct timer *t,
    int64_t due_ms) NODISCARD; /* arms or moves; fn and arg are set */
void loop_timer_stop(struct loop *l, struct timer *t);

/* fn(arg) runs after the callbacks of this turn, in order; for frames that carry many messages and
 * for frees. */
enum err loop_defer(struct loop *l, void (*fn)(void *arg), void *arg) NODISCARD;
/* fn(arg) runs at the end of every turn, before the loop sleeps. */
void loop_each_turn(struct loop *l, void (*fn)(void *arg), void *arg);

int64_t loop_now_ms(const struct loop *l);
enum err loop_run(struct loop *l) NODISCARD; /* until loop_stop(); ERR_SYS when epoll fails */
enum err loop_turn(struct loop *l, int timeout_ms) NODISCARD; /* one turn; for tests */
void loop_stop(struct loop *l);

#endif
