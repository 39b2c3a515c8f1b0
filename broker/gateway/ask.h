/*
 * ask - questions to the keeper that have no answer yet: one question, one answer, one deadline.
 * Process: gateway.
 * Owns: nothing; a question lives in its asker's object until it is answered or dropped.
 * Secrets: struct allow carries one, valid during the callback only.
 * Limits: ASKS_MAX open, ASK_MS each.
 * Failure: on_fail: ERR_TIMEOUT, or ERR_UNREACHABLE when the keeper went away. An ALLOW that comes
 *   too late is finished at once, so that the keeper frees what it counted.
 */
#ifndef GATEWAY_ASK_H
#define GATEWAY_ASK_H

#include "broker/ipc/body.h"
#include "common/loop.h"

struct ask;

/* on_allow or on_ticket may be NULL, where the other is expected. */
struct ask_ops {
	void (*on_allow)(const struct allow *a, void *arg);
	void (*on_ticket)(const uint8_t ticket[TICKET_LEN], void *arg);
	void (*on_deny)(const struct deny *d, void *arg);
	void (*on_stale)(void *arg); /* another configuration is in force now: ask again */
	void (*on_fail)(enum err e, void *arg);
};

struct ask {
	const struct ask_ops *ops;
	void *arg;
	uint64_t id; /* 0: not asked */
	int64_t due_ms;
	bool waits_for_config;
	struct ask *chain;	 /* of its bucket */
	struct ask *prev, *next; /* in the order of asking, which is that of deadlines */
};

#define ASK_BUCKETS 1024

struct asks {
	struct loop *loop;
	struct timer timer;
	struct ask *buckets[ASK_BUCKETS];
	struct ask *first, *last;
	uint32_t count;
	uint64_t last_id;
};

void ask_init(struct asks *q, struct loop *l);
/* Enters a (ops and arg set, id 0) and gives it an id, for the message. ERR_LIMIT. */
enum err ask_open(struct asks *q, struct ask *a) NODISCARD;
void ask_drop(
    struct asks *q, struct ask *a); /* no answer is wanted any more; safe when not asked */

/* What the keeper said. The question is closed before its callback. false: no such question is
 * open. */
bool ask_allowed(struct asks *q, const struct allow *a);
bool ask_ticket(struct asks *q, uint64_t id, const uint8_t ticket[TICKET_LEN]);
/* Keeps the question open, to wait for ask_config_changed(), when the code is
 * CODE_STALE_GENERATION; *ret_stale says so. */
bool ask_denied(struct asks *q, const struct deny *d, bool *ret_stale);
void ask_config_changed(struct asks *q);
void ask_fail_all(struct asks *q, enum err e);

#endif
