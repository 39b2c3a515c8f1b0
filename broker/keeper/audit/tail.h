/*
 * tail - the end of an audit log as it lies on disk, verified with the keeper's key from the last
 *   checkpoint on.
 * Process: keeper, at start.   Owns: nothing.   Secrets: interval keys, through the chain.
 * Limits: TAIL_BYTES_MAX between the last checkpoint and the end.
 * Failure: ERR_AUTH with a sentence; ERR_IO.
 */
#ifndef AUDIT_TAIL_H
#define AUDIT_TAIL_H

#include "broker/keeper/audit/chain.h"
#include "broker/keeper/audit/segment.h"

#define TAIL_BYTES_MAX (64u << 20)

struct audit_tail {
	struct audit_mark base; /* the last checkpoint, or what the segment's header says */
	struct buf lines;	/* behind it, verified, each with its newline */
	uint64_t lost;		/* bytes of a half written end */
	uint32_t segment;	/* where it was found; newer ones have no header yet: a crash */
};

/* Leaves the chain behind the last good line. There is at least one segment. ERR_NOT_FOUND: none of
 * them ever got its header. */
enum err audit_tail_load(const struct audit_segments *s, struct audit_chain *c,
    struct audit_tail *t, char *why, size_t why_size) NODISCARD;

/* The from_seq of the first segment behind number, as its signed header has it; 0 if none says so.
 */
uint64_t audit_tail_next_from(
    const struct audit_segments *s, const struct audit_chain *c, uint32_t number);

#endif
