#include "broker/keeper/audit/reader.h"

#include <string.h>

#include "broker/keeper/audit/reserve.h"
#include "common/sys.h"

#define READ_BYTES 65536

enum err
reader_open(struct reader *r, int fd)
{
	*r = (struct reader){ .fd = fd, .in = BUF_MAX(READ_BYTES + AUDIT_LINE_MAX) };
	return audit_reserve_find(fd, &r->end);
}

void
reader_close(struct reader *r)
{
	buf_wipe(&r->in);
}

/* ERR_EOF: there is no more. */
static enum err
read_more(struct reader *r)
{
	uint64_t left = r->end - r->at;
	ssize_t n;
	enum err e;

	buf_consume(&r->in, r->taken);
	r->taken = 0;
	e = buf_reserve(&r->in, READ_BYTES);
	if (e != ERR_OK)
		return e;
	n = sys_pread(r->fd, buf_tail(&r->in), left < READ_BYTES ? left : READ_BYTES, (off_t)r->at);
	if (n < 0)
		return ERR_IO;
	buf_added(&r->in, (size_t)n);
	r->at += (uint64_t)n;
	return n == 0 ? ERR_EOF : ERR_OK;
}

/* Up to the newline; false: it is not here yet, and the span is all there is. */
static bool
whole(struct reader *r, struct span *ret_line)
{
	struct span rest = SPAN_NONE;
	const uint8_t *end = NULL;

	if (r->in.len > r->taken) {
		rest = span_of(r->in.data + r->taken, r->in.len - r->taken);
		end = memchr(rest.p, '\n', rest.len);
	}
	r->line_at = r->at - rest.len;
	*ret_line = end == NULL ? rest : span_of(rest.p, (size_t)(end - rest.p));
	r->taken += ret_line->len + (end != NULL);
	return end != NULL;
}

enum err
reader_next(struct reader *r, enum read_kind *ret_kind, struct span *ret_line)
{
	for (;;) {
		enum err e;

		if (whole(r, ret_line)) {
			*ret_kind = READ_LINE;
			if (!r->skip)
				return ERR_OK;
			r->skip = false; /* its end */
			continue;
		}
		if (ret_line->len > AUDIT_LINE_MAX && !r->skip) {
			*ret_kind = READ_LONG;
			r->skip = true;
			return ERR_OK;
		}
		if (!r->skip)
			r->taken -= ret_line->len; /* its end is to come */
		e = read_more(r);
		if (e != ERR_EOF && e != ERR_OK)
			return e;
		if (e == ERR_EOF)
			break;
	}
	*ret_line = buf_span(&r->in);
	*ret_kind = ret_line->len > 0 && !r->skip ? READ_TORN : READ_END;
	r->taken = r->in.len;
	return ERR_OK;
}
