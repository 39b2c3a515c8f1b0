/* One request through the gateway's parts, and the links between processes: what is sent is whole,
 * what is not sent is said, and the key is nowhere but where it belongs. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "broker/gateway/fields.h"
#include "broker/gateway/inject.h"
#include "broker/gateway/resphead.h"
#include "broker/gateway/secretcache.h"
#include "broker/ipc/call.h"
#include "broker/ipc/channel.h"
#include "broker/ipc/frame.h"
#include "common/log.h"
#include "common/sys.h"
#include "tests/torture/torture.h"

#define KEY "sk-tortureCANARY-0123456789abcdef"
#define LINK_TURNS 20
#define MESSAGES 60 /* so that a frame grows behind messages that stand in it */
#define REQUEST                                                                                    \
	"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:7433\r\nX-Api-Key: placeholder\r\n"         \
	"Accept: */*\r\nContent-Length: 2\r\n\r\n"
#define RESPONSE                                                                                   \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Echo: " KEY                              \
	"\r\nContent-Length: 2\r\n\r\n"

static char header_name[] = "X-Api-Key", header_value[] = "{credential}", no_path[] = "",
	    basic_user[] = "user", query_name[] = "key";
static const struct upstream header_up = { .host = "up.example",
	.port = 443,
	.base_path = no_path,
	.inject = INJECT_HEADER,
	.inject_name = header_name,
	.inject_value = header_value };
static const struct upstream basic_up = { .host = "up.example",
	.port = 443,
	.base_path = no_path,
	.inject = INJECT_BASIC,
	.inject_name = basic_user };
static const struct upstream query_up = { .host = "up.example",
	.port = 443,
	.base_path = no_path,
	.inject = INJECT_QUERY,
	.inject_name = query_name };
static const struct upstream *up;
static struct http1_head head;
static struct secretcache cache;
static struct secret_copy *copies[2];
static struct buf out = BUF_MAX(INJECT_HEAD_MAX), body = BUF_MAX(4096);
static bool echoed;

static void
nothing(void)
{
}

static void
first(void)
{
	log_init("torture", LOG_LEVEL_ERROR);
	must(secret_arena_init(1u << 20) == ERR_OK);
}

static void
set_up_header(void)
{
	up = &header_up;
}

static void
set_up_basic(void)
{
	up = &basic_up;
}

static void
set_up_query(void)
{
	up = &query_up;
}

static enum err
run_inject(void)
{
	const char *reason;
	enum err e = http1_parse_request(span_str(REQUEST), &head, &reason);

	if (e == ERR_OK)
		e = secretcache_hold(&cache, 1, 1, span_str(KEY), &copies[0]);
	return e == ERR_OK
		   ? inject_head(up, &head, head.target, secret_span(copies[0]->value), &out)
		   : e;
}

/* What may be sent is a whole request with one credential. */
static void
check_inject(enum err e)
{
	struct http1_head sent;
	const char *reason;
	int credentials = 0;

	if (e != ERR_OK)
		return;
	if (http1_parse_request(buf_span(&out), &sent, &reason) != ERR_OK ||
	    sent.head_len != out.len || sent.content_length != 2)
		torture_wrong("half a head is called whole");
	for (uint16_t i = 0; i < sent.header_count; i++)
		credentials += fields_is_credential(up, sent.headers[i].name);
	if (credentials != (up->inject == INJECT_QUERY ? 0 : 1) ||
	    memmem(out.data, out.len, "placeholder", 11) != NULL)
		torture_wrong("%d credentials", credentials);
	if (up->inject == INJECT_QUERY && !span_eq_str(sent.target, "/v1/messages?key=" KEY))
		torture_wrong("the target has no key");
}

static void
tear_down_request(void)
{
	secretcache_drop(copies[0]);
	secretcache_drop(copies[1]);
	copies[0] = copies[1] = NULL;
	buf_wipe(&out);
	buf_wipe(&body);
}

/* The same version again, and another one, while the first is in use. */
static enum err
run_cache(void)
{
	enum err e = secretcache_hold(&cache, 1, 1, span_str(KEY), &copies[0]);

	return e == ERR_OK ? secretcache_hold(&cache, 1, 2, span_str(KEY "2"), &copies[1]) : e;
}

static void
check_cache(enum err e)
{
	if (e == ERR_OK && (copies[0] == copies[1] || copies[0] == NULL || copies[1] == NULL))
		torture_wrong("two versions are one");
	if (copies[1] != NULL && !redact_found(copies[1]->redact, span_str("x" KEY "2x")))
		torture_wrong("a copy that cannot be found in a response");
}

static void
set_up_response(void)
{
	const char *reason;

	echoed = false;
	must(http1_parse_response(span_str(RESPONSE), span_str("GET"), &head, &reason) == ERR_OK);
	must(secretcache_hold(&cache, 1, 1, span_str(KEY), &copies[0]) == ERR_OK);
}

static enum err
run_response(void)
{
	struct resphead r = {
		.head = &head, .redact = copies[0]->redact, .client_minor = 1, .echoed = &echoed
	};
	enum http1_framing framing;
	enum err e = resphead_write(&r, &out, &framing);
	bool found = false;

	if (e == ERR_OK)
		e = buf_append_str(&body, "the key is " KEY "!");
	if (e == ERR_OK && redact_scan(copies[0]->redact, &body, true, &found) != body.len)
		e = ERR_LIMIT;
	return e;
}

static void
check_response(enum err e)
{
	if (e != ERR_OK) /* nothing of it is sent then */
		return;
	if (memmem(out.data, out.len, KEY, strlen(KEY)) != NULL ||
	    memmem(body.data, body.len, KEY, strlen(KEY)) != NULL)
		torture_wrong("the key comes back");
	if (!echoed)
		torture_wrong("nobody was told of the echo");
}

/* A key at the front of what grows: each block that is left is wiped. */
static enum err
run_grow(void)
{
	enum err e = buf_append_str(&out, KEY);

	for (int i = 0; i < 300 && e == ERR_OK; i++)
		e = buf_append_str(&out, "0123456789");
	return e;
}

static void
check_grow(enum err e)
{
	if (e == ERR_OK && out.len != strlen(KEY) + 3000)
		torture_wrong("bytes are missing");
}

/* ---- links ---- */

static struct loop *loop;
static struct end {
	struct channel *ch;
	size_t count, fds;
	enum err ended;
} ends[2];
static size_t accepted, accepted_fds;
static int gift = -1, pair[2] = { -1, -1 };

static void
on_msg(struct channel *ch, struct msg *m, void *arg)
{
	struct end *e = arg;

	(void)ch;
	if (m->body.len < 8 || memcmp(m->body.p, "torture-", 8) != 0)
		torture_wrong("a message came changed");
	e->count++;
	e->fds += m->fd >= 0;
}

static void
on_end(struct channel *ch, enum err e, void *arg)
{
	struct end *end = arg;

	channel_close(ch);
	end->ch = NULL;
	end->ended = e;
}

static void
end_new_or_not(size_t i, enum role me, enum role peer, enum err *e)
{
	struct channel_role r = { me, peer, 1u << 20, on_msg, on_end, &ends[i] };

	ends[i] = (struct end){ 0 };
	if (*e != ERR_OK)
		return;
	*e = channel_new(loop, pair[i], &r, &ends[i].ch);
	pair[i] = -1; /* taken, also on failure */
	if (*e == ERR_OK)
		channel_set_ready(ends[i].ch);
}

static enum err
say(int fd)
{
	struct wire_writer w = channel_begin(ends[0].ch, fd < 0 ? GK_STATE : GK_CONFIG);

	wire_put_fixed(&w, "torture-", 8);
	if (fd >= 0)
		return channel_end_fd(ends[0].ch, &w, fd);
	wire_put_u8(&w, 0);
	return channel_end(ends[0].ch, &w);
}

static enum err
run_link(void)
{
	enum err e = loop_new(&loop);

	if (e == ERR_OK && sys_socketpair(SOCK_SEQPACKET, pair) != 0)
		e = ERR_SYS;
	end_new_or_not(0, ROLE_KEEPER, ROLE_GATEWAY, &e);
	end_new_or_not(1, ROLE_GATEWAY, ROLE_KEEPER, &e);
	for (size_t i = 0; i < MESSAGES && e == ERR_OK; i++) {
		bool with_fd = i == MESSAGES / 2;

		if (say(with_fd ? gift : -1) != ERR_OK)
			continue;
		accepted++;
		accepted_fds += with_fd;
	}
	for (int i = 0; i < 8 && e == ERR_OK; i++)
		e = loop_turn(loop, 0);
	if (e == ERR_OK && (ends[0].ended != ERR_OK || ends[1].ended != ERR_OK))
		e = ERR_IO; /* the owner was told */
	return e;
}

static void
check_link(enum err e)
{
	/* what the kernel had no memory for is tried again after a pause */
	for (int i = 0; i < LINK_TURNS && e == ERR_OK && ends[1].count < accepted; i++)
		must(loop_turn(loop, FRAME_AGAIN_MS) == ERR_OK);
	if (e == ERR_OK && (ends[1].count != accepted || ends[1].fds != accepted_fds))
		torture_wrong("%zu of %zu messages, %zu of %zu descriptors, and nobody was told",
		    ends[1].count, accepted, ends[1].fds, accepted_fds);
}

static void
set_up_link(void)
{
	gift = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	must(gift >= 0);
	accepted = accepted_fds = 0;
}

static void
tear_down_link(void)
{
	for (size_t i = 0; i < COUNT(ends); i++) {
		channel_close(ends[i].ch);
		ends[i].ch = NULL;
	}
	if (loop != NULL)
		must(loop_turn(loop, 0) == ERR_OK); /* where they are freed */
	loop_free(loop);
	loop = NULL;
	sys_closep(&pair[0]);
	sys_closep(&pair[1]);
	sys_closep(&gift);
}

/* ---- a call: the answer lies in the socket before it is asked ---- */

static struct call_link call;
static struct call_reply reply = { .body = BUF_MAX(MSG_LEN_MAX), .fd = -1 };

static void
set_up_call(void)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	static const uint8_t first_id[8] = { 1 };
	size_t at;

	must(sys_socketpair(SOCK_SEQPACKET, pair) == 0);
	call = (struct call_link){
		.fd = pair[0], .me = ROLE_ADMIN, .peer = ROLE_KEEPER, .timeout_ms = 2000
	};
	must(frame_begin(&frame, AK_OK, &at) == ERR_OK);
	must(buf_append(&frame, first_id, sizeof first_id) == ERR_OK);
	must(buf_append_str(&frame, "torture-" KEY) == ERR_OK);
	frame_end(&frame, at);
	must(frame_send(pair[1], buf_span(&frame), -1) == ERR_OK);
}

static enum err
run_call(void)
{
	AUTO(buf_wipe) struct buf question = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = call_begin(&call, &question);

	return w.e != ERR_OK ? w.e : call_ask(&call, AK_STATUS, buf_span(&question), -1, &reply);
}

static void
check_call(enum err e)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	struct span in, question;
	uint16_t type;
	int fd = -1;

	if (e == ERR_OK && !span_eq_str(buf_span(&reply.body), "torture-" KEY))
		torture_wrong("another answer");
	if (fcntl(pair[1], F_SETFL, O_NONBLOCK) != 0 ||
	    frame_receive(pair[1], &frame, &fd) != ERR_OK) {
		if (e == ERR_OK)
			torture_wrong("nothing was asked");
		return;
	}
	in = buf_span(&frame);
	if (frame_next(&in, &type, &question) != ERR_OK || type != AK_STATUS || question.len != 8 ||
	    in.len != 0)
		torture_wrong("half a question was asked");
}

static void
tear_down_call(void)
{
	buf_wipe(&reply.body);
	sys_closep(&pair[0]);
	sys_closep(&pair[1]);
}

static enum err
run_log(void)
{
	log_error("a line with \"quotes\" and %s", "\n controls");
	return ERR_OK;
}

static void
check_nothing(enum err e)
{
	(void)e;
}

static const struct torture_path paths[] = {
	{ "put a key into a header", KEY, set_up_header, run_inject, check_inject,
	    tear_down_request, false },
	{ "put a key into Basic", KEY, set_up_basic, run_inject, check_inject, tear_down_request,
	    false },
	{ "put a key into the query", KEY, set_up_query, run_inject, check_inject,
	    tear_down_request, false },
	{ "hold two versions of a key", KEY, nothing, run_cache, check_cache, tear_down_request,
	    false },
	{ "blank a key in a response", KEY, set_up_response, run_response, check_response,
	    tear_down_request, false },
	{ "grow behind a key", KEY, nothing, run_grow, check_grow, tear_down_request, false },
	{ "a link", NULL, set_up_link, run_link, check_link, tear_down_link, false },
	{ "a call", KEY, set_up_call, run_call, check_call, tear_down_call, false },
	{ "log a line", NULL, nothing, run_log, check_nothing, nothing, true },
};

int
main(int argc, char **argv)
{
	return torture_main(paths, COUNT(paths), first, argc, argv);
}
