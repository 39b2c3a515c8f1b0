/*
 * quota - how many bytes of the audit log one workload's records took up in the last 24 hours.
 * Process: keeper. No I/O, no clock: every function is given now_ms.   Owns: nothing; plain data.
 * Secrets: none.
 * Limits: QUOTA_SLICES slices a day: a byte counts for at most one slice longer than a day, never
 *          shorter. Counted since the keeper was opened.
 * Failure: none.
 */
#ifndef AUDIT_QUOTA_H
#define AUDIT_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUOTA_WINDOW_MS (24 * 3600 * INT64_C(1000))
#define QUOTA_SLICES 12

struct quota {
	uint64_t total; /* of all slices */
	uint64_t bytes[QUOTA_SLICES + 1];
	int64_t slice;	  /* number of the newest: now / length of one */
	uint32_t refused; /* requests, since that was last told */
};

void quota_add(struct quota *q, size_t bytes, int64_t now_ms);
/* True while fewer than max bytes are taken up. */
bool quota_left(struct quota *q, uint64_t max, int64_t now_ms);
/* Seconds until there will be fewer than max, if nothing is added. */
uint32_t quota_retry_s(const struct quota *q, uint64_t max, int64_t now_ms);

#endif
