#include "broker/keeper/audit/tail.h"

#include <stdio.h>
#include <string.h>

#include "broker/keeper/audit/reserve.h"
#include "common/sys.h"

#define WINDOW_FIRST ((size_t)1 << 20)
#define HEADER_MAX 4096

/* A part of the segment in memory, and where in it the lines behind the base start. */
struct window {
	struct buf bytes;
	size_t behind;
};

struct why {
	char *text;
	size_t size;
	uint32_t segment;
};

static enum err
broken(const struct why *w, uint64_t seq, const char *what)
{
	(void)snprintf(w->text, w->size,
	    "The audit log is broken in segment %08u at record %llu: %s.", w->segment,
	    (unsigned long long)seq, what);
	return ERR_AUTH;
}

/* Remains of a write that did not end: no newline, or a zero byte (a block that never reached the
 * disk). */
static bool
is_torn(struct span rest)
{
	const uint8_t *end = rest.len == 0 ? NULL : memchr(rest.p, '\n', rest.len);

	return end == NULL || memchr(rest.p, '\0', (size_t)(end - rest.p)) != NULL;
}

static enum err
read_range(int fd, off_t from, size_t len, struct buf *ret)
{
	size_t got = 0;
	enum err e = buf_reserve(ret, len + 1);

	if (e != ERR_OK)
		return e;
	while (got < len) {
		ssize_t n = sys_pread(fd, buf_tail(ret), len - got, from + (off_t)got);

		if (n < 0)
			return ERR_IO;
		if (n == 0)
			break;
		buf_added(ret, (size_t)n);
		got += (size_t)n;
	}
	return ERR_OK;
}

/* The line at the front of s without its newline; false if there is no whole one. */
static bool
first_line(struct span s, struct span *ret_line)
{
	const uint8_t *end = s.len == 0 ? NULL : memchr(s.p, '\n', s.len);

	if (end == NULL)
		return false;
	*ret_line = span_of(s.p, (size_t)(end - s.p));
	return true;
}

static bool
is_signed(const struct audit_line *l, const struct audit_chain *c)
{
	return crypto_ed25519_verify(c->public_key, l->signed_part, l->signature) == ERR_OK;
}

static enum err
resume_at(struct audit_chain *c, const struct audit_line *l, uint64_t seq, uint64_t interval)
{
	struct audit_mark mark = { .seq = seq, .interval = interval };

	memcpy(mark.mac, l->mac, HASH_LEN);
	return audit_chain_resume(c, &mark, l->revision, l->time_ms);
}

/* ERR_NOT_FOUND: the header never got to the disk. The spans of *ret_l are gone with the buffer. */
static enum err
read_header(int fd, const struct audit_chain *c, const struct why *w, struct audit_line *ret_l,
    size_t *ret_len)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(HEADER_MAX + 1);
	struct span line = SPAN_NONE;
	enum err e = read_range(fd, 0, HEADER_MAX, &b);

	if (e != ERR_OK)
		return e;
	if (is_torn(buf_span(&b)))
		return b.len < HEADER_MAX || memchr(b.data, '\0', b.len) != NULL
			   ? ERR_NOT_FOUND
			   : broken(w, 0, "it has no header");
	(void)first_line(buf_span(&b), &line);
	if (audit_line_scan(line, ret_l) != ERR_OK || ret_l->kind != AUDIT_LINE_SEGMENT)
		return broken(w, 0, "its first line is no header");
	if (!is_signed(ret_l, c) || ret_l->segment != w->segment ||
	    !span_eq_str(ret_l->chain, AUDIT_CHAIN_ID))
		return broken(w, ret_l->from_seq, "its header is not ours or of another segment");
	*ret_len = line.len + 1;
	return ERR_OK;
}

static enum err
take_header(int fd, struct audit_chain *c, const struct why *w, size_t *ret_len)
{
	struct audit_line l;
	enum err e = read_header(fd, c, w, &l, ret_len);

	return e == ERR_OK ? resume_at(c, &l, l.seq, l.interval) : e;
}

uint64_t
audit_tail_next_from(const struct audit_segments *s, const struct audit_chain *c, uint32_t number)
{
	for (uint32_t next = number + 1; next <= s->newest; next++) {
		AUTO(sys_closep) int fd = -1;
		char text[160];
		struct why w = { .text = text, .size = sizeof(text), .segment = next };
		struct audit_line l;
		size_t len;
		enum err e = audit_segments_read(s, next, &fd);

		if (e == ERR_OK)
			e = read_header(fd, c, &w, &l, &len);
		if (e == ERR_OK)
			return l.from_seq;
		if (e != ERR_NOT_FOUND)
			return 0;
	}
	return 0;
}

/* The last whole line of b that reads as a checkpoint. */
static bool
last_checkpoint(struct span b, struct audit_line *ret_l, size_t *ret_behind)
{
	struct span line;
	size_t at = 0;
	bool found = false;

	while (first_line(span_of(b.p + at, b.len - at), &line)) {
		struct audit_line l;

		at += line.len + 1;
		if (memchr(line.p, '\0', line.len) != NULL)
			break; /* a block that never reached the disk: what is behind it was never
				  said */
		if (audit_line_scan(line, &l) != ERR_OK || l.kind != AUDIT_LINE_CHECKPOINT)
			continue;
		*ret_l = l;
		*ret_behind = at;
		found = true;
	}
	return found;
}

/* Reads back from the end until a checkpoint is in the window, or the header. */
static enum err
find_base(int fd, struct audit_chain *c, const struct why *w, size_t header_len, struct window *win)
{
	struct audit_line l;
	uint64_t size;

	if (audit_reserve_find(fd, &size) != ERR_OK)
		return ERR_IO;
	for (size_t len = WINDOW_FIRST;; len *= 4) {
		size_t from = size > header_len + len ? size - len : header_len;
		enum err e;

		buf_clear(&win->bytes);
		e = read_range(fd, (off_t)from, size - from, &win->bytes);
		if (e == ERR_LIMIT)
			return broken(w, 0, "no checkpoint in the last 64 MiB");
		if (e != ERR_OK)
			return e;
		if (last_checkpoint(buf_span(&win->bytes), &l, &win->behind)) {
			if (!is_signed(&l, c))
				return broken(w, l.seq, "a checkpoint's signature does not verify");
			return resume_at(c, &l, l.seq, l.interval + 1);
		}
		win->behind = 0;
		if (from == header_len)
			return ERR_OK; /* the header is the base */
	}
}

static enum err
check_line(struct audit_chain *c, struct span line, const struct why *w)
{
	struct audit_line l;
	uint64_t due = c->at.seq + 1;

	if (audit_line_scan(line, &l) != ERR_OK || l.kind != AUDIT_LINE_RECORD)
		return broken(w, due, "the line is none of ours");
	if (l.seq != due || !span_eq_str(l.chain, AUDIT_CHAIN_ID))
		return broken(w, due, "records are missing, doubled or out of order");
	if (!audit_line_follows(&l, secret_span(c->interval_key).p, c->at.mac))
		return broken(w, due, "the record was changed");
	audit_chain_accept(c, &l, line.len + 1);
	return ERR_OK;
}

static enum err
check_lines(struct audit_chain *c, struct span rest, const struct why *w, struct audit_tail *t)
{
	while (rest.len > 0 && !is_torn(rest)) {
		struct span line = SPAN_NONE;
		enum err e;

		(void)first_line(rest, &line);
		e = check_line(c, line, w);
		if (e == ERR_OK)
			e = buf_append(&t->lines, line.p, line.len + 1);
		if (e != ERR_OK)
			return e;
		rest = span_of(rest.p + line.len + 1, rest.len - line.len - 1);
	}
	t->lost = rest.len;
	return ERR_OK;
}

static enum err
load_segment(int fd, struct audit_chain *c, const struct why *w, struct audit_tail *t)
{
	struct window win = { .bytes = BUF_MAX(TAIL_BYTES_MAX) };
	size_t header_len;
	enum err e = take_header(fd, c, w, &header_len);

	if (e != ERR_OK)
		return e;
	e = find_base(fd, c, w, header_len, &win);
	if (e == ERR_OK) {
		struct span all = buf_span(&win.bytes);

		t->base = c->at;
		e = check_lines(c, span_of(all.p + win.behind, all.len - win.behind), w, t);
	}
	buf_wipe(&win.bytes);
	return e;
}

enum err
audit_tail_load(const struct audit_segments *s, struct audit_chain *c, struct audit_tail *t,
    char *why, size_t why_size)
{
	for (uint32_t number = s->newest; number >= s->oldest; number--) {
		AUTO(sys_closep) int fd = -1;
		struct why w = { .text = why, .size = why_size, .segment = number };
		enum err e = audit_segments_read(s, number, &fd);

		if (e == ERR_OK)
			e = load_segment(fd, c, &w, t);
		if (e == ERR_NOT_FOUND)
			continue; /* the crash came before its header, or it is missing */
		t->segment = number;
		return e;
	}
	return ERR_NOT_FOUND;
}
