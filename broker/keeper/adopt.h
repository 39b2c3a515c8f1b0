/*
 * adopt - requests that an earlier life of the keeper allowed and that a gateway still has open:
 * they count under the limits again, and their end is recorded like any other's.
 * Process: keeper.   Owns: nothing; the flights are flight.h's.
 * Secrets: none.
 * Limits: FLIGHTS_MAX; ADOPTED_MAX a link.
 * Failure: what cannot be adopted is only recorded when it ends; what may not go on is cut.
 */
#ifndef KEEPER_ADOPT_H
#define KEEPER_ADOPT_H

#include "broker/keeper/keeper.h"

#define ADOPTED_MAX FLIGHTS_MAX /* what is beyond it is no honest gateway's */

/* GK_LIVE. */
void adopt_live(struct keeper *k, struct peer *p, const struct live *l);
/* Rules are in force, the first time: what was adopted before counts under them from now on. */
void adopt_limits(struct keeper *k);

#endif
