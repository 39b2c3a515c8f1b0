/*
 * ruleset - how rules come in force: from the files, by way of admin; or, while those are refused,
 * the last good ones from the store.
 * Process: keeper.
 * Owns: the set that was stored, until it is in force or another one is.
 * Secrets: none; rules name secrets. In the store they are sealed like any row.
 * Limits: RULES_LEN_MAX bytes, as rows of KV_VALUE_MAX.
 * Failure: what was in force stays, and the reason is in policies.error.
 */
#ifndef KEEPER_RULESET_H
#define KEEPER_RULESET_H

#include "broker/keeper/policy.h"
#include "common/loop.h"

#define KEY_RULES "rules/"
/* So long the stored rules wait for word of the files: what somebody took out of them while the
 * broker was down must not be allowed for a moment. */
#define RULESET_WAIT_MS 3000

struct ask;
struct keeper;

struct ruleset {
	struct policy_set *stored; /* the last good ones, not in force: nobody spoke of the files */
	struct timer wait;
	uint8_t digest[HASH_LEN]; /* of what the store holds */
	uint32_t rows;		  /* it takes up; 0: nothing was ever stored */
	struct buf wanted; /* what the files say, refused for a secret that is missing: tried again
			      when one is set. Stays across a seal, as policies.error does */
};

/* A row of the store, in the order of keys: appended to *bytes. Others are ERR_NOT_FOUND. */
enum err ruleset_row(
    struct keeper *k, struct span key, struct span plain, struct buf *bytes) NODISCARD;
/* All rows were given. A set that cannot be used any more is logged and left out. */
void ruleset_restore(struct keeper *k, struct span bytes);
/* The keeper is open: the stored set is in force as soon as the files are known to be refused. */
void ruleset_opened(struct keeper *k);
void ruleset_close(struct keeper *k);

/* AK_RULES_LOAD: what fd holds is recorded, stored and then in force. The reply's refusal is in a.
 */
enum err ruleset_load(struct ask *a, int fd) NODISCARD;
/* A secret of a new name exists: if the files' rules waited for it, they are in force now. */
void ruleset_secret_added(struct ask *a);
/* AK_RULES_BAD: the files do not compile. */
void ruleset_bad(struct ask *a, const char *why);

#endif
