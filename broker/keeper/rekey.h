/*
 * rekey - all records sealed anew under a fresh data key, a few at a time, while the keeper
 * serves.
 * Process: keeper.   Owns: nothing; the store knows how far it came.
 * Secrets: the keyring makes the key.
 * Limits: REKEY_RECORDS a step, a step each REKEY_STEP_MS.
 * Failure: as kv.h; what is not done is done later, also after a restart.
 */
#ifndef KEEPER_REKEY_H
#define KEEPER_REKEY_H

#include "broker/keeper/keeper.h"

#define REKEY_RECORDS 64
#define REKEY_STEP_MS 10
#define REKEY_RETRY_MS 1000 /* after a step that failed */

/* As keeper_commit(), behind the record seq. */
enum err rekey_start(struct keeper *k, uint64_t seq) NODISCARD;
void rekey_resume(struct keeper *k); /* after unsealing: goes on with what was left */

#endif
