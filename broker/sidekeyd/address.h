/*
 * address - "127.0.0.1:8443" or "[::1]:8443" as a socket address; no names, so that no resolver
 *           decides where we listen. What workloads are told may be a name.
 * Process: sidekeyd.   Owns: nothing.   Secrets: none.   Limits: port 1 to 65535.
 * Failure: ERR_SYNTAX; outputs are unchanged.
 */
#ifndef SIDEKEYD_ADDRESS_H
#define SIDEKEYD_ADDRESS_H

#include <sys/socket.h>

#include "common/err.h"

enum err address_parse(
    const char *text, struct sockaddr_storage *ret_sa, socklen_t *ret_len) NODISCARD;

/* ERR_OK for what a shim can dial: unix:/PATH of a socket, or tcp:HOST:PORT that is one host's. */
enum err address_check_gateway(const char *text) NODISCARD;

#endif
