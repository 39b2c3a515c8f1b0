/*
 * verify - reads an audit log and says up to where it is proven; needs the public key alone.
 * Process: keeper (at start), cli.   Owns: nothing.   Secrets: none.
 * Limits: AUDIT_LINE_MAX a line.   Failure: the first bad record, by segment and line.
 *
 * How: between two checkpoints each record carries mac = keyed BLAKE2b(K, previous mac, record). K is fresh for each interval, derived from the
 * keeper's key, and published in the checkpoint that ends the interval, which is signed (Ed25519). So records before a checkpoint can be
 * checked by anybody and forged by nobody who did not have K in time; records behind the last checkpoint are unproven to all but the keeper.
 */
#ifndef AUDIT_VERIFY_H
#define AUDIT_VERIFY_H

#include <stdio.h>

#include "broker/keeper/crypto/crypto.h"

struct verify_result {
	uint64_t first_seq, proven_seq, last_seq; /* proven_seq: of the last checkpoint that verifies; last_seq - proven_seq are unproven */
	uint64_t bad_line;			  /* 0: none; else the line in bad_segment */
	uint32_t bad_segment;
	char why[256];
	uint8_t anchor[HASH_LEN]; /* the last checkpoint's chain value: keep it outside to notice truncation */
};

struct verify;
enum err verify_new(const uint8_t public_key[SIGN_PUBLIC_LEN], struct verify **ret_v) NODISCARD;
void verify_free(struct verify *v);
/* Segments in order. ERR_AUTH: bad; the result says where. */
enum err verify_segment(struct verify *v, uint32_t segment, int fd) NODISCARD;
struct verify_result verify_end(const struct verify *v);

#endif
