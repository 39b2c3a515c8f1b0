/*
 * end - an instance's end, with all that belongs to it: row, record, streams.
 * Process: keeper.   Owns: nothing.
 * Secrets: none.
 * Limits: none.
 * Failure: as keeper_commit(); the instance lives on.
 */
#ifndef KEEPER_END_H
#define KEEPER_END_H

#include "broker/keeper/keeper.h"

/* Committed, recorded as event, streams cut. */
enum err end_instance(struct keeper *k, struct instance *i, const char *event) NODISCARD;
/* on_misuse: revoke, of a policy of the workload that presented the placeholder: its instance ends.
 * Otherwise nothing. */
void end_for_misuse(struct keeper *k, struct instance *i, const struct rules *view);
/* A bounded number a call: instances whose certificates have expired end, ended ones and
 * enrollments that are long over are forgotten. */
void end_sweep(struct keeper *k, int64_t now_s);

#endif
