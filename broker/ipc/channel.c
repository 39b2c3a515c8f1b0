#include "broker/ipc/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "broker/ipc/frame.h"
#include "common/clock.h"
#include "common/sys.h"

#define WAKE_FRAMES_MAX 16 /* a turn and channel, so that one peer cannot starve the loop */

struct frame {
	struct frame *next;
	struct buf bytes;
	int fd; /* -1, or travels with the frame, which is then closed to more */
};

struct channel {
	struct loop *loop;
	struct watch watch;
	struct channel_role role;
	enum link_state state;
	struct frame *first, *last; /* the queue; messages are written into the last */
	struct frame *spare;	    /* one frame is kept, so that a turn costs no allocation */
	size_t queued;
	size_t open_at; /* of the message that is being written */
	int64_t stalled_ms;
	struct timer again; /* when the kernel had no memory for a frame */
	bool open, closed, flush_due;
};

/* What a turn reads is handled before the next read: one buffer serves all channels. */
static struct buf rx = BUF_MAX(FRAME_MAX);

static void
frame_free(struct frame *f)
{
	if (f == NULL)
		return;
	buf_wipe(&f->bytes);
	sys_close(f->fd);
	free(f);
}

static struct frame *
frame_new(struct channel *ch)
{
	struct frame *f = ch->spare;

	if (f != NULL) {
		ch->spare = NULL;
		return f;
	}
	f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	f->bytes = (struct buf)BUF_MAX(FRAME_MAX);
	f->fd = -1;
	return f;
}

static void
frame_done(struct channel *ch)
{
	struct frame *f = ch->first;

	ch->first = f->next;
	if (ch->first == NULL)
		ch->last = NULL;
	ch->queued -= f->bytes.len;
	f->next = NULL;
	if (ch->spare != NULL || f->fd >= 0) {
		frame_free(f);
		return;
	}
	buf_clear(&f->bytes);
	ch->spare = f;
}

static void
end(struct channel *ch, enum err e)
{
	if (!ch->closed)
		ch->role.on_end(ch, e, ch->role.arg);
}

static enum err
deliver(struct channel *ch, uint16_t type, struct span body, int *fd)
{
	struct msg_ctx ctx = { .from = ch->role.peer, .to = ch->role.me, .state = ch->state };
	struct msg m = { .type = (enum msg_type)type, .body = body, .fd = *fd };
	enum err e = msg_check(&ctx, type, body.len, m.fd >= 0);

	if (e != ERR_OK)
		return e;
	ch->role.on_msg(ch, &m, ch->role.arg);
	*fd = m.fd;
	return ERR_OK;
}

/* ERR_AGAIN when there is no frame. */
static enum err
read_frame(struct channel *ch)
{
	AUTO(sys_closep) int fd = -1;
	struct span rest, body;
	uint16_t type;
	enum err e = frame_receive(ch->watch.fd, &rx, &fd);

	if (e != ERR_OK)
		return e;
	rest = buf_span(&rx);
	while (e == ERR_OK && !ch->closed) {
		e = frame_next(&rest, &type, &body);
		if (e == ERR_OK && fd >= 0 && rest.len > 0)
			e = ERR_PROTO; /* whose descriptor would it be? */
		if (e == ERR_OK)
			e = deliver(ch, type, body, &fd);
	}
	buf_clear(&rx);
	return e == ERR_EOF ? ERR_OK : e; /* ERR_EOF: the frame's end, not the link's */
}

static void
on_event(struct watch *w, uint32_t events)
{
	struct channel *ch = w->arg;
	enum err e = ERR_OK;

	if ((events & EPOLLOUT) != 0)
		channel_flush(ch);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	for (int n = 0; n < WAKE_FRAMES_MAX && e == ERR_OK && !ch->closed; n++)
		e = read_frame(ch);
	if (e != ERR_OK && e != ERR_AGAIN)
		end(ch, e);
}

static void
on_again(struct timer *t)
{
	channel_flush(t->arg);
}

enum err
channel_new(struct loop *l, int fd, const struct channel_role *r, struct channel **ret_ch)
{
	struct channel *ch = calloc(1, sizeof *ch);
	int flags = fcntl(fd, F_GETFL);
	enum err e = ERR_NOMEM;

	if (ch != NULL) {
		ch->loop = l;
		ch->role = *r;
		ch->again = (struct timer){ .fn = on_again, .arg = ch };
		ch->watch =
		    (struct watch){ .fd = fd, .events = EPOLLIN, .fn = on_event, .arg = ch };
		e = flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0
			? loop_watch(l, &ch->watch)
			: ERR_SYS;
	}
	if (e != ERR_OK) {
		sys_close(fd);
		free(ch);
		return e;
	}
	*ret_ch = ch;
	return ERR_OK;
}

static void
channel_free(void *arg)
{
	struct channel *ch = arg;

	while (ch->first != NULL)
		frame_done(ch);
	frame_free(ch->spare);
	free(ch);
}

void
channel_close(struct channel *ch)
{
	if (ch == NULL || ch->closed)
		return;
	ch->closed = true;
	loop_unwatch(ch->loop, &ch->watch);
	loop_timer_stop(ch->loop, &ch->again);
	sys_close(ch->watch.fd);
	ch->watch.fd = -1;
	/* Behind this turn's callbacks and flushes; without memory for that it is leaked, not used
	 * after free. */
	(void)!loop_defer(ch->loop, channel_free, ch);
}

void
channel_set_ready(struct channel *ch)
{
	ch->state = LINK_READY;
}

enum role
channel_peer(const struct channel *ch)
{
	return ch->role.peer;
}

int
channel_fd(const struct channel *ch)
{
	return ch->watch.fd;
}

/* The frame to write the next message into: the last while it takes a whole message, else a fresh
 * one. */
static struct frame *
writable_frame(struct channel *ch)
{
	struct frame *f = ch->last;

	if (f != NULL && f->fd < 0 && f->bytes.len + FRAME_HEADER_LEN + MSG_LEN_MAX <= FRAME_MAX)
		return f;
	f = frame_new(ch);
	if (f == NULL)
		return NULL;
	if (ch->last == NULL)
		ch->first = f;
	else
		ch->last->next = f;
	ch->last = f;
	return f;
}

struct wire_writer
channel_begin(struct channel *ch, enum msg_type type)
{
	struct msg_ctx ctx = { .from = ch->role.me, .to = ch->role.peer, .state = LINK_READY };
	const struct msg_row *row = msg_row((uint16_t)type);
	struct frame *f;
	enum err e;

	must(!ch->open && row != NULL && (row->from & 1u << ctx.from) != 0 &&
	     (row->to & 1u << ctx.to) != 0);
	ch->open = true;
	f = ch->closed ? NULL : writable_frame(ch);
	if (f == NULL)
		return (struct wire_writer){ .out = NULL, .e = ch->closed ? ERR_EOF : ERR_NOMEM };
	ch->open_at = f->bytes.len; /* channel_end() cuts there, also when nothing was begun */
	e = frame_begin(&f->bytes, type, &ch->open_at);
	return (struct wire_writer){ .out = &f->bytes, .e = e };
}

static void
flush_later(void *arg)
{
	struct channel *ch = arg;

	ch->flush_due = false;
	channel_flush(ch);
}

/* Never sends by itself: a send may end the link, and whoever writes still holds it. Without memory
 * to wait for the end of the turn the next one does it, as when there is room again. */
static void
plan_flush(struct channel *ch)
{
	if (ch->flush_due)
		return;
	ch->flush_due = loop_defer(ch->loop, flush_later, ch) == ERR_OK;
	if (!ch->flush_due)
		(void)!loop_want(ch->loop, &ch->watch, EPOLLIN | EPOLLOUT);
}

enum err
channel_end(struct channel *ch, const struct wire_writer *w)
{
	size_t len;
	enum err e = w->e;

	must(ch->open);
	ch->open = false;
	if (w->out == NULL)
		return e;
	len = w->out->len - ch->open_at;
	if (e == ERR_OK &&
	    (len > FRAME_HEADER_LEN + MSG_LEN_MAX || ch->queued + len > ch->role.queue_max))
		e = ERR_LIMIT;
	if (e != ERR_OK) {
		buf_truncate(w->out, ch->open_at);
		return e;
	}
	frame_end(w->out, ch->open_at);
	ch->queued += len;
	plan_flush(ch);
	return ERR_OK;
}

/* Moves the message that was written last out of its frame into one of its own. */
static enum err
split_last(struct channel *ch, size_t at)
{
	struct frame *from = ch->last, *own;
	enum err e;

	if (at == 0)
		return ERR_OK;
	own = frame_new(ch);
	if (own == NULL)
		return ERR_NOMEM;
	e = buf_append(&own->bytes, from->bytes.data + at, from->bytes.len - at);
	if (e != ERR_OK) {
		frame_free(own);
		return e;
	}
	buf_truncate(&from->bytes, at);
	from->next = own;
	ch->last = own;
	return ERR_OK;
}

enum err
channel_end_fd(struct channel *ch, const struct wire_writer *w, int fd)
{
	size_t at = ch->open_at;
	AUTO(sys_closep) int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct wire_writer failed = *w;
	enum err e;

	if (copy < 0 && failed.e == ERR_OK)
		failed.e = ERR_SYS;
	e = channel_end(ch, &failed);
	if (e != ERR_OK)
		return e;
	e = split_last(ch, at);
	if (e != ERR_OK) {
		ch->queued -= ch->last->bytes.len - at;
		buf_truncate(&ch->last->bytes, at);
		return e;
	}
	ch->last->fd = copy;
	copy = -1; /* given away */
	return ERR_OK;
}

/* What the last send said. */
static enum err
send_queued(struct channel *ch)
{
	enum err e = ERR_OK;

	while (!ch->closed && ch->first != NULL && e == ERR_OK) {
		if (ch->first->bytes.len > 0)
			e = frame_send(ch->watch.fd, buf_span(&ch->first->bytes), ch->first->fd);
		if (e == ERR_OK)
			frame_done(ch);
	}
	return e;
}

/* The loop comes back when there is room; epoll(7) would do so at once while there is no memory. */
static enum err
come_back(struct channel *ch, enum err why)
{
	int64_t due_ms = loop_now_ms(ch->loop) + FRAME_AGAIN_MS;

	if (why == ERR_OK ||
	    (why == ERR_NOMEM && loop_timer(ch->loop, &ch->again, due_ms) == ERR_OK))
		return loop_want(ch->loop, &ch->watch, EPOLLIN);
	return loop_want(ch->loop, &ch->watch, EPOLLIN | EPOLLOUT);
}

static enum err
flush(struct channel *ch)
{
	enum err sent = send_queued(ch), e = sent;

	if (ch->closed)
		return sent;
	if (sent == ERR_OK)
		ch->stalled_ms = 0;
	else if ((sent == ERR_AGAIN || sent == ERR_NOMEM) && ch->stalled_ms == 0)
		ch->stalled_ms = loop_now_ms(ch->loop);
	if (sent == ERR_OK || sent == ERR_AGAIN || sent == ERR_NOMEM)
		e = come_back(ch, sent);
	if (e != ERR_OK &&
	    e != ERR_EOF) /* ERR_EOF: the reader sees it, after what the peer said last */
		end(ch, e);
	return sent;
}

void
channel_flush(struct channel *ch)
{
	(void)flush(ch);
}

void
channel_flush_all(struct channel *ch, int timeout_ms)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;

	for (;;) {
		enum err e = flush(ch);
		int64_t left_ms = until_ms - clock_mono_ms();
		struct pollfd room = { .fd = ch->watch.fd, .events = POLLOUT };

		if ((e != ERR_AGAIN && e != ERR_NOMEM) || left_ms <= 0)
			return;
		if (e == ERR_NOMEM)
			(void)poll(NULL, 0, FRAME_AGAIN_MS);
		else
			(void)poll(&room, 1, (int)left_ms);
	}
}

int64_t
channel_stalled_since_ms(const struct channel *ch)
{
	return ch->stalled_ms;
}
