#include <dirent.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/ipc/call.h"
#include "broker/ipc/channel.h"
#include "broker/ipc/frame.h"
#include "common/clock.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define QUEUE_MAX (1u << 20)

static struct loop *l;

struct end {
	struct channel *ch;
	struct buf log; /* what came, one byte a message: its first */
	size_t count;
	enum err ended;
	int fd;
	bool close_inside, take_fd;
};

static int
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static void
on_msg(struct channel *ch, struct msg *m, void *arg)
{
	struct end *e = arg;

	e->count++;
	if (m->body.len > 0 && buf_append(&e->log, m->body.p, 1) != ERR_OK)
		e->count += 1000;
	if (e->take_fd && m->fd >= 0) {
		e->fd = m->fd;
		m->fd = -1;
	}
	if (e->close_inside)
		channel_close(ch);
}

static void
on_end(struct channel *ch, enum err err, void *arg)
{
	struct end *e = arg;

	e->ended = err;
	channel_close(ch);
}

static enum err
end_new(struct end *e, int fd, enum role me, enum role peer, size_t queue_max)
{
	struct channel_role r = { me, peer, queue_max, on_msg, on_end, e };

	*e = (struct end){ .log = BUF_MAX(65536), .fd = -1 };
	return channel_new(l, fd, &r, &e->ch);
}

static void
end_close(struct end *e)
{
	if (e->ch != NULL && e->ended == ERR_OK && !e->close_inside)
		channel_close(e->ch);
	buf_wipe(&e->log);
	sys_close(e->fd);
}

static void
turns(int n)
{
	while (n-- > 0)
		if (loop_turn(l, 0) != ERR_OK)
			ok(false, "turn");
}

/* A gateway and a keeper, both ready. */
static bool
pair_new(struct end *g, struct end *k, size_t queue_max)
{
	int fds[2];

	if (!ok(sys_socketpair(SOCK_SEQPACKET, fds) == 0, "pair"))
		return false;
	is_err(end_new(g, fds[0], ROLE_GATEWAY, ROLE_KEEPER, queue_max), ERR_OK, "gateway's end");
	is_err(end_new(k, fds[1], ROLE_KEEPER, ROLE_GATEWAY, queue_max), ERR_OK, "keeper's end");
	channel_set_ready(g->ch);
	channel_set_ready(k->ch);
	return true;
}

static enum err
say(struct end *e, enum msg_type type, size_t len, uint8_t first)
{
	static uint8_t body[MSG_LEN_MAX + 100];
	struct wire_writer w = channel_begin(e->ch, type);

	body[0] = first;
	wire_put_fixed(&w, body, len);
	return channel_end(e->ch, &w);
}

static void
messages_arrive_in_order(void)
{
	struct end g, k;
	bool good = true;

	if (!pair_new(&g, &k, QUEUE_MAX))
		return;
	for (int i = 0; i < 200; i++)
		good = say(&g, GK_FINISH, 40, (uint8_t)i) == ERR_OK && good;
	is_err(say(&k, GK_STATE, 9, 'a'), ERR_OK, "and back");
	ok(good && k.count == 0, "nothing is sent before the turn ends");
	turns(4);
	ok(k.count == 200 && g.count == 1 && g.log.data[0] == 'a', "all there, in few turns");
	good = true;
	for (int i = 0; i < 200 && k.log.len == 200; i++)
		good = k.log.data[i] == (uint8_t)i && good;
	ok(good && channel_peer(k.ch) == ROLE_GATEWAY, "in order");
	is_err(say(&k, GK_STATE, 8, 0), ERR_OK, "a body that is too short for the table");
	turns(3);
	is_err(g.ended, ERR_PROTO, "ends the link at the receiver");
	end_close(&g);
	turns(3);
	is_err(k.ended, ERR_EOF, "and then at the sender");
	end_close(&k);
	turns(1);
}

static void
queue_has_a_ceiling(void)
{
	struct end g, k;
	struct wire_writer w;
	enum err e = ERR_OK;
	size_t sent = 0;

	if (!pair_new(&g, &k, 300000))
		return;
	while (e == ERR_OK && sent < 1000) {
		e = say(&k, GK_REVOKED, 60000, 'r');
		sent += e == ERR_OK;
	}
	is_err(e, ERR_LIMIT, "a peer that does not drain");
	ok(sent == 4, "after %zu of 60 000 bytes", sent);
	is_err(say(&k, GK_STATE, 9, 's'), ERR_OK, "a small one still fits");
	w = channel_begin(k.ch, GK_REVOKED);
	w.e = ERR_NOMEM;
	is_err(channel_end(k.ch, &w), ERR_NOMEM, "a writer that failed drops its message");
	is_err(say(&k, GK_REVOKED, MSG_LEN_MAX + 1, 0), ERR_LIMIT, "so does one that is too long");
	turns(10);
	ok(g.count == 5 && g.ended == ERR_OK, "what was queued arrives, and nothing else");
	ok(channel_stalled_since_ms(k.ch) == 0, "drained");
	is_err(say(&k, GK_REVOKED, 60000, 'r'), ERR_OK, "there is room again");
	turns(3);
	ok(g.count == 6, "and it arrives");
	end_close(&g);
	end_close(&k);
	turns(1);
}

static void
stall_is_seen(void)
{
	int fds[2];
	struct end k;

	if (!ok(sys_socketpair(SOCK_SEQPACKET, fds) == 0, "pair"))
		return;
	is_err(end_new(&k, fds[0], ROLE_KEEPER, ROLE_GATEWAY, 64u << 20), ERR_OK, "keeper's end");
	for (int i = 0; i < 400; i++)
		if (say(&k, GK_REVOKED, 60000, 'r') != ERR_OK)
			ok(false, "queue");
	turns(2);
	ok(channel_stalled_since_ms(k.ch) > 0, "the socket is full: stalled, not blocked");
	sys_close(fds[1]);
	turns(3);
	is_err(k.ended, ERR_EOF, "the peer dies");
	end_close(&k);
	turns(1);
}

static void
descriptors_travel(void)
{
	struct end g, k;
	struct wire_writer w;
	int pipe_fds[2], before = open_fds();
	char c = 0;

	if (!pair_new(&g, &k, QUEUE_MAX) || !ok(pipe(pipe_fds) == 0, "pipe"))
		return;
	is_err(say(&k, GK_STATE, 9, '1'), ERR_OK, "a message");
	w = channel_begin(k.ch, GK_CONFIG);
	wire_put_u64(&w, '2');
	is_err(channel_end_fd(k.ch, &w, pipe_fds[1]), ERR_OK, "one with a descriptor");
	is_err(say(&k, GK_STATE, 9, '3'), ERR_OK, "and one more");
	turns(4);
	ok(g.count == 3 && memcmp(g.log.data, "123", 3) == 0, "in order");
	g.take_fd = true;
	w = channel_begin(k.ch, GK_CONFIG);
	wire_put_u64(&w, '4');
	is_err(channel_end_fd(k.ch, &w, pipe_fds[1]), ERR_OK, "another, which is taken");
	turns(4);
	ok(g.fd >= 0 && write(g.fd, "x", 1) == 1 && read(pipe_fds[0], &c, 1) == 1 && c == 'x',
	    "it is that pipe");
	w = channel_begin(k.ch, GK_CONFIG);
	wire_put_u64(&w, '5');
	is_err(channel_end_fd(k.ch, &w, -1), ERR_SYS, "a descriptor that is none");
	sys_close(pipe_fds[0]);
	sys_close(pipe_fds[1]);
	end_close(&g);
	end_close(&k);
	turns(2);
	ok(open_fds() == before, "no descriptor is left open (%d, %d)", before, open_fds());
}

static void
put_header(struct buf *b, uint16_t type, uint32_t len)
{
	struct wire_writer w = wire_write(b);

	wire_put_u16(&w, type);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, len);
	must(w.e == ERR_OK);
}

/* Sends frame raw, with n descriptors, and says how the keeper's link ends. */
static enum err
raw(struct span frame, int n, size_t *ret_count)
{
	int fds[2], sent[3];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(sent))];
	} space = { 0 };
	struct iovec iov = { (void *)(uintptr_t)frame.p, frame.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct end k;
	enum err e;

	if (sys_socketpair(SOCK_SEQPACKET, fds) != 0 ||
	    end_new(&k, fds[1], ROLE_KEEPER, ROLE_GATEWAY, QUEUE_MAX) != ERR_OK)
		return ERR_SYS;
	channel_set_ready(k.ch);
	for (int i = 0; i < n; i++)
		sent[i] = fds[0];
	if (n > 0) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)space.bytes;

		m.msg_control = space.bytes;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(c), sent, (size_t)n * sizeof(int));
	}
	if (sys_sendmsg(fds[0], &m, 0) < 0)
		return ERR_IO;
	turns(2);
	e = k.ended;
	*ret_count = k.count;
	end_close(&k);
	sys_close(fds[0]);
	turns(1);
	return e;
}

static void
torn_frames_end_the_link(void)
{
	static const struct {
		const char *what;
		uint16_t type;
		uint32_t says, has; /* bytes of body */
		int fds;
		enum err want;
		size_t count;
	} rows[] = {
		{ "a whole message", GK_FINISH, 40, 40, 0, ERR_OK, 1 },
		{ "a body cut short", GK_FINISH, 40, 39, 0, ERR_PROTO, 0 },
		{ "a byte too many", GK_FINISH, 40, 41, 0, ERR_PROTO, 1 },
		{ "a length of 4 GiB", GK_FINISH, UINT32_MAX, 40, 0, ERR_PROTO, 0 },
		{ "a length over the limit", GK_FINISH, MSG_LEN_MAX + 1, MSG_LEN_MAX + 1, 0,
		    ERR_PROTO, 0 },
		{ "no such message", 999, 0, 0, 0, ERR_PROTO, 0 },
		{ "message number 0", MSG_NONE, 0, 0, 0, ERR_PROTO, 0 },
		{ "one that only the keeper sends", GK_STATE, 9, 9, 0, ERR_PROTO, 0 },
		{ "one of another link", CK_SEAL, 8, 8, 0, ERR_PROTO, 0 },
		{ "one of another state", GK_HELLO, 2, 2, 0, ERR_PROTO, 0 },
		{ "a descriptor that does not belong", GK_FINISH, 40, 40, 1, ERR_PROTO, 0 },
		{ "two descriptors", GK_FINISH, 40, 40, 2, ERR_PROTO, 0 },
		{ "three descriptors", GK_FINISH, 40, 40, 3, ERR_PROTO, 0 },
	};
	int before = open_fds();

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_wipe) struct buf b = BUF_MAX(FRAME_MAX);
		size_t count = 0;

		put_header(&b, rows[i].type, rows[i].says);
		for (uint32_t k = 0; k < rows[i].has; k++)
			must(buf_append_byte(&b, 0) == ERR_OK);
		is_err(raw(buf_span(&b), rows[i].fds, &count), rows[i].want, rows[i].what);
		ok(count == rows[i].count, "%s: %zu delivered", rows[i].what, count);
	}
	for (int fds = 0; fds <= 2; fds++) {
		size_t count = 0;

		is_err(raw(span_of("", 0), fds, &count), ERR_EOF, "an empty datagram is the end");
		ok(count == 0, "%zu delivered", count);
	}
	ok(open_fds() == before, "no descriptor is left open (%d, %d)", before, open_fds());
}

static void
close_inside_a_callback(void)
{
	struct end g, k;

	if (!pair_new(&g, &k, QUEUE_MAX))
		return;
	k.close_inside = true;
	for (int i = 0; i < 10; i++)
		if (say(&g, GK_FINISH, 40, 'x') != ERR_OK)
			ok(false, "say");
	turns(3);
	ok(k.count == 1, "nothing is delivered behind it");
	is_err(g.ended, ERR_EOF, "the other side sees the end");
	channel_close(NULL);
	end_close(&g);
	end_close(&k);
	turns(1);
}

/* The keeper's side of a call, as raw frames. */
static void
answer(int fd, enum msg_type type, uint64_t id, const char *rest, int send_fd)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(1024);
	struct wire_writer w;

	put_header(&b, (uint16_t)type, (uint32_t)(8 + strlen(rest)));
	w = wire_write(&b);
	wire_put_u64(&w, id);
	wire_put_fixed(&w, rest, strlen(rest));
	must(w.e == ERR_OK && frame_send(fd, buf_span(&b), send_fd) == ERR_OK);
}

static enum err
ask(int fds[2], int timeout_ms, struct call_reply *ret)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(64);
	struct call_link c = { fds[0], ROLE_CLI, ROLE_KEEPER, timeout_ms, 6 };
	struct wire_writer w = call_begin(&c, &body);

	wire_put_u32(&w, 0);
	*ret = (struct call_reply){ .body = BUF_MAX(MSG_LEN_MAX), .fd = -1 };
	must(w.e == ERR_OK && c.next_id == 7);
	return call_ask(&c, CK_AUDIT_OPEN, buf_span(&body), -1, ret);
}

static void
calls_are_answered(void)
{
	static const struct {
		const char *what;
		enum msg_type type;
		uint64_t id;
		enum err want;
	} rows[] = {
		{ "the answer", AK_OK, 7, ERR_OK },
		{ "a refusal", AK_FAIL, 7, ERR_OK },
		{ "an answer from the future", AK_OK, 8, ERR_PROTO },
		{ "no answer at all", GK_TICKET, 7, ERR_PROTO },
	};
	int before = open_fds();

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct call_reply r;
		int fds[2];

		if (!ok(sys_socketpair(SOCK_SEQPACKET, fds) == 0, "pair"))
			return;
		answer(fds[1], AK_OK, 3, "late", -1); /* to a question that was given up */
		answer(fds[1], rows[i].type, rows[i].id, "some reply in words", -1);
		is_err(ask(fds, 5000, &r), rows[i].want, rows[i].what);
		if (rows[i].want == ERR_OK)
			ok(r.type == rows[i].type && r.fd == -1 &&
				span_eq_str(buf_span(&r.body), "some reply in words"),
			    "%s: behind the id", rows[i].what);
		buf_wipe(&r.body);
		sys_close(fds[0]);
		sys_close(fds[1]);
	}
	ok(open_fds() == before, "no descriptor is left open");
}

static void
calls_end(void)
{
	struct call_reply r;
	int fds[2], before = open_fds();
	int64_t start = clock_mono_ms();

	if (!ok(sys_socketpair(SOCK_SEQPACKET, fds) == 0, "pair"))
		return;
	is_err(ask(fds, 30, &r), ERR_TIMEOUT, "nobody answers");
	buf_wipe(&r.body);
	ok(clock_mono_ms() - start >= 29, "in time");
	answer(fds[1], AK_OK, 7, "with a descriptor", fds[1]);
	is_err(ask(fds, 5000, &r), ERR_OK, "an answer with a descriptor");
	buf_wipe(&r.body);
	ok(r.fd >= 0, "which is ours");
	sys_close(r.fd);
	sys_close(fds[1]);
	is_err(ask(fds, 5000, &r), ERR_EOF, "nobody is there");
	buf_wipe(&r.body);
	sys_close(fds[0]);
	ok(open_fds() == before, "no descriptor is left open");
}

int
main(void)
{
	if (!is_err(loop_new(&l), ERR_OK, "loop"))
		return done();
	messages_arrive_in_order();
	queue_has_a_ceiling();
	stall_is_seen();
	descriptors_travel();
	torn_frames_end_the_link();
	close_inside_a_callback();
	calls_are_answered();
	calls_end();
	loop_free(l);
	return done();
}
