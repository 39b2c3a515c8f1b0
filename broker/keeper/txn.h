/*
 * txn - the rows that one change of state writes, gathered before they are committed together, and
 *       the records that speak of it.
 * Process: keeper.   Owns: the rows' plaintext until txn_wipe().
 * Secrets: may carry a secret's value; wiped.
 * Limits: TXN_OPS_MAX rows, TXN_DEEDS_MAX records.
 * Failure: sticky: txn.e is the first error, keeper_commit() returns it.
 */
#ifndef KEEPER_TXN_H
#define KEEPER_TXN_H

#include "broker/ipc/wire.h"
#include "broker/keeper/store/kv.h"

#define TXN_OPS_MAX 48
#define TXN_DEEDS_MAX 2

struct txn {
	char keys[TXN_OPS_MAX][KV_KEY_MAX + 1];
	struct buf values[TXN_OPS_MAX];
	bool deletes[TXN_OPS_MAX];
	size_t count;
	uint64_t deeds[TXN_DEEDS_MAX]; /* sequences of what the log says is about to happen */
	size_t deed_count;
	enum err e;
};

void txn_init(struct txn *t);
void txn_wipe(struct txn *t); /* for AUTO() */

/* A writer for the value of a new row; a caller that writes nothing into it makes an empty row. */
struct wire_writer txn_put(struct txn *t, const char *key);
void txn_wrote(struct txn *t, const struct wire_writer *w); /* takes over the writer's error */
void txn_delete(struct txn *t, const char *key);
void txn_deed(struct txn *t, uint64_t seq);

enum err txn_commit(struct txn *t, struct kv *kv, uint64_t audit_seq) NODISCARD;

#endif
