/*
 * forward - the loopback port where the child finds its APIs.
 * Process: shim.   Owns: the listening socket, the pairs, the spares.
 * Secrets: none of its own.
 * Limits: SHIM_CLIENTS_MAX connections, fewer if descriptors are few; more wait in the backlog.
 * Failure: of a client: an answer that says so; of accept(): a rest of SHIM_ACCEPT_PAUSE_MS.
 */
#ifndef SHIM_FORWARD_H
#define SHIM_FORWARD_H

#include "shim/args.h"
#include "shim/pair.h"
#include "shim/renew.h"
#include "shim/spare.h"

struct shim_forward {
	struct shim_uplinks *uplinks;
	struct shim_identity *identity;
	const struct shim_renew *renew; /* why there is no valid certificate, when there is none */

	struct watch listener;
	int spare_fd; /* given up to accept and answer one more when there are none left */
	struct timer resume, retire;
	struct shim_spares spares;
	struct shim_pair *pairs, *dead; /* dead: closed, freed at the end of the turn */
	size_t count, max;
};

/* Before anything that takes time: a port that is taken is found out at once. *ret_port is the real
 * one. */
enum err shim_forward_listen(
    const union shim_sockaddr *sa, int *ret_fd, uint16_t *ret_port) NODISCARD;

/* Serves listen_fd, which is given away. */
enum err shim_forward_start(struct shim_forward *f, int listen_fd) NODISCARD;
void shim_forward_renewed(struct shim_forward *f); /* the identity was replaced */
void shim_forward_close(struct shim_forward *f);   /* safe on zero */

#endif
