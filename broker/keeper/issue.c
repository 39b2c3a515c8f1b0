#include "broker/keeper/issue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/keeper/control.h"
#include "common/log.h"
#include "common/text.h"

#define CHECKPOINT_LEN 480 /* bytes of one, about */

/* A certificate in the making. */
struct fresh {
	struct certificate cert; /* instance is set when there is one */
	char spiffe_id[SPIFFE_ID_LEN_MAX + 1];
	struct buf der;
};

static void
fresh_wipe(struct fresh *f)
{
	buf_wipe(&f->der);
}

static enum err
sign(struct keeper *k, const char *path, struct span csr_der, struct fresh *f)
{
	struct ca_leaf leaf = { .spiffe_id = f->spiffe_id };
	int64_t now_s = keeper_now_s(k);
	enum err e;

	(void)snprintf(f->spiffe_id, sizeof f->spiffe_id, "spiffe://%s/%s",
	    kv_meta(k->kv)->trust_domain, path);
	ca_serial(leaf.serial);
	leaf.not_before_s = now_s - CA_BACKDATE_S;
	leaf.not_after_s = now_s + k->settings.cert_ttl_s;
	e = ca_issue(k->ca, csr_der, &leaf, &f->der);
	if (e != ERR_OK)
		return e;
	memcpy(f->cert.serial, leaf.serial, SERIAL_LEN);
	f->cert.not_before_s = leaf.not_before_s;
	f->cert.not_after_s = leaf.not_after_s;
	return ERR_OK;
}

static enum err
csr_refused(struct ask *a, enum err e)
{
	if (e == ERR_SYNTAX)
		return ask_refuse(a, e, "bad_csr", "send one PKCS#10 request, up to 8 KiB",
		    "the certificate request cannot be read");
	if (e == ERR_DENIED) /* of the request, not of who asks: 400 like the one above */
		return ask_refuse(a, ERR_SYNTAX, "bad_csr",
		    "use a fresh key on P-256 or P-384 and sign with it",
		    "the certificate request has a key or a signature that is not accepted");
	if (e == ERR_EXPIRED)
		return ask_refuse(a, ERR_CONFLICT, "ca_expired", "ask the operator for a new CA",
		    "the broker's certificate authority ends before this certificate would");
	return ask_refuse(a, e, "issue_failed", "look at the broker's log",
	    "the certificate could not be made (%s)", err_name(e));
}

/* Before the commit: an enrollment that is used up is not answered with a want of memory. */
static enum err
reply(struct ask *a, const struct instance *i, const struct fresh *f)
{
	AUTO(buf_wipe) struct buf pem = BUF_MAX(2 * CA_CERT_LEN_MAX);
	struct issued out = { .ca_pem = span_str(ca_pem(a->keeper->ca)),
		.not_before_s = f->cert.not_before_s,
		.not_after_s = f->cert.not_after_s };
	enum err e = ca_to_pem(buf_span(&f->der), &pem);

	if (e != ERR_OK)
		return e;
	out.certificate_pem = buf_span(&pem);
	must(span_copy_str(span_str(i->workload->name), out.workload, sizeof out.workload));
	must(span_copy_str(span_str(f->spiffe_id), out.spiffe_id, sizeof out.spiffe_id));
	text_hex(i->id, sizeof i->id, out.instance);
	issued_put(&a->out, &out);
	return a->out.e;
}

static void
record(struct keeper *k, struct txn *t, const char *event, const struct instance *i,
    const struct certificate *c)
{
	char id[2 * IDENTITY_ID_LEN + 1], detail[8 + 2 * SERIAL_LEN] = "serial ";
	struct audit_record r = { .event = event,
		.workload = span_str(i->workload->name),
		.decision = "allow",
		.quota = &i->workload->quota };

	text_hex(i->id, sizeof i->id, id);
	text_hex(c->serial, SERIAL_LEN, detail + 7);
	r.instance = span_str(id);
	r.detail = span_str(detail);
	quota_add(&i->workload->quota, CHECKPOINT_LEN, keeper_now_ms(k)); /* its commit's line */
	keeper_deed(k, t, &r);
}

/* What a first certificate changes besides making an instance. */
struct side_effects {
	struct enrollment *used;     /* single-use: gone */
	struct instance *superseded; /* the cap was reached: the oldest ends */
	struct instance *forgotten;  /* long ended */
	int64_t now_s;
};

static void
plan(struct keeper *k, struct enrollment *en, struct side_effects *s, struct txn *t)
{
	struct instance ended;

	s->now_s = keeper_now_s(k);
	s->forgotten = identity_forgettable(en->workload);
	if (s->forgotten != NULL)
		identity_instance_drop(t, s->forgotten);
	if (!en->reusable) {
		s->used = en;
		identity_enrollment_drop(t, en);
		return;
	}
	s->superseded = identity_superseded(en);
	if (s->superseded == NULL)
		return;
	ended = *s->superseded;
	ended.ended_s = s->now_s;
	identity_instance_row(t, &ended);
	record(k, t, "enroll_superseded", s->superseded, &s->superseded->current);
}

static void
apply(struct keeper *k, const struct side_effects *s)
{
	if (s->used != NULL)
		identity_enrollment_end(&k->identity, s->used);
	if (s->superseded != NULL) {
		identity_instance_end(&k->identity, s->superseded, s->now_s);
		revoke_instance(k, s->superseded);
	}
	if (s->forgotten != NULL) {
		placeholders_forget(&k->placeholders, s->forgotten);
		identity_instance_forget(&k->identity, s->forgotten);
	}
}

static void
instance_drop(struct instance **i)
{
	free(*i); /* not in any table yet */
}

static enum err
commit_first(struct keeper *k, struct enrollment *en, struct instance *i)
{
	AUTO(txn_wipe) struct txn t;
	struct side_effects s = { .used = NULL };
	enum err e;

	txn_init(&t);
	identity_instance_row(&t, i);
	plan(k, en, &s, &t);
	record(k, &t, "enroll", i, &i->current);
	e = keeper_commit(k, &t);
	if (e != ERR_OK)
		return e;
	apply(k, &s);
	if (identity_instance_add(&k->identity, i) != ERR_OK)
		log_fatal("no memory for an instance that is in the store already");
	return ERR_OK;
}

enum err
issue_first(struct ask *a, const uint8_t enrollment_id[ASKER_ID_LEN], struct span csr_der)
{
	AUTO(fresh_wipe) struct fresh f = { .der = BUF_MAX(CA_CERT_LEN_MAX) };
	AUTO(instance_drop) struct instance *i = NULL;
	struct keeper *k = a->keeper;
	struct enrollment *en = identity_enrollment(&k->identity, enrollment_id);
	enum err e;

	if (en == NULL || en->expires_s <= keeper_now_s(k) ||
	    en->workload->state != WORKLOAD_ACTIVE) /* since the ticket was given */
		return ask_refuse(a, ERR_DENIED, "enroll_refused",
		    "ask the operator for a new enrollment: `sidekey workload enroll`",
		    "this enrollment was used already, has expired or was revoked");
	e = sign(k, en->workload->name, csr_der, &f);
	if (e != ERR_OK)
		return csr_refused(a, e);
	e = identity_instance_new(en, &f.cert, keeper_now_s(k), &i);
	if (e == ERR_OK)
		e = reply(a, i, &f);
	if (e == ERR_OK)
		e = control_self_reserve(a);
	if (e == ERR_OK)
		e = commit_first(k, en, i);
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	i = NULL; /* given away */
	/* what it would ask next: a shim starts sooner by a connection */
	return control_self(a, f.cert.serial);
}

enum err
issue_next(struct ask *a, const uint8_t serial[SERIAL_LEN], struct span csr_der)
{
	AUTO(fresh_wipe) struct fresh f = { .der = BUF_MAX(CA_CERT_LEN_MAX) };
	AUTO(txn_wipe) struct txn t;
	struct keeper *k = a->keeper;
	struct certificate *by = identity_certificate(&k->identity, serial);
	struct instance *i, next;
	enum err e;

	txn_init(&t);
	e = control_check(a, by);
	if (e != ERR_OK)
		return e;
	i = by->instance;
	e = sign(k, i->workload->name, csr_der, &f);
	if (e != ERR_OK)
		return csr_refused(a, e);
	next = identity_renewed(i, by, &f.cert);
	identity_instance_row(&t, &next);
	e = reply(a, i, &f);
	if (e == ERR_OK) {
		record(k, &t, "renew", i, &f.cert);
		e = keeper_commit(k, &t);
	}
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	if (identity_renew(&k->identity, i, by, &f.cert) != ERR_OK)
		log_fatal("no memory for a certificate that is in the store already");
	return ERR_OK;
}

enum err
issue_gateway(struct keeper *k, struct peer *p, struct span csr_der)
{
	AUTO(fresh_wipe) struct fresh f = { .der = BUF_MAX(CA_CERT_LEN_MAX) };
	char detail[8 + 2 * SERIAL_LEN] = "serial ";
	struct audit_record r = { .event = "gateway_certificate" };
	struct wire_writer w;
	uint64_t seq;
	enum err e = sign(k, SPIFFE_GATEWAY_PATH, csr_der, &f);

	if (e != ERR_OK) {
		log_error("gateway %u sent a certificate request that is not accepted: %s",
		    p->index, err_name(e));
		peer_close(p);
		return ERR_OK; /* answered */
	}
	text_hex(f.cert.serial, SERIAL_LEN, detail + 7);
	r.detail = span_str(detail);
	e = keeper_record(k, &r, &seq);
	if (e == ERR_OK)
		e = keeper_sync(k);
	if (e != ERR_OK)
		return e;
	w = channel_begin(p->channel, GK_CERT);
	wire_put_blob(&w, buf_span(&f.der));
	wire_put_blob(&w, ca_der(k->ca));
	wire_put_str(&w, kv_meta(k->kv)->trust_domain);
	wire_put_i64(&w, f.cert.not_after_s);
	peer_send(p, &w);
	return ERR_OK;
}
