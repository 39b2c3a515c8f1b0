/*
 * self - what the broker says of this workload as it enrolls: which variables the child gets.
 * Process: shim.   Owns: nothing: variables go into the child's environment.
 * Secrets: none: a placeholder is worthless elsewhere.
 * Limits: SHIM_ENV_VALUE_MAX bytes a value.
 * Failure: ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM with a sentence in why; the environment may hold some
 * of the variables, and must not be used.
 */
#ifndef SHIM_SELF_H
#define SHIM_SELF_H

#include "shim/limits.h"
#include "shim/env.h"

struct shim_self {
	bool reusable;	  /* the enrollment works again: its file must be hidden */
	bool readable_ok; /* ... unless policy accepts that it is not */
};

/* json is the answer to POST /v1/enroll; read is its "self", which is what GET /v1/self says. url
 * stands where a value says {sidekey_url}: "http://127.0.0.1:7433". Members that are not known are
 * ignored: the broker may be newer. */
enum err shim_self_take(struct span json, const char *url, struct shim_env *env,
    struct shim_self *ret_self, char why[SHIM_WHY_SIZE]) NODISCARD;

#endif
