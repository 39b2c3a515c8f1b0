#include "broker/keeper/rekey.h"

#include "common/log.h"

static void
arm(struct keeper *k, int64_t wait_ms)
{
	if (kv_rekey_left(k->kv) != 0 &&
	    loop_timer(k->loop, &k->rekey, loop_now_ms(k->loop) + wait_ms) != ERR_OK)
		log_fatal("no memory for a timer");
}

static void
stall(struct keeper *k, enum err e)
{
	if (k->rekey_stalled == ERR_OK) /* once, not each second */
		log_error("rekey waits: %s; it is tried each second, %llu records are left",
		    err_name(e), (unsigned long long)kv_rekey_left(k->kv));
	k->rekey_stalled = e;
	arm(k, REKEY_RETRY_MS);
}

static void
on_step(struct timer *t)
{
	struct keeper *k = t->arg;
	uint64_t left;
	enum err e;

	if (k->sealed)
		return;
	e = kv_rekey_step(k->kv, REKEY_RECORDS, audit_durable_seq(k->audit), &left);
	if (e == ERR_IO)
		log_fatal("the store cannot be written; it is read anew at the next start");
	if (e != ERR_OK) {
		stall(k, e);
		return;
	}
	k->rekey_stalled = ERR_OK;
	audit_revision(k->audit, kv_revision(k->kv), keeper_now_s(k));
	if (left == 0) {
		struct audit_record r = { .event = "rekey_done" };

		keeper_record_fact(k, &r);
		log_info("rekey done: all records are sealed under data key %u",
		    keyring_active(k->ring));
	}
	arm(k, REKEY_STEP_MS);
}

void
rekey_resume(struct keeper *k)
{
	k->rekey.fn = on_step;
	k->rekey.arg = k;
	k->rekey_stalled = ERR_OK;
	arm(k, REKEY_STEP_MS);
}

enum err
rekey_start(struct keeper *k, uint64_t seq)
{
	enum err e = keeper_sync(k);

	if (e == ERR_OK)
		e = keeper_committed(k, kv_rekey_start(k->kv));
	e = keeper_deed_done(k, seq, e);
	if (e == ERR_OK)
		rekey_resume(k);
	return e;
}
