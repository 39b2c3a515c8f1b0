/*
 * relay - moves bytes between a client and the gateway, as far as both take them.
 * Process: shim.   Owns: what one side gave and the other did not take yet; neither connection.
 * Secrets: what passes through.
 * Limits: SHIM_RECORD_LEN bytes held each way, then that side is not read; SHIM_TURN_RECORDS.
 * Failure: as shim_relay_run() says.
 */
#ifndef SHIM_RELAY_H
#define SHIM_RELAY_H

#include "common/buf.h"
#include "shim/tls.h"

struct shim_relay {
	uint32_t read_wants, write_wants; /* what TLS waits for, each way */
	int client_fd;
	struct shim_tls *gateway;
	struct buf to_gateway, to_client;
	bool client_ended, end_told;	    /* the client writes no more; the gateway knows */
	bool gateway_ended, gateway_broken; /* it writes no more; it takes no more */
	bool began_up, began_down;	    /* a byte came from the client, from the gateway */
	bool moved;			    /* ... in the last call */
};

void shim_relay_init(struct shim_relay *r, int client_fd, struct shim_tls *gateway);
void shim_relay_wipe(struct shim_relay *r);

/* ERR_AGAIN: all was done that can be done now; wait for the two masks. ERR_EOF: the gateway ended
 * in an orderly way and the client has it all. ERR_CONFLICT: the client's connection broke, or
 * there is no memory for it. Anything else: the gateway's connection broke, the client has all that
 * came before. */
enum err shim_relay_run(struct shim_relay *r) NODISCARD;

/* EPOLLIN and EPOLLOUT; 0: nothing, and a hang-up of it is not to be heard either. */
uint32_t shim_relay_wants_client(const struct shim_relay *r);
uint32_t shim_relay_wants_gateway(const struct shim_relay *r);

/* Writes what is kept for the client: ERR_OK when nothing is left, ERR_AGAIN, or ERR_CONFLICT. */
enum err shim_relay_flush(struct shim_relay *r) NODISCARD;

#endif
