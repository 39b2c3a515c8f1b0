/*
 * addr - which addresses an upstream may have: what is not plainly public on the Internet is
 * refused. Process: gateway.   Owns: nothing.   Secrets: none.   Limits: none.   Failure:
 * ERR_DENIED.
 */
#ifndef GATEWAY_ADDR_H
#define GATEWAY_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/err.h"

struct addr {
	socklen_t len; /* 0: none */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* Only the forms of inet_pton(3): no octal, hex, decimal or short ones. ERR_SYNTAX: not an address.
 */
enum err addr_parse(const char *text, uint16_t port, struct addr *ret_a) NODISCARD;
/* ERR_OK for a public unicast address; ERR_DENIED for all that the IANA special-purpose registries
 * (RFC 6890) keep from the Internet: private, loopback, link-local with the metadata services,
 * shared (RFC 6598), documentation, benchmarking, multicast, reserved; and for IPv6 all that
 * carries an IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo), since a translator
 * would dial that one. */
enum err addr_check(const struct addr *a) NODISCARD;

#endif
