/* The links: connections come from gateways, answers from the keeper. */
#include "broker/api/edge/edge.h"

#include "broker/ipc/channel.h"
#include "common/log.h"
#include "common/sys.h"

#define QUEUE_MAX 4096 /* nothing is ever sent to a gateway */

struct edge {
	struct loop *loop;
	struct server *server;
	struct asker asker;
	struct channel *gateways[EDGE_GATEWAYS_MAX];
	struct drain drain;
};

static void
on_gateway(struct channel *ch, struct msg *m, void *arg)
{
	struct edge *g = arg;
	int fd = m->fd;

	(void)ch;
	must(m->type == GE_CONN);
	m->fd = -1; /* taken */
	server_add(g->server, fd);
}

static void
on_gateway_end(struct channel *ch, enum err e, void *arg)
{
	struct edge *g = arg;

	if (e != ERR_EOF)
		log_error("gateway link: %s", err_name(e));
	for (size_t i = 0; i < COUNT(g->gateways); i++) {
		if (g->gateways[i] == ch)
			g->gateways[i] = NULL;
	}
	channel_close(ch);
}

static void
link_gateway(struct edge *g, uint8_t index, int fd)
{
	const struct channel_role role = { .me = ROLE_EDGE,
		.peer = ROLE_GATEWAY,
		.queue_max = QUEUE_MAX,
		.on_msg = on_gateway,
		.on_end = on_gateway_end,
		.arg = g };

	must(index < EDGE_GATEWAYS_MAX);
	channel_close(g->gateways[index]);
	g->gateways[index] = NULL;
	if (channel_new(g->loop, fd, &role, &g->gateways[index]) != ERR_OK)
		log_fatal("no channel for gateway %u", index);
}

static void
on_link(enum role peer, uint8_t index, int fd, void *arg)
{
	struct edge *g = arg;

	if (peer == ROLE_KEEPER)
		asker_link(&g->asker, fd);
	else if (peer == ROLE_GATEWAY)
		link_gateway(g, index, fd);
	else
		log_fatal("a link to %s makes no sense here", role_name(peer));
}

static void
on_drain(uint32_t ms, void *arg)
{
	struct edge *g = arg;

	drain_start(&g->drain, g->loop, g->server, ms);
}

int
edge_main(struct child *c)
{
	static const struct child_ops ops = { .on_link = on_link, .on_drain = on_drain };
	struct edge g = { .loop = child_loop(c) };
	enum err e;

	asker_init(&g.asker, ROLE_EDGE);
	if (server_new(g.loop, edge_request, &g.asker, &g.server) != ERR_OK)
		log_fatal("no HTTP server");
	child_confine(c);
	child_attach(c, &ops, &g);
	child_ready(c);
	e = loop_run(g.loop);
	for (size_t i = 0; i < COUNT(g.gateways); i++)
		channel_close(g.gateways[i]);
	server_free(g.server);
	asker_close(&g.asker);
	return e == ERR_OK ? 0 : 1;
}
