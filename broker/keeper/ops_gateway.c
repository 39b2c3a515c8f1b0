#include "broker/keeper/adopt.h"
#include "broker/keeper/control.h"
#include "broker/keeper/decide.h"
#include "broker/keeper/denial.h"
#include "broker/keeper/issue.h"
#include "broker/keeper/ops.h"
#include "common/log.h"
#include "common/text.h"

#define LATE_FINISHES_MAX FLIGHTS_MAX /* a link; what is beyond it is no honest gateway's */

typedef enum err gateway_fn(struct keeper *k, struct peer *p, struct wire_reader *in);

static enum err
on_hello(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	uint16_t protocol = wire_u16(in);

	if (wire_done(in) != ERR_OK || protocol != MSG_PROTOCOL)
		return ERR_PROTO;
	p->hello = true;
	channel_set_ready(p->channel);
	keeper_tell_peer(k, p);
	if (!k->sealed)
		revoke_tell_again(k, p);
	return ERR_OK;
}

static enum err
on_csr(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	struct span der = wire_blob(in, CA_CSR_LEN_MAX);
	enum err e = wire_done(in);

	if (e != ERR_OK)
		return e;
	buf_clear(&p->csr);
	e = buf_append_span(&p->csr, der);
	if (e == ERR_OK)
		ops_gateway_serve_waiting(k);
	return e;
}

static enum err
on_config_get(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	(void)in;
	p->config_wanted = true;
	ops_gateway_serve_waiting(k);
	return ERR_OK;
}

/* Nothing is known while sealed, so nothing is written down: the gateway is told at once. */
static void
deny_sealed(struct keeper *k, struct peer *p, uint64_t id)
{
	struct deny d = { .id = id, .status = 503 };
	struct wire_writer w = channel_begin(p->channel, GK_DENY);

	(void)span_copy_str(span_str(keeper_not_ready_code(k)), d.code, sizeof d.code);
	(void)span_copy_str(span_str(keeper_not_ready_hint(k)), d.hint, sizeof d.hint);
	deny_put(&w, &d);
	peer_send(p, &w);
}

static enum err
on_decide(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	struct decide d;

	decide_get(in, &d);
	if (wire_done(in) != ERR_OK)
		return ERR_PROTO;
	if (k->sealed)
		deny_sealed(k, p, d.id);
	else
		decide_request(k, p, &d);
	return ERR_OK;
}

static enum err
on_control(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	struct control c;

	control_get(in, &c);
	if (wire_done(in) != ERR_OK)
		return ERR_PROTO;
	if (k->sealed)
		deny_sealed(k, p, c.id);
	else
		control_request(k, p, &c);
	return ERR_OK;
}

/* Streams outlive the keeper. What was decided in this life and is not known was given up as lost,
 * and is recorded as that. */
static void
finish_late(struct keeper *k, struct peer *p, const struct finish *f)
{
	if (f->seq == 0 || f->seq >= k->first_seq || p->late_finishes >= LATE_FINISHES_MAX)
		return;
	p->late_finishes++;
	flight_record_late(k, f);
}

static enum err
on_live(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	struct live l;

	live_get(in, &l);
	if (wire_done(in) != ERR_OK)
		return ERR_PROTO;
	if (!k->sealed)
		adopt_live(k, p, &l);
	return ERR_OK;
}

static enum err
on_finish(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	struct flight *one;
	struct finish f;

	finish_get(in, &f);
	if (wire_done(in) != ERR_OK)
		return ERR_PROTO;
	if (k->sealed && k->first_seq == 0)
		return ERR_OK; /* it was never open: told again when it is */
	p->finished_seq = f.seq;
	if (k->sealed)
		return ERR_OK; /* sealing ended and recorded it */
	one = flight_find(&k->flights, f.seq, p);
	if (one == NULL) {
		finish_late(k, p, &f);
		return ERR_OK;
	}
	flight_record(k, one, &f, f.outcome);
	flight_end(&k->flights, one);
	return ERR_OK;
}

void
ops_gateway_confirm(struct keeper *k)
{
	if (!k->sealed && audit_pending(k->audit))
		return;
	for (struct peer *p = k->peers.first; p != NULL; p = p->next) {
		struct wire_writer w;

		if (p->finished_seq == 0)
			continue;
		w = channel_begin(p->channel, GK_FINISHED);
		wire_put_u64(&w, p->finished_seq);
		peer_send(p, &w);
		p->finished_seq = 0;
	}
}

static enum err
on_report(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	const struct certificate *c = NULL;
	char instance[2 * IDENTITY_ID_LEN + 1];
	struct audit_record r = { .event = "refused", .decision = "deny" };
	struct report rep;

	(void)p;
	report_get(in, &rep);
	if (wire_done(in) != ERR_OK)
		return ERR_PROTO;
	if (k->sealed)
		return ERR_OK;
	r.code = span_str(rep.code);
	r.detail = rep.detail;
	if (rep.has_serial)
		c = identity_certificate(&k->identity, rep.serial);
	if (c != NULL) {
		text_hex(c->instance->id, IDENTITY_ID_LEN, instance);
		r.instance = span_str(instance);
		r.workload = span_str(c->instance->workload->name);
	}
	(void)denial_record(k, c == NULL ? NULL : c->instance->workload, &r);
	return ERR_OK;
}

static enum err
on_revoked_ack(struct keeper *k, struct peer *p, struct wire_reader *in)
{
	uint64_t id = wire_u64(in);

	if (wire_done(in) != ERR_OK)
		return ERR_PROTO;
	if (!k->sealed)
		revoke_acknowledged(k, p, id);
	return ERR_OK;
}

/* Everything that a gateway may ever ask; sizes and states stand in the message table. */
static const struct {
	enum msg_type type;
	gateway_fn *run;
} gateway_ops[] = {
	{ GK_HELLO, on_hello },
	{ GK_CSR, on_csr },
	{ GK_CONFIG_GET, on_config_get },
	{ GK_DECIDE, on_decide },
	{ GK_CONTROL, on_control },
	{ GK_LIVE, on_live },
	{ GK_FINISH, on_finish },
	{ GK_REPORT, on_report },
	{ GK_REVOKED_ACK, on_revoked_ack },
};

void
ops_gateway(struct peer *p, struct msg *m)
{
	struct wire_reader in = wire_read(m->body);
	enum err e = ERR_PROTO;

	for (size_t i = 0; i < COUNT(gateway_ops); i++)
		if (gateway_ops[i].type == m->type)
			e = gateway_ops[i].run(p->keeper, p, &in);
	if (e == ERR_OK)
		return;
	log_error("gateway %u broke the protocol with message %u: its link is closed", p->index,
	    (unsigned)m->type);
	peer_kill_gateway(p, "it broke the protocol");
	peer_close(p);
}

static void
send_config(struct keeper *k, struct peer *p)
{
	struct wire_writer w = channel_begin(p->channel, GK_CONFIG);

	wire_put_u64(&w, policies_generation(&k->policies));
	p->config_wanted =
	    channel_end_fd(p->channel, &w, policies_upstreams_fd(&k->policies)) != ERR_OK;
	if (p->config_wanted) /* it asks once; the next tick tries again */
		log_error("gateway %u cannot be given the configuration", p->index);
}

static void
send_certificate(struct keeper *k, struct peer *p)
{
	AUTO(buf_wipe) struct buf csr = p->csr;

	p->csr = (struct buf)BUF_MAX(CA_CSR_LEN_MAX);
	if (issue_gateway(k, p, buf_span(&csr)) == ERR_OK)
		return;
	p->csr = csr; /* it waits until the log can be written */
	csr = (struct buf)BUF_MAX(0);
}

void
ops_gateway_serve_waiting(struct keeper *k)
{
	struct peer *next;

	for (struct peer *p = k->peers.first; p != NULL && !k->sealed; p = next) {
		next = p->next; /* a gateway with a bad request is closed */
		if (p->config_wanted && policies_generation(&k->policies) != 0)
			send_config(k, p);
		if (p->csr.len > 0 && !k->audit_failing && !k->clock_ahead)
			send_certificate(k, p);
	}
}
