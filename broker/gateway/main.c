/*
 * sidekey-gateway: the data plane. One request reads downwards through this folder:
 * listen -> conn (tls_server, identity) -> http1 -> route -> proxy (ask) -> upstream (resolve,
 * tls_client) -> relay (inject, answer, redact) -> finish.
 */
#include <openssl/crypto.h>
#include <time.h>

#include "broker/gateway/conn.h"
#include "broker/gateway/control.h"
#include "broker/gateway/keeperlink.h"
#include "broker/gateway/listen.h"
#include "broker/gateway/tls_client.h"
#include "broker/gateway/tls_memory.h"
#include "broker/proc/child.h"
#include "common/log.h"

#define LAST_WORDS_MS 1000 /* for the keeper to take how the last exchanges ended */

static struct gateway gateway;

static void
on_link(enum role peer, uint8_t index, int fd, void *arg)
{
	(void)index;
	if (peer == ROLE_KEEPER)
		keeperlink_attach(arg, fd);
	else if (peer == ROLE_EDGE)
		control_attach(arg, fd);
	else
		log_fatal("a link to %s, with whom a gateway does not speak", role_name(peer));
}

static void
on_listen(enum listen_kind kind, int fd, void *arg)
{
	if (kind != LISTEN_TLS_TCP && kind != LISTEN_TLS_UNIX)
		log_fatal("a listening socket (%d) that is not a gateway's", (int)kind);
	listen_add(arg, fd);
}

static void
on_drain_over(struct timer *t)
{
	conn_cut_all(t->arg); /* stops the loop with the last one */
}

static void
on_drain(uint32_t ms, void *arg)
{
	static struct timer timer;
	struct gateway *g = arg;

	log_info("draining %u connections for at most %u ms", g->conn_count, ms);
	listen_stop(g);
	timer.fn = on_drain_over;
	timer.arg = g;
	/* A little before our time is over: the keeper is still told how every exchange ended. */
	if (loop_timer(g->loop, &timer, loop_now_ms(g->loop) + ms - ms / 8) != ERR_OK)
		log_fatal("out of memory for a timer");
	conn_drain(g);
}

static void
sweep(void *arg)
{
	struct gateway *g = arg;

	conn_sweep(g);
	upstream_sweep(&g->upstreams);
}

/* All that needs the file system, before it is gone. */
static void
prepare(struct gateway *g, struct child *c)
{
	enum err e;

	tzset(); /* libcrypto calls gmtime(3) for each certificate, which reads /etc/localtime once
		  */
	g->loop = child_loop(c);
	g->stage = (struct buf)BUF_MAX(STREAM_OUT_MAX);
	g->plain = (struct buf)BUF_MAX(STREAM_OUT_MAX);
	g->upstreams.loop = g->loop;
	ask_init(&g->asks, g->loop);
	child_secret_arena(c, GATEWAY_ARENA_SIZE);
	e = resolve_new(g->loop, &g->upstreams.resolver);
	if (e != ERR_OK)
		log_fatal("cannot start the DNS resolver: %s", err_name(e));
	if (tls_client_from_file(TLS_CLIENT_SYSTEM_CAS, &g->upstreams.system_tls) != ERR_OK)
		log_warn("no CA certificates in %s: only upstreams with a \"ca\" can be used",
		    TLS_CLIENT_SYSTEM_CAS);
	loop_each_turn(g->loop, sweep, g);
}

int
main(int argc, char **argv)
{
	static const struct child_ops ops = {
		.on_link = on_link, .on_listen = on_listen, .on_drain = on_drain
	};
	struct child *c = child_start(argc, argv, 1u << ROLE_GATEWAY);

	/* An openssl.cnf could load a provider, or weaken what is set here. */
	if (tls_memory_init() != ERR_OK ||
	    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		log_fatal("cannot start libcrypto");
	prepare(&gateway, c);
	child_confine(c);
	child_attach(c, &ops, &gateway);
	child_ready(c);
	if (loop_run(child_loop(c)) != ERR_OK)
		log_fatal("the event loop failed");
	conn_sweep(&gateway);
	if (gateway.keeper != NULL)
		channel_flush_all(gateway.keeper, LAST_WORDS_MS);
	servercert_close(&gateway.cert);
	child_free(c);
	return 0;
}
