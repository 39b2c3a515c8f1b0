#include "shim/resolve.h"

#include <ares.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/sys.h"
#include "shim/hosts.h"
#include "shim/limits.h"

#define SOCKETS_MAX 16 /* c-ares holds a few a server; more cannot be watched, and time out */

struct shim_resolve {
	struct loop *loop;
	const struct shim_gateway *gateway;
	ares_channel channel; /* NULL: the addresses never change */
	struct watch sockets[SOCKETS_MAX];
	struct timer tick;
	union shim_sockaddr addresses[SHIM_ADDRESSES_MAX];
	size_t count;
	int64_t good_until_ms;
	bool asking;
	struct shim_resolve_waiter *waiters;
};

static void
look_in_hosts(struct shim_resolve *r)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(SHIM_HOSTS_FILE_MAX);

	if (sys_read_file("/etc/hosts", &text) == ERR_OK) /* an image without one is fine */
		r->count = shim_hosts_find(buf_span(&text), r->gateway->host, r->gateway->port,
		    r->addresses, SHIM_ADDRESSES_MAX);
}

/* c-ares returns a time-out at most this far away even when nothing is under way. */
static void
arm_tick(struct shim_resolve *r)
{
	struct timeval most = { 1, 0 }, tv;
	const struct timeval *next = ares_timeout(r->channel, &most, &tv);
	int64_t ms = next->tv_sec * 1000 + next->tv_usec / 1000 + 1;

	if (!r->asking)
		loop_timer_stop(r->loop, &r->tick);
	else if (loop_timer(r->loop, &r->tick, loop_now_ms(r->loop) + ms) != ERR_OK)
		ares_cancel(r->channel); /* without a timer it might never end */
}

static void
on_tick(struct timer *t)
{
	struct shim_resolve *r = t->arg;

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_tick(r);
}

static void
on_socket(struct watch *w, uint32_t events)
{
	struct shim_resolve *r = w->arg;
	bool bad = (events & (EPOLLERR | EPOLLHUP)) != 0;

	ares_process_fd(r->channel, bad || (events & EPOLLIN) != 0 ? w->fd : ARES_SOCKET_BAD,
	    bad || (events & EPOLLOUT) != 0 ? w->fd : ARES_SOCKET_BAD);
	arm_tick(r);
}

static struct watch *
find_socket(struct shim_resolve *r, int fd)
{
	struct watch *empty = NULL;

	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		if (r->sockets[i].active && r->sockets[i].fd == fd)
			return &r->sockets[i];
		if (!r->sockets[i].active)
			empty = &r->sockets[i];
	}
	return empty;
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct shim_resolve *r = arg;
	struct watch *w = find_socket(r, fd);
	uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);

	if (w == NULL)
		return;
	if (w->active && events != 0 && loop_want(r->loop, w, events) == ERR_OK)
		return;
	loop_unwatch(r->loop, w);
	*w = (struct watch){ .fd = fd, .events = events, .fn = on_socket, .arg = r };
	if (events != 0 && loop_watch(r->loop, w) != ERR_OK)
		w->fd = -1; /* unwatched, the question times out */
}

static enum err
open_channel(struct shim_resolve *r)
{
	static char lookups[] =
	    "b"; /* DNS alone: c-ares would open the hosts file at each question */
	struct ares_options options = {
		.flags = ARES_FLAG_NOALIASES,
		.timeout = 2000,
		.tries = 2,
		.lookups = lookups,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = r,
	};

	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return ERR_SYS;
	if (ares_init_options(&r->channel, &options,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
		    ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
		return ERR_SYS;
	return ERR_OK;
}

enum err
shim_resolve_new(struct loop *l, const struct shim_gateway *gateway, struct shim_resolve **ret_r)
{
	struct shim_resolve *r = calloc(1, sizeof *r);
	enum err e = ERR_OK;

	if (r == NULL)
		return ERR_NOMEM;
	r->loop = l;
	r->gateway = gateway;
	r->tick = (struct timer){ .fn = on_tick, .arg = r };
	if (gateway->is_tcp) {
		if (shim_hosts_numeric(gateway->host, gateway->port, &r->addresses[0]) == ERR_OK)
			r->count = 1;
		else
			look_in_hosts(r);
		if (r->count == 0)
			e = open_channel(r);
	}
	if (e != ERR_OK) {
		shim_resolve_free(r);
		return e;
	}
	*ret_r = r;
	return ERR_OK;
}

void
shim_resolve_free(struct shim_resolve *r)
{
	if (r == NULL)
		return;
	must(r->waiters == NULL);
	if (r->channel != NULL)
		ares_destroy(r->channel);
	loop_timer_stop(r->loop, &r->tick);
	free(r);
}

static void
tell(struct shim_resolve *r, enum err e)
{
	struct shim_resolve_waiter *w;

	r->asking = false;
	while ((w = r->waiters) != NULL) { /* one of them may forget another meanwhile */
		r->waiters = w->next;
		w->waits = false;
		w->fn(w, e);
	}
}

static void
take_answer(struct shim_resolve *r, const struct ares_addrinfo *answer)
{
	size_t count = 0;

	for (const struct ares_addrinfo_node *n = answer->nodes; n != NULL; n = n->ai_next) {
		union shim_sockaddr sa = { 0 };

		if (count == SHIM_ADDRESSES_MAX || n->ai_addrlen > sizeof sa)
			break;
		memcpy(&sa, n->ai_addr, n->ai_addrlen);
		if (sa.sa.sa_family == AF_INET)
			sa.in.sin_port = htons(r->gateway->port);
		else if (sa.sa.sa_family == AF_INET6)
			sa.in6.sin6_port = htons(r->gateway->port);
		else
			continue;
		r->addresses[count++] = sa;
	}
	if (count > 0)
		r->count = count;
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
	struct shim_resolve *r = arg;
	enum err e = ERR_OK;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		take_answer(r, answer);
	if (answer != NULL)
		ares_freeaddrinfo(answer);
	if (status == ARES_EDESTRUCTION)
		return;
	if (status == ARES_SUCCESS && r->count > 0)
		r->good_until_ms = loop_now_ms(r->loop) + SHIM_RESOLVED_MS;
	else if (r->count == 0) /* else: what was true a while ago beats nothing */
		e = status == ARES_ENOTFOUND || status == ARES_ENODATA ? ERR_NOT_FOUND
								       : ERR_UNREACHABLE;
	tell(r, e);
}

enum err
shim_resolve_ask(struct shim_resolve *r, struct shim_resolve_waiter *w)
{
	struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC };

	if (r->channel == NULL || loop_now_ms(r->loop) < r->good_until_ms)
		return ERR_OK;
	w->waits = true;
	w->next = r->waiters;
	r->waiters = w;
	if (r->asking)
		return ERR_AGAIN;
	r->asking = true;
	ares_getaddrinfo(r->channel, r->gateway->host, NULL, &hints, on_answer, r);
	arm_tick(r);
	return ERR_AGAIN;
}

void
shim_resolve_forget(struct shim_resolve *r, struct shim_resolve_waiter *w)
{
	if (!w->waits)
		return;
	w->waits = false;
	for (struct shim_resolve_waiter **at = &r->waiters; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			return;
		}
}

const union shim_sockaddr *
shim_resolve_address(const struct shim_resolve *r, size_t n)
{
	return n < r->count ? &r->addresses[n] : NULL;
}

void
shim_resolve_distrust(struct shim_resolve *r)
{
	r->good_until_ms = 0;
}
