#include <stdio.h>
#include <string.h>

#include "broker/keeper/keeper.h"
#include "common/clock.h"
#include "common/log.h"

#define ORPHANS_MAX (TXN_OPS_MAX - 8)
#define DENIALS_PER_S 10
#define DENIALS_BURST 50

/* What is read from the store, row by row. */
struct loading {
	struct keeper *k;
	struct txn orphans; /* rows of things that ended with their workload: deleted once the log
			       is open */
	struct buf rules;
};

static enum err
load_row(struct span key, uint64_t version, struct span plain, struct span sealed, void *arg)
{
	struct loading *l = arg;
	struct keeper *k = l->k;
	bool orphan = false;
	enum err e;

	(void)version;
	(void)sealed;
	if (span_starts(key, KEY_VALUE))
		return ERR_OK; /* stays sealed until it is used */
	if (span_eq_str(key, KEY_CA))
		return ca_load(plain, &k->ca);
	e = identity_load(&k->identity, key, plain, &orphan);
	if (e == ERR_NOT_FOUND)
		e = secrets_load(&k->secrets, key, plain);
	if (e == ERR_NOT_FOUND)
		e = ruleset_row(k, key, plain, &l->rules);
	if (e == ERR_OK && orphan && l->orphans.count < ORPHANS_MAX) {
		char text[KV_KEY_MAX + 1];

		if (span_copy_str(key, text, sizeof text))
			txn_delete(&l->orphans, text);
	}
	return e == ERR_NOT_FOUND ? ERR_VERSION
				  : e; /* a kind of row that this program does not know */
}

static enum err
init_parts(struct keeper *k)
{
	enum err e = keyring_derive(k->ring, "serial", 0, &k->hash_key);

	if (e == ERR_OK)
		e = keyring_derive(k->ring, "placeholder", 0, &k->placeholder_key);
	if (e == ERR_OK)
		e = answers_init(&k->answers);
	if (e == ERR_OK)
		e = fold_new(DENIALS_PER_S, DENIALS_BURST, &k->denials);
	if (e != ERR_OK)
		return e;
	identity_init(&k->identity, k->hash_key);
	secrets_init(&k->secrets, k->hash_key);
	intern_init(&k->upstream_names, k->hash_key);
	policies_init(&k->policies, &k->upstream_names, &k->secrets, k->hash_key);
	placeholders_init(&k->placeholders, k->placeholder_key, k->hash_key);
	tickets_init(&k->tickets, k->hash_key);
	limits_init(&k->limits);
	flights_init(&k->flights);
	revocations_init(k);
	return ERR_OK;
}

static enum err
end_interval(const struct audit_mark *mark, uint64_t *ret_revision, void *arg)
{
	struct keeper *k = arg;
	enum err e = kv_end_interval(k->kv, mark);

	if (e == ERR_IO)
		log_fatal("the store cannot be written; it is read anew at the next start");
	*ret_revision = kv_revision(k->kv);
	return e;
}

static enum err
open_log(struct keeper *k, char *why, size_t why_size)
{
	char dir[sizeof k->settings.state_dir + 8];
	struct audit_settings s = { .dir = dir,
		.bytes_max = k->settings.audit_bytes_max,
		.revision = kv_revision(k->kv),
		.end_interval = end_interval,
		.arg = k,
		.ended = kv_interval_ended(k->kv) };

	(void)snprintf(dir, sizeof dir, "%s/audit", k->settings.state_dir);
	return audit_open(
	    &s, k->ring, kv_audit_seq(k->kv), clock_wall_s(), &k->audit, why, why_size);
}

/* The log says how late it was already; a log from the future needs the operator's word. */
static void
set_clock(struct keeper *k)
{
	int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();
	struct audit_record r = { .event = AUDIT_CLOCK_ACCEPTED };

	k->clock_ahead = floor_init(&k->floor, audit_last_time_ms(k->audit), wall_ms, mono_ms);
	if (!k->clock_ahead)
		return;
	if (!k->settings.accept_clock) {
		log_error("the audit log is more than 10 minutes ahead of the clock; correct the "
			  "clock, or start sidekeyd once with --accept-clock");
		return;
	}
	floor_accept(&k->floor, wall_ms, mono_ms);
	audit_accept_clock(k->audit, wall_ms);
	k->clock_ahead = false;
	keeper_record_fact(k, &r);
}

static enum err
load(struct keeper *k, struct loading *l, char *why, size_t why_size)
{
	enum err e = init_parts(k);

	if (e != ERR_OK) {
		(void)snprintf(why, why_size, "There is not enough memory to unseal.");
		return e;
	}
	e = kv_unseal(k->kv, k->ring, load_row, l, why, why_size);
	if (e != ERR_OK)
		return e;
	if (k->ca == NULL) {
		(void)snprintf(why, why_size, "The store holds no certificate authority.");
		return ERR_AUTH;
	}
	return open_log(k, why, why_size);
}

static void
loading_wipe(struct loading *l)
{
	txn_wipe(&l->orphans);
	buf_wipe(&l->rules);
}

enum err
keeper_open(struct keeper *k, struct keyring *ring, char *why, size_t why_size)
{
	AUTO(loading_wipe) struct loading l = { .k = k, .rules = BUF_MAX(RULES_LEN_MAX) };
	struct audit_record r = { .event = "keeper_start" };
	enum err e;

	must(k->sealed);
	txn_init(&l.orphans);
	k->ring = ring;
	e = load(k, &l, why, why_size);
	if (e != ERR_OK) {
		if (why[0] == '\0')
			(void)snprintf(why, why_size, "The store cannot be read: %s.", err_name(e));
		keeper_close(k);
		return e;
	}
	k->sealed = false;
	k->audit_failing = false;
	set_clock(k);
	ruleset_restore(k, buf_span(&l.rules));
	keeper_record_fact(k, &r);
	k->first_seq = audit_seq(k->audit);
	if (keeper_sync(k) == ERR_OK && l.orphans.count > 0 &&
	    keeper_commit_plain(k, &l.orphans) != ERR_OK)
		log_warn("rows of revoked workloads stay in the store until the next start");
	return ERR_OK;
}

/* Also half-opened. The streams were cut and the flights recorded before: seal.c. */
void
keeper_close(struct keeper *k)
{
	loop_timer_stop(k->loop, &k->retry);
	loop_timer_stop(k->loop, &k->lazy_sync);
	loop_timer_stop(k->loop, &k->rekey);
	if (k->hash_key != NULL && k->placeholder_key != NULL && k->denials != NULL) {
		revocations_close(k);
		flights_close(&k->flights);
		limits_close(&k->limits);
		tickets_close(&k->tickets);
		placeholders_close(&k->placeholders);
		identity_close(&k->identity);
		ruleset_close(k);
		policies_close(&k->policies);
		secrets_close(&k->secrets);
		intern_close(&k->upstream_names);
	}
	answers_close(&k->answers);
	fold_free(k->denials);
	k->denials = NULL;
	if (k->audit != NULL)
		audit_close(k->audit, keeper_now_s(k));
	k->audit = NULL;
	ca_free(k->ca);
	k->ca = NULL;
	secret_free(k->hash_key);
	secret_free(k->placeholder_key);
	k->hash_key = k->placeholder_key = NULL;
	kv_seal(k->kv);
	keyring_free(k->ring);
	k->ring = NULL;
	k->sealed = true;
	k->audit_failing = k->clock_ahead = false;
}
