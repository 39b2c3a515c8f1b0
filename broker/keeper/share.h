/*
 * share - each workload's share of the audit log: beyond it nothing of it is decided or recorded.
 * Process: keeper.   Owns: nothing; the counts stand in struct workload.
 * Secrets: none.
 * Limits: the setting audit: {quota} in 24 hours, of which the last eighth is kept for what keeps
 *          an instance alive (enroll, renew). All strangers together have an eighth of it: a
 *          workload can be one, too.
 * Failure: none; beyond the share a request is refused with SHARE_CODE, and one record a minute
 *          says how many were.
 */
#ifndef KEEPER_SHARE_H
#define KEEPER_SHARE_H

#include "broker/keeper/keeper.h"

#define SHARE_CODE "audit_quota"
#define SHARE_TELL_MS 60000

/* May a request of w be decided, which costs records? */
bool share_admits_request(struct keeper *k, struct workload *w);
/* May it enroll or renew? */
bool share_admits_control(struct keeper *k, struct workload *w);
/* May a denial to somebody unknown be recorded by itself? */
bool share_admits_stranger(struct keeper *k);
/* When it may again. */
uint32_t share_retry_s(struct keeper *k, const struct workload *w);
/* One was refused for that; told by share_sweep(). w NULL: a stranger. */
void share_refused(struct keeper *k, struct workload *w);
/* How many workloads are beyond theirs now. */
uint32_t share_spent_count(struct keeper *k);
/* Each second. */
void share_sweep(struct keeper *k);

#endif
