/*
 * policy - the rules in force: one whole set at a time, with what each workload may use picked out
 * of it.
 * Process: keeper.
 * Owns: the rules, a view of them for each workload that they name, the sealed memfd that gateways
 *          get.
 * Secrets: none; it names secrets.
 * Limits: those of rules.h.
 * Failure: ERR_SYNTAX, ERR_LIMIT, ERR_NOT_FOUND (a secret that is used does not exist); what was
 *          in force stays.
 */
#ifndef KEEPER_POLICY_H
#define KEEPER_POLICY_H

#include "broker/ipc/body.h"
#include "broker/keeper/intern.h"
#include "broker/keeper/secrets.h"
#include "broker/rules/rules.h"

struct policy_set; /* one load */

struct policies {
	struct policy_set *now; /* NULL: nothing was loaded yet */
	struct intern *upstream_names;
	const struct secrets *secrets;
	const struct secret *hash_key;
	char error[HINT_LEN_MAX + 1]; /* of the last load that failed; "" if none since. Stays when
					 all else is closed: it speaks of the files */
};

void policies_init(struct policies *p, struct intern *upstream_names, const struct secrets *secrets,
    const struct secret *hash_key);
void policies_close(struct policies *p);

/* Reads and checks; nothing is in force by that. now_ms gives the generation, which only ever
 * rises, also across restarts: a gateway can never take an old set for this one. *ret_s NULL: the
 * same bytes are in force. On failure p->error is a sentence with the next step. */
enum err policies_build(
    struct policies *p, struct span bytes, int64_t now_ms, struct policy_set **ret_s) NODISCARD;
void policies_use(struct policies *p, struct policy_set *s);	/* in force; s is taken */
void policies_drop(struct policy_set *s);			/* one that is not; NULL is fine */
const uint8_t *policies_set_digest(const struct policy_set *s); /* HASH_LEN bytes */
void policies_fail(struct policies *p, const char *why);	/* only says so; "": all is well */

uint64_t policies_generation(const struct policies *p);	  /* 0: nothing loaded */
const uint8_t *policies_digest(const struct policies *p); /* HASH_LEN bytes, or NULL */
int policies_upstreams_fd(const struct policies *p);	  /* stays the set's; -1: nothing loaded */
/* The policies that name this workload, each naming only it, over all upstreams. Never NULL once
 * something is loaded. */
const struct rules *policies_view(const struct policies *p, const char *workload);
const struct interned *policies_upstream_name(
    const struct policies *p, uint16_t upstream); /* index into the rules' upstreams */
bool policies_readable_ok(
    const struct rules *view); /* enroll_readable: accept, in every policy of the view */

#endif
