/*
 * name - the grammars of the names that Sidekey hands out, with the SPIFFE ID made from them.
 * Process: all.   Owns: nothing.   Secrets: none.
 * Limits: NAME_LEN_MAX bytes; a trust domain 255 (SPIFFE-ID section 2.1).
 * Failure: ERR_SYNTAX or ERR_LIMIT; outputs are unchanged.
 */
#ifndef COMMON_NAME_H
#define COMMON_NAME_H

#include "common/err.h"
#include "common/span.h"

#define NAME_LEN_MAX 128
#define TRUST_DOMAIN_LEN_MAX 255
#define SPIFFE_ID_LEN_MAX (9 + TRUST_DOMAIN_LEN_MAX + 1 + NAME_LEN_MAX)
#define SPIFFE_GATEWAY_PATH "sidekey/gateway"

/* 1 to 4 segments of [a-z0-9._-]+ joined by '/'; "." and ".." and anything below "sidekey/" are
 * illegal. */
enum err name_workload_check(struct span s) NODISCARD;
/* One segment of [a-z0-9._-]+ that starts with a letter or digit: upstreams, policies, secrets. */
enum err name_object_check(struct span s) NODISCARD;
/* [a-z0-9._-]+, no empty label. */
enum err name_trust_domain_check(struct span s) NODISCARD;

/* Splits "spiffe://<td>/<path>" when td is exactly trust_domain and path is a workload name or
 * SPIFFE_GATEWAY_PATH. No percent-decoding, no case folding, no port, userinfo, query or fragment
 * (SPIFFE-ID section 2). */
enum err spiffe_parse(struct span uri, const char *trust_domain, struct span *ret_path) NODISCARD;

#endif
