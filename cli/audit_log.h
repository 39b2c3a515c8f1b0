/*
 * audit_log - the lines of the audit log, segment by segment, from descriptors that the keeper
 * hands out read-only. Process: cli.   Owns: the descriptor and the buffer of the segment that is
 * open (audit_log_close()). Secrets: none: a record never holds one. Limits: AUDIT_LOG_LINE_MAX
 * bytes a line; a longer one is an error. Failure: an exit code with the message on stderr.
 */
#ifndef CLI_AUDIT_LOG_H
#define CLI_AUDIT_LOG_H

#include <sys/types.h>

#include "cli/link.h"
#include "common/buf.h"

#define AUDIT_LOG_LINE_MAX 16384
#define AUDIT_LOG_TEXT_MAX 65536 /* bytes read ahead */

struct audit_log {
	struct link link;
	int fd;			  /* -1: nothing is open, or the segment is missing */
	uint32_t segment, oldest; /* the one that is open; the oldest there is */
	bool newest;
	uint64_t at, end; /* where the next read starts, and where the lines ended last time */
	struct buf text;
	size_t taken;	/* bytes of text that were returned */
	uint64_t seq;	/* of the last record that was returned, over all segments */
	uint64_t until; /* what this one holds from there on the next one repeats; 0: nothing */
	bool ended;	/* it was reached */
};

#define AUDIT_LOG_NONE                                                                             \
	{                                                                                          \
		.link = LINK_NONE, .fd = -1, .text = BUF_MAX(AUDIT_LOG_TEXT_MAX)                   \
	}

/* Connects, and opens that segment; 0: the newest. */
enum cli_exit audit_log_open(const struct cli *c, struct audit_log *l, uint32_t segment) NODISCARD;
/* Another segment over the same connection. */
enum cli_exit audit_log_turn(struct audit_log *l, uint32_t segment) NODISCARD;
void audit_log_close(struct audit_log *l);

/* A record that a later segment repeats, because the disk may not have kept it the first time
 * (audit.h), is given once: from there, where a checkpoint proves it. The next whole line, without
 * its newline, valid until the next call. ERR_EOF: no further one is whole (yet). ERR_LIMIT,
 * ERR_IO. */
enum err audit_log_next(struct audit_log *l, struct span *ret_line) NODISCARD;
/* On stderr, if the segment that is open was removed by somebody: it has no lines. */
void audit_log_warn_missing(const struct audit_log *l);

#endif
