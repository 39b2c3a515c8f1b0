#include "broker/keeper/answers.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/keeper/keeper.h"
#include "common/log.h"

#define LAZY_SYNC_MS 25 /* records that nobody waits for */

enum err
answers_init(struct answers *a)
{
	*a = (struct answers){ .list = calloc(ANSWERS_MAX, sizeof *a->list) };
	return a->list == NULL ? ERR_NOMEM : ERR_OK;
}

void
answers_close(struct answers *a)
{
	free(a->list);
	*a = (struct answers){ .list = NULL };
}

struct answer *
answers_add(struct keeper *k, struct peer *p)
{
	struct answers *a = &k->answers;
	struct answer *one;

	if (a->count == ANSWERS_MAX)
		answers_send(k);
	one = &a->list[a->count++];
	*one = (struct answer){ .peer = p };
	return one;
}

void
answers_forget_peer(struct answers *a, const struct peer *p)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->list[i].peer == p)
			a->list[i].peer = NULL;
}

static void
deny_instead(struct keeper *k, struct answer *a, const char *code, const char *hint)
{
	struct flight *f = flight_find(&k->flights, a->allow.seq, a->peer);

	if (f != NULL) {
		flight_record(k, f, NULL, "not_sent"); /* the log must not claim that it went out */
		held_give_back(&f->held);
		flight_end(&k->flights, f);
	}
	a->allowed = false;
	a->deny = (struct deny){ .id = a->allow.id, .status = 503 };
	(void)span_copy_str(span_str(code), a->deny.code, sizeof a->deny.code);
	(void)span_copy_str(span_str(hint), a->deny.hint, sizeof a->deny.hint);
}

static void
send_deny(struct answer *a)
{
	struct wire_writer w = channel_begin(a->peer->channel, GK_DENY);

	deny_put(&w, &a->deny);
	peer_send(a->peer, &w);
}

static void
send_allow(struct keeper *k, struct answer *a)
{
	AUTO(secret_freep) struct secret *value = NULL;
	char key[KV_KEY_MAX + 1];
	struct wire_writer w;

	if (a->secret != NULL) {
		secrets_value_key(a->secret, a->allow.version, key);
		if (kv_open_row(k->kv, key, &value) != ERR_OK) {
			log_error("secret %s cannot be opened", a->secret->name);
			deny_instead(k, a, "secret_unavailable",
			    "sidekey: the key for this upstream cannot be opened; ask the operator "
			    "to look at the broker's log");
			send_deny(a);
			return;
		}
		a->allow.value = secret_span(value);
	}
	w = channel_begin(a->peer->channel, GK_ALLOW);
	allow_put(&w, &a->allow);
	peer_send(a->peer, &w);
	a->allow.value = SPAN_NONE;
}

static void
sync_later(struct keeper *k)
{
	if (k->lazy_sync.slot == 0 &&
	    loop_timer(k->loop, &k->lazy_sync, loop_now_ms(k->loop) + LAZY_SYNC_MS) != ERR_OK)
		log_fatal("no memory for a timer");
}

void
answers_send(struct keeper *k)
{
	struct answers *a = &k->answers;
	enum err e;

	if (k->sealed)
		return;
	if (a->count == 0) {
		if (audit_pending(k->audit) && !k->audit_failing)
			sync_later(k);
		return;
	}
	e = audit_pending(k->audit) || k->audit_failing ? keeper_sync(k) : ERR_OK;
	for (size_t i = 0; i < a->count; i++) {
		struct answer *one = &a->list[i];

		if (one->peer == NULL)
			continue;
		if (e != ERR_OK && one->allowed)
			deny_instead(k, one, keeper_not_ready_code(k), keeper_not_ready_hint(k));
		if (one->allowed)
			send_allow(k, one);
		else
			send_deny(one);
	}
	a->count = 0;
}
