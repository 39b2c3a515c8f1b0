/*
 * frame - how messages stand one behind the other in one SEQPACKET datagram.
 * Process: all of the broker, cli.   Owns: nothing.   Secrets: bodies may carry one; buffers wipe.
 * Limits: FRAME_MAX bytes a datagram; one descriptor, which then comes with a single message.
 * Failure: ERR_PROTO for a frame that is torn, ERR_AGAIN when the socket would block, ERR_EOF when
 * the peer is gone.
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include "broker/ipc/msg.h"
#include "common/buf.h"

#define FRAME_MAX 131072 /* bytes; the kernel's default ceiling for a datagram is 212 960 */
#define FRAME_AGAIN_MS 5
#define FRAME_HEADER_LEN 8 /* u16 type, u16 zero, u32 body length */

/* Appends a header whose length is filled in by frame_end(). Gives its offset. */
enum err frame_begin(struct buf *frame, enum msg_type type, size_t *ret_at) NODISCARD;
void frame_end(struct buf *frame, size_t at);

/* Cuts the next message off the front of *rest. ERR_EOF when nothing is left. */
enum err frame_next(struct span *rest, uint16_t *ret_type, struct span *ret_body) NODISCARD;

/* One datagram, with fd unless that is -1. ERR_AGAIN; ERR_NOMEM: the kernel has no memory for it
 * (poll(2) says that there is room: pause FRAME_AGAIN_MS); ERR_EOF (the peer is gone), ERR_IO. */
enum err frame_send(int fd, struct span frame, int send_fd) NODISCARD;
/* One datagram into *frame (max FRAME_MAX), a descriptor into *ret_fd (else -1). ERR_NOMEM: it is
 * still there. */
enum err frame_receive(int fd, struct buf *frame, int *ret_fd) NODISCARD;

#endif
