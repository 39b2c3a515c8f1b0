/*
 * table - a hash table from 128-bit keys to pointers, open addressing.
 * Process: keeper.   Owns: its slots; the values are their modules'.
 * Secrets: none. Names, serials, tickets and placeholders come in as keyed hashes (table_hash()),
 *          so a peer can neither choose a slot nor learn one from timing: comparing two keyed
 *          hashes tells nothing about the value behind them.
 * Limits: max entries, given at the start; beyond it ERR_LIMIT.
 * Failure: ERR_EXISTS, ERR_LIMIT or ERR_NOMEM; the table is unchanged.
 */
#ifndef KEEPER_TABLE_H
#define KEEPER_TABLE_H

#include "broker/keeper/crypto/crypto.h"

struct table_key {
	uint64_t a, b;
};
struct table_slot;
struct table {
	struct table_slot *slots;
	size_t cap, count, max;
};

#define TABLE_MAX(entries)                                                                         \
	{                                                                                          \
		.slots = NULL, .cap = 0, .count = 0, .max = (entries)                              \
	}

/* Keyed BLAKE2b over the parts, cut to 128 bits. */
struct table_key table_hash(const struct secret *key, const struct span *parts, size_t count);
struct table_key table_hash_str(const struct secret *key, const char *s);
/* For numbers that the keeper made itself. */
struct table_key table_number(uint64_t a, uint64_t b);

void *table_get(const struct table *t, struct table_key k); /* NULL: not there */
enum err table_put(
    struct table *t, struct table_key k, void *value) NODISCARD; /* value is not NULL */
void *table_remove(struct table *t, struct table_key k);	 /* what stood there, or NULL */
/* Every entry once, in no order, from *cursor 0 on; NULL at the end. No table_put() or
 * table_remove() in between. */
void *table_next(const struct table *t, size_t *cursor);
void table_close(struct table *t); /* usable again */

#endif
