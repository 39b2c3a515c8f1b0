#include "broker/keeper/audit/held.h"

#include <string.h>

enum err
held_add(struct buf *b, const struct held *h, struct span line)
{
	enum err e = buf_reserve(b, sizeof(*h) + line.len);

	if (e == ERR_OK)
		e = buf_append(b, h, sizeof(*h));
	return e == ERR_OK ? buf_append_span(b, line) : e;
}

struct held
held_at(const struct buf *b, size_t at, struct span *ret_line)
{
	struct held h;

	must(at + sizeof(h) <= b->len);
	memcpy(&h, b->data + at, sizeof(h));
	must(h.len <= b->len - at - sizeof(h));
	*ret_line = span_of(b->data + at + sizeof(h), h.len);
	return h;
}

enum err
held_cut(struct buf *b, uint64_t seq, uint8_t mac[HASH_LEN], struct buf *behind)
{
	size_t at = 0;
	enum err e = ERR_OK;

	while (at < b->len) {
		struct span line;
		struct held h = held_at(b, at, &line);
		struct audit_line l;

		if (h.seq > seq)
			break;
		must(audit_line_scan(line, &l) == ERR_OK);
		memcpy(mac, l.mac, HASH_LEN);
		at += sizeof(h) + h.len;
	}
	if (at < b->len)
		e = buf_append(behind, b->data + at, b->len - at);
	buf_truncate(b, at);
	return e;
}
