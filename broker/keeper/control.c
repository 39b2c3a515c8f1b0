#include "broker/keeper/control.h"

#include <string.h>

#include "broker/keeper/decide.h"
#include "broker/keeper/denial.h"
#include "broker/keeper/share.h"
#include "common/text.h"

/* All of the control plane. A request for anything else is refused here, before JSON is even read.
 */
static const struct route {
	const char *method, *path;
	enum ticket_route route;
} routes[] = {
	{ "POST", "/v1/enroll", ROUTE_ENROLL },
	{ "POST", "/v1/renew", ROUTE_RENEW },
	{ "GET", "/v1/self", ROUTE_SELF },
	{ "DELETE", "/v1/self", ROUTE_GIVE_BACK },
};

static enum ticket_route
route_find(const struct control *c)
{
	for (size_t i = 0; i < COUNT(routes); i++)
		if (span_eq_str(c->method, routes[i].method) &&
		    span_eq_str(c->path, routes[i].path))
			return routes[i].route;
	return ROUTE_NONE;
}

/* Who is denied, if that is known, and why. */
struct denied {
	const char *code;
	const struct certificate *cert;
	struct workload *workload;
	uint32_t retry_after_s;
};

static void
deny(struct keeper *k, struct peer *p, const struct control *c, const struct denied *why)
{
	struct decide d = { .method = c->method, .target = c->path };
	struct question q = { .k = k,
		.peer = p,
		.d = &d,
		.workload = why->workload,
		.retry_after_s = why->retry_after_s };
	struct answer *a = answers_add(k, p);
	char instance[2 * IDENTITY_ID_LEN + 1];
	struct audit_record r = { .event = "control",
		.decision = "deny",
		.method = c->method,
		.target = c->path,
		.code = span_str(why->code) };

	if (why->cert != NULL) {
		q.workload = why->cert->instance->workload;
		text_hex(why->cert->instance->id, IDENTITY_ID_LEN, instance);
		r.instance = span_str(instance);
	}
	if (q.workload != NULL)
		r.workload = span_str(q.workload->name);
	a->deny.id = c->id;
	a->deny.seq = denial_record(k, q.workload, &r);
	decide_explain(&q, why->code, &a->deny);
}

static void
send_ticket(struct keeper *k, struct peer *p, const struct control *c, enum ticket_route route,
    const struct asker *who)
{
	uint8_t ticket[TICKET_LEN];
	struct wire_writer w;

	if (tickets_new(&k->tickets, route, who, keeper_now_s(k), ticket) != ERR_OK) {
		deny(k, p, c, &(struct denied){ .code = "overloaded", .retry_after_s = 1 });
		return;
	}
	w = channel_begin(p->channel, GK_TICKET);
	wire_put_u64(&w, c->id);
	wire_put_fixed(&w, ticket, sizeof ticket);
	peer_send(p, &w);
}

/* A right key is never made to wait, or guessing would lock everybody else out. A wrong one costs
 * the guesser time and us one hash. */
static void
refuse_enroll(struct keeper *k, struct peer *p, const struct control *c)
{
	int64_t now_s = keeper_now_s(k);

	if (now_s - k->failed_since_s >= 60) {
		k->failed_since_s = now_s;
		k->failed_enrolls = 0;
	}
	if (k->failed_enrolls < ENROLL_FAILURES_MAX) {
		k->failed_enrolls++;
		deny(k, p, c, &(struct denied){ .code = "enroll_refused" });
		return;
	}
	deny(k, p, c,
	    &(struct denied){ .code = "enroll_rate",
		.retry_after_s = (uint32_t)(k->failed_since_s + 60 - now_s) });
}

static void
ask_enroll(struct keeper *k, struct peer *p, const struct control *c)
{
	const struct enrollment *en = NULL;
	struct asker who = { .serial = { 0 } };

	if (c->enroll_key.len == ENROLL_KEY_LEN)
		en = identity_enrollment_of_key(&k->identity, c->enroll_key);
	if (en != NULL && en->expires_s > keeper_now_s(k) &&
	    en->workload->state == WORKLOAD_SUSPENDED) {
		deny(k, p, c,
		    &(struct denied){ .code = "workload_suspended", .workload = en->workload });
		return;
	}
	if (en == NULL || en->expires_s <= keeper_now_s(k) ||
	    en->workload->state != WORKLOAD_ACTIVE) {
		refuse_enroll(k, p, c);
		return;
	}
	if (!share_admits_control(k, en->workload)) {
		deny(k, p, c,
		    &(struct denied){ .code = SHARE_CODE,
			.workload = en->workload,
			.retry_after_s = share_retry_s(k, en->workload) });
		return;
	}
	memcpy(who.enrollment_id, en->id, sizeof who.enrollment_id);
	send_ticket(k, p, c, ROUTE_ENROLL, &who);
}

static bool
usable(const char *refusal)
{
	return refusal == NULL || strcmp(refusal, "workload_suspended") == 0;
}

void
control_request(struct keeper *k, struct peer *p, const struct control *c)
{
	enum ticket_route route = route_find(c);
	struct certificate *cert = NULL;
	const char *refusal;
	struct asker who = { .serial = { 0 } };

	if (c->has_serial)
		cert = identity_certificate(&k->identity, c->serial);
	if (k->clock_ahead || k->audit_failing) {
		deny(k, p, c,
		    &(struct denied){
			.code = keeper_not_ready_code(k), .cert = cert, .retry_after_s = 1 });
		return;
	}
	if (route == ROUTE_NONE) {
		deny(k, p, c, &(struct denied){ .code = "no_route", .cert = cert });
		return;
	}
	if (route == ROUTE_ENROLL) {
		ask_enroll(k, p, c);
		return;
	}
	refusal = identity_refusal(cert, keeper_now_s(k));
	if (cert == NULL || !usable(refusal)) {
		deny(k, p, c,
		    &(struct denied){
			.code = c->has_serial ? refusal : "no_certificate", .cert = cert });
		return;
	}
	if (route == ROUTE_RENEW && !share_admits_control(k, cert->instance->workload)) {
		deny(k, p, c,
		    &(struct denied){ .code = SHARE_CODE,
			.cert = cert,
			.retry_after_s = share_retry_s(k, cert->instance->workload) });
		return;
	}
	identity_seen(cert, keeper_now_s(k));
	memcpy(who.serial, c->serial, SERIAL_LEN);
	send_ticket(k, p, c, route, &who);
}

enum err
control_check(struct ask *a, const struct certificate *c)
{
	const char *refusal = identity_refusal(c, keeper_now_s(a->keeper));

	if (usable(refusal))
		return ERR_OK;
	return ask_refuse(a, ERR_DENIED, refusal, "enroll anew",
	    "the certificate that came with this request is not valid any more");
}
