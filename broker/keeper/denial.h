/*
 * denial - the audit records of refusals, each workload's within its quota: a flood is counted
 * instead of written out.
 * Process: keeper.   Owns: nothing.
 * Secrets: none.
 * Limits: those of audit/fold.h.
 * Failure: a refusal that could not be recorded is still one.
 */
#ifndef KEEPER_DENIAL_H
#define KEEPER_DENIAL_H

#include "broker/keeper/keeper.h"

/* The record's sequence, or 0: folded, beyond w's share of the log, or not written. w NULL: whoever
 * it was is unknown, all of those are folded together. */
uint64_t denial_record(struct keeper *k, struct workload *w, const struct audit_record *r);
/* Each second: writes the counts of what was folded. */
void denial_sweep(struct keeper *k);

#endif
