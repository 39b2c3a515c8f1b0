/*
 * secretcache - one copy of each secret version in use, with what finds it in a response, for as
 * long as an exchange is open. Process: gateway.   Owns: the copies. Secrets: all of it, in the
 * locked arena; wiped when the last user lets go. Limits: the arena.   Failure: ERR_NOMEM,
 * ERR_LIMIT; nothing is held.
 */
#ifndef GATEWAY_SECRETCACHE_H
#define GATEWAY_SECRETCACHE_H

#include "broker/gateway/redact.h"

struct secretcache {
	struct secret_copy *first;
};

struct secret_copy {
	struct secret_copy *next;
	struct secretcache *home;
	uint32_t id, version, users;
	struct secret *value;
	struct redact *redact;
};

/* The copy of that version: the one that is there, or a new one of value (1 byte or more). */
enum err secretcache_hold(struct secretcache *c, uint32_t id, uint32_t version, struct span value,
    struct secret_copy **ret_copy) NODISCARD;
void secretcache_drop(struct secret_copy *copy); /* NULL is fine */

#endif
