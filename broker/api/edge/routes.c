/* The four routes of a workload. Which workload it is, the ticket says: to the keeper, not to us.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/api/edge/edge.h"
#include "broker/api/pem.h"
#include "broker/ipc/body.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/text.h"

#define TICKET_HEADER "Sidekey-Ticket"
#define RESERVE_LEN 262144 /* more than the largest answer takes on its way into HTTP */

struct question {
	struct asker *asker;
	struct request *request;
	uint8_t ticket[TICKET_LEN];
};

typedef void route_fn(struct question *k);

static void
refuse(struct request *q, unsigned status, const char *code, const char *detail)
{
	const struct problem p = { .status = status, .code = code, .detail = detail, .hint = "" };

	request_refuse(q, &p);
}

static void
refuse_broken(struct request *q)
{
	log_error("the keeper's answer does not parse");
	refuse(q, 500, "internal", "the broker's parts do not understand each other");
}

/* Appends the fields, the ticket first, and asks. False: q is answered. */
static bool
ask(struct question *k, enum msg_type type, struct span csr_der, struct call_reply *ret)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = call_begin(&k->asker->link, &body);

	wire_put_fixed(&w, k->ticket, sizeof(k->ticket));
	if (csr_der.p != NULL)
		wire_put_blob(&w, csr_der);
	return asker_good(k->request, asker_ask(k->asker, type, &w, -1, ret), ret);
}

static json_t *
span_json(struct span s)
{
	return json_stringn((const char *)s.p, s.len); /* NULL unless it is UTF-8 */
}

static json_t *
upstream_json(const struct self_upstream *u)
{
	json_t *env = json_object(), *placeholder = span_json(u->placeholder);
	char path[NAME_LEN_MAX + 8] = "/p/", name[1100];

	(void)strncat(path, u->name, sizeof(path) - 4);
	for (uint16_t i = 0; i < u->env_count; i++) {
		if (span_copy_str(u->env[i].name, name, sizeof(name)))
			(void)json_object_set_new(env, name, span_json(u->env[i].value));
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "name", u->name, "path", path, "placeholder",
	    placeholder, "env", env);
}

/* What GET /v1/self says; NULL: it does not parse, as r says then, or there is no memory. */
static json_t *
self_json(struct wire_reader *r)
{
	json_t *list = json_array();
	struct self v;

	self_get(r, &v);
	for (uint16_t i = 0; r->e == ERR_OK && i < v.upstream_count; i++) {
		struct self_upstream u;

		self_upstream_get(r, &u);
		if (r->e == ERR_OK)
			(void)json_array_append_new(list, upstream_json(&u));
	}
	if (wire_done(r) != ERR_OK) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:I, s:{s:b, s:b}, s:o}", "workload", v.workload,
	    "spiffe_id", v.spiffe_id, "instance", v.instance, "not_after",
	    (json_int_t)v.not_after_s, "enrollment", "reusable", (int)v.enroll_reusable,
	    "readable_ok", (int)v.enroll_readable_ok, "upstreams", list);
}

static json_t *
issued_json(const struct issued *v)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:s, s:I, s:I}", "certificate",
	    span_json(v->certificate_pem), "ca", span_json(v->ca_pem), "workload", v->workload,
	    "spiffe_id", v->spiffe_id, "instance", v->instance, "not_before",
	    (json_int_t)v->not_before_s, "not_after", (json_int_t)v->not_after_s);
}

/* An enrollment's answer says all that a shim needs for its start, so that it asks once. */
static void
answer_issued(struct request *q, enum msg_type type, const struct call_reply *reply)
{
	struct wire_reader r = wire_read(buf_span(&reply->body));
	json_t *self = NULL, *body;
	struct issued v;

	issued_get(&r, &v);
	if (type == EK_ENROLL)
		self = self_json(&r);
	if (wire_done(&r) != ERR_OK) {
		json_decref(self);
		refuse_broken(q);
		return;
	}
	body = issued_json(&v);
	if (self != NULL)
		(void)json_object_set_new(body, "self", self);
	request_answer(q, 200, body);
}

/* What the keeper gave away arrives: an answer that finds no memory is made again in what was kept
 * for it. */
static void
issue_der(struct question *k, enum msg_type type, struct span csr_der)
{
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	AUTO(buf_wipe) struct buf reserve = BUF_MAX(RESERVE_LEN);
	enum err e = buf_reserve(&reserve, RESERVE_LEN);

	if (e != ERR_OK) {
		(void)asker_good(k->request, e, &reply);
		return;
	}
	if (!ask(k, type, csr_der, &reply))
		return;
	answer_issued(k->request, type, &reply);
	if (k->request->answered)
		return;
	buf_wipe(&reserve);
	request_begin();
	answer_issued(k->request, type, &reply);
}

static void
issue(struct question *k, enum msg_type type)
{
	static const char *const keys[] = { "csr", NULL };
	uint8_t der[PEM_DER_MAX];
	size_t der_len = 0;
	json_t *o = request_object(k->request, keys);
	const json_t *csr = json_object_get(o, "csr");
	enum err e = ERR_SYNTAX;

	if (o == NULL)
		return;
	if (json_is_string(csr))
		e = pem_request_der(
		    span_of(json_string_value(csr), json_string_length(csr)), der, &der_len);
	json_decref(o);
	if (e != ERR_OK)
		refuse(k->request, 400, "bad_csr",
		    "\"csr\" must be one PEM block CERTIFICATE REQUEST of at most 8 KiB");
	else
		issue_der(k, type, span_of(der, der_len));
}

static void
on_enroll(struct question *k)
{
	issue(k, EK_ENROLL);
}

static void
on_renew(struct question *k)
{
	issue(k, EK_RENEW);
}

static void
on_self(struct question *k)
{
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;
	struct wire_reader r;
	json_t *self;

	if (!ask(k, EK_SELF, SPAN_NONE, &reply))
		return;
	r = wire_read(buf_span(&reply.body));
	self = self_json(&r);
	if (wire_done(&r) != ERR_OK)
		refuse_broken(k->request);
	else
		request_answer(k->request, 200, self);
}

static void
on_give_back(struct question *k)
{
	AUTO(asker_reply_close) struct call_reply reply = ASKER_REPLY;

	if (ask(k, EK_GIVE_BACK, SPAN_NONE, &reply))
		request_answer_empty(k->request);
}

static const struct route {
	const char *path, *method;
	route_fn *fn;
	const char *allow; /* all methods of the path */
} routes[] = {
	/* everything that edge serves; the keeper gives tickets for these only */
	{ "/v1/enroll", "POST", on_enroll, "POST" },
	{ "/v1/renew", "POST", on_renew, "POST" },
	{ "/v1/self", "GET", on_self, "GET, DELETE" },
	{ "/v1/self", "DELETE", on_give_back, "GET, DELETE" },
};

static const struct route *
find_route(struct request *q)
{
	const struct route *of_path = NULL;
	struct problem p = { .status = 405,
		.code = "method_not_allowed",
		.detail = "this path does not know that method",
		.hint = "" };

	for (size_t i = 0; i < COUNT(routes); i++) {
		if (!span_eq_str(q->target, routes[i].path))
			continue;
		of_path = &routes[i];
		if (span_eq_str(q->method, routes[i].method))
			return of_path;
	}
	if (of_path == NULL) {
		refuse(q, 404, "not_found", "no such path");
		return NULL;
	}
	p.allow = of_path->allow;
	request_refuse(q, &p);
	return NULL;
}

void
edge_request(struct request *q, void *arg)
{
	struct question k = { .asker = arg, .request = q };
	const struct route *route;
	const char *ticket;

	/* without a ticket of the gateway's this is nobody's request; two would be one of a
	 * client's */
	if (request_header(q, TICKET_HEADER, &ticket) != 1 ||
	    text_unhex(span_str(ticket), k.ticket, sizeof(k.ticket)) != ERR_OK) {
		refuse(q, 400, "no_ticket", "this connection does not come from the gateway");
		return;
	}
	route = find_route(q);
	if (route != NULL)
		route->fn(&k);
	secret_wipe(k.ticket, sizeof(k.ticket));
}
