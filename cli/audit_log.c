#include "cli/audit_log.h"

#include <string.h>

#include "broker/keeper/audit/line.h"
#include "broker/keeper/audit/reserve.h"
#include "common/sys.h"

enum cli_exit
audit_log_turn(struct audit_log *l, uint32_t segment)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(64);
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	struct wire_writer w = link_begin(&l->link, &body);
	struct wire_reader r;
	enum cli_exit x;

	wire_put_u32(&w, segment);
	x = link_ask(&l->link, CK_AUDIT_OPEN, &w, &reply);
	if (x != CLI_OK)
		return x;
	r = wire_read(buf_span(&reply.body));
	if (segment <= l->segment)
		l->seq = 0; /* back, to read forward from there */
	l->segment = wire_u32(&r);
	l->newest = wire_bool(&r);
	l->oldest = wire_u32(&r);
	l->until = wire_u64(&r);
	l->ended = false;
	if (link_done(&r) != CLI_OK)
		return CLI_FAILED;
	sys_close(l->fd);
	l->fd = reply.fd;
	reply.fd = -1; /* given away */
	l->at = l->end = 0;
	l->taken = 0;
	buf_clear(&l->text);
	return CLI_OK;
}

enum cli_exit
audit_log_open(const struct cli *c, struct audit_log *l, uint32_t segment)
{
	enum cli_exit x = link_open(c, &l->link);

	return x == CLI_OK ? audit_log_turn(l, segment) : x;
}

void
audit_log_close(struct audit_log *l)
{
	sys_closep(&l->fd);
	buf_wipe(&l->text);
	link_close(&l->link);
}

/* The place is read and not the descriptor's own offset, which the keeper shares. */
static enum err
read_more(struct audit_log *l)
{
	enum err e;
	ssize_t n;

	if (l->fd < 0)
		return ERR_EOF;
	buf_consume(&l->text, l->taken);
	l->taken = 0;
	e = buf_reserve(&l->text, AUDIT_LOG_LINE_MAX);
	if (e != ERR_OK)
		return e;
	if (l->at >= l->end)
		e = audit_reserve_find(l->fd, &l->end); /* again: it may have grown */
	if (e != ERR_OK || l->at >= l->end)
		return e == ERR_OK ? ERR_EOF : e;
	n = sys_pread(l->fd, buf_tail(&l->text),
	    l->end - l->at < AUDIT_LOG_LINE_MAX ? l->end - l->at : AUDIT_LOG_LINE_MAX,
	    (off_t)l->at);
	if (n < 0)
		return ERR_IO;
	if (n == 0)
		return ERR_EOF;
	buf_added(&l->text, (size_t)n);
	l->at += (uint64_t)n;
	return ERR_OK;
}

static enum err
next_line(struct audit_log *l, struct span *ret_line)
{
	for (;;) {
		struct span rest = SPAN_NONE;
		const uint8_t *end = NULL;
		enum err e;

		if (l->text.len > l->taken) {
			rest = span_of(l->text.data + l->taken, l->text.len - l->taken);
			end = memchr(rest.p, '\n', rest.len);
		}
		if (end != NULL) {
			*ret_line = span_of(rest.p, (size_t)(end - rest.p));
			l->taken += ret_line->len + 1;
			return ERR_OK;
		}
		if (rest.len > AUDIT_LOG_LINE_MAX)
			return ERR_LIMIT;
		e = read_more(l);
		if (e != ERR_OK)
			return e;
	}
}

/* What cannot be scanned is given as it is: that is for the verifier to judge. */
static bool
counts(struct audit_log *l, struct span line)
{
	struct audit_line a;

	if (l->ended || audit_line_scan(line, &a) != ERR_OK)
		return !l->ended;
	l->ended = l->until > 0 && a.seq + 1 >= l->until; /* a header has the one in front */
	if (a.kind == AUDIT_LINE_SEGMENT)
		return true;
	if ((l->until > 0 && a.seq >= l->until) || a.seq <= l->seq)
		return false;
	l->seq = a.seq;
	return true;
}

enum err
audit_log_next(struct audit_log *l, struct span *ret_line)
{
	enum err e;

	do { /* what stands behind the end is a crash's, and may be no lines */
		e = l->ended ? ERR_EOF : next_line(l, ret_line);
	} while (e == ERR_OK && !counts(l, *ret_line));
	return e;
}

void
audit_log_warn_missing(const struct audit_log *l)
{
	if (l->fd < 0)
		cli_warn("audit segment %08u is missing; going on behind it", l->segment);
}
