/*
 * fold - a flood of denials becomes one counted record a second and workload.
 * Process: keeper. No I/O, no clock: every function is given now_ms.
 * Owns: one table of fixed size.
 * Secrets: none.   Limits: FOLD_SLOTS workloads at once; more share one slot, called "".
 * Failure: none.
 */
#ifndef AUDIT_FOLD_H
#define AUDIT_FOLD_H

#include <stdint.h>

#include "common/name.h"

#define FOLD_SLOTS 1024

struct fold;

/* per_s records a second and workload, burst at once. */
enum err fold_new(uint32_t per_s, uint32_t burst, struct fold **ret_f) NODISCARD;
void fold_free(struct fold *f);

/* True: write a record of its own. False: it was counted. An empty workload is everybody without a
 * certificate. */
bool fold_admit(struct fold *f, struct span workload, int64_t now_ms);

struct folded {
	char workload[NAME_LEN_MAX + 1];
	uint32_t count;
	int64_t since_ms; /* of the first that was counted */
};
/* Takes one count that is at least a second old; ask until it gives false. The record
 * "denied_folded" is the caller's. */
bool fold_take(struct fold *f, int64_t now_ms, struct folded *ret_folded);
/* When fold_take() has something to give, for a timer; -1: nothing is counted. */
int64_t fold_due_ms(const struct fold *f);

#endif
