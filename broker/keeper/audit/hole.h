/*
 * hole - zeros in a segment, where a block was never written, and all bytes from there to its end.
 * Process: cli.   Owns: bytes (hole_wipe()).   Secrets: none.   Limits: bytes'.
 * Failure: ERR_IO, ERR_NOMEM, ERR_LIMIT; it is closed.
 *
 * The blocks of one write reach the disk in any order, and then the next segment has the same bytes
 * at its front; or the keeper found the hole at a start, and a record says so, with the number of
 * bytes. What is neither was put there by somebody: without that, anything could stand behind
 * zeros.
 */
#ifndef AUDIT_HOLE_H
#define AUDIT_HOLE_H

#include "broker/keeper/audit/held.h"

struct hole {
	struct held at;	  /* the line with the first zeros, and what was due there; seq 0: closed */
	struct buf bytes; /* from the front of that line on */
	size_t met;	  /* of them, in the next segment */
};

/* at->line begins at from in fd, the lines end at end. */
enum err hole_open(
    struct hole *h, const struct held *at, int fd, uint64_t from, uint64_t end) NODISCARD;
void hole_close(struct hole *h);
void hole_wipe(struct hole *h);
bool hole_is_open(const struct hole *h);
/* What stands in from is to be met; from is closed. */
void hole_take(struct hole *h, struct hole *from);
/* A line of the next segment, in order. The last one that it takes closes it. False: it is another
 * one than was there, and *ret_where says where. */
bool hole_meet(
    struct hole *h, const struct audit_line *l, struct span line, struct held *ret_where) NODISCARD;

#endif
