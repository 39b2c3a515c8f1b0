/*
 * share - how many connections each workload has, so that none takes more than its share.
 * Process: gateway.   Owns: the counters, in a list: a gateway serves tens of workloads, not
 * thousands. Secrets: none.   Limits: the caller's.   Failure: ERR_LIMIT, ERR_NOMEM; nothing was
 * counted.
 */
#ifndef GATEWAY_SHARE_H
#define GATEWAY_SHARE_H

#include "broker/gateway/gateway.h"

enum err share_take(
    struct share **list, const char *workload, uint32_t max, struct share **ret_s) NODISCARD;
void share_give(struct share **list, struct share *s); /* NULL is fine */

#endif
