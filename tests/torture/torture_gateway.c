/* One request through a whole gateway, in this process: a client, a keeper and an upstream are
 * played on loops of their own, and the gateway alone fails. The key reaches the upstream or
 * nobody, the client hears an answer or the end, and the keeper hears how it ended. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/gateway/conn.h"
#include "broker/gateway/keeperlink.h"
#include "broker/gateway/tls_client.h"
#include "broker/gateway/tls_memory.h"
#include "broker/keeper/policy_fd.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"
#include "tests/torture/torture.h"
#include "tests/unit/leaf_fixture.h"

#define KEY "sk-tortureCANARY-0123456789abcdef"
#define REQUEST                                                                                    \
	"POST /p/api/v1/x HTTP/1.1\r\nHost: 127.0.0.1:7433\r\nX-Key: placeholder\r\n"              \
	"Content-Length: 2\r\n\r\nhi"
#define RESPONSE                                                                                   \
	"HTTP/1.1 200 OK\r\nX-Echo: " KEY "\r\nContent-Length: 45\r\n\r\nthe key is " KEY "!"
#define QUIET_TURNS 30 /* of a millisecond, in which nothing moves: then time does */
#define PUSH_MS 5000   /* a turn, until a deadline ends what waits */
#define TURNS_MAX 100000

static char header_name[] = "X-Key", header_value[] = "{credential}", no_path[] = "";
static struct upstream up = { .name = "api",
	.host = "api.example",
	.port = 443,
	.base_path = no_path,
	.secret = "key",
	.inject = INJECT_HEADER,
	.inject_name = header_name,
	.inject_value = header_value,
	.connect_host = "127.0.0.1",
	.allow_private = true };
static struct rules rules = { .upstreams = &up, .upstream_count = 1 };

static EVP_PKEY *ca_key;
static X509 *ca;
static SSL_CTX *gateway_ctx, *client_ctx, *upstream_ctx, *trust_ctx;
static int listen_fd = -1;
static struct gateway *g;

/* ---- time ---- */

static int64_t pushed_ms;
int64_t __real_clock_mono_ms(void);
int64_t __wrap_clock_mono_ms(void);

int64_t
__wrap_clock_mono_ms(void)
{
	return __real_clock_mono_ms() + pushed_ms;
}

/* ---- a played end of a TLS connection ---- */

struct end {
	SSL *ssl;
	struct tls_wire wire;
	struct buf in;
	struct span out; /* what is still to be said */
	bool shaken, closed;
};
static struct end client, server;

static void
end_open(struct end *e, SSL_CTX *ctx, int fd)
{
	*e = (struct end){ .ssl = SSL_new(ctx), .wire = { .fd = fd }, .in = BUF_MAX(65536) };
	must(e->ssl != NULL && tls_io_attach(e->ssl, &e->wire) == ERR_OK);
}

static void
end_close(struct end *e)
{
	if (e->ssl == NULL)
		return;
	SSL_free(e->ssl);
	sys_close(e->wire.fd);
	buf_wipe(&e->in);
	*e = (struct end){ .ssl = NULL };
}

static enum err
end_move(struct end *e)
{
	enum tls_want want;
	uint8_t block[4096];
	size_t len;
	enum err r;

	e->wire.reads = 0;
	if (!e->shaken) {
		r = tls_io_handshake(e->ssl, &want);
		e->shaken = r == ERR_OK;
		return r;
	}
	if (e->out.len > 0) {
		r = tls_io_write(e->ssl, e->out, &len, &want);
		if (r == ERR_OK)
			e->out = span_of(e->out.p + len, e->out.len - len);
		return r;
	}
	r = tls_io_read(e->ssl, block, sizeof block, &len, &want);
	if (r == ERR_OK) {
		must(buf_append(&e->in, block, len) == ERR_OK);
		secret_wipe(block, len);
	}
	return r;
}

/* Whether anything moved. */
static bool
end_step(struct end *e)
{
	enum err r;

	if (e->ssl == NULL || e->closed)
		return false;
	r = end_move(e);
	e->closed = r != ERR_OK && r != ERR_AGAIN;
	return r != ERR_AGAIN;
}

static bool
end_has(const struct end *e, const char *text)
{
	return e->in.len > 0 && memmem(e->in.data, e->in.len, text, strlen(text)) != NULL;
}

/* ---- the keeper ---- */

static struct {
	struct loop *loop;
	struct channel *ch;
	bool deny, ended, moved;
	int decided, finished;
} keeper;

static void
keeper_say(struct wire_writer *w)
{
	must(channel_end(keeper.ch, w) == ERR_OK);
}

static void
keeper_state(void)
{
	struct wire_writer w;

	channel_set_ready(keeper.ch);
	w = channel_begin(keeper.ch, GK_STATE);
	wire_put_u8(&w, READY_YES);
	wire_put_u64(&w, 1);
	keeper_say(&w);
}

static void
keeper_config(void)
{
	struct wire_writer w = channel_begin(keeper.ch, GK_CONFIG);
	AUTO(sys_closep) int fd = -1;

	must(policy_fd_make(&rules, &fd) == ERR_OK);
	wire_put_u64(&w, 1);
	must(channel_end_fd(keeper.ch, &w, fd) == ERR_OK);
}

static void
keeper_decide(struct span body)
{
	struct wire_reader r = wire_read(body);
	struct allow a = { .seq = 7,
		.generation = 1,
		.secret_id = 1,
		.version = 1,
		.deadline_s = clock_wall_s() + 600,
		.value = span_str(KEY) };
	struct deny d = { .status = 403, .code = "no_rule", .hint = "sidekey: ask" };
	struct wire_writer w = channel_begin(keeper.ch, keeper.deny ? GK_DENY : GK_ALLOW);
	struct decide q;

	decide_get(&r, &q);
	must(wire_done(&r) == ERR_OK && span_eq_str(q.upstream, "api"));
	a.id = d.id = q.id;
	if (keeper.deny)
		deny_put(&w, &d);
	else
		allow_put(&w, &a);
	keeper_say(&w);
	keeper.decided++;
}

static void
keeper_on_msg(struct channel *ch, struct msg *m, void *arg)
{
	(void)ch, (void)arg;
	keeper.moved = true;
	if (m->type == GK_HELLO)
		keeper_state();
	else if (m->type == GK_CONFIG_GET)
		keeper_config();
	else if (m->type == GK_DECIDE)
		keeper_decide(m->body);
	keeper.finished += m->type == GK_FINISH;
}

static void
keeper_on_end(struct channel *ch, enum err e, void *arg)
{
	(void)e, (void)arg;
	channel_close(ch);
	keeper.ch = NULL;
	keeper.ended = true;
}

/* ---- all of them ---- */

static void
sweep(void *arg)
{
	conn_sweep(arg);
	upstream_sweep(&g->upstreams);
}

/* Who is not the gateway. Whether anything moved. */
static bool
others(void)
{
	bool moved;

	keeper.moved = false;
	must(loop_turn(keeper.loop, 0) == ERR_OK);
	if (server.ssl == NULL || server.closed) {
		int fd = sys_accept(listen_fd, NULL, NULL);

		if (fd >= 0) {
			end_close(&server);
			end_open(&server, upstream_ctx, fd);
			SSL_set_accept_state(server.ssl);
		}
	}
	moved = end_step(&client);
	moved = end_step(&server) || moved;
	if (server.out.p == NULL && end_has(&server, "\r\n\r\nhi"))
		server.out = span_str(RESPONSE);
	return moved || keeper.moved;
}

static bool
answered(void)
{
	return client.closed || end_has(&client, "*!") || end_has(&client, "\"sidekey:");
}

/* Deadlines are an outcome: when all is quiet, time passes. */
static void
turn_until(bool (*done)(void))
{
	unsigned int quiet = 0;

	for (int i = 0; i < TURNS_MAX && !done(); i++) {
		enum err e = loop_turn(g->loop, quiet > 0);

		torture_disarm();
		if (e != ERR_OK)
			torture_wrong("the loop says %s", err_name(e));
		quiet = others() ? 0 : quiet + 1;
		if (quiet > QUIET_TURNS)
			pushed_ms += PUSH_MS;
		if (i == TURNS_MAX - 1)
			torture_wrong("neither an answer nor an end");
		torture_resume();
	}
	torture_disarm();
}

static bool
configured(void)
{
	return g->config != NULL;
}

static void
link_keeper(void)
{
	const struct channel_role role = { .me = ROLE_KEEPER,
		.peer = ROLE_GATEWAY,
		.queue_max = 1 << 20,
		.on_msg = keeper_on_msg,
		.on_end = keeper_on_end };
	int fds[2];

	must(loop_new(&keeper.loop) == ERR_OK && sys_socketpair(SOCK_SEQPACKET, fds) == 0);
	must(channel_new(keeper.loop, fds[0], &role, &keeper.ch) == ERR_OK);
	keeperlink_attach(g, fds[1]);
	for (int i = 0; i < 100 && !configured(); i++) {
		must(loop_turn(g->loop, 0) == ERR_OK);
		must(loop_turn(keeper.loop, 0) == ERR_OK);
	}
	must(configured());
}

static void
set_up(bool deny)
{
	int fds[2];

	memset(&keeper, 0, sizeof keeper);
	keeper.deny = deny;
	g = calloc(1, sizeof *g);
	must(g != NULL && loop_new(&g->loop) == ERR_OK);
	g->stage = (struct buf)BUF_MAX(STREAM_OUT_MAX);
	g->plain = (struct buf)BUF_MAX(STREAM_OUT_MAX);
	g->upstreams.loop = g->loop;
	ask_init(&g->asks, g->loop);
	must(resolve_new(g->loop, &g->upstreams.resolver) == ERR_OK);
	loop_each_turn(g->loop, sweep, g);
	g->cert.tls = gateway_ctx;
	g->upstreams.system_tls = trust_ctx;
	link_keeper();
	must(sys_socketpair(SOCK_STREAM | SOCK_NONBLOCK, fds) == 0);
	end_open(&client, client_ctx, fds[0]);
	SSL_set_connect_state(client.ssl);
	client.out = span_str(REQUEST);
	conn_start(g, fds[1]);
}

static void
set_up_allowed(void)
{
	set_up(false);
}

static void
set_up_denied(void)
{
	set_up(true);
}

static enum err
run(void)
{
	turn_until(answered);
	if (end_has(&client, " 200 "))
		return ERR_OK;
	return end_has(&client, "HTTP/1.1 ") ? ERR_DENIED : ERR_EOF;
}

static bool
finished(void)
{
	return keeper.ended || keeper.finished >= (keeper.deny ? 0 : keeper.decided);
}

static bool
nobody_left(void)
{
	return g->conn_count == 0;
}

static void
check(enum err e)
{
	if (end_has(&client, KEY))
		torture_wrong("the key comes back");
	if (e == ERR_DENIED && !end_has(&client, "\"code\":\"") && !end_has(&client, "\"type\":"))
		torture_wrong("an answer without a name: %.*s", (int)client.in.len, client.in.data);
	if (keeper.decided > 1)
		torture_wrong("asked %d times", keeper.decided);
	if (server.in.len > 0 && (keeper.decided != 1 || keeper.deny))
		torture_wrong("the upstream heard what nobody allowed");
	if (end_has(&server, "placeholder"))
		torture_wrong("the placeholder went upstream");
	if (end_has(&server, "\r\n\r\n") && !end_has(&server, "X-Key: " KEY))
		torture_wrong("a request without its key");
	torture_relent(); /* while nothing can be sent the keeper cannot hear of the end */
	turn_until(finished);
	if (keeper.finished > keeper.decided)
		torture_wrong("finished %d times", keeper.finished);
	end_close(&client);
	turn_until(nobody_left);
}

static void
check_allowed(enum err e)
{
	if (e == ERR_OK && (!end_has(&server, "\r\n\r\nhi") || !end_has(&client, "the key is ***")))
		torture_wrong("200, and not all of it");
	check(e);
}

static void
check_denied(enum err e)
{
	check(e == ERR_OK ? ERR_DENIED : e);
	if (server.ssl != NULL)
		torture_wrong("the upstream was called");
}

/* ERR_OK: it was refused, as it must be. */
static enum err
run_denied(void)
{
	enum err e = run();

	if (e == ERR_OK)
		torture_wrong("a denied request was answered 200");
	return e == ERR_DENIED && end_has(&client, " 403 ") ? ERR_OK : e;
}

static void
tear_down(void)
{
	upstream_retire(g->config);
	channel_close(g->keeper);
	channel_close(keeper.ch);
	must(loop_turn(g->loop, 0) == ERR_OK && loop_turn(keeper.loop, 0) == ERR_OK);
	config_drop(g->config);
	resolve_free(g->upstreams.resolver);
	if (g->shares != NULL || g->secrets.first != NULL)
		torture_wrong("a share or a key is held by nobody");
	loop_free(g->loop);
	loop_free(keeper.loop);
	free(g->ends.ring);
	buf_wipe(&g->stage);
	buf_wipe(&g->plain);
	free(g);
	end_close(&client);
	end_close(&server);
	ERR_clear_error(); /* its texts would count as lost */
}

/* ---- what stays ---- */

static void
listen_upstream(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sa;

	listen_fd = sys_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must(listen_fd >= 0 && bind(listen_fd, (struct sockaddr *)&sa, sizeof sa) == 0);
	must(listen(listen_fd, 8) == 0);
	must(getsockname(listen_fd, (struct sockaddr *)&sa, &len) == 0);
	up.connect_port = ntohs(sa.sin_port);
}

static void
first(void)
{
	const struct leaf_spec gateway = { .sans = { { GEN_URI,
					       "spiffe://test.example/"
					       "sidekey/gateway",
					       0 } } };
	const struct leaf_spec coder = { .cn = NULL };
	const struct leaf_spec api = { .sans = { { GEN_DNS, "api.example", 0 } } };
	EVP_PKEY *key;
	X509 *leaf;

	must(tls_memory_init() == ERR_OK);
	key = leaf_key(NULL);
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR && secret_arena_init(1u << 20) == ERR_OK);
	log_init("torture", LOG_LEVEL_ERROR);
	ca_key = leaf_key(NULL);
	ca = leaf_ca(ca_key);
	leaf = leaf_make(&gateway, key, ca, ca_key);
	must(tls_server_context(leaf, key, ca, TRUST_DOMAIN, &gateway_ctx) == ERR_OK);
	X509_free(leaf);
	EVP_PKEY_free(key);
	client_ctx = leaf_context(TLS_client_method(), &coder, ca, ca_key);
	upstream_ctx = leaf_context(TLS_server_method(), &api, ca, ca_key);
	trust_ctx = leaf_trust(ca);
	listen_upstream();
}

static const struct torture_path paths[] = {
	{ "gateway: a request", KEY, set_up_allowed, run, check_allowed, tear_down, false },
	{ "gateway: a denied one", NULL, set_up_denied, run_denied, check_denied, tear_down,
	    false },
};

int
main(int argc, char **argv)
{
	torture_may_end();
	return torture_main(paths, COUNT(paths), first, argc, argv);
}
