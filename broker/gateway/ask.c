#include "broker/gateway/ask.h"

#include "broker/gateway/limits.h"
#include "common/log.h"

static struct ask **
bucket(struct asks *q, uint64_t id)
{
	return &q->buckets[id % ASK_BUCKETS];
}

static struct ask *
find(struct asks *q, uint64_t id)
{
	struct ask *a = *bucket(q, id);

	while (a != NULL && a->id != id)
		a = a->chain;
	return a;
}

void
ask_drop(struct asks *q, struct ask *a)
{
	struct ask **at;

	if (a->id == 0)
		return;
	for (at = bucket(q, a->id); *at != a; at = &(*at)->chain)
		continue;
	*at = a->chain;
	*(a->prev != NULL ? &a->prev->next : &q->first) = a->next;
	*(a->next != NULL ? &a->next->prev : &q->last) = a->prev;
	a->prev = a->next = a->chain = NULL;
	a->id = 0;
	a->waits_for_config = false;
	q->count--;
}

static void
fail_one(struct asks *q, struct ask *a, enum err e)
{
	ask_drop(q, a);
	a->ops->on_fail(e, a->arg);
}

static void
arm(struct asks *q)
{
	if (q->first == NULL || q->timer.slot != 0)
		return;
	if (loop_timer(q->loop, &q->timer, q->first->due_ms) != ERR_OK)
		log_fatal("out of memory for a timer");
}

static void
on_timer(struct timer *t)
{
	struct asks *q = t->arg;
	int64_t now_ms = loop_now_ms(q->loop);

	while (q->first != NULL && q->first->due_ms <= now_ms)
		fail_one(q, q->first, ERR_TIMEOUT);
	arm(q);
}

void
ask_init(struct asks *q, struct loop *l)
{
	*q = (struct asks){ .loop = l };
	q->timer.fn = on_timer;
	q->timer.arg = q;
}

enum err
ask_open(struct asks *q, struct ask *a)
{
	must(a->id == 0 && a->ops != NULL);
	if (q->count >= ASKS_MAX)
		return ERR_LIMIT;
	a->id = ++q->last_id;
	a->due_ms = loop_now_ms(q->loop) + ASK_MS;
	a->chain = *bucket(q, a->id);
	*bucket(q, a->id) = a;
	a->prev = q->last;
	*(q->last != NULL ? &q->last->next : &q->first) = a;
	q->last = a;
	q->count++;
	arm(q);
	return ERR_OK;
}

bool
ask_allowed(struct asks *q, const struct allow *allow)
{
	struct ask *a = find(q, allow->id);

	if (a == NULL || a->ops->on_allow == NULL)
		return false;
	ask_drop(q, a);
	a->ops->on_allow(allow, a->arg);
	return true;
}

bool
ask_ticket(struct asks *q, uint64_t id, const uint8_t ticket[TICKET_LEN])
{
	struct ask *a = find(q, id);

	if (a == NULL || a->ops->on_ticket == NULL)
		return false;
	ask_drop(q, a);
	a->ops->on_ticket(ticket, a->arg);
	return true;
}

bool
ask_denied(struct asks *q, const struct deny *d, bool *ret_stale)
{
	struct ask *a = find(q, d->id);

	*ret_stale = span_eq_str(span_str(d->code), CODE_STALE_GENERATION);
	if (a == NULL)
		return false;
	if (*ret_stale) {
		a->waits_for_config = true;
		return true;
	}
	ask_drop(q, a);
	a->ops->on_deny(d, a->arg);
	return true;
}

void
ask_config_changed(struct asks *q)
{
	struct ask *a = q->first, *end = q->last;

	while (a != NULL) { /* those that ask again stand behind end */
		struct ask *next = a == end ? NULL : a->next;

		if (a->waits_for_config) {
			ask_drop(q, a);
			a->ops->on_stale(a->arg);
		}
		a = next;
	}
}

void
ask_fail_all(struct asks *q, enum err e)
{
	while (q->first != NULL)
		fail_one(q, q->first, e);
}
