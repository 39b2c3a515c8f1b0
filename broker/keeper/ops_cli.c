#include "broker/keeper/keeper.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/rekey.h"
#include "broker/keeper/seal.h"
#include "common/log.h"

enum err
ops_unseal(struct ask *a)
{
	struct span passphrase = wire_blob(&a->in, MSG_LEN_MAX);
	uint32_t wait_s = 0;
	char why[512] = "";
	enum err e;

	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	if (!a->keeper->sealed)
		return ask_refuse(a, ERR_CONFLICT, "not_sealed", "there is nothing to do",
		    "the store is unsealed already");
	e = unseal_with_passphrase(a->keeper, passphrase, &wait_s, why, sizeof why);
	if (e == ERR_OK) {
		seal_record(a->keeper, "unseal", a->uid);
		a->keeper->unseal.failures = 0;
		return ERR_OK;
	}
	if (e == ERR_AGAIN)
		return ask_refuse(a, e, "unseal_wait", "wait, then try once more",
		    "the next attempt may be made in %u s", wait_s);
	if (e == ERR_CONFLICT)
		return ask_refuse(
		    a, e, "unseal_failed", "restart sidekeyd, which reads that file", "%s", why);
	if (e == ERR_AUTH && !a->keeper->unseal.key_fits)
		return ask_refuse(a, e, "unseal_failed", "check the passphrase", "%s", why);
	return ask_refuse(a, e, "unseal_failed",
	    e != ERR_AUTH ? "see the broker's log"
			  : "the passphrase is not what is wrong: see SECURITY.md, promise 8, and "
			    "`sidekey audit verify --dir`",
	    "%s", why[0] != '\0' ? why : err_name(e));
}

enum err
ops_seal(struct ask *a)
{
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	seal_record(a->keeper, "seal", a->uid);
	seal_now(a->keeper);
	log_warn("sealed by uid %u", a->uid);
	return ERR_OK;
}

/* It goes on by itself, also after an error. */
static enum err
rekey_running(struct ask *a)
{
	unsigned long long left = kv_rekey_left(a->keeper->kv);
	enum err why = a->keeper->rekey_stalled;

	if (why == ERR_OK)
		return ask_refuse(a, ERR_CONFLICT, "rekey_running",
		    "wait; `sidekey status` counts down",
		    "a rekey is under way, %llu records are left", left);
	return ask_refuse(a, ERR_CONFLICT, "rekey_running",
	    why == ERR_LIMIT ? "free some space on the disk; it goes on by itself within a second"
			     : "it is tried each second; look at the broker's log",
	    "a rekey is under way and waits (%s), %llu records are left", err_name(why), left);
}

enum err
ops_rekey(struct ask *a)
{
	struct keeper *k = a->keeper;
	struct audit_record r = { .event = "rekey", .has_uid = true, .uid = a->uid };
	uint64_t seq;
	enum err e;

	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	if (kv_rekey_left(k->kv) != 0)
		return rekey_running(a);
	e = keeper_record(k, &r, &seq);
	if (e == ERR_OK)
		e = rekey_start(k, seq);
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	wire_put_u32(&a->out, keyring_active(k->ring));
	wire_put_u64(&a->out, kv_rekey_left(k->kv));
	return ERR_OK;
}

enum err
ops_audit_open(struct ask *a)
{
	uint32_t wanted = wire_u32(&a->in), segment, oldest, newest;
	enum err e;

	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	e = audit_segment_fd(a->keeper->audit, wanted, &a->reply_fd, &segment, &oldest, &newest);
	if (e != ERR_OK)
		return ask_refuse(a, e, "no_segment",
		    "the oldest ones are removed when the log is full",
		    "there is no audit segment %u", wanted);
	wire_put_u32(&a->out, segment);
	wire_put_bool(&a->out, segment == newest);
	wire_put_u32(&a->out, oldest);
	wire_put_u64(&a->out, audit_segment_until(a->keeper->audit, segment));
	return ERR_OK;
}

enum err
ops_audit_key(struct ask *a)
{
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	wire_put_fixed(&a->out, audit_public_key(a->keeper->audit), SIGN_PUBLIC_LEN);
	return ERR_OK;
}

static const struct ask_row cli_ops[] = {
	{ AK_STATUS, true, false, ops_status },
	{ AK_WORKLOAD_ADD, false, true, ops_workload_add },
	{ AK_WORKLOAD_LIST, false, false, ops_workload_list },
	{ AK_WORKLOAD_SET, false, true, ops_workload_set },
	{ AK_SECRET_LIST, false, false, ops_secret_list },
	{ AK_SECRET_HISTORY, false, false, ops_secret_history },
	{ AK_SECRET_SET, false, true, ops_secret_set },
	{ CK_UNSEAL, true, false, ops_unseal },
	{ CK_SEAL, false, false, ops_seal },
	{ CK_SECRET_PUT, false, false, ops_secret_put },
	{ CK_SECRET_REVEAL, false, false, ops_secret_reveal },
	{ CK_ENROLL_NEW, false, false, ops_enroll_new },
	{ CK_REKEY, false, false, ops_rekey },
	{ CK_AUDIT_OPEN, false, false, ops_audit_open },
	{ CK_AUDIT_KEY, false, false, ops_audit_key },
};

void
ops_cli(struct peer *p, struct msg *m)
{
	ask_run(p, m, cli_ops, COUNT(cli_ops));
}
