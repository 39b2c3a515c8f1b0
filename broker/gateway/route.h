/*
 * route - the one table of what paths exist, for whom and on which kind of connection.
 * Process: gateway.   Owns: nothing.   Secrets: none.   Limits: none.
 * Failure: a route whose refusal is not ROUTE_OK; zero is "not found".
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include "common/name.h"
#include "common/span.h"

/* What the client offered by ALPN and we took. Zero is the least that there is. */
enum alpn { ALPN_FORWARD = 0, ALPN_CONTROL };

enum route_kind { ROUTE_NONE = 0, ROUTE_PROXY, ROUTE_CONTROL, ROUTE_HEALTH, ROUTE_READY };
enum route_refusal {
	ROUTE_NOT_FOUND = 0,
	ROUTE_METHOD,	    /* the path exists, not for this method */
	ROUTE_NO_WORKLOAD,  /* needs a client certificate */
	ROUTE_CONTROL_ONLY, /* only on the shim's own connections */
	ROUTE_UNSUPPORTED,  /* CONNECT, TRACE */
	ROUTE_OK,
};

struct route {
	enum route_refusal refusal;
	enum route_kind kind; /* also when refused, if the path exists */
	struct span upstream; /* ROUTE_PROXY: the name */
	struct span rest;     /* ROUTE_PROXY: what follows it: "/...", with the query */
	struct span path;     /* the target without its query */
	const char *allow;    /* ROUTE_METHOD: the Allow header's value */
};

/* has_workload: the connection showed a certificate that names a workload. */
struct route route_find(struct span method, struct span target, bool has_workload, enum alpn alpn);

#endif
