/* The socket, the links, and when the rules are loaded. */
#include "broker/api/admin/admin.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sys.h"

#define ACCEPTS_MAX 16	    /* a turn; the rest come in the next */
#define ACCEPT_PAUSE_MS 500 /* when there is no descriptor left: accept() would spin */
#define LOAD_RETRY_MS 2000  /* while there is no keeper, or a sealed one */

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

/* At the start, on SIGHUP, and when the keeper was restarted. What does not compile leaves the
 * rules before in force: also in a new keeper. */
static void
load_rules(struct timer *t)
{
	struct admin *a = t->arg;
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct policyc_errors errors;
	struct asker_failure f = { .code = "" };
	enum err e = load_now(&a->load, &a->asker, a->own_uid, &errors, &reply);

	if (e == ERR_SYNTAX)
		e = load_again(&a->load, &a->asker, a->own_uid, &reply);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		return;
	if (e == ERR_DENIED) {
		asker_failure_get(&reply, &f);
		log_error("the keeper refuses the rules: %s (%s)", f.message, f.hint);
		e = f.e;
	} else {
		log_warn("the rules could not be handed to the keeper: %s", err_name(e));
	}
	if (e == ERR_UNREACHABLE || e == ERR_TIMEOUT || e == ERR_SEALED || e == ERR_AGAIN)
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
	load_later(arg, 0);
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
	load_close(&a.load);
	asker_close(&a.asker);
	return e == ERR_OK ? 0 : 1;
}
