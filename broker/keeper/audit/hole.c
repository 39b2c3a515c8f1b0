#include "broker/keeper/audit/hole.h"

#include "common/sys.h"

#define READ_BYTES 65536

void
hole_close(struct hole *h)
{
	h->at.seq = 0;
	h->met = 0;
	buf_clear(&h->bytes);
}

void
hole_wipe(struct hole *h)
{
	buf_wipe(&h->bytes);
}

bool
hole_is_open(const struct hole *h)
{
	return h->at.seq > 0;
}

enum err
hole_open(struct hole *h, const struct held *at, int fd, uint64_t from, uint64_t end)
{
	hole_close(h);
	while (from < end) {
		uint64_t left = end - from;
		enum err e = buf_reserve(&h->bytes, READ_BYTES);
		ssize_t n;

		if (e != ERR_OK)
			return e;
		n = sys_pread(
		    fd, buf_tail(&h->bytes), left < READ_BYTES ? left : READ_BYTES, (off_t)from);
		if (n <= 0)
			return ERR_IO;
		buf_added(&h->bytes, (size_t)n);
		from += (uint64_t)n;
	}
	h->at = *at;
	return ERR_OK;
}

void
hole_take(struct hole *h, struct hole *from)
{
	struct buf empty = h->bytes;

	h->at = from->at;
	h->met = 0;
	h->bytes = from->bytes;
	from->bytes = empty;
	hole_close(from);
}

/* Where byte i stands. */
static struct held
place_of(const struct hole *h, size_t i, uint64_t seq)
{
	struct held where = { .seq = seq, .line = h->at.line, .segment = h->at.segment };

	for (size_t n = 0; n < i; n++)
		where.line += h->bytes.data[n] == '\n';
	return where;
}

static bool
differs(const struct hole *h, size_t i, uint8_t c)
{
	return i < h->bytes.len && h->bytes.data[i] != 0 && h->bytes.data[i] != c;
}

bool
hole_meet(struct hole *h, const struct audit_line *l, struct span line, struct held *ret_where)
{
	bool cut = span_eq_str(l->event, AUDIT_EVENT_CUT), same;
	size_t i = 0, at = h->met;

	if (!hole_is_open(h) || l->seq < h->at.seq)
		return true;
	while (!cut && i < line.len && !differs(h, at + i, line.p[i]))
		i++;
	same = cut ? audit_line_number(l, "count") == h->bytes.len - at
		   : i == line.len && !differs(h, at + i, '\n');
	h->met += line.len + 1;
	if (!same)
		*ret_where = place_of(h, at + i, l->seq);
	if (!same || cut || h->met >= h->bytes.len)
		hole_close(h);
	return same;
}
