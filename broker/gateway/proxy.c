#include "broker/gateway/proxy.h"

#include <string.h>

#include "broker/gateway/conn.h"
#include "broker/gateway/fields.h"
#include "broker/gateway/inject.h"
#include "broker/gateway/keeperlink.h"
#include "broker/gateway/relay.h"
#include "broker/rules/target.h"
#include "common/clock.h"

static void ask_again(void *arg);

/* ---- the end of an exchange ---- */

/* Tells the keeper how what it allowed ended; once. */
static void
finish(struct conn *c, const char *outcome)
{
	struct exchange *x = &c->exchange;
	struct finish f = { .seq = x->seq,
		.status = x->status,
		.bytes_up = x->bytes_up,
		.bytes_down = x->bytes_down };

	if (!x->allowed)
		return;
	x->allowed = false;
	f.duration_ms = (uint32_t)(loop_now_ms(c->gw->loop) - x->started_ms);
	must(span_copy_str(span_str(outcome), f.outcome, sizeof f.outcome));
	live_end(c->gw, c, &f);
}

/* Lets go of everything that the exchange holds. */
static void
release(struct conn *c)
{
	struct exchange *x = &c->exchange;

	ask_drop(&c->gw->asks, &x->ask);
	upstream_drop(x->uc);
	secretcache_drop(x->secret);
	config_drop(x->config);
	buf_wipe(&x->target);
	buf_wipe(&x->response);
	buf_wipe(&x->held);
	*x = (struct exchange){ .seq = 0 };
	c->ops = NULL; /* what follows may close the connection */
}

static void
on_close(struct conn *c, const char *outcome)
{
	finish(c, outcome == NULL ? "client_gone" : outcome);
	release(c);
}

static enum error_shape
shape_of(const struct exchange *x)
{
	return x->slot == NULL ? SHAPE_PROBLEM : x->slot->up->shape;
}

/* Our own answer in this upstream's shape, and the end of the exchange. */
static void
answer(struct conn *c, struct refusal *r, const char *outcome)
{
	r->shape = shape_of(&c->exchange);
	finish(c, outcome);
	buf_consume(&c->in, c->exchange.head_kept);
	release(c);
	conn_answer(c, r);
}

void
proxy_fail(struct conn *c, const struct proxy_failure *f)
{
	struct refusal r = { .status = f->status, .code = f->code, .hint = f->hint };

	if (c->exchange.answered) {
		conn_close(c, false, f->outcome); /* a cut tells the client that this was not all */
		return;
	}
	c->exchange.status = f->status;
	answer(c, &r, f->outcome);
}

void
proxy_done(struct conn *c)
{
	struct exchange *x = &c->exchange;
	bool keep = !x->close_client && x->up.done;

	/* echoed: OpenSSL's AES-GCM (3.1, AVX-512) keeps the end of the last record until the
	 * connection is closed. config: else nobody could ever take it from its pool. */
	if (x->up.done && !x->close_upstream && !x->echoed && stream_reusable(&x->uc->stream) &&
	    x->config == c->gw->config) {
		upstream_keep(x->uc);
		x->uc = NULL;
	}
	finish(c, "ok");
	release(c);
	conn_end_request(c, keep);
}

/* ---- the upstream ---- */

static void
fail_to_connect(struct conn *c, enum err e)
{
	static const struct proxy_failure failures[ERR_COUNT] = {
		[ERR_NOT_FOUND] = { 502, "upstream_unresolved",
		    "the upstream's host name has no address; ask the operator to check its url",
		    "upstream_unresolved" },
		[ERR_DENIED] = { 502, "upstream_address_refused",
		    "the upstream's host name leads to a private or special address, which only"
		    " \"allow_private: true\" in its file admits",
		    "upstream_address_refused" },
		[ERR_UNREACHABLE] = { 502, "upstream_unreachable",
		    "no address of the upstream takes a connection; try again later",
		    "upstream_unreachable" },
		[ERR_AUTH] = { 502, "upstream_certificate",
		    "the upstream's certificate is not valid for its host; nothing was sent to it",
		    "upstream_certificate" },
		[ERR_TIMEOUT] = { 504, "upstream_timeout",
		    "the upstream did not take a connection in time; try again later",
		    "upstream_timeout" },
	};
	static const struct proxy_failure other = { 502, "upstream_tls",
		"the upstream took the connection, but the TLS handshake failed or did not end in"
		" time; nothing was sent to it; if it stays so, ask the operator to check its url",
		"upstream_tls" };

	proxy_fail(c, failures[e].code == NULL ? &other : &failures[e]);
}

static void
on_ready(enum err e, void *arg)
{
	struct conn *c = arg;

	if (e != ERR_OK)
		fail_to_connect(c, e);
	else
		relay_begin(c);
}

static void
on_upstream_event(uint32_t events, void *arg)
{
	(void)events; /* noted by the stream */
	relay_on_upstream(arg);
}

static const struct upstream_ops upstream_ops = { on_ready, on_upstream_event };

void
proxy_connect(struct conn *c, bool fresh)
{
	struct exchange *x = &c->exchange;
	uint32_t id = x->secret == NULL ? 0 : x->secret->id;
	uint32_t version = x->secret == NULL ? 0 : x->secret->version;
	enum err e =
	    upstream_get(&c->gw->upstreams, x->slot, id, version, fresh, &upstream_ops, c, &x->uc);

	if (e != ERR_OK)
		fail_to_connect(c, ERR_UNREACHABLE);
	else if (x->uc->ready)
		relay_begin(c);
	else
		conn_wait(c, false);
}

/* ---- the answer ---- */

static const struct proxy_failure broken_answer = { 503, "keeper_answer",
	"the broker could not use its own decision; ask the operator to look at its log",
	"gateway_failed" };

/* Takes what the ALLOW brought. ERR_CONFLICT: it does not fit to what we know of the upstream, and
 * nothing is injected. */
static enum err
take_allow(struct conn *c, const struct allow *a)
{
	struct exchange *x = &c->exchange;

	if (x->slot == NULL || a->generation != x->config->generation)
		return ERR_CONFLICT;
	if ((x->slot->up->inject == INJECT_NONE) != (a->value.len == 0))
		return ERR_CONFLICT; /* without its credential it would be another request */
	if (a->value.len == 0)
		return ERR_OK;
	return secretcache_hold(&c->gw->secrets, a->secret_id, a->version, a->value, &x->secret);
}

static void
on_allow(const struct allow *a, void *arg)
{
	struct conn *c = arg;
	struct exchange *x = &c->exchange;

	x->allowed = true;
	x->seq = a->seq;
	if (take_allow(c, a) != ERR_OK) {
		proxy_fail(c, &broken_answer);
		return;
	}
	deadline_set(&c->deadlines, DEADLINE_CERTIFICATE, (a->deadline_s - clock_wall_s()) * 1000);
	proxy_connect(c, false);
}

static void
on_deny(const struct deny *d, void *arg)
{
	struct refusal r = refuse_denied(d);

	answer(arg, &r, "denied");
}

static void
on_ask_fail(enum err e, void *arg)
{
	static const struct proxy_failure away = { 503, "keeper_away",
		"the broker's keeper is not there right now; try again in a moment",
		"keeper_away" };
	static const struct proxy_failure late = { 503, "keeper_timeout",
		"the broker's keeper did not decide in time; try again in a moment",
		"keeper_timeout" };

	proxy_fail(arg, e == ERR_TIMEOUT ? &late : &away);
}

/* ---- the question ---- */

static const struct ask_ops ask_ops = {
	.on_allow = on_allow, .on_deny = on_deny, .on_stale = ask_again, .on_fail = on_ask_fail
};

/* What goes upstream, and what policy sees: the base path, then the client's bytes. */
static enum err
make_target(struct conn *c, struct span *ret_target)
{
	struct exchange *x = &c->exchange;
	const char *base = x->slot == NULL ? "" : x->slot->up->base_path;
	enum err e;

	*ret_target = c->route.rest;
	buf_clear(&x->target); /* asked again, the base path may be another */
	if (base[0] == '\0')
		return c->route.rest.len > TARGET_LEN_MAX ? ERR_LIMIT : ERR_OK;
	x->target.max = TARGET_LEN_MAX;
	e = buf_append_str(&x->target, base);
	if (e == ERR_OK)
		e = buf_append_span(&x->target, c->route.rest);
	*ret_target = buf_span(&x->target);
	return e;
}

static enum err
send_question(struct conn *c, struct span target)
{
	struct exchange *x = &c->exchange;
	struct fields_presented presented;
	struct decide d = { .generation = x->config == NULL ? 0 : x->config->generation,
		.upstream = c->route.upstream,
		.method = c->head.method,
		.target = target };
	enum err e;

	memcpy(d.serial, c->peer.id.serial, SERIAL_LEN);
	d.browser = fields_is_browser(&c->head);
	d.has_trace = fields_trace_id(&c->head, d.trace_id);
	fields_collect_presented(x->slot == NULL ? NULL : x->slot->up, &c->head, &presented);
	d.presented_count = presented.count;
	memcpy(d.presented, presented.values, sizeof d.presented);
	e = keeperlink_decide(c->gw, &x->ask, &d);
	secret_wipe(&presented, sizeof presented);
	return e;
}

static void
refuse_here(struct conn *c, uint16_t status, const char *code, const char *hint)
{
	struct refusal r = { .status = status, .code = code, .hint = hint, .deny = true };

	conn_report(c, code, target_path(c->head.target));
	answer(c, &r, "denied");
}

static bool
has_query_conflict(const struct exchange *x, struct span target)
{
	return x->slot != NULL && x->slot->up->inject == INJECT_QUERY &&
	       inject_query_conflict(target, x->slot->up->inject_name);
}

static void
ask(struct conn *c)
{
	struct exchange *x = &c->exchange;
	struct span target;
	enum err e;

	config_drop(x->config);
	x->config = c->gw->config;
	if (x->config != NULL)
		config_hold(x->config);
	x->slot = config_find(x->config, c->route.upstream);
	if (!fields_is_own_host(c->head.host)) {
		refuse_here(c, 403, "bad_host",
		    "the Host of a request to a proxied upstream must be 127.0.0.1, localhost or"
		    " [::1]");
		return;
	}
	if (make_target(c, &target) != ERR_OK) {
		refuse_here(c, 414, "target_too_long", "the target is longer than 8 KiB");
		return;
	}
	if (has_query_conflict(x, target)) {
		refuse_here(c, 403, "query_credential",
		    "the query has the parameter in which sidekey puts the credential; leave it"
		    " out");
		return;
	}
	e = send_question(c, target);
	if (e != ERR_OK)
		on_ask_fail(e, c);
}

static void
ask_again(void *arg)
{
	struct conn *c = arg;

	if (++c->exchange.asked < ASK_STALE_MAX)
		ask(c);
	else
		on_ask_fail(ERR_TIMEOUT, c);
}

/* While the question is open nothing is read: the head's bytes must stay where they are. A hang-up
 * is noticed all the same. */
static void
on_event(struct conn *c)
{
	if (c->exchange.uc != NULL && c->exchange.uc->ready)
		relay_on_client(c);
	else
		conn_wait(c, false);
}

static const struct conn_ops ops = { on_event, relay_deadline, on_close };

void
proxy_start(struct conn *c)
{
	struct exchange *x = &c->exchange;

	*x = (struct exchange){ .ask = { .ops = &ask_ops, .arg = c },
		.started_ms = loop_now_ms(c->gw->loop),
		.target = BUF_MAX(TARGET_LEN_MAX),
		.response = BUF_MAX(HTTP1_HEAD_MAX + IO_BLOCK),
		.held = BUF_MAX(STREAM_OUT_MAX) };
	c->ops = &ops;
	conn_wait(c, false);
	ask(c);
}

struct span
proxy_target(const struct conn *c)
{
	const struct exchange *x = &c->exchange;

	return x->target.len > 0 ? buf_span(&x->target) : c->route.rest;
}
