/* What the gateway answers by itself: refusals, health, heads that do not parse. */
#include "broker/gateway/conn.h"
#include "broker/gateway/fields.h"
#include "broker/gateway/health.h"

#define SEGMENT_SHOWN_MAX 16 /* bytes of one in the audit log */

/* Sends what stands in stage. The request's bytes are let go of. */
static void
send_answer(struct conn *c, enum err e, bool keep)
{
	struct buf *stage = &c->gw->stage;

	if (e == ERR_OK)
		e = stream_write(&c->stream, buf_span(stage));
	buf_clear(stage);
	if (e != ERR_OK) {
		conn_close(c, false, NULL);
		return;
	}
	if (keep)
		buf_consume(&c->in, c->head.head_len);
	conn_end_request(c, keep);
}

/* A body that was not read is not skipped either: it might hold what looks like a request. */
static bool
may_keep(const struct conn *c)
{
	return c->keep && (c->head.framing == HTTP1_NO_BODY ||
			      (c->head.framing == HTTP1_LENGTH && c->head.content_length == 0));
}

void
conn_answer(struct conn *c, const struct refusal *r)
{
	bool keep = may_keep(c);

	send_answer(
	    c, refuse_write(r, !keep, span_eq_str(c->head.method, "HEAD"), &c->gw->stage), keep);
}

void
conn_answer_health(struct conn *c)
{
	bool keep = may_keep(c);
	struct health h = c->route.kind == ROUTE_READY
			      ? health_ready(c->gw->keeper != NULL, c->gw->ready)
			      : health_alive();

	send_answer(c, refuse_write_json(h.status, h.json, !keep, false, &c->gw->stage), keep);
}

/* The head did not parse: nothing of it may be used, and the connection ends. */
void
conn_refuse_head(struct conn *c, enum err e, const char *reason)
{
	struct refusal r = { .status = 400,
		.code = "bad_framing",
		.hint = "the request is not well-formed HTTP/1.1, and what is ambiguous is refused",
		.deny = true,
		.rule = reason };

	if (e == ERR_LIMIT) {
		r.status = 431;
		r.hint =
		    "the head of the request is larger than 16 KiB or has more than 100 fields";
	} else if (reason != NULL && span_eq_str(span_str(reason), "expectation")) {
		r.status = 417;
	}
	c->keep = false;
	c->head = (struct http1_head){ .status = 0 };
	conn_report(c, r.code, span_str(reason));
	conn_answer(c, &r);
}

/* A path that is none may hold anything, also a key in the wrong place: a long segment is not
 * written down. */
static enum err
put_path(struct buf *out, struct span path)
{
	enum err e = ERR_OK;

	for (size_t at = 0, end; at < path.len && e == ERR_OK; at = end) {
		end = at + 1;
		while (end < path.len && path.p[end] != '/')
			end++;
		if (path.p[at] == '/' && end - at - 1 > SEGMENT_SHOWN_MAX)
			e = buf_append_str(out, "/*");
		else
			e = buf_append_span(out, span_of(path.p + at, end - at));
	}
	return e;
}

/* Whoever looks for doors, or has no identity, is to be seen. A flood is counted by the keeper. */
static void
report_route(struct conn *c, const char *code)
{
	AUTO(buf_wipe) struct buf detail = BUF_MAX(METHOD_LEN_MAX + 1 + HTTP1_HEAD_MAX);
	enum err e = ERR_OK;

	if (c->route.refusal == ROUTE_METHOD || c->route.refusal == ROUTE_UNSUPPORTED) {
		e = buf_append_span(&detail, c->head.method);
		if (e == ERR_OK)
			e = buf_append_byte(&detail, ' ');
	}
	if (e == ERR_OK)
		e = put_path(&detail, c->route.path);
	conn_report(c, code, e == ERR_OK ? buf_span(&detail) : SPAN_NONE);
}

void
conn_refuse_route(struct conn *c)
{
	static const struct refusal refusals[] = {
		[ROUTE_NOT_FOUND] = { .status = 404,
		    .code = "no_route",
		    .deny = true,
		    .hint = "there is no such path here; upstreams are reached by /p/NAME/..." },
		[ROUTE_METHOD] = { .status = 405,
		    .code = "method",
		    .deny = true,
		    .hint = "this path does not take that method" },
		[ROUTE_NO_WORKLOAD] = { .status = 401,
		    .code = "no_certificate",
		    .deny = true,
		    .hint = "this path needs a workload's client certificate; connect through "
			    "sidekey-shim" },
		[ROUTE_CONTROL_ONLY] = { .status = 403,
		    .code = "forwarded_control",
		    .deny = true,
		    .hint = "enrolling, renewing and giving back are for sidekey-shim alone" },
		[ROUTE_UNSUPPORTED] = { .status = 501,
		    .code = "method",
		    .deny = true,
		    .hint = "CONNECT and TRACE are not served" },
	};
	struct refusal r = refusals[c->route.refusal];

	r.allow = c->route.allow;
	report_route(c, r.code);
	conn_answer(c, &r);
}

/* What a forwarded connection answers, it answers to a page in a browser beside the workload, too:
 * one that rebound a name to us could read it. */
bool
conn_refuse_page(struct conn *c)
{
	struct refusal r = { .status = 403, .deny = true };

	if (c->alpn == ALPN_CONTROL)
		return false;
	if (!fields_is_own_host(c->head.host)) {
		r.code = "bad_host";
		r.hint = "the Host of a forwarded request must be 127.0.0.1, localhost or [::1]";
	} else if (fields_is_browser(&c->head)) {
		r.code = "browser";
		r.hint = "this path is not for pages in a browser";
	} else {
		return false;
	}
	report_route(c, r.code);
	conn_answer(c, &r);
	return true;
}
