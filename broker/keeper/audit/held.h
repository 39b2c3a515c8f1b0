/*
 * held - lines of an audit log that wait to be judged.
 * Process: cli.   Owns: nothing; the buffers are the caller's.   Secrets: none.
 * Limits: the buffers'.   Failure: ERR_NOMEM, ERR_LIMIT; nothing was added.
 */
#ifndef AUDIT_HELD_H
#define AUDIT_HELD_H

#include "broker/keeper/audit/line.h"
#include "common/buf.h"

/* Where a line stands. Its bytes follow it in the buffer. */
struct held {
	uint64_t seq, line;
	uint32_t segment, len;
};

enum err held_add(struct buf *b, const struct held *h, struct span line) NODISCARD;
/* The one that starts at at; the next one starts behind *ret_line. */
struct held held_at(const struct buf *b, size_t at, struct span *ret_line);
/* Moves those behind seq to the end of behind. Into mac goes the one of the last that stays, as the
 * line states it, if one does. */
enum err held_cut(struct buf *b, uint64_t seq, uint8_t mac[HASH_LEN], struct buf *behind) NODISCARD;

#endif
