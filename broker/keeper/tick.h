/*
 * tick - what the keeper does by itself: each second, and at the end of each turn.
 * Process: keeper.   Owns: nothing.
 * Secrets: none.
 * Limits: each part does a bounded number of records.
 * Failure: later again.
 */
#ifndef KEEPER_TICK_H
#define KEEPER_TICK_H

#include "broker/keeper/keeper.h"

/* Before the store is opened: a disk that fails at that moment is tried again by a timer. */
void tick_init(struct keeper *k);
/* Timers and end-of-turn work; once, before the loop runs. */
void tick_start(struct keeper *k);

#endif
