#include "broker/sidekeyd/leave.h"

#include "broker/sidekeyd/member.h"
#include "common/log.h"

#define ROLE_BIT(role) (1u << (role))

static const struct {
	uint32_t roles;
	uint32_t ms;
} phases[] = {
	{ ROLE_BIT(ROLE_GATEWAY), CREW_DRAIN_MS - 2000 },
	{ ROLE_BIT(ROLE_EDGE) | ROLE_BIT(ROLE_ADMIN), 1000 },
	{ ROLE_BIT(ROLE_KEEPER), 1000 },
};

static bool
in_phase(const struct crew *c, const struct member *m)
{
	return (phases[c->phase].roles & ROLE_BIT(m->role)) != 0;
}

static void
on_late(struct timer *t)
{
	struct crew *c = t->arg;

	for (size_t i = 0; i < c->count; i++) {
		if (in_phase(c, &c->members[i]))
			member_kill(&c->members[i], "it did not finish in time");
	}
}

/* Tells those of this phase that still run. False when none does. */
static bool
begin_phase(struct crew *c)
{
	bool any = false;

	for (size_t i = 0; i < c->count; i++) {
		struct member *m = &c->members[i];

		if (!in_phase(c, m) || m->pid == 0)
			continue;
		any = true;
		if (!m->drain_sent)
			member_tell_drain(m, phases[c->phase].ms);
		m->drain_sent = true;
	}
	return any;
}

static void
arm(struct crew *c)
{
	struct loop *l = c->t.loop;

	c->drain_timer.fn = on_late;
	c->drain_timer.arg = c;
	if (loop_timer(l, &c->drain_timer, loop_now_ms(l) + phases[c->phase].ms) != ERR_OK)
		leave_kill_all(c);
}

void
leave_step(struct crew *c)
{
	size_t before = c->phase;

	while (c->phase < COUNT(phases) && !begin_phase(c))
		c->phase++;
	if (c->phase == COUNT(phases)) {
		loop_timer_stop(c->t.loop, &c->drain_timer);
		loop_stop(c->t.loop);
	} else if (c->phase != before || c->drain_timer.fn == NULL) {
		arm(c);
	}
}

void
leave_begin(struct crew *c)
{
	c->draining = true;
	if (!c->failed)
		log_info("stopping: open requests have %d s", CREW_DRAIN_MS / 1000);
	for (size_t i = 0; i < c->count; i++)
		loop_timer_stop(c->t.loop, &c->members[i].timer);
	leave_step(c);
}

void
leave_kill_all(struct crew *c)
{
	for (size_t i = 0; i < c->count; i++)
		member_kill(&c->members[i], NULL);
}
