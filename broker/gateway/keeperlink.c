#include "broker/gateway/keeperlink.h"

#include "broker/gateway/conn.h"
#include "broker/gateway/listen.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"

/* ---- what we send ---- */

static enum err
send_empty(struct gateway *g, enum msg_type type)
{
	struct wire_writer w = channel_begin(g->keeper, type);

	return channel_end(g->keeper, &w);
}

static enum err
begin(struct gateway *g, struct ask *a, enum msg_type type, struct wire_writer *ret_w)
{
	enum err e = g->keeper == NULL ? ERR_UNREACHABLE : ask_open(&g->asks, a);

	if (e == ERR_OK)
		*ret_w = channel_begin(g->keeper, type);
	return e;
}

static enum err
end(struct gateway *g, struct ask *a, const struct wire_writer *w)
{
	enum err e = channel_end(g->keeper, w);

	if (e != ERR_OK)
		ask_drop(&g->asks, a);
	return e;
}

enum err
keeperlink_decide(struct gateway *g, struct ask *a, struct decide *d)
{
	struct wire_writer w;
	enum err e = begin(g, a, GK_DECIDE, &w);

	if (e != ERR_OK)
		return e;
	d->id = a->id;
	decide_put(&w, d);
	return end(g, a, &w);
}

enum err
keeperlink_control(struct gateway *g, struct ask *a, struct control *c)
{
	struct wire_writer w;
	enum err e = begin(g, a, GK_CONTROL, &w);

	if (e != ERR_OK)
		return e;
	c->id = a->id;
	control_put(&w, c);
	return end(g, a, &w);
}

void
keeperlink_report(struct gateway *g, const struct report *r)
{
	struct wire_writer w;

	if (g->keeper == NULL)
		return;
	w = channel_begin(g->keeper, GK_REPORT);
	report_put(&w, r);
	if (channel_end(g->keeper, &w) != ERR_OK)
		log_warn("the keeper does not drain: a report (%s) was lost", r->code);
}

static void
ask_config(struct gateway *g)
{
	if (g->config_asked)
		return;
	g->config_asked = send_empty(g, GK_CONFIG_GET) == ERR_OK;
}

/* ---- our certificate ---- */

static void
cert_timer(struct gateway *g, int64_t in_ms)
{
	if (loop_timer(g->loop, &g->cert_timer, loop_now_ms(g->loop) + in_ms) != ERR_OK)
		log_fatal("out of memory for a timer");
}

static void
ask_certificate(struct gateway *g)
{
	AUTO(buf_wipe) struct buf csr = BUF_MAX(SERVERCERT_CSR_MAX);
	struct wire_writer w;
	enum err e;

	cert_timer(g, SERVER_CERT_RETRY_MS); /* a sealed keeper does not answer */
	if (g->keeper == NULL)
		return;
	e = servercert_request(&g->cert, &csr);
	if (e != ERR_OK) {
		log_error("cannot make a key for the server certificate: %s", err_name(e));
		return;
	}
	w = channel_begin(g->keeper, GK_CSR);
	wire_put_blob(&w, buf_span(&csr));
	if (channel_end(g->keeper, &w) != ERR_OK)
		log_warn("the keeper does not drain: no certificate was asked for");
}

static void
on_cert_timer(struct timer *t)
{
	ask_certificate(t->arg);
}

static enum err
on_cert(struct gateway *g, struct wire_reader *r)
{
	struct span leaf = wire_blob(r, MSG_LEN_MAX), ca = wire_blob(r, MSG_LEN_MAX);
	char trust_domain[TRUST_DOMAIN_LEN_MAX + 1];
	int64_t not_after_s, left_s;
	enum err e;

	wire_str(r, trust_domain, sizeof trust_domain);
	not_after_s = wire_i64(r);
	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	e = servercert_install(&g->cert, leaf, ca, trust_domain, not_after_s);
	if (e != ERR_OK) {
		log_error("the certificate from the keeper is of no use: %s", err_name(e));
		return ERR_OK; /* asked for again by the timer */
	}
	left_s = not_after_s - clock_wall_s();
	log_info("server certificate in use, valid for %lld s", (long long)left_s);
	cert_timer(g, left_s > 2 ? left_s * 500 : SERVER_CERT_RETRY_MS);
	listen_open(g);
	return ERR_OK;
}

/* ---- what we are told ---- */

static bool
can_sign(enum ready_state keeper)
{
	return keeper != READY_NOT && keeper != READY_SEALED;
}

static enum err
on_state(struct gateway *g, struct wire_reader *r)
{
	uint8_t ready = wire_u8(r);
	bool could = can_sign(g->ready);

	g->announced_generation = wire_u64(r);
	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	g->ready = (enum ready_state)ready;
	loop_timer_stop(g->loop, &g->away_timer);
	live_on_state(g, g->ready);
	if (g->cert.tls == NULL && can_sign(g->ready) &&
	    !could) /* once: a second key would not fit the first answer */
		ask_certificate(g);
	if (ready != READY_YES && ready != READY_NO_RULES)
		listen_open(g); /* no certificate comes now: whoever connects is told, not held */
	if (g->config == NULL ? g->announced_generation != 0
			      : g->config->generation != g->announced_generation)
		ask_config(g);
	return ERR_OK;
}

static enum err
on_config(struct gateway *g, struct wire_reader *r, int fd)
{
	AUTO(buf_wipe) struct buf encoded = BUF_MAX(RULES_LEN_MAX);
	uint64_t generation = wire_u64(r);
	struct config *fresh, *old = g->config;
	enum err e;

	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	g->config_asked = false;
	e = sys_read_whole(fd, &encoded);
	if (e == ERR_OK)
		e = config_new(buf_span(&encoded), generation, &fresh);
	if (e != ERR_OK) {
		log_error("upstreams of generation %llu: %s", (unsigned long long)generation,
		    err_name(e));
		return e; /* asked again, it would be the same: the keeper and we do not agree */
	}
	g->config = fresh;
	if (old != NULL)
		upstream_retire(old);
	config_drop(old);
	log_info("upstreams of generation %llu in force", (unsigned long long)generation);
	ask_config_changed(&g->asks);
	return ERR_OK;
}

/* Nobody waits for it any more, but the keeper counts it as running. */
static void
finish_unwanted(struct gateway *g, uint64_t seq)
{
	struct finish f = { .seq = seq, .outcome = "client_gone" };

	live_end(g, NULL, &f);
}

static enum err
on_allow(struct gateway *g, struct wire_reader *r)
{
	struct allow a;

	allow_get(r, &a);
	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	if (!ask_allowed(&g->asks, &a))
		finish_unwanted(g, a.seq);
	return ERR_OK;
}

static enum err
on_deny(struct gateway *g, struct wire_reader *r)
{
	struct deny d;
	bool stale;

	deny_get(r, &d);
	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	if (ask_denied(&g->asks, &d, &stale) && stale)
		ask_config(g);
	return ERR_OK;
}

static enum err
on_ticket(struct gateway *g, struct wire_reader *r)
{
	uint64_t id = wire_u64(r);
	struct span ticket = wire_fixed(r, TICKET_LEN);

	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	(void)ask_ticket(&g->asks, id, ticket.p); /* unused, it ends by itself */
	return ERR_OK;
}

static enum err
on_revoked(struct gateway *g, struct wire_reader *r)
{
	uint64_t id = wire_u64(r);
	uint16_t count = wire_u16(r);
	struct span serials = wire_fixed(r, (size_t)count * SERIAL_LEN);
	struct wire_writer w;

	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	for (uint16_t i = 0; i < count; i++)
		conn_cut_serial(g, serials.p + (size_t)i * SERIAL_LEN);
	w = channel_begin(g->keeper, GK_REVOKED_ACK); /* they are closed by now */
	wire_put_u64(&w, id);
	return channel_end(g->keeper, &w);
}

static enum err
on_finished(struct gateway *g, struct wire_reader *r)
{
	uint64_t seq = wire_u64(r);

	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	live_confirmed(g, seq);
	return ERR_OK;
}

static enum err
take(struct gateway *g, struct msg *m)
{
	struct wire_reader r = wire_read(m->body);

	switch (m->type) {
	case GK_STATE:
		return on_state(g, &r);
	case GK_CERT:
		return on_cert(g, &r);
	case GK_CONFIG:
		return on_config(g, &r, m->fd);
	case GK_ALLOW:
		return on_allow(g, &r);
	case GK_DENY:
		return on_deny(g, &r);
	case GK_TICKET:
		return on_ticket(g, &r);
	case GK_REVOKED:
		return on_revoked(g, &r);
	case GK_FINISHED:
		return on_finished(g, &r);
	default:
		return ERR_PROTO;
	}
}

static void
on_msg(struct channel *ch, struct msg *m, void *arg)
{
	(void)ch;
	if (take(arg, m) != ERR_OK)
		log_fatal("the keeper sent a message (%d) that does not make sense", (int)m->type);
}

/* A keeper that dropped this link because we were too slow gives no other, and one that ends at
 * each start gives many: nobody could cut our streams any more. sidekeyd starts a gateway that is
 * linked.
 */
static void
on_away_timer(struct timer *t)
{
	(void)t;
	log_fatal(
	    "no keeper for %d s: open streams cannot be revoked, ending", KEEPER_AWAY_MS / 1000);
}

/* Open streams go on for a while: their certificates' deadlines still hold. Questions do not. The
 * time runs from the first loss until a keeper speaks. */
static void
lose(struct gateway *g)
{
	channel_close(g->keeper);
	g->keeper = NULL;
	live_lost(g);
	g->ready = READY_NOT;
	g->config_asked = false;
	ask_fail_all(&g->asks, ERR_UNREACHABLE);
	if (g->away_timer.slot != 0)
		return;
	g->away_timer.fn = on_away_timer;
	if (loop_timer(g->loop, &g->away_timer, loop_now_ms(g->loop) + KEEPER_AWAY_MS) != ERR_OK)
		log_fatal("no memory for a timer");
}

static void
on_end(struct channel *ch, enum err e, void *arg)
{
	(void)ch;
	log_warn("the keeper is away: %s", err_name(e));
	lose(arg);
}

static enum err
say_hello(struct gateway *g)
{
	struct wire_writer w = channel_begin(g->keeper, GK_HELLO);

	wire_put_u16(&w, MSG_PROTOCOL);
	if (channel_end(g->keeper, &w) != ERR_OK)
		return ERR_IO;
	channel_set_ready(g->keeper);
	live_tell(g); /* before any question, so that limits count what is open */
	return ERR_OK;
}

void
keeperlink_attach(struct gateway *g, int fd)
{
	const struct channel_role role = { .me = ROLE_GATEWAY,
		.peer = ROLE_KEEPER,
		.queue_max = KEEPER_QUEUE_MAX,
		.on_msg = on_msg,
		.on_end = on_end,
		.arg = g };
	enum err e;

	if (g->keeper != NULL)
		lose(g);
	g->cert_timer.fn = on_cert_timer;
	g->cert_timer.arg = g;
	e = channel_new(g->loop, fd, &role, &g->keeper);
	if (e == ERR_OK)
		e = say_hello(g);
	if (e != ERR_OK)
		log_fatal("the link to the keeper: %s", err_name(e));
}
