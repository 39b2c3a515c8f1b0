/*
 * flight - the requests that were allowed and have not ended.
 * Process: keeper.   Owns: the flights.
 * Secrets: none.
 * Limits: FLIGHTS_MAX; beyond it ERR_LIMIT and the request is refused.
 * Failure: ERR_LIMIT, ERR_NOMEM; nothing is in flight.
 */
#ifndef KEEPER_FLIGHT_H
#define KEEPER_FLIGHT_H

#include "broker/keeper/identity.h"
#include "broker/keeper/intern.h"
#include "broker/keeper/limits.h"
#include "broker/keeper/secrets.h"

#define FLIGHTS_MAX 65536
#define FLIGHT_LATE_S                                                                              \
	60 /* a gateway that is silent that long after the deadline has lost the request */

struct peer;
struct keeper;

struct flight {
	uint64_t seq; /* of its decide record */
	struct peer *peer;
	struct held held;
	struct workload *workload; /* never freed while unsealed */
	const struct interned *upstream;
	uint8_t instance[IDENTITY_ID_LEN];
	int64_t deadline_s;
	struct flight *next, **at; /* of the peer */
};

struct flights {
	struct table by_seq;
	struct flight *spare; /* so that a request costs no allocation */
	size_t spare_count;
};

void flights_init(struct flights *f);
void flights_close(struct flights *f); /* after the peers' flights were ended */
/* what: all but the links of a new flight. */
enum err flight_start(struct flights *f, const struct flight *what) NODISCARD;
struct flight *flight_find(
    const struct flights *f, uint64_t seq, const struct peer *p); /* NULL: not one of this peer's */
/* Frees the slot; writes nothing. */
void flight_end(struct flights *f, struct flight *one);
/* The gateway is gone: each of its flights gets a finish record with outcome_unknown. */
void flights_end_peer(struct keeper *k, struct peer *p);
/* The same for flights that are long past their deadline. */
void flights_sweep(struct keeper *k, int64_t now_s);

/* The end of a request that an earlier life of the keeper allowed: all that is known is what the
 * gateway says. */
void flight_record_late(struct keeper *k, const struct finish *f);
/* The finish record; f NULL: none came. */
void flight_record(
    struct keeper *k, const struct flight *one, const struct finish *f, const char *outcome);

#endif
