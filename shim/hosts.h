/*
 * hosts - looks a name up in the text of a hosts(5) file.
 * Process: shim.   Owns: nothing.   Secrets: none.
 * Limits: the caller's array; further addresses are left out. Other lines are skipped.
 * Failure: none; 0 is "not there".
 */
#ifndef SHIM_HOSTS_H
#define SHIM_HOSTS_H

#include "common/span.h"
#include "shim/args.h"

/* Writes up to max addresses with that port; returns how many. Names compare without case. */
size_t shim_hosts_find(
    struct span text, const char *name, uint16_t port, union shim_sockaddr *ret_sas, size_t max);

/* The address itself when host is numeric (RFC 4291, dotted quad): ERR_NOT_FOUND otherwise. */
enum err shim_hosts_numeric(const char *host, uint16_t port, union shim_sockaddr *ret_sa) NODISCARD;

#endif
