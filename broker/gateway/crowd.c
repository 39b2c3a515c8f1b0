#include "broker/gateway/crowd.h"

#include "broker/gateway/conn.h"
#include "broker/gateway/limits.h"

void
crowd_make_room(struct gateway *g)
{
	struct conn *c = g->oldest_stranger;

	if (g->stranger_count >= CONN_STRANGERS_MAX)
		conn_close(c, c->state != CONN_HANDSHAKE, "too_many_connections");
}

void
crowd_enter(struct conn *c)
{
	struct gateway *g = c->gw;

	c->stranger = true;
	c->older = g->newest_stranger;
	if (c->older != NULL)
		c->older->newer = c;
	else
		g->oldest_stranger = c;
	g->newest_stranger = c;
	g->stranger_count++;
}

void
crowd_leave(struct conn *c)
{
	struct gateway *g = c->gw;

	if (!c->stranger)
		return;
	if (c->older != NULL)
		c->older->newer = c->newer;
	else
		g->oldest_stranger = c->newer;
	if (c->newer != NULL)
		c->newer->older = c->older;
	else
		g->newest_stranger = c->older;
	c->stranger = false;
	c->older = c->newer = NULL;
	g->stranger_count--;
}
