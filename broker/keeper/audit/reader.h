/*
 * reader - the lines of a segment, one after the other, whatever stands in it.
 * Process: cli.   Owns: its buffer (reader_close()); the descriptor is the caller's.
 * Secrets: none.   Limits: AUDIT_LINE_MAX bytes a line; a longer one is given by its front.
 * Failure: ERR_IO, ERR_NOMEM.
 */
#ifndef AUDIT_READER_H
#define AUDIT_READER_H

#include "broker/keeper/audit/line.h"
#include "common/buf.h"

enum read_kind {
	READ_END = 0,
	READ_LINE, /* without its newline */
	READ_LONG, /* the front of one that is longer than any of ours */
	READ_TORN, /* the end of the file, inside a line */
};

struct reader {
	int fd;
	uint64_t at, end; /* where the next read starts; where the reserve does */
	uint64_t line_at; /* where the line that was given begins */
	struct buf in;
	size_t taken; /* bytes at its front that were given */
	bool skip;    /* to the end of a line whose front was given */
};

/* To be closed in any case. */
enum err reader_open(struct reader *r, int fd) NODISCARD;
void reader_close(struct reader *r);
/* The line is valid until the next call. */
enum err reader_next(struct reader *r, enum read_kind *ret_kind, struct span *ret_line) NODISCARD;

#endif
