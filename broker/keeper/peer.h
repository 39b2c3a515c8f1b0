/*
 * peer - one link to another process, with what the keeper remembers of it.
 * Process: keeper.   Owns: the channel; a gateway's CSR until it is answered.
 * Secrets: pass through the channel's frames.
 * Limits: PEERS_MAX; GATEWAYS_MAX gateways; a peer that lets its queue fill up is closed.
 * Failure: a peer that breaks the protocol is logged and closed; the keeper lives on.
 */
#ifndef KEEPER_PEER_H
#define KEEPER_PEER_H

#include "broker/ipc/channel.h"

#define PEERS_MAX 256
#define GATEWAYS_MAX 64
#define PEER_QUEUE_MAX                                                                             \
	(32u << 20) /* bytes: answers to what one gateway may have asked at once, each with a long \
		       secret */
/* bytes: a command line reads an answer before it asks again; 256 that only ask would else take all
 * memory */
#define PEER_CLI_QUEUE_MAX (1u << 20)

struct keeper;
struct flight;

struct peer {
	struct keeper *keeper;
	struct channel *channel;
	enum role role;
	uint8_t index;
	uint64_t number; /* never used again: what outlives a turn names a peer by it */
	bool has_uid;
	uint32_t uid; /* of the command line's process */
	struct peer *next;

	/* gateways */
	bool hello, killed;
	uint32_t slot; /* 0 to GATEWAYS_MAX - 1: its bit in a revocation's mask */
	struct flight *flights;
	struct buf csr; /* not answered yet: sealed when it came */
	bool config_wanted;
	/* of requests that an earlier life of the keeper allowed */
	uint32_t adopted, late_finishes;
	uint64_t finished_seq; /* of the last GK_FINISH that is not confirmed; 0: none */
};

struct peers {
	struct peer *first;
	uint64_t next_number;
	uint32_t count, gateway_count;
	struct watch listener; /* keeper.sock */
};

/* A link that sidekeyd made; fd is taken. One of the same role and index that is still there is
 * closed first. */
void peer_add(struct keeper *k, enum role role, uint8_t index, int fd);
/* A command line that was accepted; fd is taken. uid: the kernel's word. */
void peer_add_cli(struct keeper *k, int fd, uint32_t uid);
/* Accepts command lines on keeper.sock; fd is taken. */
void peer_listen(struct keeper *k, int fd);
struct peer *peer_find(const struct peers *ps, uint64_t number); /* NULL: gone */
void peer_close(struct peer *p); /* ends what hangs on it; p is gone */
void peers_close(struct keeper *k);

/* A gateway that does not do as it is told is ended by sidekeyd, and what it has open with it: what
 * it was not told it could not cut. Once; its link stays until it is dead. For other peers:
 * nothing. */
void peer_kill_gateway(struct peer *p, const char *why);

/* Ends a message; a peer whose queue is full is closed at the end of the turn. */
void peer_send(struct peer *p, struct wire_writer *w);

#endif
