/*
 * control - one of the shim's own requests to the broker, on a connection of its own.
 * Process: shim.
 * Owns: the connection and the bytes of request and reply, until shim_control_close().
 * Secrets: the enrollment key is in the request's bytes, in a buf that wipes.
 * Limits: a deadline given by the caller; SHIM_CONTROL_REPLY_MAX bytes of body.
 * Failure: fn gets the error; why says it in words, code is the broker's own word if it gave one.
 */
#ifndef SHIM_CONTROL_H
#define SHIM_CONTROL_H

#include "shim/limits.h"
#include "broker/gateway/chunked.h"
#include "broker/gateway/http1.h"
#include "common/secret.h"
#include "shim/uplink.h"

struct shim_control;

struct shim_request {
	const char *method, *path;
	struct span body;      /* JSON; empty: none */
	struct secret *bearer; /* the enrollment key's text; NULL: none */
	int64_t time_ms;       /* for all of it */

	/* NULL, or called from the loop, once each, for what can be done while the gateway works:
	 * on the handshake, when body is still to be made, and must be there when it returns ... */
	enum err (*on_greeted)(struct shim_control *c, struct span *ret_body);
	/* ... and on the request. */
	void (*on_sent)(struct shim_control *c);
};

struct shim_control {
	struct shim_uplinks *all;
	struct shim_uplink *up;
	struct timer timer;
	struct buf out, in, body;
	struct shim_request request; /* body is in out */
	void (*fn)(struct shim_control *c, enum err e);
	void *arg;
	bool has_head;
	enum http1_framing framing;
	uint64_t left; /* of a body with a length */
	struct chunked chunked;
	uint16_t status;
	char code[48];
	char why[SHIM_WHY_SIZE];
};

/* fn is called from the loop, once, with
 *	ERR_OK		status is 2xx, body is whole
 *	ERR_UNREACHABLE	no connection, no answer, or one that says: later (429, 5xx)
 *	ERR_SEALED	the broker runs but has no key yet
 *	ERR_DENIED	the broker said no: asking again changes nothing
 *	ERR_AUTH	that is not our gateway
 *	ERR_PROTO	what answered is no gateway
 * After it only shim_control_close() is left to do, also from inside fn. c must be zero or closed
 *before. */
enum err shim_control_start(struct shim_control *c, struct shim_uplinks *all,
    const struct shim_request *r, void (*fn)(struct shim_control *c, enum err e),
    void *arg) NODISCARD;
void shim_control_close(
    struct shim_control *c); /* safe in any state, and on zero; fn is not called */

#endif
