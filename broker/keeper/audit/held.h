/*
 * held - lines of an audit log that wait to be judged, and those of them that the next segment must
 *   repeat.
 * Process: cli.   Owns: nothing; the buffers are the caller's.   Secrets: none.
 * Limits: the buffers'; REPEAT_BYTES_MAX.   Failure: ERR_NOMEM, ERR_LIMIT; nothing was added.
 */
#ifndef AUDIT_HELD_H
#define AUDIT_HELD_H

#include "broker/keeper/audit/line.h"
#include "common/buf.h"

#define REPEAT_BYTES_MAX (128u << 20) /* two intervals, as long as they may be */

/* Where a line stands. Its bytes follow it in the buffer; none: zeros that a crash left. */
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

/* A header takes back what the segment in front of it holds from its from_seq on. Those lines were
 * not proven where they stand: they are repeated, or somebody wrote them. */
struct repeat {
	struct buf lines;
	size_t at; /* of the one that is due */
	bool differs;
	struct held other; /* the first one that is repeated otherwise */
};

void repeat_clear(struct repeat *r); /* nothing is due; what differs stays */
/* A line of the new segment, in order. */
void repeat_meet(struct repeat *r, const struct audit_line *l, struct span line);
/* A sentence for the first line that was repeated otherwise, or that is still due; NULL: there is
 * none. */
const char *repeat_differs(const struct repeat *r, struct held *ret_h);
const char *repeat_missing(const struct repeat *r, struct held *ret_h);

#endif
