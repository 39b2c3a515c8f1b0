/* libmicrohttpd inside our loop: its epoll descriptor is one watch, its time-out one timer. */
#include "broker/api/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/sys.h"

/* Bytes a connection for its head and output; beyond it 431. Above 32 KiB libmicrohttpd maps them,
 * and unmaps them behind it: no ticket stays on the heap. */
#define MEMORY_MAX 36864
#define DISCARD_MAX (4u << 20) /* of a body that is too large; beyond it the connection ends */
#define RUNS_MAX 16 /* MHD_run() calls a turn while it says that more can be done at once */

struct server {
	struct MHD_Daemon *daemon;
	struct loop *loop;
	struct watch watch;
	struct timer timer;
	server_fn *fn;
	void *arg;
	unsigned open;
};

struct exchange {
	char target[SERVER_TARGET_MAX + 1];
	bool target_long, started;
	struct buf body;
	size_t dropped; /* bytes of the body that were over SERVER_BODY_MAX */
};

static void
server_run(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 0;

	for (int n = 0; n < RUNS_MAX; n++) {
		(void)MHD_run(s->daemon);
		if (MHD_get_timeout(s->daemon, &wait_ms) != MHD_YES) {
			loop_timer_stop(s->loop, &s->timer);
			return;
		}
		if (wait_ms > 0)
			break;
	}
	if (wait_ms > SERVER_IDLE_S * 1000)
		wait_ms = SERVER_IDLE_S * 1000;
	if (loop_timer(s->loop, &s->timer, loop_now_ms(s->loop) + (int64_t)wait_ms) != ERR_OK)
		log_error("server: no timer");
}

static void
on_ready(struct watch *w, uint32_t events)
{
	(void)events;
	server_run(w->arg);
}

static void
on_timer(struct timer *t)
{
	server_run(t->arg);
}

static void
exchange_free(struct exchange *x)
{
	if (x == NULL)
		return;
	buf_wipe(&x->body);
	free(x);
}

/* The first that is heard of a request. What it returns becomes the exchange. */
static void *
on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct exchange *x = calloc(1, sizeof(*x));

	(void)cls;
	(void)connection;
	if (x == NULL)
		return NULL;
	x->body = (struct buf)BUF_MAX(SERVER_BODY_MAX);
	x->target_long = !span_copy_str(span_str(target), x->target, sizeof(x->target));
	return x;
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode why)
{
	(void)cls;
	(void)connection;
	(void)why;
	exchange_free(*context);
	*context = NULL;
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	struct server *s = cls;

	(void)connection;
	(void)context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		s->open++;
	else
		s->open--;
}

static enum MHD_Result
refuse_now(struct request *q, unsigned status, const char *code, const char *detail)
{
	const struct problem p = { .status = status, .code = code, .detail = detail, .hint = "" };

	request_refuse(q, &p);
	return q->answered ? MHD_YES : MHD_NO;
}

static bool
length_over(const struct request *q)
{
	const char *length = NULL;

	(void)request_header(q, "Content-Length", &length);
	return length != NULL && strtoull(length, NULL, 10) > SERVER_BODY_MAX;
}

static enum MHD_Result
take_body(struct exchange *x, const char *data, size_t *len)
{
	size_t n = *len;

	*len = 0;
	if (x->dropped == 0 && x->body.len + n <= SERVER_BODY_MAX)
		return buf_append(&x->body, data, n) == ERR_OK ? MHD_YES : MHD_NO;
	x->dropped += n; /* libmicrohttpd takes no answer in mid-body: read on, up to a point, and
			    say 413 then */
	return x->dropped <= DISCARD_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
    const char *version, const char *data, size_t *data_len, void **context)
{
	struct server *s = cls;
	struct exchange *x = *context;
	struct request q = { .method = span_str(method), .connection = connection };

	(void)url; /* cut at '?', see on_target() */
	(void)version;
	if (x == NULL)
		return MHD_NO;
	q.target = span_str(x->target);
	if (!x->started) {
		x->started = true;
		if (x->target_long)
			return refuse_now(
			    &q, 414, "target_too_long", "the request target is too long");
		if (length_over(&q))
			return refuse_now(
			    &q, 413, "body_too_large", "the body is larger than 65536 bytes");
		return MHD_YES;
	}
	if (*data_len > 0)
		return take_body(x, data, data_len);
	if (x->dropped > 0)
		return refuse_now(&q, 413, "body_too_large", "the body is larger than 65536 bytes");
	q.body = buf_span(&x->body);
	request_begin();
	s->fn(&q, s->arg);
	if (q.answered)
		return MHD_YES;
	request_begin();
	return refuse_now(&q, 500, "internal", "the request could not be answered");
}

/* Targets are matched as they were sent: an escaped slash in a name is no slash. */
static size_t
no_unescape(void *cls, struct MHD_Connection *connection, char *s)
{
	(void)cls;
	(void)connection;
	return strlen(s);
}

static void PRINTF(2, 0) on_log(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\r\n")] = '\0';
	log_debug("http: %s", line);
}

static struct MHD_Daemon *
start_daemon(struct server *s)
{
	const struct MHD_OptionItem options[] = { { MHD_OPTION_NOTIFY_COMPLETED,
						      (intptr_t)on_completed, NULL },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, NULL },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)no_unescape, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS_MAX, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_MAX, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, SERVER_IDLE_S, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL }, { MHD_OPTION_END, 0, NULL } };

	return MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0,
	    NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_ARRAY,
	    options, MHD_OPTION_END);
}

enum err
server_new(struct loop *l, server_fn *fn, void *arg, struct server **ret_s)
{
	struct server *s = calloc(1, sizeof(*s));
	const union MHD_DaemonInfo *info;
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	s->timer = (struct timer){ .fn = on_timer, .arg = s };
	s->daemon = start_daemon(s);
	info = s->daemon == NULL ? NULL : MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL) {
		server_free(s);
		return ERR_SYS;
	}
	s->watch =
	    (struct watch){ .fd = info->epoll_fd, .events = EPOLLIN, .fn = on_ready, .arg = s };
	e = loop_watch(l, &s->watch);
	if (e != ERR_OK) {
		server_free(s);
		return e;
	}
	*ret_s = s;
	return ERR_OK;
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	loop_timer_stop(s->loop, &s->timer);
	loop_unwatch(s->loop, &s->watch);
	if (s->daemon != NULL)
		MHD_stop_daemon(s->daemon);
	free(s);
}

void
server_add(struct server *s, int fd)
{
	struct sockaddr_un nobody = { .sun_family = AF_UNIX };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		log_error("server: a connection cannot be made non-blocking: %s", strerror(errno));
		sys_close(fd);
		return;
	}
	/* libmicrohttpd closes fd when it refuses it */
	if (MHD_add_connection(s->daemon, fd, (struct sockaddr *)&nobody, sizeof(nobody)) !=
	    MHD_YES)
		log_warn("server: a connection was turned away, %u are open", s->open);
	server_run(s);
}

unsigned
server_open_count(const struct server *s)
{
	return s->open;
}
