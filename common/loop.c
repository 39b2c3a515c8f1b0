#include "common/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/clock.h"
#include "common/sys.h"

struct call {
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	int epoll_fd;
	bool stop;
	int64_t now_ms;
	struct epoll_event events[LOOP_EVENTS_MAX];
	int event_count;
	struct timer **heap; /* binary min-heap on due_ms; heap[i]->slot == i + 1 */
	size_t heap_len, heap_cap;
	struct call *deferred;
	size_t deferred_len, deferred_cap;
	struct call each_turn[4];
	size_t each_turn_len;
};

enum err
loop_new(struct loop **ret_l)
{
	struct loop *l = calloc(1, sizeof *l);

	if (l == NULL)
		return ERR_NOMEM;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		free(l);
		return ERR_SYS;
	}
	l->now_ms = clock_mono_ms();
	*ret_l = l;
	return ERR_OK;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	sys_close(l->epoll_fd);
	free(l->heap);
	free(l->deferred);
	free(l);
}

static enum err
control(struct loop *l, int op, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data = { .ptr = w } };

	return epoll_ctl(l->epoll_fd, op, w->fd, &ev) == 0 ? ERR_OK : ERR_SYS;
}

enum err
loop_watch(struct loop *l, struct watch *w)
{
	enum err e;

	must(!w->active && w->fn != NULL);
	e = control(l, EPOLL_CTL_ADD, w, w->events);
	w->active = e == ERR_OK;
	return e;
}

enum err
loop_want(struct loop *l, struct watch *w, uint32_t events)
{
	enum err e;

	must(w->active);
	if (w->events == events)
		return ERR_OK;
	e = control(l, EPOLL_CTL_MOD, w, events);
	if (e == ERR_OK)
		w->events = events;
	return e;
}

void
loop_unwatch(struct loop *l, struct watch *w)
{
	if (!w->active)
		return;
	(void)control(l, EPOLL_CTL_DEL, w, 0);
	w->active = false;
	for (int i = 0; i < l->event_count;
	     i++) /* or a callback would meet an object that is gone */
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

static void
heap_put(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void
heap_up(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	while (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void
heap_down(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	for (size_t child = 2 * i + 1; child < l->heap_len; child = 2 * i + 1) {
		if (child + 1 < l->heap_len && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
			child++;
		if (l->heap[child]->due_ms >= t->due_ms)
			break;
		heap_put(l, i, l->heap[child]);
		i = child;
	}
	heap_put(l, i, t);
}

/* A fresh array with room for one more; the old one is freed. Plain pointers, no secrets. */
static enum err
make_room(void **array, size_t *cap, size_t len, size_t item)
{
	size_t fresh_cap = *cap == 0 ? 64 : *cap * 2;
	void *fresh;

	if (len < *cap)
		return ERR_OK;
	fresh = calloc(fresh_cap, item);
	if (fresh == NULL)
		return ERR_NOMEM;
	if (len > 0)
		memcpy(fresh, *array, len * item);
	free(*array);
	*array = fresh;
	*cap = fresh_cap;
	return ERR_OK;
}

enum err
loop_timer(struct loop *l, struct timer *t, int64_t due_ms)
{
	int64_t before = t->due_ms;
	enum err e;

	must(t->fn != NULL);
	if (t->slot == 0) {
		e = make_room((void **)&l->heap, &l->heap_cap, l->heap_len, sizeof *l->heap);
		if (e != ERR_OK)
			return e;
		t->due_ms = due_ms;
		l->heap[l->heap_len++] = t;
		heap_up(l, l->heap_len - 1);
		return ERR_OK;
	}
	t->due_ms = due_ms;
	if (due_ms < before)
		heap_up(l, t->slot - 1);
	else if (due_ms > before)
		heap_down(l, t->slot - 1);
	return ERR_OK;
}

void
loop_timer_stop(struct loop *l, struct timer *t)
{
	size_t i = t->slot;
	struct timer *last;

	if (i-- == 0)
		return;
	t->slot = 0;
	last = l->heap[--l->heap_len];
	if (last == t)
		return;
	heap_put(l, i, last);
	heap_up(l, i);
	heap_down(l, last->slot - 1);
}

enum err
loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
	enum err e = make_room(
	    (void **)&l->deferred, &l->deferred_cap, l->deferred_len, sizeof *l->deferred);

	if (e != ERR_OK)
		return e;
	l->deferred[l->deferred_len++] = (struct call){ fn, arg };
	return ERR_OK;
}

void
loop_each_turn(struct loop *l, void (*fn)(void *arg), void *arg)
{
	must(l->each_turn_len < COUNT(l->each_turn));
	l->each_turn[l->each_turn_len++] = (struct call){ fn, arg };
}

int64_t
loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

/* Only timers that are due now: one that arms itself again for now waits for the next turn. */
static void
run_timers(struct loop *l)
{
	size_t budget = l->heap_len;

	while (budget-- > 0 && l->heap_len > 0 && l->heap[0]->due_ms <= l->now_ms) {
		struct timer *t = l->heap[0];

		loop_timer_stop(l, t);
		t->fn(t);
	}
}

/* Index, not pointer: a call may defer another, which moves the array. */
static void
run_deferred(struct loop *l)
{
	for (size_t i = 0; i < l->deferred_len; i++)
		l->deferred[i].fn(l->deferred[i].arg);
	l->deferred_len = 0;
}

static int
sleep_ms(const struct loop *l, int timeout_ms)
{
	int64_t left;

	if (l->deferred_len > 0) /* put off before the first turn: its end must come now */
		return 0;
	if (l->heap_len == 0)
		return timeout_ms;
	left = l->heap[0]->due_ms - clock_mono_ms();
	if (left < 0)
		left = 0;
	if (timeout_ms >= 0 && left > timeout_ms)
		left = timeout_ms;
	return left > 60000 ? 60000 : (int)left;
}

enum err
loop_turn(struct loop *l, int timeout_ms)
{
	int n = epoll_wait(l->epoll_fd, l->events, LOOP_EVENTS_MAX, sleep_ms(l, timeout_ms));

	if (n < 0 && errno != EINTR)
		return ERR_SYS;
	l->now_ms = clock_mono_ms();
	l->event_count = n < 0 ? 0 : n;
	for (int i = 0; i < l->event_count; i++) {
		struct watch *w = l->events[i].data.ptr;

		if (w != NULL)
			w->fn(w, l->events[i].events);
	}
	l->event_count = 0;
	run_timers(l);
	for (size_t i = 0; i < l->each_turn_len; i++)
		l->each_turn[i].fn(l->each_turn[i].arg);
	run_deferred(l);
	return ERR_OK;
}

enum err
loop_run(struct loop *l)
{
	enum err e = ERR_OK;

	while (!l->stop && e == ERR_OK)
		e = loop_turn(l, -1);
	l->stop = false;
	return e;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}
