/*
 * load - from the files in config_dir to the rules in force: compile, hand over by sealed memfd,
 * keep a copy.
 * Process: admin.   Owns: the rules that were loaded last.   Secrets: none.
 * Limits: those of policyc.h.
 * Failure: what was loaded before stays, here and in the keeper; errors are logged and
 *          told to the keeper for its status.
 */
#ifndef ADMIN_LOAD_H
#define ADMIN_LOAD_H

#include "broker/api/asker.h"
#include "broker/api/policyc/policyc.h"

struct load {
	const char *config_dir;
	struct rules *rules; /* NULL: none were loaded yet */
	uint64_t generation;
	char digest[65];
};

void load_init(struct load *l, const char *config_dir);
void load_close(struct load *l);

/* Compiles and hands over on behalf of uid. ERR_SYNTAX: *ret_errors say why, and *ret_reply is what
 * the keeper answered to that. Else an error of asker_ask(), or *ret_reply is the keeper's AK_FAIL
 * and ERR_DENIED is returned. */
enum err load_now(struct load *l, struct asker *a, uint32_t uid, struct policyc_errors *ret_errors,
    struct call_reply *ret_reply) NODISCARD;

#endif
