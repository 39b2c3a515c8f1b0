/*
 * call - one question at a time over a link, without a loop: send, wait for the answer, with a
 * deadline. Process: edge, admin, cli.   Owns: nothing; the link's descriptor is the caller's.
 * Secrets: may pass through; the frame buffers are wiped.
 * Limits: one message a frame; MSG_LEN_MAX bytes.
 * Failure: ERR_NOMEM (it was not asked), ERR_TIMEOUT, ERR_EOF (the peer is gone), ERR_PROTO; the
 * link is not usable after the last two.
 */
#ifndef IPC_CALL_H
#define IPC_CALL_H

#include "broker/ipc/msg.h"
#include "broker/ipc/wire.h"

struct call_link {
	int fd; /* owned by the caller */
	enum role me, peer;
	int timeout_ms; /* of one question */
	uint64_t next_id;
};
struct call_reply {
	enum msg_type type; /* AK_OK or AK_FAIL */
	struct buf body;    /* behind the id; made with BUF_MAX(MSG_LEN_MAX), wiped by its owner */
	int fd;		    /* -1, or a descriptor that is now the caller's */
};
/* Begins a question: puts a fresh id in front of *body. */
struct wire_writer call_begin(struct call_link *c, struct buf *body);
/* Sends it as one frame, with fd unless that is -1, and waits for the answer with its id.
 * ERR_NOMEM, ERR_TIMEOUT, ERR_EOF, ERR_PROTO. */
enum err call_ask(struct call_link *c, enum msg_type type, struct span body, int fd,
    struct call_reply *ret) NODISCARD;

#endif
