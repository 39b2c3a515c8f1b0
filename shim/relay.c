#include "shim/relay.h"

#include <errno.h>
#include <sys/epoll.h>

#include "common/sys.h"
#include "shim/limits.h"

/* Shared by all connections: what is in it is written out, or copied, before another uses it. As
 * large as a TLS record, because epoll does not know of bytes that OpenSSL has read from the socket
 * and we have not read from OpenSSL. */
static uint8_t record[SHIM_RECORD_LEN];

void
shim_relay_init(struct shim_relay *r, int client_fd, struct shim_tls *gateway)
{
	*r = (struct shim_relay){
		.client_fd = client_fd,
		.gateway = gateway,
		.read_wants = EPOLLIN,
		.write_wants = EPOLLOUT,
		.to_gateway = BUF_MAX(SHIM_RECORD_LEN),
		.to_client = BUF_MAX(SHIM_RECORD_LEN),
	};
}

void
shim_relay_wipe(struct shim_relay *r)
{
	buf_wipe(&r->to_gateway);
	buf_wipe(&r->to_client);
}

static enum err
keep(struct buf *b, const uint8_t *p, size_t len)
{
	return buf_append(b, p, len) == ERR_OK ? ERR_OK : ERR_CONFLICT;
}

/* Asked at once: the next call in the other direction has another answer. */
static void
note_write(struct shim_relay *r, enum err e)
{
	if (e == ERR_AGAIN)
		r->write_wants = shim_tls_wants(r->gateway);
}

static enum err
tell_end(struct shim_relay *r)
{
	enum err e = r->end_told ? ERR_OK : shim_tls_end(r->gateway);

	note_write(r, e);
	r->end_told = e == ERR_OK;
	return e == ERR_OK ? ERR_EOF : e;
}

static enum err
flush_up(struct shim_relay *r)
{
	while (r->to_gateway.len > 0) {
		size_t len = 0;
		enum err e =
		    shim_tls_write(r->gateway, r->to_gateway.data, r->to_gateway.len, &len);

		note_write(r, e);
		if (e != ERR_OK)
			return e;
		buf_consume(&r->to_gateway, len);
	}
	return ERR_OK;
}

/* ERR_AGAIN: one of the two must do something first. ERR_EOF: nothing more will go this way. */
static enum err
move_up(struct shim_relay *r)
{
	enum err e = flush_up(r);
	size_t sent = 0;
	ssize_t n;

	if (e != ERR_OK)
		return e;
	if (r->client_ended)
		return tell_end(r);
	n = sys_read(r->client_fd, record, sizeof record);
	if (n < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_CONFLICT;
	if (n == 0) {
		r->client_ended = true;
		return tell_end(r);
	}
	r->began_up = r->moved = true;
	e = shim_tls_write(r->gateway, record, (size_t)n, &sent);
	note_write(r, e);
	if (e != ERR_OK && e != ERR_AGAIN)
		return e;
	return keep(&r->to_gateway, record + sent, (size_t)n - sent);
}

enum err
shim_relay_flush(struct shim_relay *r)
{
	while (r->to_client.len > 0) {
		ssize_t n = sys_write(r->client_fd, r->to_client.data, r->to_client.len);

		if (n < 0)
			return errno == EAGAIN ? ERR_AGAIN : ERR_CONFLICT;
		buf_consume(&r->to_client, (size_t)n);
	}
	return ERR_OK;
}

static enum err
move_down(struct shim_relay *r)
{
	enum err e = shim_relay_flush(r);
	size_t len = 0, sent;
	ssize_t n;

	if (e != ERR_OK)
		return e;
	if (r->gateway_ended)
		return ERR_EOF;
	e = shim_tls_read(r->gateway, record, sizeof record, &len);
	r->gateway_ended = e == ERR_EOF;
	if (e == ERR_AGAIN)
		r->read_wants = shim_tls_wants(r->gateway);
	if (e != ERR_OK)
		return e;
	r->began_down = r->moved = true;
	n = sys_write(r->client_fd, record, len);
	if (n < 0 && errno != EAGAIN)
		return ERR_CONFLICT;
	sent = n > 0 ? (size_t)n : 0;
	return keep(&r->to_client, record + sent, len - sent);
}

static enum err
move(struct shim_relay *r, enum err (*step)(struct shim_relay *r))
{
	enum err e = ERR_OK;

	for (int n = 0; n < SHIM_TURN_RECORDS && e == ERR_OK; n++)
		e = step(r);
	return e == ERR_OK ? ERR_AGAIN
			   : e; /* the rest in the next turn: epoll is level-triggered */
}

enum err
shim_relay_run(struct shim_relay *r)
{
	enum err up, down;

	r->moved = false;
	up = r->gateway_broken ? ERR_AGAIN : move(r, move_up);
	if (up == ERR_CONFLICT)
		return up;
	if (up != ERR_AGAIN && up != ERR_EOF)
		r->gateway_broken = true;
	/* Also then: it may have answered before it closed, and the client is to have that. */
	down = move(r, move_down);
	if (down == ERR_AGAIN && r->gateway_broken && r->to_client.len == 0)
		return ERR_IO;
	return down;
}

uint32_t
shim_relay_wants_client(const struct shim_relay *r)
{
	uint32_t events = 0;

	if (!r->client_ended && !r->gateway_broken && r->to_gateway.len == 0)
		events |= EPOLLIN;
	if (r->to_client.len > 0)
		events |= EPOLLOUT;
	return events;
}

uint32_t
shim_relay_wants_gateway(const struct shim_relay *r)
{
	uint32_t events = 0;

	if (!r->gateway_ended && r->to_client.len == 0)
		events |= r->read_wants;
	if (!r->gateway_broken && (r->to_gateway.len > 0 || (r->client_ended && !r->end_told)))
		events |= r->write_wants;
	return events;
}
