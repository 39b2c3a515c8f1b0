#include "broker/keeper/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/keeper/audit/chain.h"
#include "broker/keeper/audit/segment.h"
#include "broker/keeper/audit/tail.h"
#include "common/log.h"

#define SEGMENT_CONTENTS_MAX (AUDIT_PENDING_MAX + TAIL_BYTES_MAX + AUDIT_LINE_MAX)

struct audit {
	struct audit_chain chain;
	struct audit_segments segments;
	struct buf pending;	   /* whole lines, not yet durable */
	struct audit_mark durable; /* behind the last line that is */
	bool failing;		   /* the newest segment's end is not known: only a new one helps */
	enum err (*end_interval)(const struct audit_mark *mark, uint64_t *ret_revision, void *arg);
	void *arg;
	bool put_off; /* the store did not take an interval's end */
};

static void
audit_freep(struct audit **a)
{
	if (*a == NULL)
		return;
	audit_segments_close(&(*a)->segments);
	audit_chain_close(&(*a)->chain);
	buf_wipe(&(*a)->pending);
	free(*a);
	*a = NULL;
}

/* A record that the log writes about itself. */
static enum err
note(struct audit *a, const char *event, uint32_t segment, uint64_t count, int64_t now_s)
{
	char detail[32] = "";
	struct audit_record r = { .event = event,
		.count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count };

	if (segment > 0)
		(void)snprintf(detail, sizeof(detail), "segment %08u", segment);
	r.detail = span_str(detail);
	return audit_chain_record(&a->chain, &r, a->chain.revision, now_s * 1000, &a->pending);
}

/* Everything that was appended is on disk. */
static void
settle(struct audit *a)
{
	a->durable = a->chain.at;
	buf_clear(&a->pending);
}

static enum err
write_pending(struct audit *a)
{
	if (a->pending.len > 0 &&
	    audit_segments_append(&a->segments, buf_span(&a->pending)) != ERR_OK) {
		a->failing = true;
		return ERR_IO;
	}
	settle(a);
	return ERR_OK;
}

/* ERR_IO: not written (failing), or the store is broken. Others: the store did not take it now. */
static enum err
checkpoint(struct audit *a, int64_t now_s)
{
	uint64_t revision = 0;
	enum err e = write_pending(a); /* what the store is told of must not be lost any more */

	if (e == ERR_OK)
		e = audit_chain_ready(&a->chain, &a->pending);
	if (e == ERR_OK && a->end_interval != NULL)
		e = a->end_interval(&a->chain.at, &revision, a->arg);
	if (e != ERR_OK)
		return e;
	audit_chain_revision(&a->chain, revision, now_s);
	must(audit_chain_checkpoint(&a->chain, now_s, &a->pending) == ERR_OK);
	a->put_off = false;
	return write_pending(a);
}

/* The records are durable all the same, and the next sync tries again. */
static enum err
put_off(struct audit *a, enum err why)
{
	if (!a->put_off)
		log_error(
		    "audit: no checkpoint as long as the store takes nothing: %s", err_name(why));
	a->put_off = true;
	return a->chain.interval_bytes > AUDIT_INTERVAL_BYTES_MAX ? ERR_IO : ERR_OK;
}

/* Recorded, and the record proven by a checkpoint, before it happens: a reader demands that of a
 * log that does not begin at its beginning. A crash in between leaves segments that go the next
 * time. */
static enum err
retire(struct audit *a, int64_t now_s)
{
	uint32_t last = audit_segments_surplus(&a->segments);
	char detail[32];
	struct audit_record r = { .event = AUDIT_EVENT_REMOVED };
	uint64_t from;
	enum err e;

	if (last == 0)
		return ERR_OK;
	(void)snprintf(detail, sizeof(detail), "segment %08u", last);
	r.detail = span_str(detail);
	from = audit_tail_next_from(&a->segments, &a->chain, last);
	r.of = from > 0 ? from - 1 : 0;
	e = audit_chain_record(&a->chain, &r, a->chain.revision, now_s * 1000, &a->pending);
	if (e == ERR_OK)
		e = checkpoint(a, now_s);
	return e == ERR_OK ? audit_segments_remove(&a->segments, last) : e;
}

/* A new segment with all that is pending. Nothing has changed when it fails. */
static enum err
begin_segment(struct audit *a, int64_t now_s)
{
	AUTO(buf_wipe) struct buf contents = BUF_MAX(SEGMENT_CONTENTS_MAX);
	enum err e =
	    audit_chain_header(&a->chain, a->segments.newest + 1, &a->durable, now_s, &contents);

	if (e == ERR_OK)
		e = buf_append_span(&contents, buf_span(&a->pending));
	if (e == ERR_OK)
		e = audit_segments_next(&a->segments, buf_span(&contents));
	if (e != ERR_OK) {
		a->failing = true;
		return e;
	}
	settle(a);
	a->failing = false;
	if (retire(a, now_s) != ERR_OK) /* the next segment tries again */
		log_warn("audit: the oldest segment cannot be removed");
	return ERR_OK;
}

/* What audit_open() was given. */
struct opening {
	const struct audit_settings *settings;
	const struct keyring *keyring;
	uint64_t min_seq;
	int64_t now_s;
	char *why;
	size_t why_size;
};

static enum err
check_floor(const struct audit *a, const struct opening *o)
{
	uint64_t revision = o->settings->revision;

	if (a->chain.at.seq < o->min_seq) {
		(void)snprintf(o->why, o->why_size,
		    "The audit log ends at record %" PRIu64
		    ", but the store has seen record %" PRIu64 ": it was truncated or rolled back.",
		    a->chain.at.seq, o->min_seq);
		return ERR_AUTH;
	}
	if (revision != 0 && a->chain.revision > revision) {
		(void)snprintf(o->why, o->why_size,
		    "The audit log knows store revision %" PRIu64 ", but the store is at %" PRIu64
		    ": the store was rolled back.",
		    a->chain.revision, revision);
		return ERR_AUTH;
	}
	return ERR_OK;
}

/* Under a key that may be published the keeper's own records alone count: up to where the store was
 * told that the interval ends. */
static enum err
check_ended(const struct audit *a, const struct audit_tail *t, const struct opening *o)
{
	const struct audit_mark *ended = &o->settings->ended, *at = &a->chain.at;

	if (t->base.interval > ended->interval)
		return ERR_OK;
	if (t->base.interval == ended->interval && at->seq == ended->seq &&
	    secret_equal(at->mac, HASH_LEN, ended->mac, HASH_LEN))
		return ERR_OK; /* a crash took the checkpoint itself */
	(void)snprintf(o->why, o->why_size,
	    "The audit log has no checkpoint behind record %" PRIu64 ", but the store knows of one "
	    "behind record %" PRIu64 ": its end was cut or written anew.",
	    t->base.seq, ended->seq);
	return ERR_AUTH;
}

static void
tail_wipe(struct audit_tail *t)
{
	buf_wipe(&t->lines);
}

/* Nothing is behind the last checkpoint or header, which stands in the newest segment: a clean end.
 */
static bool
ended_clean(const struct audit *a, const struct audit_tail *t)
{
	return a->segments.newest > 0 && t->segment == a->segments.newest && t->lines.len == 0 &&
	       t->lost == 0;
}

/* After the tail was verified: goes on in the newest segment, or in a new one with the tail. */
static enum err
resume(struct audit *a, const struct audit_tail *t, const struct opening *o)
{
	bool owed = t->base.interval == o->settings->ended.interval; /* the checkpoint */
	int64_t now_s = o->now_s;
	enum err e = ERR_OK;

	a->durable = t->base;
	/* Opened in any case: the next one gives back the reserve that a kill left in it. */
	if ((a->segments.newest > 0 && audit_segments_continue(&a->segments) != ERR_OK) ||
	    !ended_clean(a, t) || owed)
		a->failing = true; /* until the new segment is there */
	e = buf_append_span(&a->pending, buf_span(&t->lines));
	if (e == ERR_OK && t->lost > 0)
		e = note(a, AUDIT_EVENT_CUT, t->segment, t->lost, now_s);
	if (e == ERR_OK && a->segments.missing > 0)
		e = note(a, "audit_missing", 0, a->segments.missing, now_s);
	if (e == ERR_OK && owed) /* in one piece with what stands in front of it */
		e = audit_chain_checkpoint(&a->chain, now_s, &a->pending);
	if (e == ERR_OK)
		e = audit_recover(a, now_s);
	return e == ERR_IO ? ERR_OK : e; /* a full disk: audit_recover() will do it */
}

static enum err
open_in(struct audit *a, const struct opening *o)
{
	AUTO(tail_wipe) struct audit_tail t = { .lines = BUF_MAX(TAIL_BYTES_MAX) };
	const struct audit_settings *s = o->settings;
	enum err e = audit_chain_init(&a->chain, o->keyring);

	if (e == ERR_OK)
		e = audit_segments_open(&a->segments, s->dir, s->bytes_max, o->why, o->why_size);
	if (e != ERR_OK)
		return e;
	t.base = a->chain.at;
	if (a->segments.newest > 0)
		e = audit_tail_load(&a->segments, &a->chain, &t, o->why, o->why_size);
	if (e == ERR_NOT_FOUND)
		e = ERR_OK; /* nothing but headers that a crash cut: as if there were none */
	if (e == ERR_OK)
		e = check_floor(a, o);
	if (e == ERR_OK)
		e = check_ended(a, &t, o);
	return e == ERR_OK ? resume(a, &t, o) : e;
}

enum err
audit_open(const struct audit_settings *s, const struct keyring *k, uint64_t min_seq, int64_t now_s,
    struct audit **ret_a, char *ret_why, size_t why_size)
{
	AUTO(audit_freep) struct audit *a = calloc(1, sizeof(*a));
	struct opening o = { s, k, min_seq, now_s, ret_why, why_size };
	enum err e;

	ret_why[0] = '\0';
	if (a == NULL) {
		(void)snprintf(ret_why, why_size, "There is no memory to open the audit log in.");
		return ERR_NOMEM;
	}
	a->segments.fd = a->segments.dir_fd = -1;
	a->end_interval = s->end_interval;
	a->arg = s->arg;
	a->pending = (struct buf)BUF_MAX(AUDIT_PENDING_MAX + TAIL_BYTES_MAX);
	e = open_in(a, &o);
	if (e != ERR_OK) {
		if (ret_why[0] == '\0')
			(void)snprintf(
			    ret_why, why_size, "%s cannot be opened: %s.", s->dir, err_name(e));
		return e;
	}
	*ret_a = a;
	a = NULL; /* given away */
	return ERR_OK;
}

void
audit_close(struct audit *a, int64_t now_s)
{
	if (a == NULL)
		return;
	if (audit_reopen(a, now_s) != ERR_OK)
		log_warn("audit: no new segment at the end");
	if (audit_sync(a, now_s) != ERR_OK && audit_recover(a, now_s) != ERR_OK)
		log_error("audit: the last records could not be written");
	else if ((a->chain.interval_records > 0 || audit_chain_untold(&a->chain)) &&
		 checkpoint(a, now_s) != ERR_OK)
		log_warn("audit: no checkpoint at the end");
	audit_freep(&a);
}

enum err
audit_append(struct audit *a, const struct audit_record *r, uint64_t revision, int64_t now_ms,
    uint64_t *ret_seq)
{
	size_t before = a->pending.len;
	enum err e;

	/* Only the log itself signs, and an event is a word of our own. */
	must(strcmp(r->event, AUDIT_EVENT_CHECKPOINT) != 0);
	must(strcmp(r->event, AUDIT_EVENT_REMOVED) != 0);
	must(strcmp(r->event, AUDIT_EVENT_SEGMENT) != 0 && strlen(r->event) <= AUDIT_EVENT_MAX);
	if (before > AUDIT_PENDING_MAX - AUDIT_LINE_MAX)
		return ERR_LIMIT;
	e = audit_chain_record(&a->chain, r, revision, now_ms, &a->pending);
	if (e != ERR_OK)
		return e;
	if (r->quota != NULL)
		quota_add(r->quota, a->pending.len - before, now_ms);
	*ret_seq = a->chain.at.seq;
	return ERR_OK;
}

void
audit_revision(struct audit *a, uint64_t revision, int64_t now_s)
{
	audit_chain_revision(&a->chain, revision, now_s);
}

enum err
audit_tell_revision(struct audit *a, int64_t now_s)
{
	audit_chain_hurry(&a->chain);
	return audit_sync(a, now_s);
}

/*
 * At most one checkpoint is ever pending, and it is the last line of its batch: a verifier that met
 * it in the remains of a failed write has to step back by one interval only.
 */
enum err
audit_sync(struct audit *a, int64_t now_s)
{
	bool full = audit_segments_full(&a->segments, a->pending.len);
	bool due = audit_chain_due(&a->chain, now_s) || (full && a->chain.interval_records > 0);
	enum err e = ERR_OK;

	if (a->failing)
		return ERR_IO;
	if ((due || audit_segments_grow(&a->segments, a->pending.len)) &&
	    audit_segments_moved(&a->segments))
		return audit_reopen(a, now_s);
	e = write_pending(a);
	if (e == ERR_OK && due)
		e = checkpoint(a, now_s);
	if (e != ERR_OK && !a->failing)
		e = put_off(a, e);
	if (e != ERR_OK)
		return e;
	if (full &&
	    begin_segment(a, now_s) != ERR_OK) /* what was appended is durable all the same */
		log_error("audit: no new segment can be begun");
	return ERR_OK;
}

enum err
audit_recover(struct audit *a, int64_t now_s)
{
	return a->failing ? begin_segment(a, now_s) : ERR_OK;
}

enum err
audit_reopen(struct audit *a, int64_t now_s)
{
	enum err e;

	if (a->failing || !audit_segments_moved(&a->segments))
		return a->failing ? ERR_IO : ERR_OK;
	log_error("audit: segment %08u was moved or removed; going on in the next one",
	    a->segments.newest);
	e = note(a, "audit_moved", a->segments.newest, 0, now_s);
	return e == ERR_OK ? begin_segment(a, now_s) : e;
}

bool
audit_pending(const struct audit *a)
{
	return a->pending.len > 0;
}

bool
audit_failing(const struct audit *a)
{
	return a->failing;
}

uint64_t
audit_seq(const struct audit *a)
{
	return a->chain.at.seq;
}

uint64_t
audit_durable_seq(const struct audit *a)
{
	return a->durable.seq;
}

int64_t
audit_last_time_ms(const struct audit *a)
{
	return a->chain.time_ms;
}

void
audit_accept_clock(struct audit *a, int64_t now_ms)
{
	a->chain.time_ms = now_ms;
}

uint64_t
audit_bytes(const struct audit *a)
{
	return a->segments.total;
}

const uint8_t *
audit_public_key(const struct audit *a)
{
	return a->chain.public_key;
}

void
audit_id(const struct audit *a, uint64_t seq, char ret_id[AUDIT_ID_SIZE])
{
	(void)a; /* one chain a store so far */
	(void)snprintf(ret_id, AUDIT_ID_SIZE, AUDIT_CHAIN_ID "-%06" PRIu64, seq);
}

enum err
audit_segment_fd(const struct audit *a, uint32_t segment, int *ret_fd, uint32_t *ret_segment,
    uint32_t *ret_oldest, uint32_t *ret_newest)
{
	uint32_t number = segment == 0 ? a->segments.newest : segment;
	int fd = -1;
	enum err e = audit_segments_read(&a->segments, number, &fd);

	if (e != ERR_OK &&
	    (e != ERR_NOT_FOUND || number < a->segments.oldest || number > a->segments.newest))
		return e;
	*ret_fd = fd; /* the caller's */
	*ret_segment = number;
	*ret_oldest = a->segments.oldest;
	*ret_newest = a->segments.newest;
	return ERR_OK;
}

uint64_t
audit_segment_until(const struct audit *a, uint32_t segment)
{
	return audit_tail_next_from(&a->segments, &a->chain, segment);
}
