/*
 * repeat - what the next segment must repeat, byte for byte.
 * Process: cli.   Owns: lines and hole (repeat_wipe()).   Secrets: none.
 * Limits: REPEAT_BYTES_MAX.   Failure: none of its own.
 */
#ifndef AUDIT_REPEAT_H
#define AUDIT_REPEAT_H

#include "broker/keeper/audit/hole.h"

#define REPEAT_BYTES_MAX (128u << 20) /* two intervals, as long as they may be */

/* A header takes back what the segment in front of it holds from its from_seq on. Those lines were
 * not proven where they stand: they are repeated, or somebody wrote them. */
struct repeat {
	struct buf lines;
	size_t at;	  /* of the one that is due */
	struct hole hole; /* behind them */
	bool differs;
	struct held other; /* the first one that is repeated otherwise */
};

void repeat_wipe(struct repeat *r);
void repeat_clear(struct repeat *r); /* nothing is due; what differs stays */
/* A line of the new segment, in order. */
void repeat_meet(struct repeat *r, const struct audit_line *l, struct span line);
/* A sentence for the first line that was repeated otherwise, or that is still due; NULL: there is
 * none. */
const char *repeat_differs(const struct repeat *r, struct held *ret_h);
const char *repeat_missing(const struct repeat *r, struct held *ret_h);

#endif
