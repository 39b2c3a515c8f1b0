/*
 * channel - messages over one SOCK_SEQPACKET link: many a frame, one frame a loop turn, never
 * blocking. Process: all of the broker, cli.   Owns: the link's descriptor, its queue, descriptors
 * that were received and not taken. Secrets: pass through the frame buffers, which are wiped when a
 * frame was sent or handled. Limits: CHANNEL_FRAME_MAX bytes a frame, queue_max bytes queued;
 * beyond it channel_send() gives ERR_LIMIT (the peer does not drain). Failure: ERR_PROTO when the
 * peer breaks the table, ERR_EOF when it is gone; the owner closes the channel.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include "broker/ipc/msg.h"
#include "broker/ipc/wire.h"
#include "common/loop.h"

#define CHANNEL_FRAME_MAX                                                                          \
	131072 /* bytes; a SEQPACKET message of 208 KiB is the kernel's default ceiling */

struct channel;

struct msg {
	enum msg_type type;
	struct span body; /* valid during the callback only */
	int fd; /* -1, or a descriptor: set to -1 to take it, else it is closed behind the callback
		 */
};

/* One call a message that the table admits. The callback may close the channel. */
typedef void channel_fn(struct channel *ch, struct msg *m, void *arg);
/* The link ended: ERR_EOF, ERR_PROTO, ERR_IO. The callback closes the channel. */
typedef void channel_end_fn(struct channel *ch, enum err e, void *arg);

/* What the owner says of a link once, when it makes it. */
struct channel_role {
	enum role me, peer; /* both are checked against the table for every message, both ways */
	size_t queue_max;   /* bytes */
	channel_fn *on_msg;
	channel_end_fn *on_end;
	void *arg;
};

/* Takes fd (made non-blocking), also on failure. */
enum err channel_new(
    struct loop *l, int fd, const struct channel_role *r, struct channel **ret_ch) NODISCARD;
void channel_close(struct channel *ch); /* safe inside its own callbacks; NULL is fine */

void channel_set_ready(struct channel *ch); /* LINK_NEW -> LINK_READY */
enum role channel_peer(const struct channel *ch);
int channel_fd(const struct channel *ch); /* for SO_PEERCRED only */

/* Begins a message in the queue's frame; write the body with the writer, then channel_end().
 * Nothing is sent before the end of the loop turn. */
struct wire_writer channel_begin(struct channel *ch, enum msg_type type);
/* Ends it; the writer's error, or ERR_LIMIT, drops the message whole. */
enum err channel_end(struct channel *ch, const struct wire_writer *w) NODISCARD;
/* The same with a descriptor, which is duplicated; the message gets a frame of its own. */
enum err channel_end_fd(struct channel *ch, const struct wire_writer *w, int fd) NODISCARD;
/* Sends what is queued now, as far as the socket takes it; the loop does this by itself at the end
 * of a turn. */
void channel_flush(struct channel *ch);
/* Sends all of it, at the end of a process, and waits for the peer to take it, at most that long.
 */
void channel_flush_all(struct channel *ch, int timeout_ms);
int64_t channel_stalled_since_ms(
    const struct channel *ch); /* monotonic time since when the peer does not drain; 0 = it does */

#endif
