/* A channel whose loop has no memory to put the flush off: a loop of our own stands for it. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "broker/ipc/channel.h"
#include "broker/ipc/frame.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

static struct watch *watched;
static void (*deferred)(void *);
static void *deferred_arg;
static bool no_memory;

enum err
loop_watch(struct loop *l, struct watch *w)
{
	(void)l;
	watched = w;
	return ERR_OK;
}

enum err
loop_want(struct loop *l, struct watch *w, uint32_t events)
{
	(void)l;
	w->events = events;
	return ERR_OK;
}

void
loop_unwatch(struct loop *l, struct watch *w)
{
	(void)l;
	(void)w;
	watched = NULL;
}

enum err
loop_defer(struct loop *l, void (*fn)(void *), void *arg)
{
	(void)l;
	if (no_memory)
		return ERR_NOMEM;
	deferred = fn;
	deferred_arg = arg;
	return ERR_OK;
}

enum err
loop_timer(struct loop *l, struct timer *t, int64_t due_ms)
{
	(void)l;
	(void)t;
	(void)due_ms;
	return ERR_NOMEM;
}

void
loop_timer_stop(struct loop *l, struct timer *t)
{
	(void)l;
	(void)t;
}

int64_t
loop_now_ms(const struct loop *l)
{
	(void)l;
	return 1;
}

static int ends;

static void
on_msg(struct channel *ch, struct msg *m, void *arg)
{
	(void)ch;
	(void)m;
	(void)arg;
}

static void
on_end(struct channel *ch, enum err e, void *arg)
{
	(void)ch;
	(void)e;
	(void)arg;
	ends++;
}

static enum err
say(struct channel *ch, uint64_t body, int fd)
{
	struct wire_writer w = channel_begin(ch, fd < 0 ? GK_STATE : GK_CONFIG);

	wire_put_u64(&w, body);
	if (fd >= 0)
		return channel_end_fd(ch, &w, fd);
	wire_put_u8(&w, 0);
	return channel_end(ch, &w);
}

static bool
something_came(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* The next frame: how many bytes, and whether a descriptor is with it. */
static size_t
take(int fd, bool *ret_has_fd)
{
	AUTO(buf_wipe) struct buf in = BUF_MAX(FRAME_MAX);
	AUTO(sys_closep) int came = -1;
	enum err e = frame_receive(fd, &in, &came);

	*ret_has_fd = came >= 0;
	return e == ERR_OK ? in.len : 0;
}

static void
nothing_is_sent_while_somebody_writes(struct channel *ch, int theirs)
{
	AUTO(sys_closep) int gift = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	bool has_fd;

	no_memory = true;
	is_err(say(ch, 1, gift), ERR_OK, "one with a descriptor, first in the queue");
	is_err(say(ch, 2, -1), ERR_OK, "one without");
	is_err(say(ch, 3, gift), ERR_OK, "one with a descriptor, behind another");
	ok(!something_came(theirs), "nothing was sent from inside");
	if (!ok((watched->events & EPOLLOUT) != 0, "the loop is asked to come back"))
		return;
	watched->fn(watched, EPOLLOUT);
	ok(take(theirs, &has_fd) == FRAME_HEADER_LEN + 8 && has_fd, "the first has its descriptor");
	ok(take(theirs, &has_fd) == FRAME_HEADER_LEN + 9 && !has_fd, "the second has none");
	ok(take(theirs, &has_fd) == FRAME_HEADER_LEN + 8 && has_fd, "the third has its own");
	ok(watched->events == EPOLLIN, "and then the loop is asked no more");
}

static void
a_dead_link_is_not_told_to_its_writer(struct channel *ch, int *theirs)
{
	AUTO(sys_closep) int gift = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	sys_close(*theirs);
	*theirs = -1;
	is_err(say(ch, 4, gift), ERR_OK, "the peer is gone: the writer does not hear of it");
	ok(ends == 0, "nor is the link ended under it");
}

int
main(void)
{
	const struct channel_role role = { .me = ROLE_KEEPER,
		.peer = ROLE_GATEWAY,
		.queue_max = 1 << 20,
		.on_msg = on_msg,
		.on_end = on_end };
	struct channel *ch = NULL;
	int fds[2];

	if (!ok(sys_socketpair(SOCK_SEQPACKET, fds) == 0, "pair") ||
	    !is_err(channel_new(NULL, fds[0], &role, &ch), ERR_OK, "channel"))
		return done();
	nothing_is_sent_while_somebody_writes(ch, fds[1]);
	a_dead_link_is_not_told_to_its_writer(ch, &fds[1]);
	no_memory = false;
	channel_close(ch);
	deferred(deferred_arg);
	return done();
}
