#include "broker/gateway/deadline.h"

#include "common/log.h"

static void
arm(struct deadlines *d, int64_t due_ms)
{
	if (d->timer.slot != 0 && d->timer.due_ms <= due_ms)
		return;
	if (loop_timer(d->loop, &d->timer, due_ms) != ERR_OK)
		log_fatal(
		    "out of memory for a timer"); /* a connection without a deadline is worse */
}

static void
on_timer(struct timer *t)
{
	struct deadlines *d = t->arg;
	int64_t now_ms = loop_now_ms(d->loop), next_ms = 0;

	for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
		int64_t at_ms = d->at_ms[kind];

		if (at_ms != 0 && (next_ms == 0 || at_ms < next_ms))
			next_ms = at_ms;
	}
	if (next_ms == 0)
		return;
	if (next_ms > now_ms) {
		arm(d, next_ms);
		return;
	}
	for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
		if (d->at_ms[kind] != next_ms)
			continue;
		d->at_ms[kind] = 0;
		arm(d, now_ms); /* others may be due too; and fn may end d: it comes last */
		d->fn((enum deadline)kind, d->arg);
		return;
	}
}

void
deadline_init(struct deadlines *d, struct loop *l, void (*fn)(enum deadline, void *), void *arg)
{
	*d = (struct deadlines){ .loop = l, .fn = fn, .arg = arg };
	d->timer.fn = on_timer;
	d->timer.arg = d;
}

void
deadline_close(struct deadlines *d)
{
	if (d->loop != NULL)
		loop_timer_stop(d->loop, &d->timer);
	d->loop = NULL;
}

void
deadline_set(struct deadlines *d, enum deadline kind, int64_t in_ms)
{
	int64_t at_ms = loop_now_ms(d->loop) + (in_ms > 0 ? in_ms : 0);

	d->at_ms[kind] = at_ms > 0 ? at_ms : 1;
	arm(d, d->at_ms[kind]);
}

void
deadline_clear(struct deadlines *d, enum deadline kind)
{
	d->at_ms[kind] = 0;
}

bool
deadline_is_set(const struct deadlines *d, enum deadline kind)
{
	return d->at_ms[kind] != 0;
}
