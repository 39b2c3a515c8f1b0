#include "broker/keeper/audit/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/keeper/audit/reader.h"
#include "broker/keeper/audit/repeat.h"

/* Records since a mark, in order. */
struct run {
	struct audit_mark from;
	struct buf held;
};

struct verify {
	uint8_t public_key[SIGN_PUBLIC_LEN], expected[HASH_LEN];
	bool expects, met;
	char chain[AUDIT_CHAIN_MAX + 1]; /* "": no header was read yet */
	/* now: since the last checkpoint. before: the interval that it ended, because a failed
	 * write may leave a checkpoint which the next segment's header takes back together with the
	 * records around it. */
	struct run now, before;
	struct repeat repeat; /* of the segment before, by this one */
	struct reader reader; /* of this segment */
	struct hole hole;     /* open: it stopped at zeros */
	uint64_t seq;	      /* of the last record read */
	uint32_t segment, previous;
	uint64_t line;
	bool stopped; /* the rest of this segment does not count */
	bool hunted;  /* and what was read of its interval before was judged */
	bool torn, final;
	bool removal_seen, removal_met; /* in this interval; in one that is proven */
	struct verify_result r;
};

enum err
verify_new(const uint8_t public_key[SIGN_PUBLIC_LEN], struct verify **ret_v)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return ERR_NOMEM;
	memcpy(v->public_key, public_key, SIGN_PUBLIC_LEN);
	v->now.held = (struct buf)BUF_MAX(VERIFY_INTERVAL_BYTES_MAX);
	v->before.held = (struct buf)BUF_MAX(VERIFY_INTERVAL_BYTES_MAX);
	v->repeat.lines = (struct buf)BUF_MAX(REPEAT_BYTES_MAX);
	v->hole.bytes = (struct buf)BUF_MAX(VERIFY_INTERVAL_BYTES_MAX);
	v->repeat.hole.bytes = (struct buf)BUF_MAX(VERIFY_INTERVAL_BYTES_MAX);
	*ret_v = v;
	return ERR_OK;
}

void
verify_free(struct verify *v)
{
	if (v == NULL)
		return;
	buf_wipe(&v->now.held);
	buf_wipe(&v->before.held);
	repeat_wipe(&v->repeat);
	hole_wipe(&v->hole);
	reader_close(&v->reader);
	free(v);
}

void
verify_expect(struct verify *v, const uint8_t anchor[HASH_LEN])
{
	memcpy(v->expected, anchor, HASH_LEN);
	v->expects = true;
}

static void
state_bad(struct verify_result *r, const struct held *where, const char *why)
{
	r->bad_segment = where->segment;
	r->bad_line = where->line;
	r->bad_seq = where->seq;
	(void)snprintf(r->why, sizeof(r->why),
	    "segment %08" PRIu32 ", line %" PRIu64 ", record %" PRIu64 ": %s", where->segment,
	    where->line, where->seq, why);
}

/* Remembers the first bad line of a segment; the next header may still explain it. */
static enum err
bad_at(struct verify *v, const struct held *where, const char *why)
{
	if (v->stopped) /* the first one counts */
		return ERR_AUTH;
	v->stopped = true;
	hole_close(&v->hole);
	state_bad(&v->r, where, why);
	return ERR_AUTH;
}

static enum err
bad(struct verify *v, const char *why)
{
	struct held here = { .seq = v->seq + 1, .line = v->line, .segment = v->segment };

	return bad_at(v, &here, why);
}

/* None of ours; zeros in it may be a block that was never written. */
static enum err
bad_bytes(struct verify *v, struct span line, const char *why)
{
	struct held here = { .seq = v->seq + 1, .line = v->line, .segment = v->segment };
	enum err e = ERR_LIMIT;

	(void)bad_at(v, &here, why);
	if (line.len > 0 && memchr(line.p, '\0', line.len) != NULL)
		e = hole_open(&v->hole, &here, v->reader.fd, v->reader.line_at, v->reader.end);
	return e == ERR_OK || e == ERR_LIMIT ? ERR_AUTH : e;
}

static enum err
bad_header(struct verify *v, const char *why)
{
	(void)bad(v, why);
	v->final = true;
	return ERR_AUTH;
}

/* A line of an earlier segment; nothing explains it any more. */
static enum err
bad_copy(struct verify *v, const struct held *where, const char *why)
{
	state_bad(&v->r, where, why);
	v->stopped = v->final = true;
	return ERR_AUTH;
}

static bool
is_signed(const struct verify *v, const struct audit_line *l)
{
	return crypto_ed25519_verify(v->public_key, l->signed_part, l->signature) == ERR_OK;
}

static bool
is_chain(const struct verify *v, const struct audit_line *l)
{
	return span_eq_str(l->chain, v->chain);
}

/* Back to before the last checkpoint; what was read behind it stays in before. */
static void
step_back(struct verify *v)
{
	struct run undone = v->now;

	v->now = v->before;
	v->before = undone;
	v->before.from = v->now.from; /* no second step */
}

/* What a crash leaves at the end of a segment is half a line, or a block that was never written. */
static enum err
check_end(struct verify *v)
{
	struct held due;
	const char *why = repeat_missing(&v->repeat, &due);

	v->final = v->stopped && !v->torn && !hole_is_open(&v->hole);
	if (v->final)
		return ERR_AUTH;
	return why == NULL ? ERR_OK : bad_copy(v, &due, why);
}

static enum err
first_header(struct verify *v, const struct audit_line *l)
{
	must(span_copy_str(l->chain, v->chain, sizeof(v->chain)));
	v->now.from = (struct audit_mark){ .seq = l->seq, .interval = l->interval };
	memcpy(v->now.from.mac, l->mac, HASH_LEN);
	v->before.from = v->now.from;
	v->r.first_seq = l->from_seq;
	v->seq = l->seq;
	return ERR_OK;
}

/* What the lines in front hold from l->from_seq on must come again. */
static enum err
take_back(struct verify *v, const struct audit_line *l)
{
	bool back = l->seq < v->now.from.seq;
	uint8_t mac[HASH_LEN];
	enum err e;

	if (back)
		step_back(v);
	if (l->seq < v->now.from.seq)
		return bad_header(v, "the segment starts over behind a signed checkpoint");
	repeat_clear(&v->repeat);
	memcpy(mac, v->now.from.mac, HASH_LEN);
	e = held_cut(&v->now.held, l->seq, mac, &v->repeat.lines);
	if (e == ERR_OK && back) {
		e = buf_append_span(&v->repeat.lines, buf_span(&v->before.held));
		buf_clear(&v->before.held);
	}
	if (hole_is_open(&v->hole))
		hole_take(&v->repeat.hole, &v->hole);
	v->seq = l->seq;
	if (e == ERR_OK &&
	    (!secret_equal(mac, HASH_LEN, l->mac, HASH_LEN) || l->interval != v->now.from.interval))
		return bad_header(v, "the segment does not continue the one before it");
	return e;
}

static enum err
missing_in_front(struct verify *v, const struct audit_line *l)
{
	char why[160], number[48] = "";

	if (l->segment > v->previous + 1)
		(void)snprintf(
		    number, sizeof(number), ": segment %08u is not here", v->previous + 1);
	(void)snprintf(why, sizeof(why),
	    "records %" PRIu64 " to %" PRIu64 " are missing in front of this segment%s", v->seq + 1,
	    l->from_seq - 1, number);
	return bad_header(v, why);
}

/* A header says from which record on it continues: what the segment before it holds from there on
 * counts no more. */
static enum err
next_header(struct verify *v, const struct audit_line *l)
{
	enum err e = check_end(v);

	if (e != ERR_OK)
		return e;
	if (!is_chain(v, l))
		return bad_header(v, "a segment of another chain");
	if (l->from_seq > v->seq + 1)
		return missing_in_front(v, l);
	return take_back(v, l);
}

static enum err
on_header(struct verify *v, struct span line)
{
	struct audit_line l;
	enum err e;

	if (audit_line_scan(line, &l) != ERR_OK || l.kind != AUDIT_LINE_SEGMENT)
		return bad_header(v, "the first line is no segment header");
	if (!is_signed(v, &l))
		return bad_header(v, "the segment header's signature does not verify");
	if (l.segment != v->segment)
		return bad_header(v, "the header belongs to another segment");
	e = v->chain[0] == '\0' ? first_header(v, &l) : next_header(v, &l);
	if (e != ERR_OK)
		return e;
	v->stopped = v->hunted = false; /* what was bad before is explained */
	v->torn = v->removal_seen = false;
	hole_close(&v->hole);
	v->r.bad_line = v->r.bad_seq = 0;
	v->r.bad_segment = 0;
	v->r.why[0] = '\0';
	return ERR_OK;
}

static enum err
hold(struct verify *v, const struct audit_line *l, struct span line)
{
	struct held h = {
		.seq = l->seq, .line = v->line, .segment = v->segment, .len = (uint32_t)line.len
	};
	enum err e = held_add(&v->now.held, &h, line);

	if (e == ERR_LIMIT)
		return bad(v, "no checkpoint for 64 MiB");
	if (e != ERR_OK)
		return e;
	v->seq = l->seq;
	repeat_meet(&v->repeat, l, line);
	return ERR_OK;
}

/* Retention says up to where it removed, before it does. */
static bool
is_removal_in_front(const struct verify *v, const struct audit_line *l)
{
	return l->kind == AUDIT_LINE_RECORD && span_eq_str(l->event, AUDIT_EVENT_REMOVED) &&
	       audit_line_number(l, "of") + 1 == v->r.first_seq;
}

/* The checkpoint published the key: now every record of its interval can be checked. */
static enum err
prove(struct verify *v, const struct audit_line *checkpoint)
{
	const struct buf *b = &v->now.held;
	uint8_t previous[HASH_LEN];
	size_t at = 0;

	memcpy(previous, v->now.from.mac, HASH_LEN);
	while (at < b->len) {
		struct span line;
		struct held h = held_at(b, at, &line);
		struct audit_line l;

		must(audit_line_scan(line, &l) == ERR_OK);
		if (!audit_line_follows(&l, checkpoint->key, previous)) {
			v->seq =
			    h.seq - 1; /* the last good one: a header behind it explains nothing */
			return bad_at(v, &h, "the record was changed");
		}
		v->removal_seen = v->removal_seen || is_removal_in_front(v, &l);
		memcpy(previous, l.mac, HASH_LEN);
		at += sizeof(h) + h.len;
	}
	return ERR_OK;
}

/* A line was bad before the interval's key was known. It is the first one only if those in front of
 * it are good: the checkpoint that publishes the key may still come. */
static void
hunt(struct verify *v, struct span line)
{
	struct audit_line l;

	if (v->hunted || audit_line_scan(line, &l) != ERR_OK || l.kind != AUDIT_LINE_CHECKPOINT ||
	    l.interval != v->now.from.interval || !is_chain(v, &l) || !is_signed(v, &l))
		return;
	v->hunted = true;
	v->stopped = false; /* so that an earlier one can take its place */
	(void)!prove(v, &l);
	v->stopped = true;
}

static enum err
on_checkpoint(struct verify *v, const struct audit_line *l, struct span line)
{
	struct run done;
	struct held other;
	const char *why;
	enum err e;

	if (!is_signed(v, l))
		return bad(v, "the checkpoint's signature does not verify");
	if (l->interval != v->now.from.interval)
		return bad(v, "the checkpoint is of another interval");
	e = hold(v, l, line);
	v->removal_seen = false;
	v->hunted = true;
	if (e == ERR_OK)
		e = prove(v, l);
	if (e != ERR_OK)
		return e;
	v->hunted = false;
	v->removal_met = v->removal_met || v->removal_seen;
	done = v->now;
	v->now = v->before;
	v->before = done;
	buf_clear(&v->now.held);
	v->now.from = (struct audit_mark){ .seq = l->seq, .interval = l->interval + 1 };
	memcpy(v->now.from.mac, l->mac, HASH_LEN);
	v->met = v->met || (v->expects && secret_equal(l->mac, HASH_LEN, v->expected, HASH_LEN));
	why = repeat_differs(&v->repeat, &other);
	return why == NULL ? ERR_OK : bad_copy(v, &other, why); /* of two copies, this is proven */
}

static enum err
on_record(struct verify *v, struct span line)
{
	struct audit_line l;

	if (audit_line_scan(line, &l) != ERR_OK || l.kind == AUDIT_LINE_SEGMENT)
		return bad_bytes(v, line,
		    line.len > AUDIT_LINE_MAX ? "the line is longer than any of ours"
					      : "the line is none of ours");
	if (!is_chain(v, &l))
		return bad(v, "the record is of another chain");
	if (l.seq != v->seq + 1)
		return bad(v, "records are missing, doubled or out of order");
	return l.kind == AUDIT_LINE_CHECKPOINT ? on_checkpoint(v, &l, line) : hold(v, &l, line);
}

static enum err
on_torn(struct verify *v)
{
	v->torn = v->torn || !v->stopped;
	return bad(v, "the line is half written");
}

static enum err
on_line(struct verify *v, enum read_kind kind, struct span line)
{
	enum err e = ERR_OK;

	v->line++;
	if (kind == READ_TORN)
		e = on_torn(v);
	else if (v->line == 1)
		e = on_header(v, line);
	else if (!v->stopped)
		e = on_record(v, line);
	if (v->line > 1 && v->stopped) /* also by this line, which may be that checkpoint */
		hunt(v, line);
	return e == ERR_AUTH && !v->final ? ERR_OK : e;
}

static enum err
read_lines(struct verify *v)
{
	enum err e = ERR_OK;

	while (e == ERR_OK) {
		enum read_kind kind = READ_END;
		struct span line;

		e = reader_next(&v->reader, &kind, &line);
		if (e == ERR_OK && kind == READ_END)
			break;
		if (e == ERR_OK)
			e = on_line(v, kind, line);
	}
	return e;
}

enum err
verify_segment(struct verify *v, uint32_t segment, int fd)
{
	enum err e;

	if (v->final)
		return ERR_AUTH;
	v->previous = v->segment;
	v->segment = segment;
	v->line = 0;
	e = reader_open(&v->reader, fd);
	if (e == ERR_OK)
		e = read_lines(v); /* what is not final the next header decides, or the end */
	reader_close(&v->reader);
	return e;
}

struct verify_result
verify_end(const struct verify *v)
{
	struct verify_result r = v->r;
	struct held where;
	const char *why = repeat_differs(&v->repeat, &where);

	r.proven_seq = v->now.from.seq;
	r.last_seq = v->seq;
	memcpy(r.anchor, v->now.from.mac, HASH_LEN);
	r.anchor_missing = v->expects && !v->met;
	r.torn = v->torn && v->stopped && !v->final;
	if (r.torn) { /* a crash, or somebody is writing just now: nothing that was there is bad */
		r.bad_line = r.bad_seq = 0;
		r.bad_segment = 0;
	}
	if (why == NULL)
		why = repeat_missing(&v->repeat, &where);
	if (r.bad_line == 0 && why != NULL)
		state_bad(&r, &where, why);
	r.segments_removed =
	    r.bad_line == 0 && v->chain[0] != '\0' && r.first_seq > 1 && !v->removal_met;
	return r;
}
