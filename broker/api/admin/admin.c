/* The socket, the links, and when the rules are loaded. */
#include "broker/api/admin/admin.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker/ipc/body.h"
#include "common/log.h"
#include "common/sys.h"

#define ACCEPTS_MAX 16	    /* a turn; the rest come in the next */
#define ACCEPT_PAUSE_MS 500 /* when there is no descriptor left: accept() would spin */
#define LOAD_RETRY_MS 500   /* while there is no keeper, or a sealed one */

static void
on_accept(struct watch *w, uint32_t events)
{
	struct admin *a = w->arg;

	(void)events;
	for (int n = 0; n < ACCEPTS_MAX; n++) {
		int fd = sys_accept(w->fd, NULL, NULL);

		if (fd >= 0) {
			server_add(a->server, fd);
			continue;
		}
		if (errno == EAGAIN || errno == ECONNABORTED)
			return;
		log_error("admin socket: %s", strerror(errno));
		loop_unwatch(a->loop, w);
		if (loop_timer(a->loop, &a->accept_again, loop_now_ms(a->loop) + ACCEPT_PAUSE_MS) !=
		    ERR_OK)
			log_fatal("no timer");
		return;
	}
}

static void
listen_again(struct timer *t)
{
	struct admin *a = t->arg;

	if (loop_watch(a->loop, &a->listener) != ERR_OK)
		log_fatal("the admin socket cannot be watched");
}

static void
load_later(struct admin *a, int64_t ms)
{
	if (loop_timer(a->loop, &a->load_again, loop_now_ms(a->loop) + ms) != ERR_OK)
		log_fatal("no timer");
}

/* Asked before each further try: a sealed keeper would refuse the rules, and that once more. */
static bool
still_sealed(struct admin *a)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_writer w = call_begin(&a->asker.link, &body);
	struct wire_reader r;
	struct status v;

	if (asker_ask(&a->asker, AK_STATUS, &w, -1, &reply) != ERR_OK || reply.type != AK_OK)
		return false;
	r = wire_read(buf_span(&reply.body));
	status_get(&r, &v);
	return wire_done(&r) == ERR_OK && v.sealed;
}

/* Says why the rules are not in force, once, and whether another try may help. */
static bool
may_help_later(struct admin *a, enum err e, const struct call_reply *reply)
{
	struct asker_failure f = { .e = e, .message = "it does not answer" };

	if (reply->type == AK_FAIL)
		asker_failure_get(reply, &f);
	if (a->said != f.e)
		log_error("the keeper does not take the rules: %s", f.message);
	a->said = f.e;
	a->sealed = f.e == ERR_SEALED;
	return a->sealed || f.e == ERR_UNREACHABLE || f.e == ERR_TIMEOUT || f.e == ERR_AGAIN ||
	       f.e == ERR_IO; /* its log fails: it goes on by itself */
}

/* At the start, on SIGHUP, and when the keeper was restarted. What does not compile leaves the
 * last good rules in force, which the keeper has in its store. */
static void
load_rules(struct timer *t)
{
	struct admin *a = t->arg;
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct policyc_errors errors;
	enum err e;

	if (a->sealed && still_sealed(a)) {
		load_later(a, LOAD_RETRY_MS);
		return;
	}
	a->sealed = false;
	e = load_now(&a->load, &a->asker, a->own_uid, &errors, &reply);
	if (e == ERR_OK || (e == ERR_SYNTAX && reply.type == AK_OK))
		a->said = ERR_OK;
	else if (may_help_later(a, e, &reply))
		load_later(a, LOAD_RETRY_MS);
}

static void
on_link(enum role peer, uint8_t index, int fd, void *arg)
{
	struct admin *a = arg;

	(void)index;
	if (peer != ROLE_KEEPER)
		log_fatal("a link to %s makes no sense here", role_name(peer));
	asker_link(&a->asker, fd);
	a->sealed = false;
	load_later(a, 0); /* a keeper that has just started has no rules */
}

static void
on_listen(enum listen_kind kind, int fd, void *arg)
{
	struct admin *a = arg;

	if (kind != LISTEN_ADMIN || a->listener.active)
		log_fatal("a listening socket of kind %u makes no sense here", kind);
	a->listener = (struct watch){ .fd = fd, .events = EPOLLIN, .fn = on_accept, .arg = a };
	if (loop_watch(a->loop, &a->listener) != ERR_OK)
		log_fatal("the admin socket cannot be watched");
}

static void
on_reload(void *arg)
{
	struct admin *a = arg;

	a->said = ERR_OK; /* who asked wants to read it again */
	load_later(a, 0);
}

static void
on_drain(uint32_t ms, void *arg)
{
	struct admin *a = arg;

	loop_timer_stop(a->loop, &a->accept_again);
	loop_unwatch(a->loop, &a->listener);
	drain_start(&a->drain, a->loop, a->server, ms);
}

int
admin_main(struct child *c)
{
	static const struct child_ops ops = { .on_link = on_link,
		.on_listen = on_listen,
		.on_reload = on_reload,
		.on_drain = on_drain };
	struct admin a = { .loop = child_loop(c), .own_uid = geteuid(), .listener = { .fd = -1 } };
	enum err e;

	a.accept_again = (struct timer){ .fn = listen_again, .arg = &a };
	a.load_again = (struct timer){ .fn = load_rules, .arg = &a };
	asker_init(&a.asker, ROLE_ADMIN);
	load_init(&a.load, child_setting_need(c, "config_dir"));
	if (server_new(a.loop, admin_request, &a, &a.server) != ERR_OK)
		log_fatal("no HTTP server");
	child_confine(c);
	child_attach(c, &ops, &a);
	child_ready(c);
	e = loop_run(a.loop);
	loop_unwatch(a.loop, &a.listener);
	sys_close(a.listener.fd);
	server_free(a.server);
	asker_close(&a.asker);
	return e == ERR_OK ? 0 : 1;
}
