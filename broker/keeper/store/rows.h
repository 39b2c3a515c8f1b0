/*
 * rows - the sealed rows of the store in memory, in the order of their keys.
 * Process: keeper.   Owns: its rows.   Secrets: none: rows are sealed.
 * Limits: KV_ROWS_MAX rows, KV_BYTES_MAX bytes of sealed rows.
 * Failure: ERR_NOMEM; nothing changed. What was reserved cannot fail.
 */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "broker/keeper/crypto/crypto.h"

struct row {
	uint64_t version;
	uint8_t hash[HASH_LEN]; /* manifest_row() */
	size_t key_len, sealed_len;
	uint8_t bytes[]; /* key, NUL, sealed */
};

struct rows {
	struct row **at; /* rising keys */
	size_t count, cap;
	size_t bytes; /* of all sealed rows */
};

/* hash is zero */
enum err row_new(
    struct span key, uint64_t version, struct span sealed, struct row **ret_r) NODISCARD;
void row_free(struct row *r);
struct span row_key(const struct row *r);
struct span row_sealed(const struct row *r);

struct row *rows_find(const struct rows *rs, struct span key); /* NULL: not there */
enum err rows_reserve(struct rows *rs, size_t more) NODISCARD;
/* takes r; a row of the same key is freed; room was reserved */
void rows_put(struct rows *rs, struct row *r);
void rows_remove(struct rows *rs, struct span key);
void rows_close(struct rows *rs); /* usable again */

#endif
