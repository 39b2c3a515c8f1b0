#include "broker/gateway/listen.h"

#include <errno.h>

#include "broker/gateway/conn.h"
#include "common/log.h"
#include "common/sys.h"

static struct watch listeners[LISTENERS_MAX];
static size_t listener_count;
static bool is_open;
static int spare_fd = -1;

/* One client is told at once, by a close, what all would learn by waiting. */
static void
shed(int listen_fd)
{
	sys_close(spare_fd);
	sys_close(sys_accept(listen_fd, NULL, NULL));
	spare_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
}

static void
on_event(struct watch *w, uint32_t events)
{
	(void)events;
	for (int i = 0; i < ACCEPT_BATCH_MAX; i++) {
		int fd = sys_accept(w->fd, NULL, NULL);

		if (fd >= 0) {
			conn_start(w->arg, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			shed(w->fd);
		else if (errno == ECONNABORTED)
			continue;
		return;
	}
}

static void
watch(struct gateway *g, struct watch *w)
{
	if (loop_watch(g->loop, w) != ERR_OK)
		log_fatal("cannot watch a listening socket");
}

void
listen_add(struct gateway *g, int fd)
{
	struct watch *w;

	if (listener_count == LISTENERS_MAX)
		log_fatal("more than %d listening sockets", LISTENERS_MAX);
	w = &listeners[listener_count++];
	*w = (struct watch){ .fd = fd, .events = EPOLLIN, .fn = on_event, .arg = g };
	if (spare_fd < 0)
		spare_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (spare_fd < 0)
		log_fatal("no descriptor is left for a listening socket");
	if (is_open)
		watch(g, w);
}

void
listen_open(struct gateway *g)
{
	if (is_open)
		return;
	is_open = true;
	for (size_t i = 0; i < listener_count; i++)
		watch(g, &listeners[i]);
}

void
listen_stop(struct gateway *g)
{
	for (size_t i = 0; i < listener_count; i++) {
		loop_unwatch(g->loop, &listeners[i]);
		sys_close(listeners[i].fd);
	}
	listener_count = 0;
	sys_close(spare_fd);
	spare_fd = -1;
}
