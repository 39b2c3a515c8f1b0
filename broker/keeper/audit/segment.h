/*
 * segment - the files of an audit log: NNNNNNNN.jsonl in one directory; a line is
 *   written once, at the end or over the reserve of zeros there.
 * Process: keeper.   Owns: descriptors of the directory and of the newest segment.
 * Secrets: none.
 * Limits: bytes_max for all; AUDIT_SEGMENT_MAX numbers; AUDIT_MISSING_MAX between them, since all
 *   numbers are walked.
 * Failure: ERR_IO; a segment that could not be made is removed again, the one in use stays.
 */
#ifndef AUDIT_SEGMENT_H
#define AUDIT_SEGMENT_H

#include <limits.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

#define AUDIT_SEGMENT_MAX 99999999u
/* so many numbers without a file are somebody's deed; with more, a file is not ours */
#define AUDIT_MISSING_MAX 1000u
#define AUDIT_SEGMENT_BYTES_MIN (64u << 10)
#define AUDIT_SEGMENT_NAME_SIZE 16 /* "00000001.jsonl" and NUL */

struct audit_segments {
	char dir[PATH_MAX];
	int dir_fd, fd;		 /* fd: the newest, for appending; -1: none is open */
	uint32_t oldest, newest; /* 0: there is none */
	uint32_t missing;	 /* numbers in between without a file, at the start */
	uint64_t size, total;	 /* bytes of the newest's lines, and of all files */
	uint64_t length;	 /* of the newest's file, with its reserve */
	uint64_t bytes_max;
};

void audit_segment_name(uint32_t number, char ret_name[AUDIT_SEGMENT_NAME_SIZE]);

/* Makes the directory if it is not there, checks its modes and those of all segments, opens none.
 * ERR_AUTH: a file's number is too far from the others. */
enum err audit_segments_open(struct audit_segments *s, const char *dir, uint64_t bytes_max,
    char *why, size_t why_size) NODISCARD;
void audit_segments_close(struct audit_segments *s);

/* ERR_NOT_FOUND: there is none. */
enum err audit_segments_read(
    const struct audit_segments *s, uint32_t number, int *ret_fd) NODISCARD;
/* opens the newest for appending */
enum err audit_segments_continue(struct audit_segments *s) NODISCARD;
/* one write, one fdatasync */
enum err audit_segments_append(struct audit_segments *s, struct span lines) NODISCARD;
/* The next number, durable with its contents and its name; then it is the newest. */
enum err audit_segments_next(struct audit_segments *s, struct span contents) NODISCARD;
/* The last of those that must go, oldest first, for the total to fit into bytes_max; never the
 * newest. 0: none. */
uint32_t audit_segments_surplus(const struct audit_segments *s);
/* Removes all up to last. */
enum err audit_segments_remove(struct audit_segments *s, uint32_t last) NODISCARD;

/* the newest, with more bytes */
bool audit_segments_full(const struct audit_segments *s, size_t more);
/* They make its file longer: look first whether it was moved, or a cut would be made good by it. */
bool audit_segments_grow(const struct audit_segments *s, size_t more);
/* the newest is not where its name says, or not as long as we made it */
bool audit_segments_moved(const struct audit_segments *s);

#endif
