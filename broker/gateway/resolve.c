#include "broker/gateway/resolve.h"

#include <ares.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "broker/gateway/hosts.h"
#include "common/log.h"

#define SOCKETS_MAX 32

struct resolver {
	struct loop *loop;
	ares_channel channel;
	struct hosts *hosts;
	struct watch watches[SOCKETS_MAX]; /* c-ares' own sockets */
	struct timer timer;
};

struct query {
	resolve_fn *fn; /* NULL: cancelled */
	void *arg;
	uint16_t port;
	bool allow_private;
};

static void arm(struct resolver *r);

static void
on_socket(struct watch *w, uint32_t events)
{
	struct resolver *r = w->arg;
	bool in = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
	bool out = (events & EPOLLOUT) != 0;

	ares_process_fd(r->channel, in ? w->fd : ARES_SOCKET_BAD, out ? w->fd : ARES_SOCKET_BAD);
	arm(r);
}

static void
on_timer(struct timer *t)
{
	struct resolver *r = t->arg;

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(r);
}

/* c-ares says how long it may sleep. */
static void
arm(struct resolver *r)
{
	struct timeval room, *tv = ares_timeout(r->channel, NULL, &room);

	if (tv == NULL) {
		loop_timer_stop(r->loop, &r->timer);
		return;
	}
	if (loop_timer(r->loop, &r->timer,
		loop_now_ms(r->loop) + tv->tv_sec * 1000 + tv->tv_usec / 1000 + 1) != ERR_OK)
		log_fatal("out of memory for a timer");
}

static struct watch *
find_watch(struct resolver *r, int fd, bool make)
{
	struct watch *free_one = NULL;

	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		if (r->watches[i].active && r->watches[i].fd == fd)
			return &r->watches[i];
		if (!r->watches[i].active)
			free_one = &r->watches[i];
	}
	if (make && free_one != NULL)
		*free_one = (struct watch){ .fd = fd, .fn = on_socket, .arg = r };
	return make ? free_one : NULL;
}

/* c-ares tells which of its sockets it waits for. */
static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
	struct watch *w = find_watch(r, fd, events != 0);
	enum err e;

	if (w == NULL)
		return; /* more sockets than we watch: that question times out */
	if (events == 0) {
		loop_unwatch(r->loop, w);
		return;
	}
	if (w->active) {
		e = loop_want(r->loop, w, events);
	} else {
		w->events = events;
		e = loop_watch(r->loop, w);
	}
	if (e != ERR_OK)
		log_warn("cannot watch a DNS socket: %s", err_name(e));
}

enum err
resolve_new(struct loop *l, struct resolver **ret_r)
{
	struct resolver *r = calloc(1, sizeof *r);
	char lookups[] = "b"; /* DNS alone: c-ares would open /etc/hosts at every lookup */
	/* the name as it is written: with the search list of resolv.conf, or an alias of
	 * HOSTALIASES, a name that fails for a moment would be another one's */
	struct ares_options o = { .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.ndomains = 0, /* ares_getaddrinfo() of 1.18 does not look at NOSEARCH */
		.lookups = lookups,
		.timeout = 2000,
		.tries = 3,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = r };
	int mask = ARES_OPT_FLAGS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS |
		   ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
	enum err e;

	if (r == NULL)
		return ERR_NOMEM;
	r->loop = l;
	r->timer.fn = on_timer;
	r->timer.arg = r;
	e = hosts_read("/etc/hosts", &r->hosts);
	if (e == ERR_OK && ares_init_options(&r->channel, &o, mask) != ARES_SUCCESS)
		e = ERR_SYS;
	if (e != ERR_OK) {
		resolve_free(r);
		return e;
	}
	*ret_r = r;
	return ERR_OK;
}

void
resolve_free(struct resolver *r)
{
	if (r == NULL)
		return;
	if (r->channel != NULL)
		ares_destroy(r->channel); /* calls back for every open query */
	loop_timer_stop(r->loop, &r->timer);
	hosts_free(r->hosts);
	free(r);
}

/* Keeps those that may be dialled. */
static enum err
judge(struct addrs *a, bool allow_private)
{
	size_t kept = 0, seen = a->count;

	for (size_t i = 0; i < seen; i++)
		if (allow_private || addr_check(&a->list[i]) == ERR_OK)
			a->list[kept++] = a->list[i];
	a->count = kept;
	if (seen == 0)
		return ERR_NOT_FOUND;
	return kept == 0 ? ERR_DENIED : ERR_OK;
}

static void
copy_nodes(const struct ares_addrinfo *ai, struct addrs *a)
{
	for (const struct ares_addrinfo_node *n = ai->nodes;
	     n != NULL && a->count < RESOLVE_ADDRESSES_MAX; n = n->ai_next) {
		if (n->ai_addrlen > sizeof(struct sockaddr_in6))
			continue;
		memcpy(&a->list[a->count].sa, n->ai_addr, n->ai_addrlen);
		a->list[a->count++].len = n->ai_addrlen;
		if (n->ai_ttl >= 0 && (uint32_t)n->ai_ttl < a->ttl_s)
			a->ttl_s = (uint32_t)n->ai_ttl;
	}
}

static void
set_port(struct addrs *a, uint16_t port)
{
	for (size_t i = 0; i < a->count; i++) {
		if (a->list[i].sa.sa_family == AF_INET)
			a->list[i].in.sin_port = htons(port);
		else
			a->list[i].in6.sin6_port = htons(port);
	}
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct query *q = arg;
	struct addrs a = { .count = 0, .ttl_s = RESOLVE_TTL_S_MAX };
	enum err e;

	(void)timeouts;
	if (status == ARES_SUCCESS) {
		copy_nodes(ai, &a);
		set_port(&a, q->port);
	}
	ares_freeaddrinfo(ai);
	e = judge(&a, q->allow_private);
	if (q->fn != NULL)
		q->fn(e, &a, q->arg);
	free(q);
}

static enum err
ask_dns(struct resolver *r, const char *host, const struct query *template, struct query **ret_q)
{
	struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM
	};
	struct query *q = malloc(sizeof *q);

	if (q == NULL)
		return ERR_NOMEM;
	*q = *template;
	*ret_q = q;
	ares_getaddrinfo(r->channel, host, NULL, &hints, on_answer, q); /* may answer, and free q */
	arm(r);
	return ERR_OK;
}

enum err
resolve_start(struct resolver *r, const char *host, uint16_t port, bool allow_private,
    resolve_fn *fn, void *arg, struct query **ret_q)
{
	struct query template = { fn, arg, port, allow_private };
	struct addrs a = { .count = 0, .ttl_s = RESOLVE_TTL_S_MAX };

	*ret_q = NULL;
	if (addr_parse(host, port, &a.list[0]) == ERR_OK)
		a.count = 1;
	else
		a.count = hosts_find(r->hosts, host, port, a.list, RESOLVE_ADDRESSES_MAX);
	if (a.count == 0)
		return ask_dns(r, host, &template, ret_q);
	fn(judge(&a, allow_private), &a, arg);
	return ERR_OK;
}

void
resolve_cancel(struct query *q)
{
	if (q != NULL)
		q->fn = NULL;
}
