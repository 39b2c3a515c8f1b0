/*
 * ask - a call of edge, admin or the command line: its arguments, its reply, and why it failed.
 * Process: keeper.   Owns: the reply's bytes until they are in the channel's frame.
 * Secrets: a reply may carry one (reveal, a new enrollment's key); wiped.
 * Limits: MSG_LEN_MAX a reply, whose memory is there before the callee runs.
 * Failure: AK_FAIL with what the callee said; a call whose arguments do not parse is ERR_PROTO and
 *          ends the link.
 */
#ifndef KEEPER_ASK_H
#define KEEPER_ASK_H

#include "broker/ipc/body.h"
#include "broker/keeper/peer.h"

#define ASK_SCRATCH_MAX MSG_LEN_MAX

struct ask {
	struct keeper *keeper;
	struct peer *peer;
	uint64_t id;
	uint32_t
	    uid; /* who asks: the socket's credentials, or what admin read from its own socket */
	bool has_uid;
	struct wire_reader in;	/* behind id and uid */
	struct wire_writer out; /* the reply behind the id */
	struct msg *msg;	/* for its descriptor */
	struct buf scratch;	/* self.c's, reserved before anything is done */
	int reply_fd;		/* -1, or goes with the reply and is closed */
	bool later;		/* somebody answers when it is done */
	char code[CODE_LEN_MAX + 1], message[HINT_LEN_MAX + 1], hint[HINT_LEN_MAX + 1];
};

typedef enum err ask_fn(struct ask *a);

struct ask_row {
	enum msg_type type;
	bool while_sealed; /* else refused with ERR_SEALED */
	bool uid;	   /* u32 uid stands behind the id */
	ask_fn *run;
};

/* Finds the row, runs it, replies. A type without a row ends the link. */
void ask_run(struct peer *p, struct msg *m, const struct ask_row *rows, size_t count);

/* Says why, for AK_FAIL, and returns e. message and hint are whole sentences; hint is the next
 * step. */
enum err ask_refuse(struct ask *a, enum err e, const char *code, const char *hint, const char *fmt,
    ...) PRINTF(5, 6);
/* The same for what keeper_commit() and keeper_record() return. */
enum err ask_commit_error(struct ask *a, enum err e);

/* The reply to a call that was put off, to whoever is still there. */
void ask_reply_number(struct keeper *k, uint64_t peer_number, uint64_t id, uint32_t n);

#endif
