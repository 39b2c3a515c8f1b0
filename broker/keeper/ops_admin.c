#include <fcntl.h>
#include <string.h>

#include "broker/keeper/keeper.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/share.h"
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
	s->over_quota = share_spent_count(k);
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

static enum err
on_rules_load(struct ask *a)
{
	const struct policies *p = &a->keeper->policies;
	enum err e;

	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	e = ruleset_load(a, a->msg->fd);
	if (e != ERR_OK)
		return e;
	wire_put_u64(&a->out, policies_generation(p));
	wire_put_fixed(&a->out, policies_digest(p), HASH_LEN);
	return ERR_OK;
}

static enum err
on_rules_bad(struct ask *a)
{
	char why[HINT_LEN_MAX + 1];

	wire_str(&a->in, why, sizeof why);
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	ruleset_bad(a, why);
	return ERR_OK;
}

static enum err
on_upstreams(struct ask *a)
{
	const struct policies *p = &a->keeper->policies;

	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	wire_put_u64(&a->out, policies_generation(p));
	if (policies_generation(p) == 0)
		return ERR_OK;
	a->reply_fd = fcntl(policies_upstreams_fd(p), F_DUPFD_CLOEXEC, 0);
	return a->reply_fd < 0 ? ERR_SYS : ERR_OK;
}

static const struct ask_row admin_ops[] = {
	{ AK_RULES_LOAD, false, true, on_rules_load },
	{ AK_RULES_BAD, false, false, on_rules_bad },
	{ AK_STATUS, true, false, ops_status },
	{ AK_UPSTREAMS, false, false, on_upstreams },
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
