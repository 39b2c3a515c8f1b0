#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

static struct loop *l;
static int order[64];
static size_t order_len;

struct step {
	struct timer timer;
	struct watch watch;
	struct step *other;
	int n;
};

static void
note(int n)
{
	if (order_len < COUNT(order))
		order[order_len++] = n;
}

static bool
came(const int *want, size_t len)
{
	bool same = order_len == len && (len == 0 || memcmp(order, want, len * sizeof(*want)) == 0);

	if (!same)
		for (size_t i = 0; i < order_len; i++)
			printf("# came %d\n", order[i]);
	order_len = 0;
	return same;
}
#define CAME(...) came((const int[]){ __VA_ARGS__ }, COUNT(((const int[]){ __VA_ARGS__ })))

static void
on_timer(struct timer *t)
{
	note(((struct step *)t->arg)->n);
}

static enum err
arm(struct step *s, int n, int64_t due_ms)
{
	s->n = n;
	s->timer.fn = on_timer;
	s->timer.arg = s;
	return loop_timer(l, &s->timer, due_ms);
}

static void
timers_run_in_order(void)
{
	static struct step s[6];
	int64_t past = loop_now_ms(l) - 100;
	bool good = true;

	for (int i = 0; i < 6; i++)
		good = arm(&s[i], i, past + (i * 5) % 6) == ERR_OK && good; /* 0 5 4 3 2 1 */
	ok(good, "six timers");
	is_err(loop_timer(l, &s[3].timer, past - 1), ERR_OK, "one is moved to the front");
	is_err(loop_timer(l, &s[0].timer, past + 9), ERR_OK, "one to the end");
	loop_timer_stop(l, &s[4].timer);
	loop_timer_stop(l, &s[4].timer);
	is_err(arm(&s[5], 5, loop_now_ms(l) + 100000), ERR_OK, "one into the future");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(CAME(3, 2, 1, 0), "in the order of their time, without the stopped one");
	ok(s[3].timer.slot == 0 && s[5].timer.slot != 0, "one-shot: only the future is armed");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(order_len == 0, "and nothing twice");
	loop_timer_stop(l, &s[5].timer);
}

/* Against a plain search of the least, with arms, moves and stops mixed. */
static void
heap_is_right(void)
{
	static struct step s[200];
	unsigned seed = 1;
	bool good = true;
	int64_t base = loop_now_ms(l) + 1000000, last = 0;
	size_t fired = 0, armed = 0;

	for (int i = 0; i < 5000; i++) {
		struct step *one = &s[(seed = seed * 1103515245 + 12345) / 65536 % COUNT(s)];

		if (i % 3 == 0)
			loop_timer_stop(l, &one->timer);
		else
			good = arm(one, 0, base - (int64_t)(seed / 65536 % 1000)) == ERR_OK && good;
	}
	for (size_t i = 0; i < COUNT(s); i++)
		armed += s[i].timer.slot != 0;
	for (size_t n = 0; n < armed; n++) { /* take the least away, again and again */
		struct step *least = NULL;

		for (size_t i = 0; i < COUNT(s); i++)
			if (s[i].timer.slot == 1)
				least = &s[i];
		good = least != NULL && least->timer.due_ms >= last && good;
		if (least == NULL)
			break;
		last = least->timer.due_ms;
		loop_timer_stop(l, &least->timer);
		fired++;
	}
	ok(good && fired == armed && armed > 100, "%zu timers leave the heap in order", fired);
}

static void
again_now(struct timer *t)
{
	note(1);
	if (loop_timer(l, t, loop_now_ms(l)) != ERR_OK)
		note(99);
}

static void
a_timer_cannot_starve(void)
{
	struct step s = { .timer = { .fn = again_now } };

	is_err(loop_timer(l, &s.timer, 0), ERR_OK, "arm");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(CAME(1), "a timer that arms itself for now waits for the next turn");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(CAME(1), "and comes there");
	loop_timer_stop(l, &s.timer);
}

static void
on_drop(struct watch *w, uint32_t events)
{
	struct step *s = w->arg;

	(void)events;
	note(s->n);
	loop_unwatch(l, &s->other->watch); /* whichever comes first takes the other away */
}

static void
unwatched_is_not_called(void)
{
	int fds[2][2];
	struct step s[2] = { 0 };
	bool good = true;

	for (int i = 0; i < 2; i++) {
		good = pipe(fds[i]) == 0 && write(fds[i][1], "x", 1) == 1 && good;
		s[i].n = i + 1;
		s[i].other = &s[1 - i];
		s[i].watch = (struct watch){
			.fd = fds[i][0], .events = EPOLLIN, .fn = on_drop, .arg = &s[i]
		};
		good = loop_watch(l, &s[i].watch) == ERR_OK && good;
	}
	ok(good, "two descriptors are ready");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(order_len == 1, "an event of this turn is dropped with its watch");
	order_len = 0;
	for (int i = 0; i < 2; i++) {
		loop_unwatch(l, &s[i].watch);
		(void)close(fds[i][0]);
		(void)close(fds[i][1]);
	}
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(order_len == 0, "none is left");
}

static void
on_ready(struct watch *w, uint32_t events)
{
	(void)w;
	note((int)events);
}

static void
interest_changes(void)
{
	int fds[2];
	struct watch w = { .events = 0, .fn = on_ready }, bad = { .fd = -1, .fn = on_ready };

	ok(sys_socketpair(SOCK_STREAM, fds) == 0, "pair");
	w.fd = fds[0];
	is_err(loop_watch(l, &w), ERR_OK, "watched for nothing");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(order_len == 0, "nothing");
	is_err(loop_want(l, &w, EPOLLOUT), ERR_OK, "for output");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(CAME(EPOLLOUT), "writable");
	is_err(loop_want(l, &w, EPOLLIN), ERR_OK, "for input");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(order_len == 0, "nothing to read");
	ok(write(fds[1], "x", 1) == 1, "write");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(CAME(EPOLLIN, EPOLLIN), "level-triggered");
	loop_unwatch(l, &w);
	loop_unwatch(l, &w);
	ok(!w.active, "unwatched, twice");
	is_err(loop_watch(l, &bad), ERR_SYS, "no descriptor");
	ok(!bad.active, "is not watched");
	sys_close(fds[0]);
	sys_close(fds[1]);
}

static void
note_arg(void *arg)
{
	note(*(int *)arg);
}

static void
defers_more(void *arg)
{
	static int three = 3;

	note(*(int *)arg);
	if (loop_defer(l, note_arg, &three) != ERR_OK)
		note(99);
}

static int turns;

static void
count_turns(void *arg)
{
	(void)arg;
	if (turns >= 0 && ++turns == 3)
		loop_stop(l);
}

static void
deferred_runs_last(void)
{
	static int one = 1, two = 2;
	struct step s = { 0 };

	is_err(loop_defer(l, note_arg, &one), ERR_OK, "defer");
	is_err(loop_defer(l, defers_more, &two), ERR_OK, "defer one that defers");
	is_err(arm(&s, 7, 0), ERR_OK, "a timer");
	is_err(loop_turn(l, -1), ERR_OK, "a turn does not sleep on deferred work");
	ok(CAME(7, 1, 2, 3), "timers first, then the deferred in order, with what they defer");
	is_err(loop_turn(l, 0), ERR_OK, "turn");
	ok(order_len == 0, "once");
}

/* Runs last: the hook stays. */
static void
stops(void)
{
	struct step s = { .timer = { .fn = again_now } };

	loop_each_turn(l, count_turns, NULL);
	is_err(loop_timer(l, &s.timer, 0), ERR_OK, "something to do each turn");
	is_err(loop_run(l), ERR_OK, "run");
	ok(turns == 3, "until it is stopped, with the hook at the end of every turn");
	loop_timer_stop(l, &s.timer);
}

static void
time_moves(void)
{
	struct step s = { 0 };
	int64_t start;

	is_err(loop_turn(l, 0), ERR_OK, "turn");
	start = loop_now_ms(l);
	order_len = 0;
	is_err(arm(&s, 5, start + 20), ERR_OK, "in 20 ms");
	while (order_len == 0 && loop_now_ms(l) < start + 5000)
		if (loop_turn(l, -1) != ERR_OK)
			break;
	ok(CAME(5) && loop_now_ms(l) >= start + 20, "not before its time");
}

int
main(void)
{
	if (!is_err(loop_new(&l), ERR_OK, "loop"))
		return done();
	timers_run_in_order();
	heap_is_right();
	a_timer_cannot_starve();
	unwatched_is_not_called();
	interest_changes();
	deferred_runs_last();
	time_moves();
	stops();
	loop_free(l);
	loop_free(NULL);
	return done();
}
