/*
 * usage - when secrets were last used and workloads last seen, written to the store now and then.
 * Process: keeper.   Owns: nothing.   Secrets: none.
 * Limits: USAGE_ROWS rows a call; the others wait for the next.
 * Failure: none that matters: the audit log has every use, this is for lists. A crash loses at most
 *          USAGE_EVERY_S of it.
 */
#ifndef KEEPER_USAGE_H
#define KEEPER_USAGE_H

#include "broker/keeper/keeper.h"

#define USAGE_ROWS TXN_OPS_MAX
#define USAGE_EVERY_S 60

/* False: nothing is left to write, or it cannot be written now. */
bool usage_save(struct keeper *k);

#endif
