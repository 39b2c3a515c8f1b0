#include "broker/gateway/conn.h"

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "broker/gateway/control.h"
#include "broker/gateway/crowd.h"
#include "broker/gateway/keeperlink.h"
#include "broker/gateway/share.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"

static void read_head(struct conn *c);

/* ---- life and death ---- */

static void
unlink_conn(struct conn *c)
{
	struct gateway *g = c->gw;

	*(c->prev != NULL ? &c->prev->next : &g->conns) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = g->buried;
	g->buried = c;
	g->conn_count--;
	if (g->draining && g->conn_count == 0)
		loop_stop(g->loop);
}

void
conn_close(struct conn *c, bool clean, const char *outcome)
{
	const struct conn_ops *ops = c->ops;

	if (c->state == CONN_CLOSED)
		return;
	crowd_leave(c);
	c->state = CONN_CLOSED; /* first: what ops does must not come back here */
	c->ops = NULL;
	if (ops != NULL)
		ops->on_close(c, outcome);
	stream_close(&c->stream, clean);
	deadline_close(&c->deadlines);
	buf_wipe(&c->in);
	share_give(&c->gw->shares, c->share);
	unlink_conn(c);
}

/* What a crowd left on the heap goes back to the system: the allocator by itself keeps it. */
static void
give_back(struct gateway *g)
{
	if (g->conn_peak < CONN_TRIM_MIN || g->conn_count > g->conn_peak / 2)
		return;
	(void)malloc_trim(0);
	g->conn_peak = g->conn_count;
}

void
conn_sweep(struct gateway *g)
{
	if (g->buried == NULL)
		return;
	while (g->buried != NULL) {
		struct conn *c = g->buried;

		g->buried = c->next;
		secret_wipe(c, sizeof *c);
		free(c);
	}
	give_back(g);
}

void
conn_cut_serial(struct gateway *g, const uint8_t serial[SERIAL_LEN])
{
	struct span want = span_of(serial, SERIAL_LEN);
	struct conn *next;

	for (struct conn *c = g->conns; c != NULL; c = next) {
		next = c->next;
		if (!c->peer.present || !span_eq(span_of(c->peer.id.serial, SERIAL_LEN), want))
			continue;
		if (control_is_giving_back(c))
			c->keep = false; /* its own wish: it hears that, and then the end */
		else
			conn_close(c, false, "revoked");
	}
}

void
conn_cut_all(struct gateway *g)
{
	while (g->conns != NULL)
		conn_close(g->conns, false, "drained");
}

void
conn_drain(struct gateway *g)
{
	struct conn *next;

	g->draining = true;
	for (struct conn *c = g->conns; c != NULL; c = next) {
		next = c->next;
		if (c->state == CONN_HANDSHAKE || (c->state == CONN_HEAD && c->in.len == 0))
			conn_close(c, true, NULL);
	}
	if (g->conn_count == 0)
		loop_stop(g->loop);
}

void
conn_report(struct conn *c, const char *code, struct span detail)
{
	struct report r = { .has_serial = c->peer.present,
		.detail = span_of(detail.p, detail.len < 255 ? detail.len : 255) };

	memcpy(r.serial, c->peer.id.serial, SERIAL_LEN);
	must(span_copy_str(span_str(code), r.code, sizeof r.code));
	keeperlink_report(c->gw, &r);
}

/* ---- the end of a request ---- */

void
conn_wait(struct conn *c, bool want_read)
{
	if (!stream_blocked(&c->stream))
		deadline_clear(&c->deadlines, DEADLINE_CLIENT_STALL);
	else if (!deadline_is_set(&c->deadlines, DEADLINE_CLIENT_STALL))
		deadline_set(&c->deadlines, DEADLINE_CLIENT_STALL, CLIENT_STALL_MS);
	stream_wait(&c->stream, want_read);
}

/* So that an answer survives a body that is still under way: a close with unread input is a reset,
 * which throws the answer away. */
static void
linger(struct conn *c)
{
	size_t len;
	enum err e = stream_flush(&c->stream);

	if (e != ERR_OK) {
		conn_close(c, false, NULL);
		return;
	}
	if (!stream_blocked(&c->stream) && !c->lingering) {
		c->lingering = true;
		stream_shut(&c->stream);
		deadline_set(&c->deadlines, DEADLINE_PHASE, LINGER_MS);
	}
	e = stream_read(&c->stream, c->gw->block, IO_BLOCK, &len);
	if (e == ERR_OK) {
		secret_wipe(c->gw->block, len);
		c->lingered += (uint32_t)len;
	}
	if ((e != ERR_OK && e != ERR_AGAIN && c->lingering) || c->lingered > LINGER_BYTES_MAX)
		conn_close(c, false, NULL);
	else
		conn_wait(c, !c->stream.dead);
}

static void
next_request(struct conn *c)
{
	c->state = CONN_HEAD;
	if (c->in.len == 0) {
		if (c->in.cap > 2048)
			buf_wipe(&c->in); /* an idle connection keeps little */
		deadline_set(&c->deadlines, DEADLINE_PHASE, KEEPALIVE_MS);
		conn_wait(c, true);
		return;
	}
	deadline_set(&c->deadlines, DEADLINE_PHASE, HEAD_MS);
	deadline_set(
	    &c->deadlines, DEADLINE_AGAIN, 0); /* pipelined: after the others had their turn */
	conn_wait(c, false);
}

static void
flush(struct conn *c)
{
	if (stream_flush(&c->stream) != ERR_OK) {
		conn_close(c, false, NULL);
		return;
	}
	if (!stream_blocked(&c->stream))
		next_request(c);
	else
		conn_wait(c, false);
}

void
conn_end_request(struct conn *c, bool keep)
{
	c->ops = NULL;
	for (int kind = 0; kind < DEADLINE_KINDS; kind++)
		deadline_clear(&c->deadlines, (enum deadline)kind);
	if (keep && !c->stream.eof && !c->gw->draining) {
		c->state = CONN_FLUSH;
		flush(c);
		return;
	}
	buf_wipe(&c->in);
	c->state = CONN_LINGER;
	deadline_set(&c->deadlines, DEADLINE_PHASE, CLIENT_STALL_MS);
	linger(c);
}

static void
serve(struct conn *c)
{
	deadline_clear(&c->deadlines, DEADLINE_PHASE);
	c->keep = c->head.keep_alive && c->head.minor == 1 && !c->gw->draining &&
		  clock_wall_s() < c->retire_s;
	c->route = route_find(c->head.method, c->head.target, c->peer.present, c->alpn);
	if (c->route.refusal != ROUTE_OK) {
		conn_refuse_route(c);
		return;
	}
	if (c->route.kind == ROUTE_CONTROL && conn_refuse_page(c))
		return;
	c->state = CONN_BUSY;
	switch (c->route.kind) {
	case ROUTE_PROXY:
		proxy_start(c);
		break;
	case ROUTE_CONTROL:
		control_start(c);
		break;
	default:
		conn_answer_health(c);
		break;
	}
}

/* Without a line end, or what no head may hold, new bytes change nothing: looking at all of them
 * for each byte that drips in would be work for nothing. */
static bool
worth_parsing(struct span fresh)
{
	for (size_t i = 0; i < fresh.len; i++)
		if ((fresh.p[i] < 0x20 && fresh.p[i] != '\t') || fresh.p[i] == 0x7f)
			return true;
	return false;
}

/* fresh_len: how many bytes at the end of in are new. */
static void
parse_head(struct conn *c, size_t fresh_len)
{
	const char *reason = NULL;
	enum err e = ERR_AGAIN;

	if (c->in.len >= HTTP1_HEAD_MAX ||
	    worth_parsing(span_of(c->in.data + c->in.len - fresh_len, fresh_len)))
		e = http1_parse_request(buf_span(&c->in), &c->head, &reason);
	if (e == ERR_AGAIN)
		conn_wait(c, true);
	else if (e == ERR_OK)
		serve(c);
	else
		conn_refuse_head(c, e, reason);
}

static void
read_head(struct conn *c)
{
	bool first = c->in.len == 0;
	size_t len;
	enum err e = stream_read(&c->stream, c->gw->block, IO_BLOCK, &len);

	if (e == ERR_AGAIN) {
		conn_wait(c, true);
		return;
	}
	if (e == ERR_OK) {
		e = buf_append(&c->in, c->gw->block, len);
		secret_wipe(c->gw->block, len);
	}
	if (e != ERR_OK) {
		conn_close(c, first, NULL);
		return;
	}
	if (first)
		deadline_set(&c->deadlines, DEADLINE_PHASE, HEAD_MS);
	parse_head(c, len);
}

/* ---- TLS ---- */

/* A client that never rests would stay on a certificate until it is refused. */
static int64_t
retire_at(const struct tls_peer *p)
{
	int64_t left_s = p->id.not_after_s - clock_wall_s();

	if (!p->present)
		return INT64_MAX;
	return p->id.not_after_s -
	       (left_s / 4 < CERTIFICATE_LAST_S ? left_s / 4 : CERTIFICATE_LAST_S);
}

static void
shaken(struct conn *c)
{
	if (c->peer.present)
		crowd_leave(c);
	c->state = CONN_HEAD;
	c->alpn = tls_server_alpn(c->stream.ssl);
	c->retire_s = retire_at(&c->peer);
	if (c->peer.present &&
	    share_take(&c->gw->shares, c->peer.id.workload, CONN_SHARE_MAX, &c->share) != ERR_OK) {
		conn_report(c, "too_many_connections", SPAN_NONE);
		conn_close(c, true, NULL);
		return;
	}
	deadline_set(&c->deadlines, DEADLINE_PHASE, KEEPALIVE_MS);
	read_head(c);
}

static void
shake_hands(struct conn *c)
{
	enum err e = stream_handshake(&c->stream);

	if (e == ERR_OK) {
		shaken(c);
		return;
	}
	if (e == ERR_AGAIN)
		return;
	if (c->peer.present && e == ERR_PROTO) /* somebody else's certificate, without its key */
		c->peer.refused = "the key was not proven";
	c->peer.present = false; /* nobody is behind it until the handshake is whole */
	if (c->peer.refused != NULL)
		conn_report(c, "bad_certificate", span_str(c->peer.refused));
	conn_close(c, false, NULL);
}

/* ---- events ---- */

static void
turn(struct conn *c)
{
	switch (c->state) {
	case CONN_CLOSED:
		break;
	case CONN_HANDSHAKE:
		shake_hands(c);
		break;
	case CONN_HEAD:
		read_head(c);
		break;
	case CONN_BUSY:
		c->ops->on_event(c);
		break;
	case CONN_FLUSH:
		flush(c);
		break;
	case CONN_LINGER:
		linger(c);
		break;
	}
}

static void
on_event(struct watch *w, uint32_t events)
{
	struct conn *c = w->arg;

	stream_note(&c->stream, events);
	if (c->stream.hup) /* both directions are gone: nobody is there to answer */
		conn_close(c, false, "client_gone");
	else
		turn(c);
}

static void
on_phase_deadline(struct conn *c)
{
	static const struct refusal late = { .status = 408,
		.code = "head_timeout",
		.deny = false,
		.hint = "the head of the request took longer than 15 s" };

	if (c->state == CONN_HEAD && c->in.len > 0) {
		c->keep = false;
		c->head = (struct http1_head){ .status = 0 };
		conn_answer(c, &late);
		return;
	}
	conn_close(c, c->state == CONN_HEAD, NULL);
}

static void
on_deadline(enum deadline kind, void *arg)
{
	struct conn *c = arg;

	if (kind == DEADLINE_PHASE)
		on_phase_deadline(c);
	else if (kind == DEADLINE_CLIENT_STALL)
		conn_close(c, false, "client_stalled");
	else if (c->state == CONN_BUSY)
		c->ops->on_deadline(c, kind);
	else if (kind == DEADLINE_AGAIN && c->state == CONN_HEAD)
		parse_head(c, c->in.len);
}

/* ---- the beginning ---- */

/* A TLS alert "internal_error" in plain, which is what a server without a certificate can say: we
 * are not ready (sealed, or starting). */
static void
say_not_ready(int fd)
{
	static const uint8_t alert[] = { 21, 3, 3, 0, 2, 2, 80 };

	(void)sys_write(fd, alert, sizeof alert); /* best effort: the close says it too */
	sys_close(fd);
}

static struct conn *
conn_new(struct gateway *g, int fd)
{
	struct conn *c = calloc(1, sizeof *c);
	SSL *ssl = NULL;
	enum err e = c == NULL ? ERR_NOMEM : tls_server_new(g->cert.tls, &c->peer, &ssl);

	if (e != ERR_OK)
		sys_close(fd);
	else
		e = stream_init(&c->stream, g->loop, fd, ssl, on_event, c);
	if (e != ERR_OK) {
		log_warn("a connection was dropped: %s", err_name(e));
		free(c);
		return NULL;
	}
	c->gw = g;
	c->in = (struct buf)BUF_MAX(HTTP1_HEAD_MAX + IO_BLOCK);
	deadline_init(&c->deadlines, g->loop, on_deadline, c);
	return c;
}

void
conn_start(struct gateway *g, int fd)
{
	struct conn *c;
	int on = 1;

	crowd_make_room(g);
	if (g->cert.tls == NULL || g->conn_count >= CONN_MAX) {
		say_not_ready(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a unix socket */
	c = conn_new(g, fd);
	if (c == NULL)
		return;
	c->state = CONN_HANDSHAKE;
	c->next = g->conns;
	if (g->conns != NULL)
		g->conns->prev = c;
	g->conns = c;
	if (++g->conn_count > g->conn_peak)
		g->conn_peak = g->conn_count;
	crowd_enter(c);
	deadline_set(&c->deadlines, DEADLINE_PHASE, HANDSHAKE_MS);
}
