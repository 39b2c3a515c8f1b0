/*
 * seal - back to sealed: everything that needs the root key is gone.
 * Process: keeper.   Owns: nothing.
 * Secrets: wipes the keyring.
 * Limits: none.
 * Failure: none: sealing is what is left to do when something is wrong.
 */
#ifndef KEEPER_SEAL_H
#define KEEPER_SEAL_H

#include "broker/keeper/keeper.h"

/* A record of "seal" or "unseal", with the number of attempts that failed before. */
void seal_record(struct keeper *k, const char *event, uint32_t uid);
/* Cuts all streams, ends what is in flight, closes the log with a checkpoint, forgets the keys,
 * tells the gateways. */
void seal_now(struct keeper *k);
/* After keeper_open(): tells everybody, goes on with what was left. */
void seal_opened(struct keeper *k);

#endif
