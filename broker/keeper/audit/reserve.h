/*
 * reserve - zeros behind the last line of a segment: a line that is written over them changes no
 *   length and needs no block, so its fdatasync(2) waits for one write, not for three.
 * Process: keeper, and whoever reads segments.   Owns: nothing.
 * Secrets: none.   Limits: AUDIT_RESERVE_BYTES at a time.
 * Failure: ERR_IO; a segment without a reserve is slower and nothing else.
 */
#ifndef AUDIT_RESERVE_H
#define AUDIT_RESERVE_H

#include <stdint.h>

#include "common/err.h"

#define AUDIT_RESERVE_BYTES (256u << 10)

/* Writes zeros from from to to. */
enum err audit_reserve_write(int fd, uint64_t from, uint64_t to) NODISCARD;
/* Where the lines end: behind the last byte that is not zero. */
enum err audit_reserve_find(int fd, uint64_t *ret_end) NODISCARD;

#endif
