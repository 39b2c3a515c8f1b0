/*
 * verify - reads an audit log and says up to where it is proven; needs the public key alone.
 * Process: keeper (at start), cli.   Owns: nothing.   Secrets: none.
 * Limits: AUDIT_LINE_MAX a line, VERIFY_INTERVAL_BYTES_MAX, REPEAT_BYTES_MAX.
 * Failure: the first bad record, by segment and line.
 *
 * How: between two checkpoints each record carries mac = keyed BLAKE2b(K, previous mac, record). K
 * is fresh for each interval, derived from the keeper's key, and published in the checkpoint that
 * ends the interval, which is signed (Ed25519). So records before a checkpoint can be checked by
 * anybody and forged by nobody who did not have K in time; records behind the last checkpoint are
 * unproven to all but the keeper. That a checkpoint was cut off, and the records in front of it
 * written anew under its K, the keeper knows from the store (audit.h), and nobody from the files.
 */
#ifndef AUDIT_VERIFY_H
#define AUDIT_VERIFY_H

#include <stdio.h>

#include "broker/keeper/crypto/crypto.h"

/* A segment begins with a signed header: its number, from_seq, the chain value in front of it. So
 * the oldest segments may be gone and the rest still verifies, if a record says that they are; and
 * a segment written after a crash or a failed sync says by from_seq which remains at the end of the
 * one before it count no more, and repeats them: a remaining line that it does not repeat byte for
 * byte is bad, but for half a line at the end, and for zeros (hole.h).
 */
#define VERIFY_INTERVAL_BYTES_MAX (64u << 20) /* between two checkpoints; a longer one is bad */

struct verify_result {
	/* proven_seq: of the last checkpoint that verifies; last_seq - proven_seq are unproven */
	uint64_t first_seq, proven_seq, last_seq;
	uint64_t bad_line; /* 0: none; else the line in bad_segment */
	uint32_t bad_segment;
	char why[256];
	uint64_t bad_seq; /* the sequence that was due there */
	/* the last line of the last segment is half written (a crash, or a log that is being
	 * written) */
	bool torn;
	bool anchor_missing; /* verify_expect() was not met: the log was cut or forked */
	/* it begins behind its first record, and no proven record says that what is not there went
	 * for the log's size. Not judged where a line is bad */
	bool segments_removed;
	/* the last checkpoint's chain value: keep it outside to notice truncation */
	uint8_t anchor[HASH_LEN];
};

struct verify;
enum err verify_new(const uint8_t public_key[SIGN_PUBLIC_LEN], struct verify **ret_v) NODISCARD;
void verify_free(struct verify *v);
/* The log must hold a checkpoint with this chain value, an anchor of an earlier run. */
void verify_expect(struct verify *v, const uint8_t anchor[HASH_LEN]);
/* Segments in order. ERR_AUTH: bad, whatever follows; the result says where. ERR_OK may still leave
 * a bad end, which the next segment's header explains (a failed write) or does not: verify_end()
 * knows. */
enum err verify_segment(struct verify *v, uint32_t segment, int fd) NODISCARD;
/* bad_line is 0 only if each line given is in order. It is the first that is not, as far as a
 * signed checkpoint behind it in its segment can tell. */
struct verify_result verify_end(const struct verify *v);

#endif
