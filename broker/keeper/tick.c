#include "broker/keeper/tick.h"

#include "broker/keeper/denial.h"
#include "broker/keeper/end.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/share.h"
#include "broker/keeper/usage.h"
#include "common/clock.h"
#include "common/log.h"

#define TICK_MS 1000
#define STALLED_MS_MAX 1000

static void
close_stalled(struct keeper *k)
{
	struct peer *next;

	for (struct peer *p = k->peers.first; p != NULL; p = next) {
		int64_t since = channel_stalled_since_ms(p->channel);

		next = p->next;
		if (since == 0 || loop_now_ms(k->loop) - since < STALLED_MS_MAX)
			continue;
		log_error(
		    "%s %u does not read its link: it is closed", role_name(p->role), p->index);
		peer_kill_gateway(p, "it does not read its link");
		peer_close(p);
	}
}

/* The wall clock was corrected: the log is no longer far ahead of it. */
static void
check_clock(struct keeper *k)
{
	if (!k->clock_ahead || keeper_now_ms(k) - clock_wall_ms() > FLOOR_AHEAD_MS_MAX)
		return;
	k->clock_ahead = false;
	log_warn("the clock is right again");
	keeper_tell_state(k);
	ops_gateway_serve_waiting(k);
}

static void
sweep_store(struct keeper *k, int64_t now_s)
{
	end_sweep(k, now_s);
	if (now_s - k->usage_s < USAGE_EVERY_S)
		return;
	if (!usage_save(k))
		k->usage_s = now_s; /* else the rest in a second */
}

static void
on_tick(struct timer *t)
{
	struct keeper *k = t->arg;
	int64_t now_s;

	close_stalled(k);
	if (!k->sealed) {
		now_s = keeper_now_s(k);
		check_clock(k);
		flights_sweep(k, now_s);
		limits_sweep(&k->limits, loop_now_ms(k->loop));
		denial_sweep(k);
		share_sweep(k);
		ops_gateway_serve_waiting(k);
		if (!k->audit_failing && !k->clock_ahead)
			sweep_store(k, now_s);
		(void)!keeper_sync(
		    k); /* checkpoints are due by time too; failing is known by then */
	}
	if (loop_timer(k->loop, t, loop_now_ms(k->loop) + TICK_MS) != ERR_OK)
		log_fatal("no memory for a timer");
}

static void
on_lazy_sync(struct timer *t)
{
	struct keeper *k = t->arg;

	if (!k->sealed)
		(void)!keeper_sync(k);
}

static void
each_turn(void *arg)
{
	answers_send(arg);
	ops_gateway_confirm(arg);
}

void
tick_init(struct keeper *k)
{
	k->tick.fn = on_tick;
	k->lazy_sync.fn = on_lazy_sync;
	k->retry.fn = keeper_retry_audit;
	k->tick.arg = k->lazy_sync.arg = k->retry.arg = k;
}

void
tick_start(struct keeper *k)
{
	loop_each_turn(k->loop, each_turn, k);
	if (loop_timer(k->loop, &k->tick, loop_now_ms(k->loop) + TICK_MS) != ERR_OK)
		log_fatal("no memory for a timer");
}
