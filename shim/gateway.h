/*
 * gateway - the address of the gateway as an enrollment gives it.
 * Process: shim.   Owns: nothing; plain data.   Secrets: none.
 * Limits: a unix path as long as sun_path takes, a host name of 253 bytes (RFC 1035 section 2.3.4).
 * Failure: ERR_SYNTAX, ERR_LIMIT or ERR_RANGE; the output is unchanged.
 */
#ifndef SHIM_GATEWAY_H
#define SHIM_GATEWAY_H

#include <sys/un.h>

#include "common/err.h"
#include "common/span.h"

#define SHIM_HOST_MAX 253
#define SHIM_GATEWAY_TEXT_MAX 275

struct shim_gateway {
	bool is_tcp;
	struct sockaddr_un path;      /* unix: */
	char host[SHIM_HOST_MAX + 1]; /* tcp: a name or a numeric address, without brackets */
	uint16_t port;
	char text[SHIM_GATEWAY_TEXT_MAX + 1]; /* as it was given: for messages */
};

/* "unix:/absolute/path", "tcp:host:port", "tcp:[v6]:port". A host is [A-Za-z0-9.-], or an IPv6
 * address in brackets. */
enum err shim_gateway_parse(struct span text, struct shim_gateway *ret_g) NODISCARD;

#endif
