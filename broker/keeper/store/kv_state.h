/*
 * kv_state - what the parts of kv share: the open store and the one way to change it.
 * Process: keeper. Only for the files of this folder.   Owns: see kv.h.   Secrets: manifest keys.
 * Limits: see kv.h.   Failure: see kv.h.
 */
#ifndef STORE_KV_STATE_H
#define STORE_KV_STATE_H

#include "broker/keeper/store/journal.h"
#include "broker/keeper/store/kv.h"
#include "broker/keeper/store/manifest.h"
#include "broker/keeper/store/rows.h"

#define KV_SEALED_MAX (KV_VALUE_MAX + KEYRING_SEAL_OVERHEAD)

struct kv {
	struct kv_meta meta;
	int lock_fd; /* the lock lives as long as the store is open */
	struct journal *journal;
	bool broken; /* after ERR_IO nothing here is trusted any more */

	/* while unsealed */
	struct keyring *keyring; /* the caller's; NULL: sealed */
	struct manifest_keys keys;
	struct manifest manifest;
	struct rows rows;
	uint64_t stale;	 /* rows under an older data key */
	size_t rekey_at; /* where the search for them goes on */
	bool dropping;	 /* the older keys are gone here, and on disk not yet */
};

/* One row of a transaction. */
struct change {
	struct span key;
	struct row *row; /* owned until it was applied; NULL: delete */
	bool dead;	 /* a later change of the same key replaces it */
};

/* The hash over the meta values, with wrapped in place of the stored keyring. */
void kv_meta_hash(const struct manifest_keys *mk, const struct kv_meta *m, struct span wrapped,
    uint8_t ret_hash[HASH_LEN]);
bool kv_is_stale(const struct kv *kv, const struct row *r);

/* Seals plain as the next version of key. */
enum err kv_stage(
    const struct kv *kv, struct change *c, struct span key, struct span plain) NODISCARD;
/* One transaction: changes, manifest, and the keyring if wrapped is not empty. Memory follows only
 * behind the COMMIT. Rows that were applied are no longer the caller's. */
enum err kv_write(struct kv *kv, struct change *changes, size_t count, uint64_t audit_seq,
    struct span wrapped) NODISCARD;
void kv_changes_free(struct change *changes, size_t count);

#endif
