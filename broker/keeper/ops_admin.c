#include <stdio.h>
#include <string.h>

#include "broker/keeper/control.h"
#include "broker/keeper/ops.h"
#include "common/log.h"
#include "common/sys.h"
#include "common/text.h"

static void
fill_store(struct keeper *k, struct status *s)
{
	size_t n = k->identity.names.count, secrets = k->secrets.names.count;
	const uint8_t *digest = policies_digest(&k->policies);

	s->generation = policies_generation(&k->policies);
	s->store_revision = kv_revision(k->kv);
	s->audit_seq = audit_durable_seq(k->audit); /* what a reader of the files must find */
	if (digest != NULL)
		memcpy(s->rules_digest, digest, sizeof s->rules_digest);
	(void)span_copy_str(span_str(k->policies.error), s->rules_error, sizeof s->rules_error);
	s->workloads = (uint32_t)n;
	s->instances = k->identity.live_count;
	s->secrets = (uint32_t)secrets;
	s->exposed_secrets = k->secrets.exposed_count;
	s->audit_bytes = audit_bytes(k->audit);
	s->ca_not_after_s = ca_not_after_s(k->ca);
	s->data_key = keyring_active(k->ring);
	s->rekey_left = kv_rekey_left(k->kv);
}

enum err
ops_status(struct ask *a)
{
	struct keeper *k = a->keeper;
	const struct kv_meta *meta = kv_meta(k->kv);
	struct status s = { .ready = (uint8_t)keeper_ready(k),
		.sealed = k->sealed,
		.landlock = k->settings.landlock,
		.gateways = k->peers.gateway_count,
		.restarts = k->restarts,
		.audit_bytes_max = k->settings.audit_bytes_max,
		.started_s = k->started_s };

	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	text_hex(meta->store_id, STORE_ID_LEN, s.store_id);
	(void)span_copy_str(span_str(meta->trust_domain), s.trust_domain, sizeof s.trust_domain);
	(void)span_copy_str(span_str(unseal_method_name(k->unseal.method)), s.unseal_method,
	    sizeof s.unseal_method);
	if (!k->sealed)
		fill_store(k, &s);
	status_put(&a->out, &s);
	return ERR_OK;
}

static void
record_rules(struct ask *a, const char *event, const char *why)
{
	struct keeper *k = a->keeper;
	struct audit_record r = { .event = event,
		.detail = span_str(why),
		.rules_digest = policies_digest(&k->policies),
		.has_uid = a->has_uid,
		.uid = a->uid };

	keeper_record_fact(k, &r);
	(void)!keeper_sync(k); /* a log that fails is known by that, and then nothing is allowed */
}

static enum err
on_rules_load(struct ask *a)
{
	struct keeper *k = a->keeper;
	uint64_t before = policies_generation(&k->policies);
	enum err e;

	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	e = policies_load(&k->policies, a->msg->fd, keeper_now_ms(k));
	if (e != ERR_OK) {
		log_error("policy not loaded: %s", k->policies.error);
		record_rules(a, "rules_refused", k->policies.error);
		return ask_refuse(a, e, "rules_refused", "what was in force stays in force", "%s",
		    k->policies.error);
	}
	if (policies_generation(&k->policies) != before) {
		sys_close(k->rules_fd);
		k->rules_fd = a->msg->fd;
		a->msg->fd = -1; /* taken */
		control_learn_all(k);
		record_rules(a, "rules_load", "");
		keeper_tell_state(k);
		ops_gateway_serve_waiting(k);
	}
	wire_put_u64(&a->out, policies_generation(&k->policies));
	wire_put_fixed(&a->out, policies_digest(&k->policies), HASH_LEN);
	return ERR_OK;
}

static enum err
on_rules_bad(struct ask *a)
{
	char why[HINT_LEN_MAX + 1];

	wire_str(&a->in, why, sizeof why);
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	policies_fail(&a->keeper->policies, why);
	record_rules(a, "rules_refused", why);
	return ERR_OK;
}

static const struct ask_row admin_ops[] = {
	{ AK_RULES_LOAD, false, true, on_rules_load },
	{ AK_RULES_BAD, false, false, on_rules_bad },
	{ AK_STATUS, true, false, ops_status },
	{ AK_WORKLOAD_ADD, false, true, ops_workload_add },
	{ AK_WORKLOAD_LIST, false, false, ops_workload_list },
	{ AK_WORKLOAD_SET, false, true, ops_workload_set },
	{ AK_SECRET_LIST, false, false, ops_secret_list },
	{ AK_SECRET_HISTORY, false, false, ops_secret_history },
	{ AK_SECRET_SET, false, true, ops_secret_set },
};

void
ops_admin(struct peer *p, struct msg *m)
{
	ask_run(p, m, admin_ops, COUNT(admin_ops));
}
