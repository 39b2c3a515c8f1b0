#include "broker/keeper/keeper.h"

#include "broker/keeper/ops.h"
#include "common/clock.h"
#include "common/log.h"

#define RETRY_MS 1000

int64_t
keeper_now_ms(struct keeper *k)
{
	return floor_now_ms(&k->floor, clock_wall_ms(), clock_mono_ms());
}

int64_t
keeper_now_s(struct keeper *k)
{
	return keeper_now_ms(k) / 1000;
}

enum ready_state
keeper_ready(const struct keeper *k)
{
	if (k->sealed)
		return READY_SEALED;
	if (k->clock_ahead)
		return READY_CLOCK;
	if (k->audit_failing)
		return READY_AUDIT_FAILING;
	return policies_generation(&k->policies) == 0 ? READY_NO_RULES : READY_YES;
}

struct reason {
	const char *code, *hint;
};

static const struct reason *
not_ready(const struct keeper *k)
{
	static const struct reason reasons[] = {
		[READY_NOT] = { "starting",
		    "sidekey: the broker is starting; try again in a moment" },
		[READY_SEALED] = { "sealed",
		    "sidekey: the broker is sealed; ask the operator to run `sidekey unseal`" },
		[READY_CLOCK] = { "clock",
		    "sidekey: the broker's clock is behind its audit log; ask the operator to "
		    "correct the clock or to start sidekeyd once with --accept-clock" },
		[READY_AUDIT_FAILING] = { "audit_unavailable",
		    "sidekey: the audit log cannot be written, so nothing is handed out; ask the "
		    "operator to check the disk, the broker goes on by itself" },
		[READY_NO_RULES] = { "no_rules", "sidekey: no policy is in force; ask the operator "
						 "to look at `sidekey status`" },
		[READY_YES] = { NULL, NULL },
	};

	return &reasons[keeper_ready(k)];
}

const char *
keeper_not_ready_code(const struct keeper *k)
{
	return not_ready(k)->code;
}

const char *
keeper_not_ready_hint(const struct keeper *k)
{
	return not_ready(k)->hint;
}

void
keeper_tell_peer(struct keeper *k, struct peer *p)
{
	struct wire_writer w = channel_begin(p->channel, GK_STATE);

	wire_put_u8(&w, (uint8_t)keeper_ready(k));
	wire_put_u64(&w, k->sealed ? 0 : policies_generation(&k->policies));
	peer_send(p, &w);
}

void
keeper_tell_state(struct keeper *k)
{
	for (struct peer *p = k->peers.first; p != NULL; p = p->next)
		if (p->role == ROLE_GATEWAY && p->hello)
			keeper_tell_peer(k, p);
}

static void
audit_failed(struct keeper *k)
{
	if (!k->audit_failing)
		log_error("the audit log cannot be written: nothing is handed out until it can");
	k->audit_failing = true;
	if (loop_timer(k->loop, &k->retry, loop_now_ms(k->loop) + RETRY_MS) != ERR_OK)
		log_fatal("no memory for a timer");
	keeper_tell_state(k);
}

/* Each second while the log fails; no operator is needed when the disk comes back. */
void
keeper_retry_audit(struct timer *t)
{
	struct keeper *k = t->arg;

	if (k->sealed || !k->audit_failing)
		return;
	if (audit_recover(k->audit, keeper_now_s(k)) != ERR_OK) {
		if (loop_timer(k->loop, &k->retry, loop_now_ms(k->loop) + RETRY_MS) != ERR_OK)
			log_fatal("no memory for a timer");
		return;
	}
	k->audit_failing = false;
	log_warn("the audit log can be written again");
	keeper_tell_state(k);
	ops_gateway_serve_waiting(k);
}

static enum err
append(struct keeper *k, const struct audit_record *r, uint64_t *ret_seq)
{
	return audit_append(k->audit, r, kv_revision(k->kv), keeper_now_ms(k), ret_seq);
}

enum err
keeper_record(struct keeper *k, const struct audit_record *r, uint64_t *ret_seq)
{
	/* whatever the reason: no record, no deed */
	return !k->audit_failing && append(k, r, ret_seq) == ERR_OK ? ERR_OK : ERR_IO;
}

void
keeper_deed(struct keeper *k, struct txn *t, const struct audit_record *r)
{
	uint64_t seq;

	if (t->e != ERR_OK)
		return;
	t->e = keeper_record(k, r, &seq);
	if (t->e == ERR_OK)
		txn_deed(t, seq);
}

void
keeper_record_fact(struct keeper *k, const struct audit_record *r)
{
	uint64_t seq;

	if (append(k, r, &seq) != ERR_OK)
		log_error("audit record lost: %s", r->event);
}

static enum err
synced(struct keeper *k, enum err e)
{
	if (e == ERR_OK)
		return ERR_OK;
	audit_failed(k);
	return ERR_IO;
}

enum err
keeper_sync(struct keeper *k)
{
	return k->audit_failing ? ERR_IO : synced(k, audit_sync(k->audit, keeper_now_s(k)));
}

void
keeper_tell_revision(struct keeper *k)
{
	if (!k->audit_failing)
		(void)!synced(k, audit_tell_revision(k->audit, keeper_now_s(k)));
}

static void
record_not_done(struct keeper *k, uint64_t of, enum err e)
{
	struct audit_record r = { .event = "not_done", .of = of, .detail = span_str(err_name(e)) };

	keeper_record_fact(k, &r);
}

enum err
keeper_committed(struct keeper *k, enum err e)
{
	if (e == ERR_IO)
		log_fatal("the store cannot be written; it is read anew at the next start");
	if (e == ERR_OK)
		audit_revision(k->audit, kv_revision(k->kv), keeper_now_s(k));
	return e;
}

enum err
keeper_commit_plain(struct keeper *k, struct txn *t)
{
	if (keeper_sync(k) != ERR_OK)
		return ERR_IO;
	return keeper_committed(k, txn_commit(t, k->kv, audit_durable_seq(k->audit)));
}

static enum err
deeds_done(struct keeper *k, const uint64_t *seqs, size_t count, enum err e)
{
	if (e == ERR_OK)
		keeper_tell_revision(k);
	for (size_t i = 0; e != ERR_OK && i < count; i++)
		record_not_done(k, seqs[i], e);
	return e;
}

enum err
keeper_deed_done(struct keeper *k, uint64_t seq, enum err e)
{
	return deeds_done(k, &seq, 1, e);
}

enum err
keeper_commit_ops(struct keeper *k, const struct kv_op *ops, size_t count, uint64_t seq)
{
	enum err e = keeper_sync(k);

	if (e == ERR_OK)
		e = keeper_committed(k, kv_commit(k->kv, ops, count, audit_durable_seq(k->audit)));
	return keeper_deed_done(k, seq, e);
}

enum err
keeper_commit(struct keeper *k, struct txn *t)
{
	enum err e = t->e == ERR_OK ? keeper_commit_plain(k, t) : t->e;

	return deeds_done(k, t->deeds, t->deed_count, e);
}
