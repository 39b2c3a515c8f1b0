#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

#define BUF_CAP_MIN 256

/* The block starts skip bytes before data. */
static uint8_t *
block(const struct buf *b)
{
	return b->data == NULL ? NULL : b->data - b->skip;
}

static void
slide(struct buf *b)
{
	uint8_t *start = block(b);

	memmove(start, b->data, b->len);
	secret_wipe(start + b->len, b->skip);
	b->data = start;
	b->cap += b->skip;
	b->skip = 0;
}

/* A fresh block and a wiped old one: realloc() would leave a copy behind. */
static enum err
grow(struct buf *b, size_t need)
{
	size_t cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap * 2;
	uint8_t *fresh;

	while (cap < need)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	fresh = malloc(cap);
	if (fresh == NULL)
		return ERR_NOMEM;
	if (b->len > 0)
		memcpy(fresh, b->data, b->len);
	if (b->data != NULL) {
		secret_wipe(b->data, b->len);
		free(block(b));
	}
	b->data = fresh;
	b->cap = cap;
	b->skip = 0;
	return ERR_OK;
}

enum err
buf_reserve(struct buf *b, size_t more)
{
	if (more > b->max || b->len > b->max - more)
		return ERR_LIMIT;
	if (b->len + more <= b->cap)
		return ERR_OK;
	if (b->skip > 0 && b->len + more <= b->cap + b->skip) {
		slide(b);
		return ERR_OK;
	}
	return grow(b, b->len + more);
}

enum err
buf_append(struct buf *b, const void *p, size_t len)
{
	enum err e;

	if (len == 0)
		return ERR_OK;
	e = buf_reserve(b, len);
	if (e != ERR_OK)
		return e;
	memcpy(b->data + b->len, p, len);
	b->len += len;
	return ERR_OK;
}

enum err
buf_append_span(struct buf *b, struct span s)
{
	return buf_append(b, s.p, s.len);
}

enum err
buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

enum err
buf_append_byte(struct buf *b, uint8_t c)
{
	return buf_append(b, &c, 1);
}

enum err
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	enum err e;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	must(len >= 0);
	e = buf_reserve(b, (size_t)len + 1); /* vsnprintf() ends with a NUL that is not content */
	if (e != ERR_OK)
		return e;
	va_start(ap, fmt);
	(void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
	return ERR_OK;
}

uint8_t *
buf_tail(struct buf *b)
{
	return b->data + b->len;
}

size_t
buf_room(const struct buf *b)
{
	return b->cap - b->len;
}

void
buf_added(struct buf *b, size_t len)
{
	must(len <= buf_room(b));
	b->len += len;
}

void
buf_consume(struct buf *b, size_t len)
{
	must(len <= b->len);
	if (len == 0)
		return;
	secret_wipe(b->data, len);
	b->len -= len;
	if (b->len == 0) { /* the common case costs no move */
		b->data = block(b);
		b->cap += b->skip;
		b->skip = 0;
		return;
	}
	b->data += len;
	b->skip += len;
	b->cap -= len;
	if (b->skip > b->len && b->skip > b->cap)
		slide(b);
}

void
buf_truncate(struct buf *b, size_t len)
{
	must(len <= b->len);
	if (len < b->len)
		secret_wipe(b->data + len, b->len - len);
	b->len = len;
}

void
buf_clear(struct buf *b)
{
	buf_consume(b, b->len);
}

void
buf_wipe(struct buf *b)
{
	buf_clear(b);
	free(block(b));
	b->data = NULL;
	b->cap = 0;
	b->skip = 0;
}

struct span
buf_span(const struct buf *b)
{
	return span_of(b->data, b->len);
}
