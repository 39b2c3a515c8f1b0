/*
 * line - one line of an audit log, taken apart by its fixed form: head, and mac or signature.
 * Process: keeper, cli.   Owns: nothing; spans point into the line.
 * Secrets: none: a key in a line is published.   Limits: AUDIT_LINE_MAX bytes.
 * Failure: ERR_SYNTAX. The fields in between are not read here: the mac covers them.
 *
 * A head is "chain":"01","seq":7,"rev":3,"time":"2026-11-24T03:35:51.123Z","event":"decide".
 * record      {head,...,"mac":"<64 hex>"}
 * checkpoint  {head, of event "checkpoint","interval":2,
 *             "key":"<64 hex>","mac":"<64 hex>","sig":"<128 hex>"}
 * segment     {head, of event "segment" and with the seq of the record in front,"segment":3,
 *             "from_seq":8,"interval":3,"prev":"<64 hex>","sig":"<128 hex>"}
 *
 * A mac is over the bytes in front of ,"mac": and a signature over the bytes in front of ,"sig":
 */
#ifndef AUDIT_LINE_H
#define AUDIT_LINE_H

#include "broker/keeper/crypto/crypto.h"

#define AUDIT_LINE_MAX 16384 /* bytes */
#define AUDIT_CHAIN_MAX 8    /* hex digits */
#define AUDIT_EVENT_MAX 31   /* [a-z0-9_] */
#define AUDIT_TIME_LEN 24    /* RFC 3339 UTC with milliseconds */
#define AUDIT_EVENT_CHECKPOINT "checkpoint"
#define AUDIT_EVENT_SEGMENT "segment"
#define AUDIT_EVENT_CUT "audit_cut"	    /* a record; what stood there was half written */
#define AUDIT_EVENT_REMOVED "audit_removed" /* a record; of: the last sequence that went */

enum audit_line_kind { AUDIT_LINE_RECORD = 0, AUDIT_LINE_CHECKPOINT, AUDIT_LINE_SEGMENT };

/* The chain behind one record: what the next one continues. */
struct audit_mark {
	uint64_t seq;	   /* of that record; 0: the chain is empty */
	uint64_t interval; /* whose key the next record is under; the first is 1 */
	uint8_t mac[HASH_LEN];
};

struct audit_line {
	enum audit_line_kind kind;
	struct span chain, event;
	uint64_t seq, revision;
	int64_t time_ms;
	struct span maced, signed_part; /* empty where the kind has none */
	uint8_t mac[HASH_LEN];		/* of a segment: prev */
	uint8_t signature[SIGNATURE_LEN];
	uint64_t interval;    /* checkpoint, segment */
	uint8_t key[KEY_LEN]; /* checkpoint */
	uint64_t segment, from_seq;
};

/* line is without its newline. */
enum err audit_line_scan(struct span line, struct audit_line *ret_l) NODISCARD;
/* True if the mac of a record or checkpoint is the right one behind previous under key. */
bool audit_line_follows(
    const struct audit_line *l, const uint8_t key[KEY_LEN], const uint8_t previous[HASH_LEN]);

/* A field of a record that is a number, such as "of"; 0: it has none. */
uint64_t audit_line_number(const struct audit_line *l, const char *field);

#endif
