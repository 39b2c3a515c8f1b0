/*
 * asker - the one link to the keeper, and what its answers mean in HTTP.
 * Process: edge, admin.
 * Owns: the link's descriptor.
 * Secrets: none: the messages of these roles carry none.
 * Limits: ASKER_TIMEOUT_MS a question.
 * Failure: ERR_UNREACHABLE while there is no keeper; the link comes again from sidekeyd when the
 *          keeper does. A keeper that lives and ended the link has no other: a question
 *          ASKER_LOST_MS later ends the process, which is started again with one.
 * Clock: clock_mono_ms().
 */
#ifndef API_ASKER_H
#define API_ASKER_H

#include "broker/api/server.h"
#include "broker/ipc/call.h"

#define ASKER_TIMEOUT_MS 5000
#define ASKER_LOST_MS 10000

struct asker {
	struct call_link link;
	bool linked;
	int64_t lost_ms; /* when the last one ended */
};

void asker_init(struct asker *a, enum role me);
void asker_close(struct asker *a);
void asker_link(struct asker *a, int fd); /* takes fd; the one before is closed */

/* A question begun with call_begin(&a->link, body) and written with w. *ret is wiped by its owner.
 * ERR_OK: there is an answer, AK_OK or AK_FAIL. */
enum err asker_ask(struct asker *a, enum msg_type type, const struct wire_writer *w, int fd,
    struct call_reply *ret) NODISCARD;
void asker_reply_close(struct call_reply *r); /* for AUTO() */
#define ASKER_REPLY                                                                                \
	{                                                                                          \
		.type = MSG_NONE, .body = BUF_MAX(MSG_LEN_MAX), .fd = -1                           \
	}

struct asker_failure {
	enum err e;
	char code[48], message[512], hint[512];
};
/* Reads the body of AK_FAIL; what cannot be read becomes ERR_PROTO. */
void asker_failure_get(const struct call_reply *r, struct asker_failure *ret_f);

/* True for AK_OK. Else answers q with the keeper's refusal, or with 503 when e is why there is
 * none. */
bool asker_good(struct request *q, enum err e, const struct call_reply *r);

#endif
