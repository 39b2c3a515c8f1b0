/*
 * chain - what makes lines a chain: keyed hashes, interval keys, signed checkpoints and segment
 *   headers. See verify.h for the scheme.
 * Process: keeper.   Owns: the keys.
 * Secrets: signing key, the key of the running interval; derived, so that a restart goes on with
 *   both.
 * Limits: AUDIT_LINE_MAX.   Failure: ERR_NOMEM or ERR_LIMIT; the chain has not moved.
 * Clock: given now; a record's time never runs backwards.
 */
#ifndef AUDIT_CHAIN_H
#define AUDIT_CHAIN_H

#include "broker/keeper/audit/audit.h"

#define AUDIT_CHAIN_ID "01" /* a new chain in the same store would be "02" */

struct audit_chain {
	struct secret *root, *sign_key, *interval_key;
	struct secret *next_key; /* of the next interval; NULL: not derived yet */
	uint8_t public_key[SIGN_PUBLIC_LEN];
	struct audit_mark at; /* behind the last line that was formatted */
	uint64_t revision;    /* the highest seen, */
	uint64_t told;	      /* and in a line; a store set back behind this one is found out */
	int64_t untold_since_s;
	int64_t time_ms;	   /* of the last line */
	uint64_t interval_records; /* since the last checkpoint */
	size_t interval_bytes;
	int64_t interval_since_s; /* time of its first record */
};

/* at the very beginning: seq 0, interval 1 */
enum err audit_chain_init(struct audit_chain *c, const struct keyring *k) NODISCARD;
void audit_chain_close(struct audit_chain *c);
/* Goes on behind mark. */
enum err audit_chain_resume(struct audit_chain *c, const struct audit_mark *mark, uint64_t revision,
    int64_t time_ms) NODISCARD;
/* Counts a line that was read and whose mac follows, as if it had been formatted here. */
void audit_chain_accept(struct audit_chain *c, const struct audit_line *l, size_t line_len);

/* Each appends one line with its newline to out. */
enum err audit_chain_record(struct audit_chain *c, const struct audit_record *r, uint64_t revision,
    int64_t now_ms, struct buf *out) NODISCARD;
enum err audit_chain_checkpoint(struct audit_chain *c, int64_t now_s, struct buf *out) NODISCARD;
/* Behind it, and before anything else is appended, audit_chain_checkpoint() does not fail. */
enum err audit_chain_ready(struct audit_chain *c, struct buf *out) NODISCARD;
/* The header of a segment whose first record follows from; stands beside the chain. */
enum err audit_chain_header(struct audit_chain *c, uint32_t segment, const struct audit_mark *from,
    int64_t now_s, struct buf *out) NODISCARD;

/* The store has come to revision: the next line says so, whichever that is. */
void audit_chain_revision(struct audit_chain *c, uint64_t revision, int64_t now_s);
void audit_chain_hurry(struct audit_chain *c);	      /* a checkpoint that says so is due now */
bool audit_chain_untold(const struct audit_chain *c); /* no line said so yet */

bool audit_chain_due(const struct audit_chain *c, int64_t now_s); /* for a checkpoint */

#endif
