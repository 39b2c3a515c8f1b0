/*
 * keeper - the whole state of the process that decides and writes down.
 * Process: keeper.   Owns: everything that is in it.
 * Secrets: the keyring; keys derived from it; no secret's value, which are opened for one message
 *          and wiped with it.
 * Limits: those of the parts.
 * Failure: a store whose state on disk is not known ends the process; what it lost is what nobody
 *          was told.
 * Clock: keeper_now_s() is the keeper's time; see floor.h.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "broker/keeper/answers.h"
#include "broker/keeper/audit/audit.h"
#include "broker/keeper/audit/fold.h"
#include "broker/keeper/crypto/ca.h"
#include "broker/keeper/flight.h"
#include "broker/keeper/floor.h"
#include "broker/keeper/identity.h"
#include "broker/keeper/intern.h"
#include "broker/keeper/limits.h"
#include "broker/keeper/peer.h"
#include "broker/keeper/placeholder.h"
#include "broker/keeper/policy.h"
#include "broker/keeper/revoke.h"
#include "broker/keeper/ruleset.h"
#include "broker/keeper/secrets.h"
#include "broker/keeper/store/kv.h"
#include "broker/keeper/tickets.h"
#include "broker/keeper/txn.h"
#include "broker/keeper/unseal.h"

#define KEY_CA "ca" /* the one row that no part has for its own */

struct keeper_settings {
	char state_dir[1024];
	char gateway_address[512];	       /* what goes into enroll.json */
	uint64_t audit_bytes_max, audit_quota; /* of a workload, in 24 hours: share.h */
	uint32_t cert_ttl_s;
	bool accept_clock, landlock;
};

struct keeper {
	struct loop *loop;
	struct keeper_settings settings;
	struct kv *kv;
	struct peers peers;
	struct unseal unseal;
	struct floor floor;
	int64_t started_s;
	uint32_t restarts; /* of other processes */
	bool sealed, audit_failing, clock_ahead;
	bool files_known; /* admin has said in this life whether the files' rules are good */
	struct timer retry, tick, lazy_sync, rekey;
	enum err rekey_stalled; /* why its last step failed */
	/* Asks sidekeyd for the death of a gateway; NULL where nobody supervises. */
	void (*kill_gateway)(uint8_t index, void *arg);
	void *kill_arg;

	/* all below: only while unsealed */
	struct keyring *ring;
	struct audit *audit;
	uint64_t first_seq; /* of this life: what is older was decided before a restart or a seal */
	struct ca *ca;
	struct secret *hash_key, *placeholder_key;
	struct intern upstream_names;
	struct identity identity;
	struct secrets secrets;
	struct policies policies;
	struct ruleset ruleset;
	struct placeholders placeholders;
	struct limits limits;
	struct tickets tickets;
	struct flights flights;
	struct fold *denials;
	struct answers answers;
	struct revocations revocations;
	uint32_t failed_enrolls; /* in the minute that began at failed_since_s */
	int64_t failed_since_s;
	struct quota strangers; /* of denials to those who showed no certificate that is known */
	bool share_refused;	/* somebody, since share_sweep() said so last */
	int64_t share_tell_ms;
	int64_t usage_s; /* when usage.h wrote last */
};

int64_t keeper_now_s(struct keeper *k);
int64_t keeper_now_ms(struct keeper *k);

enum ready_state keeper_ready(const struct keeper *k);
/* The same as a sentence and a code for whoever must wait; NULL when ready. */
const char *keeper_not_ready_code(const struct keeper *k);
const char *keeper_not_ready_hint(const struct keeper *k);
void keeper_tell_state(struct keeper *k);		 /* GK_STATE to every gateway */
void keeper_tell_peer(struct keeper *k, struct peer *p); /* to one */
void keeper_retry_audit(struct timer *t);		 /* k->retry */

/* Appends a record of something that is about to happen; ERR_IO at once while the log cannot be
 * written: then it must not happen. */
enum err keeper_record(struct keeper *k, const struct audit_record *r, uint64_t *ret_seq) NODISCARD;
/* Appends a record of what did happen, also while the log cannot be written: it follows when it
 * can. */
void keeper_record_fact(struct keeper *k, const struct audit_record *r);
/* Makes all records durable; the log is marked as failing when that fails. */
enum err keeper_sync(struct keeper *k) NODISCARD;
/* Behind a commit that records speak of: the log knows the store's revision, durably, so that no
 * older store.db takes back what somebody was told. Failing, the log is marked so. */
void keeper_tell_revision(struct keeper *k);
/* keeper_record() of what t is about to do; a failure is t's. */
void keeper_deed(struct keeper *k, struct txn *t, const struct audit_record *r);
/* Records first, then rows: ERR_IO when the records could not be made durable. A store that fails
 * in an unknown state ends the process. Whatever was recorded of t and did not happen, t's own
 * failure among the reasons, is recorded as that ("not_done"). */
enum err keeper_commit(struct keeper *k, struct txn *t) NODISCARD;
/* The same for rows that are no txn, and one record, seq. */
enum err keeper_commit_ops(
    struct keeper *k, const struct kv_op *ops, size_t count, uint64_t seq) NODISCARD;
/* Their parts, for what is no transaction of rows: behind the store's, and behind all of it. */
enum err keeper_committed(struct keeper *k, enum err e) NODISCARD;
enum err keeper_deed_done(struct keeper *k, uint64_t seq, enum err e) NODISCARD;
/* The same for rows that no record speaks of: nothing that anybody decided. */
enum err keeper_commit_plain(struct keeper *k, struct txn *t) NODISCARD;

/* Unsealed with ring, which is taken: loads everything. ERR_AUTH and others with a sentence in why;
 * the keeper stays sealed. */
enum err keeper_open(struct keeper *k, struct keyring *ring, char *why, size_t why_size) NODISCARD;
/* Back to sealed: everything below the line in struct keeper is gone. */
void keeper_close(struct keeper *k);

#endif
