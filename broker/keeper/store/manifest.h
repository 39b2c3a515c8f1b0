/*
 * manifest - what the store must hold: a sealed sum over all rows, with the revision and how far
 *   the audit log had come, and which of its intervals ended where.
 * Process: keeper.   Owns: two keys derived from the root key.
 * Secrets: the keys; the sum never leaves its seal.
 * Limits: none.   Failure: ERR_AUTH when a sealed manifest does not open.
 *
 * The sum is a multiset hash: keyed BLAKE2b-256 of each (key, version, sealed row), added modulo
 * 2^256. A change costs two hashes, whatever the size of the store. Without the key nobody can
 * find rows whose hashes cancel out, and the sum itself is sealed.
 */
#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include "broker/keeper/audit/line.h"
#include "broker/keeper/crypto/keyring.h"

#define MANIFEST_SEALED_MAX 256

struct manifest_keys {
	struct secret *hash, *seal;
};

struct manifest {
	uint64_t revision, audit_seq, row_count;
	uint8_t sum[HASH_LEN];
	struct audit_mark ended; /* where the log's last interval ended; interval 0: none did yet */
	uint8_t meta[HASH_LEN]; /* manifest_meta(): so that an old keyring row cannot be put back */
};

enum err manifest_keys_init(struct manifest_keys *mk, const struct keyring *k) NODISCARD;
void manifest_keys_close(struct manifest_keys *mk);

void manifest_row(const struct manifest_keys *mk, struct span key, uint64_t version,
    struct span sealed, uint8_t ret_hash[HASH_LEN]);
void manifest_add(struct manifest *m, const uint8_t hash[HASH_LEN]);
void manifest_subtract(struct manifest *m, const uint8_t hash[HASH_LEN]);
/* The hash of everything that is readable while sealed. */
void manifest_meta(const struct manifest_keys *mk, const struct span *parts, size_t count,
    uint8_t ret_hash[HASH_LEN]);

enum err manifest_seal(const struct manifest_keys *mk, const uint8_t store_id[STORE_ID_LEN],
    const struct manifest *m, struct buf *out) NODISCARD;
enum err manifest_open(const struct manifest_keys *mk, const uint8_t store_id[STORE_ID_LEN],
    struct span sealed, struct manifest *ret_m) NODISCARD;

#endif
