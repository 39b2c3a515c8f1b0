#include "broker/ipc/body.h"

#include <string.h>

#include "common/secret.h"

const char *
version_state_name(enum version_state s)
{
	static const char *const names[] = {
		[VERSION_NONE] = "none",
		[VERSION_STAGED] = "staged",
		[VERSION_ACTIVE] = "active",
		[VERSION_GRACE] = "grace",
		[VERSION_RETIRED] = "retired",
		[VERSION_DESTROYED] = "destroyed",
	};

	return (unsigned)s < COUNT(names) ? names[s] : "unknown";
}

static void
get_fixed(struct wire_reader *r, void *dst, size_t len)
{
	struct span s = wire_fixed(r, len);

	if (r->e == ERR_OK)
		memcpy(dst, s.p, len);
	else
		memset(dst, 0, len);
}

/* A count that says more than max, or more than can stand in what is left, is a lie. */
static uint16_t
get_count(struct wire_reader *r, uint16_t max)
{
	uint16_t n = wire_u16(r);

	if (r->e == ERR_OK && n > max)
		r->e = ERR_LIMIT;
	return r->e == ERR_OK ? n : 0;
}

void
decide_put(struct wire_writer *w, const struct decide *v)
{
	wire_put_u64(w, v->id);
	wire_put_u64(w, v->generation);
	wire_put_fixed(w, v->serial, SERIAL_LEN);
	wire_put_bytes(w, v->upstream);
	wire_put_bytes(w, v->method);
	wire_put_bytes(w, v->target);
	wire_put_bool(w, v->browser);
	wire_put_u16(w, v->presented_count);
	for (uint16_t i = 0; i < v->presented_count; i++)
		wire_put_bytes(w, v->presented[i]);
	wire_put_bool(w, v->has_trace);
	if (v->has_trace)
		wire_put_fixed(w, v->trace_id, TRACE_ID_LEN);
}

void
decide_get(struct wire_reader *r, struct decide *ret_v)
{
	*ret_v = (struct decide){ .id = wire_u64(r) };
	ret_v->generation = wire_u64(r);
	get_fixed(r, ret_v->serial, SERIAL_LEN);
	ret_v->upstream = wire_bytes(r, NAME_LEN_MAX);
	ret_v->method = wire_bytes(r, METHOD_LEN_MAX);
	ret_v->target = wire_bytes(r, TARGET_LEN_MAX);
	ret_v->browser = wire_bool(r);
	ret_v->presented_count = get_count(r, PRESENTED_MAX);
	for (uint16_t i = 0; i < ret_v->presented_count; i++)
		ret_v->presented[i] = wire_bytes(r, PRESENTED_LEN_MAX);
	ret_v->has_trace = wire_bool(r);
	if (ret_v->has_trace)
		get_fixed(r, ret_v->trace_id, TRACE_ID_LEN);
}

void
allow_put(struct wire_writer *w, const struct allow *v)
{
	wire_put_u64(w, v->id);
	wire_put_u64(w, v->seq);
	wire_put_u64(w, v->generation);
	wire_put_u32(w, v->secret_id);
	wire_put_u32(w, v->version);
	wire_put_i64(w, v->deadline_s);
	wire_put_blob(w, v->value);
}

void
allow_get(struct wire_reader *r, struct allow *ret_v)
{
	*ret_v = (struct allow){ .id = wire_u64(r) };
	ret_v->seq = wire_u64(r);
	ret_v->generation = wire_u64(r);
	ret_v->secret_id = wire_u32(r);
	ret_v->version = wire_u32(r);
	ret_v->deadline_s = wire_i64(r);
	ret_v->value = wire_blob(r, SECRET_LEN_MAX);
}

void
deny_put(struct wire_writer *w, const struct deny *v)
{
	wire_put_u64(w, v->id);
	wire_put_u64(w, v->seq);
	wire_put_u16(w, v->status);
	wire_put_u32(w, v->retry_after_s);
	wire_put_str(w, v->code);
	wire_put_str(w, v->rule);
	wire_put_str(w, v->hint);
	wire_put_str(w, v->audit);
}

void
deny_get(struct wire_reader *r, struct deny *ret_v)
{
	*ret_v = (struct deny){ .id = wire_u64(r) };
	ret_v->seq = wire_u64(r);
	ret_v->status = wire_u16(r);
	ret_v->retry_after_s = wire_u32(r);
	wire_str(r, ret_v->code, sizeof ret_v->code);
	wire_str(r, ret_v->rule, sizeof ret_v->rule);
	wire_str(r, ret_v->hint, sizeof ret_v->hint);
	wire_str(r, ret_v->audit, sizeof ret_v->audit);
}

void
control_put(struct wire_writer *w, const struct control *v)
{
	wire_put_u64(w, v->id);
	wire_put_bool(w, v->has_serial);
	if (v->has_serial)
		wire_put_fixed(w, v->serial, SERIAL_LEN);
	wire_put_bytes(w, v->method);
	wire_put_bytes(w, v->path);
	wire_put_bytes(w, v->enroll_key);
}

void
control_get(struct wire_reader *r, struct control *ret_v)
{
	*ret_v = (struct control){ .id = wire_u64(r) };
	ret_v->has_serial = wire_bool(r);
	if (ret_v->has_serial)
		get_fixed(r, ret_v->serial, SERIAL_LEN);
	ret_v->method = wire_bytes(r, METHOD_LEN_MAX);
	ret_v->path = wire_bytes(r, 1024);
	ret_v->enroll_key = wire_bytes(r, PRESENTED_LEN_MAX);
}

void
live_put(struct wire_writer *w, const struct live *v)
{
	wire_put_u64(w, v->seq);
	wire_put_fixed(w, v->serial, SERIAL_LEN);
	wire_put_str(w, v->upstream);
}

void
live_get(struct wire_reader *r, struct live *ret_v)
{
	struct span serial;

	*ret_v = (struct live){ .seq = wire_u64(r) };
	serial = wire_fixed(r, SERIAL_LEN);
	if (serial.len > 0)
		memcpy(ret_v->serial, serial.p, SERIAL_LEN);
	wire_str(r, ret_v->upstream, sizeof ret_v->upstream);
}

void
finish_put(struct wire_writer *w, const struct finish *v)
{
	wire_put_u64(w, v->seq);
	wire_put_u16(w, v->status);
	wire_put_u64(w, v->bytes_up);
	wire_put_u64(w, v->bytes_down);
	wire_put_u32(w, v->duration_ms);
	wire_put_str(w, v->outcome);
}

void
finish_get(struct wire_reader *r, struct finish *ret_v)
{
	*ret_v = (struct finish){ .seq = wire_u64(r) };
	ret_v->status = wire_u16(r);
	ret_v->bytes_up = wire_u64(r);
	ret_v->bytes_down = wire_u64(r);
	ret_v->duration_ms = wire_u32(r);
	wire_str(r, ret_v->outcome, sizeof ret_v->outcome);
}

void
report_put(struct wire_writer *w, const struct report *v)
{
	wire_put_bool(w, v->has_serial);
	if (v->has_serial)
		wire_put_fixed(w, v->serial, SERIAL_LEN);
	wire_put_str(w, v->code);
	wire_put_bytes(w, v->detail);
}

void
report_get(struct wire_reader *r, struct report *ret_v)
{
	*ret_v = (struct report){ .has_serial = wire_bool(r) };
	if (ret_v->has_serial)
		get_fixed(r, ret_v->serial, SERIAL_LEN);
	wire_str(r, ret_v->code, sizeof ret_v->code);
	ret_v->detail = wire_bytes(r, 255);
}

void
issued_put(struct wire_writer *w, const struct issued *v)
{
	wire_put_blob(w, v->certificate_pem);
	wire_put_blob(w, v->ca_pem);
	wire_put_str(w, v->workload);
	wire_put_str(w, v->spiffe_id);
	wire_put_str(w, v->instance);
	wire_put_i64(w, v->not_before_s);
	wire_put_i64(w, v->not_after_s);
}

void
issued_get(struct wire_reader *r, struct issued *ret_v)
{
	*ret_v = (struct issued){ .certificate_pem = wire_blob(r, 8192) };
	ret_v->ca_pem = wire_blob(r, 8192);
	wire_str(r, ret_v->workload, sizeof ret_v->workload);
	wire_str(r, ret_v->spiffe_id, sizeof ret_v->spiffe_id);
	wire_str(r, ret_v->instance, sizeof ret_v->instance);
	ret_v->not_before_s = wire_i64(r);
	ret_v->not_after_s = wire_i64(r);
}

void
self_put(struct wire_writer *w, const struct self *v)
{
	wire_put_str(w, v->workload);
	wire_put_str(w, v->spiffe_id);
	wire_put_str(w, v->instance);
	wire_put_i64(w, v->not_after_s);
	wire_put_bool(w, v->enroll_readable_ok);
	wire_put_bool(w, v->enroll_reusable);
	wire_put_u16(w, v->upstream_count);
}

void
self_get(struct wire_reader *r, struct self *ret_v)
{
	wire_str(r, ret_v->workload, sizeof ret_v->workload);
	wire_str(r, ret_v->spiffe_id, sizeof ret_v->spiffe_id);
	wire_str(r, ret_v->instance, sizeof ret_v->instance);
	ret_v->not_after_s = wire_i64(r);
	ret_v->enroll_readable_ok = wire_bool(r);
	ret_v->enroll_reusable = wire_bool(r);
	ret_v->upstream_count = wire_u16(r);
}

void
self_upstream_put(struct wire_writer *w, const struct self_upstream *v)
{
	wire_put_str(w, v->name);
	wire_put_bytes(w, v->placeholder);
	wire_put_u16(w, v->env_count);
	for (uint16_t i = 0; i < v->env_count; i++) {
		wire_put_bytes(w, v->env[i].name);
		wire_put_bytes(w, v->env[i].value);
	}
}

void
self_upstream_get(struct wire_reader *r, struct self_upstream *ret_v)
{
	*ret_v = (struct self_upstream){ 0 };
	wire_str(r, ret_v->name, sizeof ret_v->name);
	ret_v->placeholder = wire_bytes(r, PRESENTED_LEN_MAX);
	ret_v->env_count = get_count(r, SELF_ENV_MAX);
	for (uint16_t i = 0; i < ret_v->env_count; i++) {
		ret_v->env[i].name = wire_bytes(r, NAME_LEN_MAX);
		ret_v->env[i].value = wire_bytes(r, 2048);
	}
}

void
enroll_new_put(struct wire_writer *w, const struct enroll_new *v)
{
	wire_put_str(w, v->workload);
	wire_put_bool(w, v->reusable);
	wire_put_u32(w, v->ttl_s);
	wire_put_u32(w, v->cap);
	wire_put_bool(w, v->replace);
}

void
enroll_new_get(struct wire_reader *r, struct enroll_new *ret_v)
{
	wire_str(r, ret_v->workload, sizeof ret_v->workload);
	ret_v->reusable = wire_bool(r);
	ret_v->ttl_s = wire_u32(r);
	ret_v->cap = wire_u32(r);
	ret_v->replace = wire_bool(r);
}

void
workload_row_put(struct wire_writer *w, const struct workload_row *v)
{
	wire_put_str(w, v->name);
	wire_put_u8(w, v->state);
	wire_put_u32(w, v->live_certificates);
	wire_put_u32(w, v->open_enrollments);
	wire_put_i64(w, v->created_s);
	wire_put_i64(w, v->last_seen_s);
}

void
workload_row_get(struct wire_reader *r, struct workload_row *ret_v)
{
	wire_str(r, ret_v->name, sizeof ret_v->name);
	ret_v->state = wire_u8(r);
	ret_v->live_certificates = wire_u32(r);
	ret_v->open_enrollments = wire_u32(r);
	ret_v->created_s = wire_i64(r);
	ret_v->last_seen_s = wire_i64(r);
}

void
secret_row_put(struct wire_writer *w, const struct secret_row *v)
{
	wire_put_str(w, v->name);
	wire_put_u32(w, v->active_version);
	wire_put_u32(w, v->version_count);
	wire_put_bool(w, v->exposed);
	wire_put_i64(w, v->created_s);
	wire_put_i64(w, v->changed_s);
	wire_put_i64(w, v->last_used_s);
}

void
secret_row_get(struct wire_reader *r, struct secret_row *ret_v)
{
	wire_str(r, ret_v->name, sizeof ret_v->name);
	ret_v->active_version = wire_u32(r);
	ret_v->version_count = wire_u32(r);
	ret_v->exposed = wire_bool(r);
	ret_v->created_s = wire_i64(r);
	ret_v->changed_s = wire_i64(r);
	ret_v->last_used_s = wire_i64(r);
}

void
version_row_put(struct wire_writer *w, const struct version_row *v)
{
	wire_put_u32(w, v->version);
	wire_put_u8(w, v->state);
	wire_put_bool(w, v->exposed);
	wire_put_i64(w, v->created_s);
	wire_put_i64(w, v->changed_s);
}

void
version_row_get(struct wire_reader *r, struct version_row *ret_v)
{
	*ret_v = (struct version_row){ .version = wire_u32(r) };
	ret_v->state = wire_u8(r);
	ret_v->exposed = wire_bool(r);
	ret_v->created_s = wire_i64(r);
	ret_v->changed_s = wire_i64(r);
}
