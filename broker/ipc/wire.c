#include "broker/ipc/wire.h"

#include <string.h>

struct wire_reader
wire_read(struct span s)
{
	return (struct wire_reader){ .p = s.p, .left = s.len, .e = ERR_OK };
}

static void
reader_fail(struct wire_reader *r, enum err e)
{
	if (r->e == ERR_OK)
		r->e = e;
	r->left = 0;
}

/* NULL, and the reader has failed, when there are not len bytes left. */
static const uint8_t *
take(struct wire_reader *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->e != ERR_OK || len > r->left) {
		reader_fail(r, ERR_SYNTAX);
		return NULL;
	}
	if (len > 0)
		r->p += len;
	r->left -= len;
	return p;
}

static uint64_t
take_int(struct wire_reader *r, size_t len)
{
	const uint8_t *p = take(r, len);
	uint64_t v = 0;

	for (size_t i = len; p != NULL && i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

uint8_t
wire_u8(struct wire_reader *r)
{
	return (uint8_t)take_int(r, 1);
}

uint16_t
wire_u16(struct wire_reader *r)
{
	return (uint16_t)take_int(r, 2);
}

uint32_t
wire_u32(struct wire_reader *r)
{
	return (uint32_t)take_int(r, 4);
}

uint64_t
wire_u64(struct wire_reader *r)
{
	return take_int(r, 8);
}

int64_t
wire_i64(struct wire_reader *r)
{
	return (int64_t)take_int(r, 8);
}

bool
wire_bool(struct wire_reader *r)
{
	uint64_t v = take_int(r, 1);

	if (v > 1)
		reader_fail(r, ERR_SYNTAX);
	return v == 1;
}

struct span
wire_fixed(struct wire_reader *r, size_t len)
{
	const uint8_t *p = take(r, len);

	return p == NULL ? SPAN_NONE : span_of(p, len);
}

static struct span
take_counted(struct wire_reader *r, size_t len, size_t max)
{
	if (r->e == ERR_OK && len > max)
		reader_fail(r, ERR_LIMIT);
	return wire_fixed(r, len);
}

struct span
wire_bytes(struct wire_reader *r, size_t max)
{
	return take_counted(r, wire_u16(r), max);
}

struct span
wire_blob(struct wire_reader *r, size_t max)
{
	return take_counted(r, wire_u32(r), max);
}

void
wire_str(struct wire_reader *r, char *dst, size_t size)
{
	struct span s = wire_bytes(r, size - 1);

	if (!span_copy_str(s, dst, size))
		reader_fail(r, ERR_SYNTAX);
}

enum err
wire_done(const struct wire_reader *r)
{
	if (r->e != ERR_OK)
		return r->e;
	return r->left == 0 ? ERR_OK : ERR_SYNTAX;
}

struct wire_writer
wire_write(struct buf *out)
{
	return (struct wire_writer){ .out = out, .e = ERR_OK };
}

void
wire_put_fixed(struct wire_writer *w, const void *p, size_t len)
{
	if (w->e == ERR_OK)
		w->e = buf_append(w->out, p, len);
}

static void
put_int(struct wire_writer *w, uint64_t v, size_t len)
{
	uint8_t b[8];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	wire_put_fixed(w, b, len);
}

void
wire_put_u8(struct wire_writer *w, uint8_t v)
{
	put_int(w, v, 1);
}

void
wire_put_u16(struct wire_writer *w, uint16_t v)
{
	put_int(w, v, 2);
}

void
wire_put_u32(struct wire_writer *w, uint32_t v)
{
	put_int(w, v, 4);
}

void
wire_put_u64(struct wire_writer *w, uint64_t v)
{
	put_int(w, v, 8);
}

void
wire_put_i64(struct wire_writer *w, int64_t v)
{
	put_int(w, (uint64_t)v, 8);
}

void
wire_put_bool(struct wire_writer *w, bool v)
{
	put_int(w, v, 1);
}

void
wire_put_bytes(struct wire_writer *w, struct span s)
{
	if (s.len > UINT16_MAX && w->e == ERR_OK)
		w->e = ERR_LIMIT;
	put_int(w, s.len, 2);
	wire_put_fixed(w, s.p, s.len);
}

void
wire_put_blob(struct wire_writer *w, struct span s)
{
	if (s.len > UINT32_MAX && w->e == ERR_OK)
		w->e = ERR_LIMIT;
	put_int(w, s.len, 4);
	wire_put_fixed(w, s.p, s.len);
}

void
wire_put_str(struct wire_writer *w, const char *s)
{
	wire_put_bytes(w, span_str(s));
}
