/*
 * policy_fd - compiled rules in a sealed memfd: taken in from the admin process, handed on to the
 * gateways.
 * Process: keeper.   Owns: nothing.
 * Secrets: none.
 * Limits: RULES_LEN_MAX bytes.
 * Failure: ERR_PROTO for a descriptor that its sender could still change, ERR_LIMIT, ERR_IO,
 *          ERR_NOMEM, ERR_SYS.
 */
#ifndef KEEPER_POLICY_FD_H
#define KEEPER_POLICY_FD_H

#include "broker/rules/rules.h"

/* Only what nobody can change or cut any more is read: see F_GET_SEALS in fcntl(2). */
enum err policy_fd_read(int fd, struct buf *ret) NODISCARD;
/* The upstreams' part, sealed. */
enum err policy_fd_make(const struct rules *r, int *ret_fd) NODISCARD;

#endif
