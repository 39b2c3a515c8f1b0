/*
 * kv - the store as the keeper sees it: load all rows once, then commit transactions against a
 *   revision.
 * Process: keeper.   Owns: the SQLite connection, the lock on the store, the manifest.
 * Secrets: rows are sealed before they get here; SQLite never sees plaintext.
 * Limits: KV_KEY_MAX, KV_VALUE_MAX bytes, KV_ROWS_MAX rows of KV_BYTES_MAX together in memory,
 *   KV_OPS_MAX changes a transaction.
 * Failure: ERR_IO means that the disk's state is not known: the keeper exits and recovers from what
 *   is there; until then every call gives ERR_IO. Others: nothing changed; a full disk is
 *   ERR_LIMIT.
 */
#ifndef STORE_KV_H
#define STORE_KV_H

#include "broker/keeper/audit/line.h"
#include "broker/keeper/crypto/keyring.h"

#define KV_KEY_MAX 255
#define KV_VALUE_MAX (64u << 10)
#define KV_OPS_MAX 1024
#define KV_ROWS_MAX (1u << 17)		 /* rows; beyond it kv_commit() gives ERR_LIMIT */
#define KV_BYTES_MAX ((size_t)256 << 20) /* of all sealed rows, which stay in memory */
#define KV_SCHEMA 1u

struct kv;

/* The state directory's meta, readable while sealed. */
struct kv_meta {
	uint8_t store_id[STORE_ID_LEN];
	uint32_t schema;
	char trust_domain[256];
	struct buf wrapped; /* keyring_wrap() */
};

/* Makes <state_dir>/store.db with an empty manifest. ERR_EXISTS if there is one. */
enum err kv_create(
    const char *state_dir, const struct kv_meta *m, const struct keyring *k) NODISCARD;
/* Locks and opens it, reads the meta. ERR_CONFLICT: a second daemon. ERR_DENIED: loose modes, a
 * symlink. ERR_VERSION: newer schema. ERR_NOT_FOUND: no store here. ret_why is a whole sentence for
 * the operator. */
enum err kv_open(
    const char *state_dir, struct kv **ret_kv, char *ret_why, size_t why_size) NODISCARD;
void kv_close(struct kv *kv);
const struct kv_meta *kv_meta(const struct kv *kv);

/* Verifies the manifest over all rows and opens each of them, then gives each to fn in the order of
 * keys. ERR_AUTH: flipped bit, moved, old, missing or extra row; ret_why names the row where it is
 * known. */
typedef enum err kv_row_fn(
    struct span key, uint64_t version, struct span plain, struct span sealed, void *arg);
/* k stays the caller's */
enum err kv_unseal(struct kv *kv, struct keyring *k, kv_row_fn *fn, void *arg, char *ret_why,
    size_t why_size) NODISCARD;
/* Forgets rows and keyring: the store is as kv_open() left it. */
void kv_seal(struct kv *kv);

struct kv_op {
	char key[KV_KEY_MAX + 1];
	struct span plain; /* p NULL: delete the row, which may be missing */
};
/* All of ops or none, the last of one key counts; durable when it returns ERR_OK. Each row's
 * version rises by one. audit_seq goes into the manifest: give audit_durable_seq(), never a
 * sequence that a crash could still take back, or the next start sees a truncated log. */
enum err kv_commit(
    struct kv *kv, const struct kv_op *ops, size_t count, uint64_t audit_seq) NODISCARD;
/* Opens the row from its sealed copy in memory, for a secret that stays sealed until it is used.
 * ERR_LIMIT: longer than SECRET_LEN_MAX. */
enum err kv_open_row(struct kv *kv, const char *key, struct secret **ret_plain) NODISCARD;
uint64_t kv_revision(const struct kv *kv);
/* as of the last commit: the audit log must reach at least this far */
uint64_t kv_audit_seq(const struct kv *kv);
/* An interval of the audit log ends behind mark, which is durable: the log must reach this far, and
 * under that interval's key no further. A transaction of its own. As kv_commit(). */
enum err kv_end_interval(struct kv *kv, const struct audit_mark *mark) NODISCARD;
struct audit_mark kv_interval_ended(const struct kv *kv); /* the last; interval 0: none */

/* Rekey: seals up to max rows that are under an older data key anew, in one transaction; *ret_left
 * rows remain. At 0 the older keys are dropped. Interrupted, by a crash too, it goes on with
 * kv_rekey_step(): kv_rekey_left() says so after kv_unseal(). */
enum err kv_rekey_start(struct kv *kv) NODISCARD;
enum err kv_rekey_step(struct kv *kv, size_t max, uint64_t audit_seq, uint64_t *ret_left) NODISCARD;
uint64_t kv_rekey_left(const struct kv *kv);
/* Replaces the wrapped keyring (change of unseal method or passphrase). */
enum err kv_rewrap(struct kv *kv, struct span wrapped) NODISCARD;

#endif
