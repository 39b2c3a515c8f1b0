/*
 * admin - the operator's control plane on admin.sock, and the compiler of upstreams and policies.
 * Process: admin.
 * Owns: the listening socket, the server, the link to the keeper.
 * Secrets: none: values go from the command line to the keeper; here are names and states.
 * Limits: those of server.h and policyc.h.
 * Failure: problem+json to the client; rules that do not compile leave the ones before in
 *          force, and are logged error by error.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "broker/api/admin/load.h"
#include "broker/api/asker.h"
#include "broker/api/drain.h"
#include "broker/proc/child.h"

struct admin {
	struct loop *loop;
	struct server *server;
	struct asker asker;
	struct load load;
	struct watch listener;
	struct timer accept_again, load_again;
	struct drain drain;
	bool sealed;   /* the keeper refused the rules for that reason: they wait */
	enum err said; /* why they are not in force, as the log has it already */
	uid_t own_uid; /* besides root, who may speak here */
};

/* Runs until drained. The child is confined behind this call, attached and ready inside it. */
int admin_main(struct child *c);

/* One request, whole; for admin_main() and tests. arg is a struct admin. */
void admin_request(struct request *q, void *arg);

/* A request that was let in, for the handlers. */
struct admin_call {
	struct admin *admin;
	struct request *request;
	uint32_t uid; /* who asks: written into the audit */
	char name[NAME_LEN_MAX +
		  1]; /* the object in the path, decoded and of the right grammar; "" */
};
typedef void admin_fn(struct admin_call *k, unsigned change);

/* The handlers; change is the enum workload_change or secret_change of the route. */
void admin_status(struct admin_call *k, unsigned change);
void admin_workload_list(struct admin_call *k, unsigned change);
void admin_workload_add(struct admin_call *k, unsigned change);
void admin_workload_set(struct admin_call *k, unsigned change);
void admin_secret_list(struct admin_call *k, unsigned change);
void admin_secret_history(struct admin_call *k, unsigned change);
void admin_secret_set(struct admin_call *k, unsigned change);
void admin_upstream_list(struct admin_call *k, unsigned change);
void admin_reload(struct admin_call *k, unsigned change);

/* A question to the keeper; false: the request is answered. body was begun with call_begin(). */
bool admin_ask(
    struct admin_call *k, enum msg_type type, const struct wire_writer *w, struct call_reply *ret);
/* For an answer that does not parse: logs and answers. */
void admin_broken(struct admin_call *k);
void admin_refuse(struct admin_call *k, unsigned status, const char *code, const char *detail);

#endif
