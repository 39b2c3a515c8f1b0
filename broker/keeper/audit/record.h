/*
 * record - a struct audit_record as the front of its line: everything but the mac.
 * Process: keeper.   Owns: nothing.
 * Secrets: none may be passed in; a target loses its query here, whoever forgot to.
 * Limits: each field is cut to its own ceiling (record.c), so that a line always fits into
 *   AUDIT_LINE_MAX.
 * Failure: none.
 */
#ifndef AUDIT_RECORD_H
#define AUDIT_RECORD_H

#include "broker/keeper/audit/audit.h"

/* What every line begins with. */
struct audit_head {
	const char *chain, *event;
	uint64_t seq, revision;
	int64_t time_ms;
};

/* Both write at dst, at most AUDIT_LINE_MAX bytes less what a mac takes, and return the end. */
char *audit_head_write(char *dst, const struct audit_head *h);
char *audit_record_write(char *dst, const struct audit_head *h, const struct audit_record *r);

/* ,"name":12 and ,"name":"hex" */
char *audit_put_number(char *dst, const char *name, uint64_t v);
char *audit_put_hex(char *dst, const char *name, const uint8_t *p, size_t len);

#endif
