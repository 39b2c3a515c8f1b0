#include "broker/keeper/ruleset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/keeper/adopt.h"
#include "broker/keeper/control.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/policy_fd.h"
#include "common/log.h"

#define ROWS_MAX (RULES_LEN_MAX / KV_VALUE_MAX)

static void
row_key_of(uint32_t n, char dst[KV_KEY_MAX + 1])
{
	(void)snprintf(dst, KV_KEY_MAX + 1, KEY_RULES "%04u", n); /* in order, as they sort */
}

enum err
ruleset_row(struct keeper *k, struct span key, struct span plain, struct buf *bytes)
{
	char due[KV_KEY_MAX + 1];

	if (!span_starts(key, KEY_RULES))
		return ERR_NOT_FOUND;
	row_key_of(k->ruleset.rows, due);
	if (!span_eq_str(key, due))
		return ERR_SYNTAX;
	k->ruleset.rows++;
	return buf_append_span(bytes, plain);
}

void
ruleset_restore(struct keeper *k, struct span bytes)
{
	if (k->ruleset.rows == 0)
		return;
	crypto_digest(NULL, &bytes, 1, k->ruleset.digest);
	if (policies_build(&k->policies, bytes, keeper_now_ms(k), &k->ruleset.stored) != ERR_OK)
		log_error("the stored rules are of no use: %s", k->policies.error);
}

static void
put_in_force(struct keeper *k, struct policy_set *s)
{
	loop_timer_stop(k->loop, &k->ruleset.wait);
	policies_drop(k->ruleset.stored);
	k->ruleset.stored = NULL;
	policies_use(&k->policies, s);
	control_learn_all(k);
	adopt_limits(k);
	keeper_tell_state(k);
	ops_gateway_serve_waiting(k);
}

/* The files are refused, or nobody says anything of them. */
static void
use_stored(struct keeper *k)
{
	struct policy_set *s = k->ruleset.stored;
	struct audit_record r = { .event = "rules_stored" };

	if (s == NULL)
		return;
	k->ruleset.stored = NULL; /* given away */
	r.rules_digest = policies_set_digest(s);
	keeper_record_fact(k, &r);
	log_warn("the rules of the store are in force");
	put_in_force(k, s);
}

static void
on_wait(struct timer *t)
{
	use_stored(t->arg);
}

void
ruleset_opened(struct keeper *k)
{
	k->ruleset.wait.fn = on_wait;
	k->ruleset.wait.arg = k;
	if (k->files_known)
		use_stored(k);
	else if (k->ruleset.stored != NULL && loop_timer(k->loop, &k->ruleset.wait,
						  loop_now_ms(k->loop) + RULESET_WAIT_MS) != ERR_OK)
		log_fatal("no memory for a timer");
}

void
ruleset_close(struct keeper *k)
{
	loop_timer_stop(k->loop, &k->ruleset.wait);
	policies_drop(k->ruleset.stored);
	k->ruleset.stored = NULL;
	k->ruleset.rows = 0;
}

/* One transaction: rows of an older, longer set go with it. */
static enum err
store(struct keeper *k, struct span bytes, const uint8_t digest[HASH_LEN], uint64_t seq)
{
	uint32_t rows = (uint32_t)((bytes.len + KV_VALUE_MAX - 1) / KV_VALUE_MAX);
	uint32_t count = rows > k->ruleset.rows ? rows : k->ruleset.rows;
	struct kv_op *ops = calloc((size_t)count + 1, sizeof *ops);
	enum err e;

	must(rows <= ROWS_MAX);
	if (ops == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < count; i++) {
		size_t at = (size_t)i * KV_VALUE_MAX;

		row_key_of(i, ops[i].key);
		if (i < rows)
			ops[i].plain = span_of(bytes.p + at,
			    bytes.len - at < KV_VALUE_MAX ? bytes.len - at : KV_VALUE_MAX);
	}
	e = keeper_commit_ops(k, ops, count, seq);
	free(ops);
	if (e != ERR_OK)
		return e;
	k->ruleset.rows = rows;
	memcpy(k->ruleset.digest, digest, HASH_LEN);
	return ERR_OK;
}

static bool
is_stored(const struct keeper *k, const uint8_t digest[HASH_LEN])
{
	return k->ruleset.rows > 0 &&
	       span_eq(span_of(digest, HASH_LEN), span_of(k->ruleset.digest, HASH_LEN));
}

/* Recorded first, durable, then in force. */
static enum err
take(struct ask *a, struct span bytes, struct policy_set *s)
{
	struct keeper *k = a->keeper;
	const uint8_t *digest = policies_set_digest(s);
	struct audit_record r = {
		.event = "rules_load", .rules_digest = digest, .has_uid = a->has_uid, .uid = a->uid
	};
	uint64_t seq;
	enum err e = keeper_record(k, &r, &seq);

	if (e == ERR_OK)
		e = is_stored(k, digest) ? keeper_sync(k) : store(k, bytes, digest, seq);
	if (e == ERR_OK) {
		put_in_force(k, s);
		return ERR_OK;
	}
	policies_drop(s);
	policies_fail(&k->policies, "the rules of the files could not be recorded and stored");
	use_stored(k);
	return ask_commit_error(a, e);
}

static void
refused(struct ask *a, const char *why)
{
	struct keeper *k = a->keeper;
	struct audit_record r = { .event = "rules_refused",
		.detail = span_str(why),
		.has_uid = a->has_uid,
		.uid = a->uid };

	use_stored(k);
	r.rules_digest = policies_digest(&k->policies);
	keeper_record_fact(k, &r);
	(void)!keeper_sync(k); /* a log that fails is known by that, and then nothing is allowed */
}

void
ruleset_bad(struct ask *a, const char *why)
{
	struct keeper *k = a->keeper;

	k->files_known = true;
	buf_wipe(&k->ruleset.wanted);
	policies_fail(&k->policies, why);
	refused(a, why);
}

/* ERR_NOT_FOUND: a secret is missing, and *bytes wait for it. */
static enum err
build(struct keeper *k, struct buf *bytes, struct policy_set **ret_s)
{
	enum err e = policies_build(&k->policies, buf_span(bytes), keeper_now_ms(k), ret_s);

	if (e != ERR_NOT_FOUND)
		return e;
	k->ruleset.wanted = *bytes;
	*bytes = (struct buf)BUF_MAX(0); /* given away */
	return e;
}

enum err
ruleset_load(struct ask *a, int fd)
{
	AUTO(buf_wipe) struct buf bytes = BUF_MAX(RULES_LEN_MAX);
	struct keeper *k = a->keeper;
	struct policy_set *s = NULL;
	enum err e = policy_fd_read(fd, &bytes);

	k->files_known = true;
	buf_wipe(&k->ruleset.wanted);
	if (e != ERR_OK)
		policies_fail(
		    &k->policies, "the compiled policy did not arrive whole; reload again");
	else
		e = build(k, &bytes, &s);
	if (e != ERR_OK) {
		log_error("policy not loaded: %s", k->policies.error);
		refused(a, k->policies.error);
		return ask_refuse(a, e, "rules_refused", "what was in force stays in force", "%s",
		    k->policies.error);
	}
	policies_fail(&k->policies, "");
	return s == NULL ? ERR_OK : take(a, buf_span(&bytes), s);
}

void
ruleset_secret_added(struct ask *a)
{
	struct keeper *k = a->keeper;
	AUTO(buf_wipe) struct buf bytes = k->ruleset.wanted;
	struct policy_set *s = NULL;

	k->ruleset.wanted = (struct buf)BUF_MAX(0); /* taken */
	if (bytes.len == 0 || build(k, &bytes, &s) != ERR_OK)
		return;
	log_info("the rules that waited for a secret can be put in force");
	policies_fail(&k->policies, "");
	if (s != NULL && take(a, buf_span(&bytes), s) != ERR_OK)
		log_error("policy not loaded: %s", k->policies.error);
}
