/*
 * exchange - one HTTP request to an api daemon's server in this process, of which calls and
 * allocations fail; the keeper is played: what it will say lies in its socket before it is asked.
 * Process: tests.   Owns: the loop, the server, the sockets.   Secrets: none of its own.
 * Limits: EXCHANGE_TURNS turns in which nothing comes.   Failure: torture_wrong().
 */
#ifndef TESTS_TORTURE_EXCHANGE_H
#define TESTS_TORTURE_EXCHANGE_H

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "broker/api/asker.h"
#include "broker/ipc/frame.h"
#include "common/sys.h"
#include "tests/torture/torture.h"

#define EXCHANGE_QUIET 50 /* turns of a millisecond in which nothing comes: then time passes */
#define EXCHANGE_TURNS 400

static struct exchange {
	struct loop *loop;
	struct server *server;
	struct asker *asker;
	int keeper_fd, client_fd, server_fd;
	struct buf reply;
	bool closed;
} x = { .keeper_fd = -1, .client_fd = -1, .server_fd = -1, .reply = BUF_MAX(1u << 20) };

/* ---- time: libmicrohttpd's, too ---- */

static time_t pushed_s;
int torture_clock_gettime(clockid_t clock, struct timespec *ret) __asm__("clock_gettime");

int
torture_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock != CLOCK_REALTIME)
		ret->tv_sec += pushed_s;
	return rc;
}

/* ---- what is there before ---- */

/* The keeper's answer to the numberth question. */
static inline void
exchange_answer(uint8_t number, struct span body)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	const uint8_t id[8] = { number };
	size_t at;

	must(frame_begin(&frame, AK_OK, &at) == ERR_OK);
	must(buf_append(&frame, id, sizeof id) == ERR_OK);
	must(buf_append_span(&frame, body) == ERR_OK);
	frame_end(&frame, at);
	must(frame_send(x.keeper_fd, buf_span(&frame), -1) == ERR_OK);
}

/* A connection on which the request has come. */
static inline void
exchange_connect(const char *request)
{
	int http[2];

	x.closed = false;
	must(sys_socketpair(SOCK_STREAM | SOCK_NONBLOCK, http) == 0);
	x.client_fd = http[0];
	x.server_fd = http[1];
	must(sys_write_all(x.client_fd, request, strlen(request)) == ERR_OK);
}

static inline void
exchange_link(enum role me, struct asker *asker)
{
	int link[2];

	x.asker = asker;
	must(loop_new(&x.loop) == ERR_OK);
	asker_init(asker, me);
	must(sys_socketpair(SOCK_SEQPACKET, link) == 0);
	asker_link(asker, link[0]);
	asker->link.timeout_ms = 50; /* of which none is pushed */
	x.keeper_fd = link[1];
	must(fcntl(x.keeper_fd, F_SETFL, O_NONBLOCK) == 0);
}

static inline void
exchange_serve(server_fn *fn, void *arg)
{
	must(server_new(x.loop, fn, arg, &x.server) == ERR_OK);
}

/* ---- the exchange ---- */

/* Reads what is there; whether anything was. */
static inline bool
exchange_listen(void)
{
	uint8_t block[4096];
	ssize_t n = sys_read(x.client_fd, block, sizeof block);

	x.closed = n == 0 || (n < 0 && errno != EAGAIN);
	if (n > 0)
		must(buf_append(&x.reply, block, (size_t)n) == ERR_OK);
	return n > 0;
}

/* ERR_EOF: the connection ended without an answer; ERR_DENIED: it is none of success. */
static inline enum err
exchange_turns(bool failing)
{
	server_add(x.server, x.server_fd);
	x.server_fd = -1; /* taken */
	for (int quiet = 0; !x.closed && quiet < EXCHANGE_TURNS;) {
		enum err e = loop_turn(x.loop, quiet > 0);

		torture_disarm();
		if (e != ERR_OK)
			torture_wrong("the loop says %s", err_name(e));
		quiet = exchange_listen() ? 0 : quiet + 1;
		pushed_s += quiet > EXCHANGE_QUIET;
		if (failing)
			torture_resume();
	}
	torture_disarm();
	if (!x.closed)
		torture_wrong("neither an answer nor an end");
	if (x.reply.len == 0)
		return ERR_EOF;
	return memmem(x.reply.data, x.reply.len, "HTTP/1.1 2", 10) != NULL ? ERR_OK : ERR_DENIED;
}

static enum err
exchange_run(void)
{
	return exchange_turns(true);
}

static inline bool
exchange_has(const char *text)
{
	return memmem(x.reply.data, x.reply.len, text, strlen(text)) != NULL;
}

static inline void
exchange_check_refusal(enum err e)
{
	if (e != ERR_DENIED)
		return;
	if (!exchange_has("\"code\":\"") && !exchange_has(" 500 "))
		torture_wrong("a refusal without a name: %.*s", (int)x.reply.len, x.reply.data);
	if (!exchange_has("HTTP/1.1 5") &&
	    !exchange_has("\"code\":\"bad_rules\"")) /* which says of which file why */
		torture_wrong("the request is called bad: %.*s", (int)x.reply.len, x.reply.data);
}

/* The question that the keeper was sent, behind its id; MSG_NONE: none. frame holds it. */
static inline enum msg_type
exchange_asked(struct buf *frame, struct span *ret_body)
{
	AUTO(sys_closep) int fd = -1;
	uint16_t type = 0;
	struct span in;

	if (frame_receive(x.keeper_fd, frame, &fd) != ERR_OK)
		return MSG_NONE;
	in = buf_span(frame);
	if (frame_next(&in, &type, ret_body) != ERR_OK || in.len != 0 || ret_body->len < 8)
		torture_wrong("half a question: %u", type);
	*ret_body = span_of(ret_body->p + 8, ret_body->len - 8);
	return (enum msg_type)type;
}

/* ---- what is there behind it ---- */

static inline void
exchange_disconnect(void)
{
	sys_closep(&x.client_fd);
	sys_closep(&x.server_fd);
	buf_wipe(&x.reply);
}

static inline void
exchange_close(void)
{
	server_free(x.server);
	must(loop_turn(x.loop, 0) == ERR_OK);
	asker_close(x.asker);
	loop_free(x.loop);
	sys_closep(&x.keeper_fd);
	exchange_disconnect();
}

#endif
