#include "broker/ipc/call.h"

#include <errno.h>
#include <poll.h>

#include "broker/ipc/frame.h"
#include "common/clock.h"
#include "common/sys.h"

struct wire_writer
call_begin(struct call_link *c, struct buf *body)
{
	struct wire_writer w = wire_write(body);

	wire_put_u64(&w, ++c->next_id);
	return w;
}

/* The kernel had no memory for it, of which poll(2) does not know. */
static void
pause_for_memory(void)
{
	(void)poll(NULL, 0, FRAME_AGAIN_MS);
}

static enum err
wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n;

	do {
		left = deadline_ms - clock_mono_ms();
		n = left > 0 ? poll(&p, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return ERR_SYS;
	return n == 0 ? ERR_TIMEOUT : ERR_OK;
}

static enum err
send_question(const struct call_link *c, struct span frame, int fd, int64_t deadline_ms)
{
	enum err e;

	for (;;) {
		e = wait_for(c->fd, POLLOUT, deadline_ms);
		if (e != ERR_OK)
			return e;
		e = frame_send(c->fd, frame, fd);
		if (e != ERR_AGAIN && e != ERR_NOMEM)
			return e;
		if (e == ERR_NOMEM)
			pause_for_memory();
	}
}

/* ERR_AGAIN: the answer to an earlier question that was given up. */
static enum err
read_answer(const struct call_link *c, struct span frame, int fd, struct call_reply *ret)
{
	struct msg_ctx ctx = { .from = c->peer, .to = c->me, .state = LINK_READY };
	struct wire_reader r;
	struct span body;
	uint16_t type;
	uint64_t id;

	if (frame_next(&frame, &type, &body) != ERR_OK || frame.len > 0 ||
	    msg_check(&ctx, type, body.len, fd >= 0) != ERR_OK ||
	    (type != AK_OK && type != AK_FAIL))
		return ERR_PROTO;
	r = wire_read(body);
	id = wire_u64(&r);
	if (id != c->next_id)
		return id < c->next_id ? ERR_AGAIN : ERR_PROTO;
	ret->type = (enum msg_type)type;
	buf_clear(&ret->body);
	return buf_append(&ret->body, r.p, r.left);
}

static enum err
wait_answer(
    const struct call_link *c, struct buf *frame, int64_t deadline_ms, struct call_reply *ret)
{
	enum err e;

	for (;;) {
		AUTO(sys_closep) int fd = -1;

		e = wait_for(c->fd, POLLIN, deadline_ms);
		if (e == ERR_OK)
			e = frame_receive(c->fd, frame, &fd);
		if (e == ERR_OK)
			e = read_answer(c, buf_span(frame), fd, ret);
		if (e == ERR_OK) {
			ret->fd = fd;
			fd = -1; /* given away */
		}
		if (e == ERR_NOMEM)
			pause_for_memory();
		else if (e != ERR_AGAIN)
			return e;
	}
}

enum err
call_ask(struct call_link *c, enum msg_type type, struct span body, int fd, struct call_reply *ret)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	struct msg_ctx ctx = { .from = c->me, .to = c->peer, .state = LINK_READY };
	int64_t deadline_ms = clock_mono_ms() + c->timeout_ms;
	size_t at;
	enum err e;

	must(msg_check(&ctx, (uint16_t)type, body.len, fd >= 0) == ERR_OK);
	ret->fd = -1;
	/* all that the answer needs, now: what is done behind the question may not be lost for want
	 * of memory */
	e = buf_reserve(&frame, frame.max);
	if (e == ERR_OK)
		e = buf_reserve(&ret->body, ret->body.max);
	if (e == ERR_OK)
		e = frame_begin(&frame, type, &at);
	if (e == ERR_OK)
		e = buf_append_span(&frame, body);
	if (e != ERR_OK)
		return e;
	frame_end(&frame, at);
	e = send_question(c, buf_span(&frame), fd, deadline_ms);
	return e == ERR_OK ? wait_answer(c, &frame, deadline_ms, ret) : e;
}
