/*
 * server - HTTP/1.1 for the control plane: libmicrohttpd on connections that are handed to it,
 * inside our loop.
 * Process: edge, admin.   Owns: the daemon, its connections, a request until it is answered.
 * Secrets: none: the gateway takes credentials out before it hands a connection over.
 * Limits: SERVER_BODY_MAX bytes a body (413), SERVER_CONNECTIONS_MAX connections (more are
 *          closed), SERVER_IDLE_S seconds.
 * Failure: a request that cannot be answered ends its connection.
 * Clock: libmicrohttpd's own, for idle connections.
 */
#ifndef API_SERVER_H
#define API_SERVER_H

#include <jansson.h>
#include <sys/types.h>

#include "common/loop.h"
#include "common/span.h"

#define SERVER_BODY_MAX 65536
#define SERVER_CONNECTIONS_MAX 256
#define SERVER_IDLE_S 10
#define SERVER_TARGET_MAX 1024

struct MHD_Connection;
struct server;

struct request {
	struct span method, target; /* as sent: nothing is decoded, and a query is part of it */
	struct span body;
	struct MHD_Connection *connection;
	bool answered;
};

/* Called once a request, with its whole body. It answers before it returns; if it does not, the
 * client gets status 500. */
typedef void server_fn(struct request *q, void *arg);

enum err server_new(struct loop *l, server_fn *fn, void *arg, struct server **ret_s) NODISCARD;
void server_free(struct server *s); /* closes every connection */
/* Takes fd, also when it fails: a stream socket on which a client speaks. */
void server_add(struct server *s, int fd);
unsigned server_open_count(const struct server *s);

/* For the server, and for who makes the same answer again: what there was no memory for before is
 * forgotten. From the first call on, JSON that lacks something for want of memory is never sent,
 * and a text that could not be read for that reason is not called bad: the request stays
 * unanswered. */
void request_begin(void);
/* How often the header was sent; the value of the first in *ret_value (NULL: none). */
size_t request_header(const struct request *q, const char *name, const char **ret_value);
/* The user at the other end, by SO_PEERCRED. */
enum err request_peer_uid(const struct request *q, uid_t *ret_uid) NODISCARD;

/* Takes o. NULL: no body (204), or out of memory: then the connection ends without an answer. */
void request_answer(struct request *q, unsigned status, json_t *o);
void request_answer_empty(struct request *q);
/* application/problem+json (RFC 9457). Takes extra: further members, or NULL. hint may be "". */
struct problem {
	unsigned status;
	const char *code, *detail, *hint;
	json_t *extra;
	const char *allow; /* the Allow header of a 405, or NULL */
};
void request_refuse(struct request *q, const struct problem *p);

/* What came as body, as a JSON object: no duplicate key, no other key than those in the
 * NULL-terminated list, at most 8 levels. NULL: it was refused, or there is no memory for it. */
json_t *request_object(struct request *q, const char *const *keys);

#endif
