#include "broker/ipc/frame.h"

#include <errno.h>
#include <string.h>

#include "broker/ipc/wire.h"
#include "common/sys.h"

enum err
frame_begin(struct buf *frame, enum msg_type type, size_t *ret_at)
{
	struct wire_writer w = wire_write(frame);
	size_t at = frame->len;

	wire_put_u16(&w, (uint16_t)type);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, 0);
	if (w.e != ERR_OK) {
		buf_truncate(frame, at);
		return w.e;
	}
	*ret_at = at;
	return ERR_OK;
}

void
frame_end(struct buf *frame, size_t at)
{
	size_t len = frame->len - at - FRAME_HEADER_LEN;

	for (size_t i = 0; i < 4; i++)
		frame->data[at + 4 + i] = (uint8_t)(len >> (8 * i));
}

enum err
frame_next(struct span *rest, uint16_t *ret_type, struct span *ret_body)
{
	struct wire_reader r = wire_read(*rest);
	uint16_t type, zero;
	struct span body;

	if (rest->len == 0)
		return ERR_EOF;
	type = wire_u16(&r);
	zero = wire_u16(&r);
	body = wire_blob(&r, MSG_LEN_MAX);
	if (r.e != ERR_OK || zero != 0)
		return ERR_PROTO;
	*rest = span_of(r.p, r.left);
	*ret_type = type;
	*ret_body = body;
	return ERR_OK;
}

union fd_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

enum err
frame_send(int fd, struct span frame, int send_fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)frame.p, .iov_len = frame.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_space space = { 0 };

	if (send_fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = space.bytes;
		m.msg_controllen = sizeof space.bytes;
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &send_fd, sizeof send_fd);
	}
	if (sys_sendmsg(fd, &m, 0) >= 0)
		return ERR_OK;
	if (errno == EAGAIN)
		return ERR_AGAIN;
	if (errno == ENOBUFS || errno == ENOMEM)
		return ERR_NOMEM;
	return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? ERR_EOF : ERR_IO;
}

static int
received_fd(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

enum err
frame_receive(int fd, struct buf *frame, int *ret_fd)
{
	union fd_space space = { 0 };
	/* CMSG_LEN, not CMSG_SPACE: in its padding a second descriptor would come, and stay */
	struct msghdr m = { .msg_control = space.bytes, .msg_controllen = CMSG_LEN(sizeof(int)) };
	struct iovec iov;
	ssize_t n;
	int got;
	enum err e;

	buf_clear(frame);
	e = buf_reserve(frame, FRAME_MAX);
	if (e != ERR_OK)
		return e;
	iov = (struct iovec){ .iov_base = buf_tail(frame), .iov_len = buf_room(frame) };
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	n = sys_recvmsg(fd, &m, 0);
	if (n < 0 && errno == EAGAIN)
		return ERR_AGAIN;
	if (n < 0 && (errno == ENOBUFS || errno == ENOMEM))
		return ERR_NOMEM;
	if (n < 0)
		return errno == ECONNRESET ? ERR_EOF : ERR_IO;
	if (n == 0) { /* an empty datagram is what the end looks like; one may carry a descriptor */
		sys_close(received_fd(&m));
		return ERR_EOF;
	}
	buf_added(frame, (size_t)n);
	got = received_fd(&m);
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) !=
	    0) { /* more bytes or descriptors than any frame has */
		sys_close(got);
		return ERR_PROTO;
	}
	*ret_fd = got;
	return ERR_OK;
}
