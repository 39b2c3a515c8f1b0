/*
 * refuse - our own answers: refusals and failures in the shape that this upstream's clients show to
 * a person. Process: gateway.   Owns: nothing.   Secrets: none; texts may hold what a client sent,
 * and are escaped. Limits: the texts' own.   Failure: ERR_NOMEM or ERR_LIMIT; out may hold a part
 * and is not sent.
 */
#ifndef GATEWAY_REFUSE_H
#define GATEWAY_REFUSE_H

#include "broker/ipc/body.h"
#include "broker/rules/rules.h"

struct refusal {
	uint16_t status;
	const char *code; /* "policy_denied", ... docs/ERRORS */
	const char *hint; /* a whole sentence for the agent: what, where, what to do */
	const char *rule, *audit, *allow; /* NULL or "": none; allow: the Allow header of 405 */
	uint32_t retry_after_s;		  /* 0: none */
	enum error_shape shape;
	bool deny; /* a decision, which will be the same next time; else a failure */
};

/* What the keeper said, as what the client gets; points into d. */
struct refusal refuse_denied(const struct deny *d);

/* The whole response, head and body. close: with "Connection: close". head_only: the request was
 * HEAD. */
enum err refuse_write(
    const struct refusal *r, bool close, bool head_only, struct buf *out) NODISCARD;
/* A small answer of ours that refuses nothing: health. */
enum err refuse_write_json(
    uint16_t status, const char *json, bool close, bool head_only, struct buf *out) NODISCARD;

#endif
