#include "broker/ipc/body.h"

#include <string.h>

void
status_put(struct wire_writer *w, const struct status *v)
{
	const uint32_t counts[] = { v->gateways, v->workloads, v->instances, v->secrets,
		v->exposed_secrets, v->restarts, v->data_key, v->over_quota };

	wire_put_u8(w, v->ready);
	wire_put_bool(w, v->sealed);
	wire_put_bool(w, v->landlock);
	wire_put_u64(w, v->generation);
	wire_put_u64(w, v->store_revision);
	wire_put_u64(w, v->audit_seq);
	wire_put_fixed(w, v->rules_digest, sizeof v->rules_digest);
	wire_put_str(w, v->rules_error);
	wire_put_str(w, v->store_id);
	wire_put_str(w, v->trust_domain);
	wire_put_str(w, v->unseal_method);
	for (size_t i = 0; i < COUNT(counts); i++)
		wire_put_u32(w, counts[i]);
	wire_put_u64(w, v->audit_bytes);
	wire_put_u64(w, v->audit_bytes_max);
	wire_put_i64(w, v->started_s);
	wire_put_i64(w, v->ca_not_after_s);
	wire_put_u64(w, v->rekey_left);
}

void
status_get(struct wire_reader *r, struct status *ret_v)
{
	uint32_t *const counts[] = { &ret_v->gateways, &ret_v->workloads, &ret_v->instances,
		&ret_v->secrets, &ret_v->exposed_secrets, &ret_v->restarts, &ret_v->data_key,
		&ret_v->over_quota };
	struct span digest;

	ret_v->ready = wire_u8(r);
	ret_v->sealed = wire_bool(r);
	ret_v->landlock = wire_bool(r);
	ret_v->generation = wire_u64(r);
	ret_v->store_revision = wire_u64(r);
	ret_v->audit_seq = wire_u64(r);
	digest = wire_fixed(r, sizeof ret_v->rules_digest);
	if (digest.len > 0)
		memcpy(ret_v->rules_digest, digest.p, digest.len);
	wire_str(r, ret_v->rules_error, sizeof ret_v->rules_error);
	wire_str(r, ret_v->store_id, sizeof ret_v->store_id);
	wire_str(r, ret_v->trust_domain, sizeof ret_v->trust_domain);
	wire_str(r, ret_v->unseal_method, sizeof ret_v->unseal_method);
	for (size_t i = 0; i < COUNT(counts); i++)
		*counts[i] = wire_u32(r);
	ret_v->audit_bytes = wire_u64(r);
	ret_v->audit_bytes_max = wire_u64(r);
	ret_v->started_s = wire_i64(r);
	ret_v->ca_not_after_s = wire_i64(r);
	ret_v->rekey_left = wire_u64(r);
}
