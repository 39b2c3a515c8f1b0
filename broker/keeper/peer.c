#include "broker/keeper/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/keeper/keeper.h"
#include "broker/keeper/ops.h"
#include "common/log.h"
#include "common/sys.h"

struct peer *
peer_find(const struct peers *ps, uint64_t number)
{
	struct peer *p = ps->first;

	while (p != NULL && p->number != number)
		p = p->next;
	return p;
}

static void
unlink_peer(struct peers *ps, const struct peer *p)
{
	struct peer **at = &ps->first;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	ps->count--;
	if (p->role == ROLE_GATEWAY)
		ps->gateway_count--;
}

static void
free_later(void *arg)
{
	free(arg);
}

/* The struct lives to the end of the turn: whoever called may still hold it. */
void
peer_close(struct peer *p)
{
	struct keeper *k = p->keeper;

	unlink_peer(&k->peers, p);
	if (p->role == ROLE_GATEWAY && !k->sealed) {
		answers_forget_peer(&k->answers, p);
		revoke_gateway_gone(k, p);
		flights_end_peer(k, p);
	}
	channel_close(p->channel);
	buf_wipe(&p->csr);
	if (loop_defer(k->loop, free_later, p) != ERR_OK)
		log_fatal("no memory to end a link");
}

static void
on_end(struct channel *ch, enum err e, void *arg)
{
	struct peer *p = arg;

	(void)ch;
	if (p->role != ROLE_CLI || e != ERR_EOF)
		log_info("link to %s %u ended: %s", role_name(p->role), p->index, err_name(e));
	if (e == ERR_PROTO)
		peer_kill_gateway(p, "it broke the protocol");
	peer_close(p);
}

static void
on_msg(struct channel *ch, struct msg *m, void *arg)
{
	struct peer *p = arg;

	(void)ch;
	switch (p->role) {
	case ROLE_GATEWAY:
		ops_gateway(p, m);
		break;
	case ROLE_EDGE:
		ops_edge(p, m);
		break;
	case ROLE_ADMIN:
		ops_admin(p, m);
		break;
	case ROLE_CLI:
		ops_cli(p, m);
		break;
	default:
		must(false); /* peer_new() makes no others */
	}
}

static uint32_t
free_slot(const struct peers *ps)
{
	uint64_t taken = 0;
	uint32_t slot = 0;

	for (const struct peer *p = ps->first; p != NULL; p = p->next)
		if (p->role == ROLE_GATEWAY)
			taken |= UINT64_C(1) << p->slot;
	while ((taken & UINT64_C(1) << slot) != 0)
		slot++;
	return slot;
}

static struct peer *
peer_new(struct keeper *k, enum role role, uint8_t index, int fd)
{
	struct peer *p = calloc(1, sizeof *p);
	struct channel_role r = { .me = ROLE_KEEPER,
		.peer = role,
		.queue_max = role == ROLE_CLI ? PEER_CLI_QUEUE_MAX : PEER_QUEUE_MAX,
		.on_msg = on_msg,
		.on_end = on_end,
		.arg = p };

	if (p == NULL) {
		sys_close(fd);
		return NULL;
	}
	p->keeper = k;
	p->role = role;
	p->index = index;
	p->csr = (struct buf)BUF_MAX(CA_CSR_LEN_MAX);
	if (channel_new(k->loop, fd, &r, &p->channel) != ERR_OK) {
		free(p);
		return NULL;
	}
	if (role == ROLE_GATEWAY) {
		p->slot = free_slot(&k->peers);
		k->peers.gateway_count++;
	}
	p->number = ++k->peers.next_number;
	p->next = k->peers.first;
	k->peers.first = p;
	k->peers.count++;
	return p;
}

void
peer_add(struct keeper *k, enum role role, uint8_t index, int fd)
{
	struct peer *p = k->peers.first;

	while (p != NULL && (p->role != role || p->index != index))
		p = p->next;
	if (p != NULL)
		peer_close(
		    p); /* its process died; the new link came before the end of the old one */
	if ((role != ROLE_GATEWAY && role != ROLE_EDGE && role != ROLE_ADMIN) ||
	    k->peers.count >= PEERS_MAX ||
	    (role == ROLE_GATEWAY && k->peers.gateway_count >= GATEWAYS_MAX)) {
		log_error("a link to %s %u is one too many", role_name(role), index);
		sys_close(fd);
		return;
	}
	if (peer_new(k, role, index, fd) == NULL)
		log_error("no memory for the link to %s %u", role_name(role), index);
}

/* root, or whoever we run as: others could have no business with the master keys even where the
 * socket's mode let them in. */
static bool
may_ask(const struct ucred *who)
{
	return who->uid == 0 || who->uid == getuid();
}

void
peer_add_cli(struct keeper *k, int fd, uint32_t uid)
{
	struct peer *p;

	if (k->peers.count >= PEERS_MAX) {
		log_warn("too many command lines at once");
		sys_close(fd);
		return;
	}
	p = peer_new(k, ROLE_CLI, 0, fd);
	if (p == NULL)
		return;
	p->has_uid = true;
	p->uid = uid;
}

static void
accept_one(struct keeper *k, int fd)
{
	struct ucred who = { .uid = UINT32_MAX };
	socklen_t len = sizeof who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 || !may_ask(&who)) {
		log_warn("uid %u was refused on keeper.sock", who.uid);
		sys_close(fd);
		return;
	}
	peer_add_cli(k, fd, who.uid);
}

static void
on_accept(struct watch *w, uint32_t events)
{
	struct keeper *k = w->arg;
	int fd = sys_accept(w->fd, NULL, NULL);

	(void)events;
	if (fd >= 0)
		accept_one(k, fd);
	else if (errno != EAGAIN && errno != ECONNABORTED)
		log_error("keeper.sock: accept failed");
}

void
peer_listen(struct keeper *k, int fd)
{
	struct watch *w = &k->peers.listener;

	w->fd = fd;
	w->events = EPOLLIN;
	w->fn = on_accept;
	w->arg = k;
	if (loop_watch(k->loop, w) != ERR_OK)
		log_fatal("keeper.sock cannot be watched");
}

void
peers_close(struct keeper *k)
{
	if (k->peers.listener.active) {
		loop_unwatch(k->loop, &k->peers.listener);
		sys_close(k->peers.listener.fd);
	}
	while (k->peers.first != NULL)
		peer_close(k->peers.first);
}

void
peer_kill_gateway(struct peer *p, const char *why)
{
	struct audit_record r = { .event = "gateway_killed" };
	struct keeper *k = p->keeper;
	char detail[128];

	if (p->role != ROLE_GATEWAY || p->killed)
		return;
	p->killed = true;
	(void)snprintf(detail, sizeof detail, "gateway %u: %s", p->index, why);
	log_error("gateway %u is to be killed: %s", p->index, why);
	r.detail = span_str(detail);
	if (!k->sealed)
		keeper_record_fact(k, &r);
	if (k->kill_gateway != NULL)
		k->kill_gateway(p->index, k->kill_arg);
}

static void
close_stalled(void *arg)
{
	struct peer *p = arg;
	struct keeper *k = p->keeper;

	if (peer_find(&k->peers, p->number) != p)
		return;
	peer_kill_gateway(p, "its queue is full");
	peer_close(p);
}

void
peer_send(struct peer *p, struct wire_writer *w)
{
	enum err e = channel_end(p->channel, w);

	if (e == ERR_OK)
		return;
	log_error("%s %u does not take what it asked for (%s): its link is closed",
	    role_name(p->role), p->index, err_name(e));
	if (loop_defer(p->keeper->loop, close_stalled, p) != ERR_OK)
		log_fatal("no memory to end a link");
}
