/*
 * buf - a growable byte buffer with a ceiling, wiped when it grows, shrinks or ends.
 * Process: all.   Owns: its heap block.
 * Secrets: may carry one on its way out; never realloc, so no stale copy stays on the heap.
 * Limits: max bytes, given when it is made; beyond it ERR_LIMIT.
 * Failure: ERR_LIMIT or ERR_NOMEM; the contents are unchanged.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct buf {
	uint8_t *data; /* data[0..len) are the contents */
	size_t len, cap, max;
	size_t skip; /* bytes in front of data that were consumed; internal */
};

#define BUF_MAX(max_len)                                                                           \
	{                                                                                          \
		.data = NULL, .len = 0, .cap = 0, .max = (max_len), .skip = 0                      \
	}

enum err buf_reserve(
    struct buf *b, size_t more) NODISCARD; /* room for more bytes behind data[len) */
enum err buf_append(struct buf *b, const void *p, size_t len) NODISCARD;
enum err buf_append_span(struct buf *b, struct span s) NODISCARD;
enum err buf_append_str(struct buf *b, const char *s) NODISCARD;
enum err buf_append_byte(struct buf *b, uint8_t c) NODISCARD;
enum err buf_printf(struct buf *b, const char *fmt, ...) NODISCARD
    PRINTF(2, 3); /* never for a secret */

/* Room behind the contents, to read into; follow with buf_added(). */
uint8_t *buf_tail(struct buf *b);
size_t buf_room(const struct buf *b);
void buf_added(struct buf *b, size_t len);

void buf_consume(
    struct buf *b, size_t len); /* drops and wipes the first len bytes; amortised O(len) */
void buf_truncate(struct buf *b, size_t len); /* drops and wipes all behind len */
void buf_clear(struct buf *b);		      /* empty, wiped, keeps the block */
void buf_wipe(struct buf *b); /* empty, wiped, block freed; safe twice, usable again */

struct span buf_span(const struct buf *b);

#endif
