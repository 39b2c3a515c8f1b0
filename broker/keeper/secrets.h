/*
 * secrets - the named secrets and their versions: what exists, in which state. The values stay
 * sealed in the store until they are used.
 * Process: keeper.   Owns: the entries, until secrets_close().
 * Secrets: none here; a value passes through secrets_value_row() to the store.
 * Limits: SECRETS_MAX names; VERSIONS_MAX versions a name, of which the oldest that is not in use
 *          makes room; values of 1 to SECRET_LEN_MAX bytes without control characters.
 * Failure: ERR_NOT_FOUND, ERR_EXISTS, ERR_CONFLICT (the state does not admit it), ERR_RANGE,
 *          ERR_LIMIT, ERR_NOMEM; nothing changed.
 * Clock: given now.
 *
 * A change is worked out on a copy (secrets_copy()), its rows are committed, and secrets_replace()
 * makes it so.
 */
#ifndef KEEPER_SECRETS_H
#define KEEPER_SECRETS_H

#include "broker/ipc/body.h"
#include "broker/keeper/table.h"
#include "broker/keeper/txn.h"

#define SECRETS_MAX 10000
#define VERSIONS_MAX 64
#define KEY_SECRET "secret/"
#define KEY_VALUE "value/"

struct named_secret {
	uint32_t id; /* with a version, what a gateway keys its copy by; never used again */
	char name[NAME_LEN_MAX + 1];
	bool exposed; /* the active version is: without one, nothing is in use that was seen */
	bool used;    /* last_used_s is newer than the row */
	int64_t created_s, changed_s, last_used_s;
	uint32_t version_count;
	uint32_t next_version;
	struct version_row versions[VERSIONS_MAX]; /* oldest first */
};

struct secrets {
	struct table names; /* of struct named_secret */
	const struct secret *hash_key;
	uint32_t next_id, exposed_count;
};

void secrets_init(
    struct secrets *s, const struct secret *hash_key); /* the key stays the caller's */
void secrets_close(struct secrets *s);
/* A stored row of KEY_SECRET; others are ERR_NOT_FOUND. */
enum err secrets_load(struct secrets *s, struct span key, struct span plain) NODISCARD;

struct named_secret *secrets_find(const struct secrets *s, const char *name);
uint32_t secrets_active(const struct named_secret *n); /* 0: no version is active */
bool secrets_has_version(
    const struct named_secret *n, uint32_t version); /* and its value is still there */

/* ERR_RANGE with a reason in *ret_why. The check at injection is another one. */
enum err secrets_value_check(struct span value, const char **ret_why) NODISCARD;

void secrets_row(struct txn *t, const struct named_secret *n);
void secrets_value_row(
    struct txn *t, const struct named_secret *n, uint32_t version, struct span value);
void secrets_value_key(
    const struct named_secret *n, uint32_t version, char ret_key[KV_KEY_MAX + 1]);

/* What a change makes of an entry; value rows that must go are deleted in t. old NULL: a new
 * secret. */
enum err secrets_put(struct secrets *s, const struct named_secret *old, const char *name,
    uint8_t flags, int64_t now_s, struct txn *t,
    struct named_secret *ret_n) NODISCARD; /* 7 parameters: one change, from old to new */
enum err secrets_change(const struct named_secret *old, enum secret_change change, uint32_t version,
    int64_t now_s, struct txn *t, struct named_secret *ret_n) NODISCARD;
/* Makes it so. */
enum err secrets_replace(struct secrets *s, const struct named_secret *n) NODISCARD;

#endif
