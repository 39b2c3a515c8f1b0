/*
 * load - from the files in config_dir to the rules in force: compile, hand over by sealed memfd.
 * Process: admin.   Owns: nothing: the keeper has the rules.   Secrets: none.
 * Limits: those of policyc.h.
 * Failure: what was loaded before stays in force; errors are logged and told to the keeper for its
 *          status.
 */
#ifndef ADMIN_LOAD_H
#define ADMIN_LOAD_H

#include "broker/api/asker.h"
#include "broker/api/policyc/policyc.h"

struct load {
	const char *config_dir;
	uint32_t upstreams, policies; /* of what was loaded last */
	uint64_t generation;
	char digest[65];
};

void load_init(struct load *l, const char *config_dir);

/* Compiles and hands over on behalf of uid. ERR_SYNTAX: *ret_errors say why, and *ret_reply is what
 * the keeper answered to that. Else an error of asker_ask(), or *ret_reply is the keeper's AK_FAIL
 * and ERR_DENIED is returned. */
enum err load_now(struct load *l, struct asker *a, uint32_t uid, struct policyc_errors *ret_errors,
    struct call_reply *ret_reply) NODISCARD;

#endif
