/*
 * gateway - what all connections of this process share.
 * Process: gateway.   Owns: everything below, for the life of the process.
 * Secrets: secrets in use (arena), the scratch memory while a block passes through it (wiped behind
 * each). Limits: limits.h.   Failure: none of its own.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "broker/gateway/ask.h"
#include "broker/gateway/config.h"
#include "broker/gateway/live.h"
#include "broker/gateway/secretcache.h"
#include "broker/gateway/servercert.h"
#include "broker/gateway/upstream.h"
#include "broker/ipc/channel.h"

struct conn;

/* How many connections one workload has. */
struct share {
	struct share *next;
	uint32_t conns;
	char workload[NAME_LEN_MAX + 1];
};

struct gateway {
	struct loop *loop;

	/* the keeper, and what it gave us (keeperlink.c) */
	struct channel *keeper; /* NULL: away */
	enum ready_state ready;
	uint64_t announced_generation;
	bool config_asked;
	struct config *config; /* NULL: none yet */
	struct servercert cert;
	struct timer cert_timer;
	struct timer away_timer; /* runs while the keeper is away */
	struct asks asks;
	struct live_ends ends;

	struct channel *edge; /* NULL: away */

	/* connections (conn.c) */
	struct conn *conns;  /* all that are open */
	struct conn *buried; /* closed; freed at the end of the turn */
	/* without a certificate (crowd.c) */
	struct conn *oldest_stranger, *newest_stranger;
	uint32_t conn_count, stranger_count;
	uint32_t conn_peak; /* since memory was last given back */
	struct share *shares;
	bool draining;

	struct secretcache secrets;
	struct upstreams upstreams;

	/* Scratch for one callback, never across two. */
	uint8_t block[IO_BLOCK]; /* what was just read */
	struct buf stage;	 /* what is about to be written */
	struct buf plain;	 /* a body's content while it is scanned */
};

#endif
