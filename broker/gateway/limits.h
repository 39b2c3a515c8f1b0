/*
 * limits - every ceiling and deadline of the data plane, each with what happens beyond it.
 * Process: gateway.   Owns: nothing.   Secrets: none.   Limits: these.   Failure: none.
 * Clock: all are spans of monotonic time; a deadline is absolute from the event that it names.
 */
#ifndef GATEWAY_LIMITS_H
#define GATEWAY_LIMITS_H

/* Connections of clients. Beyond one of these the new connection is closed, the old ones stay. */
#define CONN_MAX 9700 /* of this process: two descriptors each under a limit of 20 000 */
#define CONN_SHARE_MAX                                                                             \
	4850 /* of one workload: half, so that no one workload can fill the house                  \
	      */
#define CONN_STRANGERS_MAX 512 /* that have not shown who they are; beyond it the oldest goes */
#define CONN_TRIM_MIN 128   /* after so many at once, and half of them gone, memory is given back */
#define ACCEPT_BATCH_MAX 32 /* accepted in one loop turn; the rest come in the next */

/* What a client must do in time. Beyond it the connection is closed, with 408 where a head began.
 */
#define HANDSHAKE_MS 10000
#define HEAD_MS 15000	   /* from the first byte of a head to its last */
#define KEEPALIVE_MS 75000 /* without a first byte */
#define BODY_WINDOW_MS 30000
#define BODY_WINDOW_BYTES 1024 /* in every such window, while we are willing to read a body */
#define CLIENT_STALL_MS 60000  /* to take one block of at most STREAM_OUT_MAX bytes */

/* A connection whose certificate ends so soon, or within a quarter of what was left of it at first,
 * is closed behind its next answer: the client comes again, and the shim carries it with a newer
 * one. */
#define CERTIFICATE_LAST_S 30

/* After a last response: how long, and for how much, we read on so that the client sees it. */
#define LINGER_MS 3000
#define LINGER_BYTES_MAX (8u << 20)

/* The keeper. Beyond it the client gets 503 and nothing is injected. */
#define ASK_MS 5000
#define ASK_STALE_MAX 4		    /* "stale_generation" answers to one request */
#define ASKS_MAX 16384		    /* open questions */
#define KEEPER_QUEUE_MAX (8u << 20) /* bytes queued to it */
#define SERVER_CERT_RETRY_MS 5000   /* until the keeper is asked for a certificate again */

/* Upstreams. Beyond it the client gets 502 or 504; a response that began is cut. */
#define RESOLVE_ADDRESSES_MAX 8 /* further ones are not looked at */
#define RESOLVE_TTL_S_MAX 30	/* a judged answer is used again for so long at most */
#define DIAL_MS 4000		/* for one address, then the next is tried */
#define UPSTREAM_READY_MS 15000 /* resolve, dial, TLS */
#define UPSTREAM_HEAD_MS 610000 /* a model may think for ten minutes before its first byte */
#define UPSTREAM_SILENT_MS 900000
#define UPSTREAM_STALL_MS 60000 /* to take one block of a request's body */
#define UPSTREAM_INTERIM_MAX 8	/* 1xx responses to one request */
#define CONTINUE_MS 1000	/* for the upstream's 100; then we send our own */
#define POOL_IDLE_MS 55000	/* below the 60 s and more of common servers */
#define POOL_IDLE_MAX 128	/* of one upstream; beyond it the oldest is closed */

/* Control requests (all but /p/). Beyond it 413, 504 or 502. */
#define CONTROL_BODY_MAX 65536
#define CONTROL_REPLY_MAX (160u << 10)
#define CONTROL_MS 15000

/* Without a keeper; longer than its restart may take (10 s). Beyond it the gateway ends. */
#define KEEPER_AWAY_MS 15000

/* Bytes. */
#define STREAM_OUT_MAX                                                                             \
	(192u << 10)	   /* what one stream may hold back; we stop reading long before           \
			    */
#define IO_BLOCK 16384	   /* read at once: one TLS record */
#define RELAY_STEPS_MAX 16 /* blocks relayed for one exchange a loop turn */

/* The arena of locked memory for secrets in use: what a container's RLIMIT_MEMLOCK of 8 MiB allows.
 */
#define GATEWAY_ARENA_SIZE (4u << 20)

#endif
