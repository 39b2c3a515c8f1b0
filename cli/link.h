/*
 * link - questions to the keeper over keeper.sock, which alone may carry secrets.
 * Process: cli.   Owns: the descriptor of a struct link (link_close()).
 * Secrets: in the bodies of the CK_ messages; the buffers wipe.
 * Limits: those of broker/ipc/msg.h; LINK_TIMEOUT_MS a question.
 * Failure: an exit code with the message on stderr.
 */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include "broker/ipc/call.h"
#include "cli/cli.h"

#define LINK_TIMEOUT_MS 60000

struct link {
	struct call_link call;
	char path[PATH_MAX];
};

#define LINK_NONE                                                                                  \
	{                                                                                          \
		.call = {.fd = -1 }                                                                \
	}

enum cli_exit link_open(const struct cli *c, struct link *ret_l) NODISCARD;
void link_close(struct link *l);

/* Begins a question in *body; then link_ask(). */
struct wire_writer link_begin(struct link *l, struct buf *body);
/* Sends it and waits. A refusal of the keeper is printed and becomes its exit code. */
enum cli_exit link_ask(struct link *l, enum msg_type type, const struct wire_writer *w,
    struct call_reply *ret) NODISCARD;

/* All of it for a question without a body. */
enum cli_exit link_ask_bare(
    const struct cli *c, enum msg_type type, struct call_reply *ret) NODISCARD;

/* The value of a secret, into a buffer of SECRET_LEN_MAX; version 0: the active one. It is
 * recorded. */
enum cli_exit link_reveal(
    struct link *l, const char *name, uint32_t version, struct buf *ret_value) NODISCARD;

#define LINK_REPLY                                                                                 \
	{                                                                                          \
		.body = BUF_MAX(MSG_LEN_MAX), .fd = -1                                             \
	}
void link_reply_close(
    struct call_reply *r); /* for AUTO(); wipes, closes a descriptor that was not taken */
/* CLI_OK if the reader took the reply to its end. */
enum cli_exit link_done(const struct wire_reader *r) NODISCARD;

/* CLI_UNREACHABLE with the reason, if there is no socket at path that this user may connect to. */
enum cli_exit link_check_socket(const char *path) NODISCARD;
/* The sentence for a socket that does not answer; errno value, or 0 if it is not known. */
enum cli_exit link_unreachable(const char *path, int error);

#endif
