#include "broker/keeper/revoke.h"

#include <string.h>

#include "broker/keeper/ask.h"
#include "broker/keeper/keeper.h"
#include "common/log.h"

static void
finish(struct keeper *k, struct revocation *r)
{
	uint64_t asker = r->asker, ask_id = r->ask_id;
	uint32_t ended = r->ended;

	*r = (struct revocation){ .id = 0 };
	if (asker != 0)
		ask_reply_number(k, asker, ask_id, ended);
}

static void
kill_waiting(struct keeper *k, struct revocation *r, int64_t now_ms)
{
	for (struct peer *p = k->peers.first; p != NULL; p = p->next)
		if (p->role == ROLE_GATEWAY && (r->waiting & UINT64_C(1) << p->slot) != 0)
			peer_kill_gateway(p, "it did not confirm that it cut revoked streams");
	r->killed = true;
	r->due_ms = now_ms + REVOKE_DEATH_MS;
}

static void
arm(struct keeper *k)
{
	int64_t due_ms = 0;

	for (size_t i = 0; i < REVOCATIONS_MAX; i++) {
		const struct revocation *r = &k->revocations.list[i];

		if (r->id != 0 && (due_ms == 0 || r->due_ms < due_ms))
			due_ms = r->due_ms;
	}
	if (due_ms != 0 && loop_timer(k->loop, &k->revocations.timer, due_ms) != ERR_OK)
		log_fatal("no memory for a timer");
}

static void
on_due(struct timer *t)
{
	struct keeper *k = t->arg;
	int64_t now_ms = loop_now_ms(k->loop);

	for (size_t i = 0; i < REVOCATIONS_MAX; i++) {
		struct revocation *r = &k->revocations.list[i];

		if (r->id == 0 || r->due_ms > now_ms)
			continue;
		if (r->killed)
			finish(k, r);
		else if (now_ms - r->due_ms > REVOKE_LATE_MS)
			r->due_ms = now_ms + REVOKE_WAIT_MS;
		else
			kill_waiting(k, r, now_ms);
	}
	arm(k);
}

void
revocations_init(struct keeper *k)
{
	struct revocations *rs = &k->revocations;

	for (size_t i = 0; i < REVOCATIONS_MAX; i++)
		rs->list[i] = (struct revocation){ .id = 0 };
	rs->timer.fn = on_due;
	rs->timer.arg = k;
}

void
revocations_close(struct keeper *k)
{
	for (size_t i = 0; i < REVOCATIONS_MAX; i++)
		if (k->revocations.list[i].id != 0)
			finish(k, &k->revocations.list[i]);
	loop_timer_stop(k->loop, &k->revocations.timer);
}

/* A free place, or the oldest one's. */
static struct revocation *
place(struct keeper *k)
{
	struct revocation *oldest = &k->revocations.list[0];

	for (size_t i = 0; i < REVOCATIONS_MAX; i++) {
		struct revocation *r = &k->revocations.list[i];

		if (r->id == 0)
			return r;
		if (r->id < oldest->id)
			oldest = r;
	}
	finish(k, oldest);
	return oldest;
}

/* Serials gathered for one message. */
struct batch {
	uint8_t serials[REVOKE_SERIALS_MAX][SERIAL_LEN];
	uint16_t count;
};

static void
send_to(struct peer *p, uint64_t id, const struct batch *b)
{
	struct wire_writer w = channel_begin(p->channel, GK_REVOKED);

	wire_put_u64(&w, id);
	wire_put_u16(&w, b->count);
	wire_put_fixed(&w, b->serials, (size_t)b->count * SERIAL_LEN);
	peer_send(p, &w);
}

static uint64_t
send_batch(struct keeper *k, uint64_t id, const struct batch *b)
{
	uint64_t told = 0;

	for (struct peer *p = k->peers.first; p != NULL; p = p->next) {
		if (p->role != ROLE_GATEWAY || !p->hello)
			continue;
		send_to(p, id, b);
		told |= UINT64_C(1) << p->slot;
	}
	return told;
}

static void
start(struct keeper *k, const struct batch *b, struct revocation r)
{
	struct revocation *one = place(k);

	answers_send(k); /* an allow of this turn must reach the gateway before what ends it */
	r.id = ++k->revocations.next_id;
	r.waiting = b->count == 0 ? 0 : send_batch(k, r.id, b);
	r.due_ms = loop_now_ms(k->loop) + REVOKE_WAIT_MS;
	*one = r;
	if (one->waiting == 0)
		finish(k, one);
	arm(k);
}

static void
gather(struct batch *b, const struct certificate *c)
{
	if (c->instance == NULL)
		return;
	for (size_t i = 0; i < SERIAL_LEN; i++)
		b->serials[b->count][i] = c->serial[i];
	b->count++;
}

/* Ended instances too: their streams are cut already, and saying so again harms nobody. */
void
revoke_workload(struct keeper *k, const struct workload *w, const struct peer *asker,
    uint64_t ask_id, uint32_t ended)
{
	static struct batch b; /* 64 KiB; one thread, used before it returns */
	struct revocation r = {
		.asker = asker == NULL ? 0 : asker->number, .ask_id = ask_id, .ended = ended
	};

	b.count = 0;
	for (const struct instance *i = w->instances; i != NULL; i = i->next) {
		if (b.count + 2 > REVOKE_SERIALS_MAX) {
			start(k, &b, (struct revocation){ .id = 0 });
			b.count = 0;
		}
		gather(&b, &i->current);
		gather(&b, &i->previous);
	}
	start(k, &b, r);
}

void
revoke_instance(struct keeper *k, const struct instance *i)
{
	static struct batch b;

	b.count = 0;
	gather(&b, &i->current);
	gather(&b, &i->previous);
	start(k, &b, (struct revocation){ .id = 0 });
}

static bool
may_have_streams(const struct instance *i, int64_t now_s)
{
	return (i->ended_s != 0 || i->workload->state != WORKLOAD_ACTIVE) &&
	       i->current.not_after_s > now_s;
}

void
revoke_tell_again(struct keeper *k, struct peer *gateway)
{
	static struct batch b;
	int64_t now_s = keeper_now_s(k);
	const struct instance *i;
	size_t cursor = 0;

	b.count = 0;
	while ((i = table_next(&k->identity.instances, &cursor)) != NULL) {
		if (!may_have_streams(i, now_s))
			continue;
		if (b.count + 2 > REVOKE_SERIALS_MAX) {
			send_to(gateway, ++k->revocations.next_id, &b);
			b.count = 0;
		}
		gather(&b, &i->current);
		gather(&b, &i->previous);
	}
	if (b.count > 0)
		send_to(gateway, ++k->revocations.next_id, &b); /* nobody waits for the answer */
}

void
revoke_tell_serial(struct keeper *k, struct peer *gateway, const uint8_t serial[SERIAL_LEN])
{
	static struct batch b;

	memcpy(b.serials[0], serial, SERIAL_LEN);
	b.count = 1;
	send_to(gateway, ++k->revocations.next_id, &b); /* nobody waits for the answer */
}

static void
heard(struct keeper *k, struct revocation *r, const struct peer *gateway)
{
	r->waiting &= ~(UINT64_C(1) << gateway->slot);
	if (r->waiting == 0)
		finish(k, r);
}

void
revoke_acknowledged(struct keeper *k, const struct peer *gateway, uint64_t id)
{
	for (size_t i = 0; i < REVOCATIONS_MAX; i++)
		if (id != 0 && k->revocations.list[i].id == id)
			heard(k, &k->revocations.list[i], gateway);
}

void
revoke_gateway_gone(struct keeper *k, const struct peer *gateway)
{
	for (size_t i = 0; i < REVOCATIONS_MAX; i++)
		if (k->revocations.list[i].id != 0)
			heard(k, &k->revocations.list[i], gateway);
}
