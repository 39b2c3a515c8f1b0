#include "broker/keeper/rekey.h"

#include "common/log.h"

static void
arm(struct keeper *k)
{
	if (kv_rekey_left(k->kv) != 0 &&
	    loop_timer(k->loop, &k->rekey, loop_now_ms(k->loop) + REKEY_STEP_MS) != ERR_OK)
		log_fatal("no memory for a timer");
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
		log_error("rekey stopped: %s; it goes on at the next start", err_name(e));
		return;
	}
	audit_revision(k->audit, kv_revision(k->kv), keeper_now_s(k));
	if (left == 0) {
		struct audit_record r = { .event = "rekey_done" };

		keeper_record_fact(k, &r);
		log_info("rekey done: all records are sealed under data key %u",
		    keyring_active(k->ring));
	}
	arm(k);
}

void
rekey_resume(struct keeper *k)
{
	k->rekey.fn = on_step;
	k->rekey.arg = k;
	arm(k);
}

enum err
rekey_start(struct keeper *k)
{
	enum err e = kv_rekey_start(k->kv);

	if (e == ERR_IO)
		log_fatal("the store cannot be written; it is read anew at the next start");
	if (e != ERR_OK)
		return e;
	audit_revision(k->audit, kv_revision(k->kv), keeper_now_s(k));
	keeper_tell_revision(k);
	rekey_resume(k);
	return ERR_OK;
}
