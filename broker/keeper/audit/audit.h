/*
 * audit - the chained, signed record of every decision: what is not in here did not happen.
 * Process: keeper.   Owns: the open segment, records not yet durable.
 * Secrets: the chain keys; a record never holds a secret, a body or a query value.
 * Limits: AUDIT_LINE_MAX bytes a record (fields are cut, marked, before); bytes_max for all
 *   segments. What one workload may write is fold.h's and share.h's.
 * Failure: ERR_IO: nothing of the batch is durable and nobody may act on it; audit_recover() tries
 *   a new segment.
 * Clock: given now.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include "broker/ipc/body.h"
#include "broker/keeper/audit/line.h"
#include "broker/keeper/audit/quota.h"
#include "broker/keeper/crypto/keyring.h"

#define AUDIT_CHECKPOINT_RECORDS 1000
#define AUDIT_CHECKPOINT_BYTES (4u << 20)
#define AUDIT_CHECKPOINT_S 10
/* of an interval that the store lets nobody end; with more the log is as good as unwritable */
#define AUDIT_INTERVAL_BYTES_MAX (16u << 20)
#define AUDIT_SEGMENT_BYTES (64u << 20) /* or an eighth of bytes_max, if that is less */
/* bytes not yet durable; beyond it audit_append() gives ERR_LIMIT */
#define AUDIT_PENDING_MAX (32u << 20)

/* One record; empty fields are left out of the line. Strings are escaped here: controls, quotes,
 * invalid UTF-8. */
struct audit_record {
	/* "decide", "finish", "enroll", "secret_put", ... docs/AUDIT lists all */
	const char *event;
	struct span workload, instance, upstream, secret, method, target, code, rule, detail;
	const char *decision;	     /* "allow", "deny" or NULL */
	uint32_t secret_version;     /* 0: none */
	uint64_t of;		     /* finish: the sequence of its decide; 0: none */
	const uint8_t *rules_digest; /* HASH_LEN bytes or NULL */
	const uint8_t *trace_id;     /* TRACE_ID_LEN bytes or NULL */
	uint16_t status;
	uint64_t bytes_up, bytes_down;
	uint32_t duration_ms, count; /* count: how many were folded */
	bool has_uid;
	uint32_t uid;	     /* who asked on the admin side */
	struct quota *quota; /* of the workload that the line is counted to; NULL: nobody's */
};

struct audit;
struct audit_settings {
	const char *dir; /* <state_dir>/audit, mode 0700 */
	/* all segments; the oldest is removed beyond it, with a record of its own */
	uint64_t bytes_max;
	/* kv_revision(): a log that knows a later one means a store rolled back. 0: do not ask */
	uint64_t revision;
	/* A checkpoint publishes the key of its interval: from then on a record under it proves
	 * nothing, to us neither, and whoever cuts the log in front of the checkpoint could write
	 * the interval anew. So the store is told first where it ends: makes mark durable there,
	 * gives the store's revision behind it. NULL: nobody remembers. */
	enum err (*end_interval)(const struct audit_mark *mark, uint64_t *ret_revision, void *arg);
	void *arg;
	struct audit_mark ended; /* what the store was told last; interval 0: nothing */
};

/* Opens the newest segment and verifies it from its last checkpoint. What stands behind that
 * checkpoint is written again into a new segment, because a page cache that survived a failed sync
 * proves nothing; a half record (a crash) stays behind and is reported by an "audit_cut" record.
 * min_seq: the log must reach this far (kv_audit_seq()). ERR_AUTH: chain broken, rolled back, or
 * written anew behind a checkpoint that is gone;
 * ret_why says where. A disk that cannot be written does not keep it from opening: then
 * audit_sync() gives ERR_IO until audit_recover() works. */
enum err audit_open(const struct audit_settings *s, const struct keyring *k, uint64_t min_seq,
    int64_t now_s, struct audit **ret_a, char *ret_why, size_t why_size) NODISCARD;
/* Writes a checkpoint if it can; into the next segment if the newest is not where we write. */
void audit_close(struct audit *a, int64_t now_s);

/* Appends in memory; durable only after audit_sync(). Gives the record's sequence. revision:
 * kv_revision(). */
enum err audit_append(struct audit *a, const struct audit_record *r, uint64_t revision,
    int64_t now_ms, uint64_t *ret_seq) NODISCARD;
/* The store was committed at revision. The record of a deed comes before its commit and holds the
 * revision before it: so the next line says it, a checkpoint within two seconds if nothing else.
 * Without that the last deed could be taken back by an older store.db. */
void audit_revision(struct audit *a, uint64_t revision, int64_t now_s);
/* The same at once, durable when ERR_OK: before anybody is told that the deed was done. As
 * audit_sync(). */
enum err audit_tell_revision(struct audit *a, int64_t now_s) NODISCARD;
/* Writes all that was appended, one write and one fdatasync; checkpoints and new segments when due.
 * ERR_IO: see Failure. Call it each AUDIT_CHECKPOINT_S also when nothing was appended, for the
 * checkpoint. */
enum err audit_sync(struct audit *a, int64_t now_s) NODISCARD;
/* After ERR_IO: writes the records not yet durable into a new segment, whose header says from which
 * sequence on it replaces the old one's tail. ERR_IO again: still failing, try later. */
enum err audit_recover(struct audit *a, int64_t now_s) NODISCARD;
/* On request (a log rotator came by): if the newest segment is not where we write any more, begins
 * the next one and records it. */
enum err audit_reopen(struct audit *a, int64_t now_s) NODISCARD;

bool audit_pending(const struct audit *a);
/* between ERR_IO and an audit_recover() that works */
bool audit_failing(const struct audit *a);
uint64_t audit_seq(const struct audit *a);	   /* the last appended */
uint64_t audit_durable_seq(const struct audit *a); /* the last that no crash takes back */
int64_t audit_last_time_ms(const struct audit *a); /* the time floor */
/* The operator says that the log was ahead of the true time: records may begin anew from now.
 * Append AUDIT_CLOCK_ACCEPTED next. */
void audit_accept_clock(struct audit *a, int64_t now_ms);
/* the one event behind which a reader lets time run backwards */
#define AUDIT_CLOCK_ACCEPTED "clock_accepted"
uint64_t audit_bytes(const struct audit *a);
const uint8_t *audit_public_key(const struct audit *a);
void audit_id(const struct audit *a, uint64_t seq, char ret_id[AUDIT_ID_SIZE]); /* "01-000123" */
/* A read-only descriptor of a segment; segment 0: the newest. -1: somebody removed it from between
 * the others. */
enum err audit_segment_fd(const struct audit *a, uint32_t segment, int *ret_fd,
    uint32_t *ret_segment, uint32_t *ret_oldest, uint32_t *ret_newest) NODISCARD;
/* From this sequence on the next segment has the records, and what this one holds counts no more;
 * 0: there is none. */
uint64_t audit_segment_until(const struct audit *a, uint32_t segment);

#endif
