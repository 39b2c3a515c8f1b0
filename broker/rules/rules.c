/* The life of struct rules, and how it is written. read.c is the other half; both walk the fields
 * in the same order. */
#include <stdlib.h>
#include <string.h>

#include "broker/rules/code.h"
#include "broker/rules/rules.h"

static void
upstream_wipe(struct upstream *u)
{
	free(u->base_path);
	free(u->inject_name);
	free(u->inject_value);
	free(u->placeholder);
	for (size_t i = 0; i < u->env_count; i++) {
		free(u->env[i].name);
		free(u->env[i].value);
	}
	for (size_t i = 0; i < u->strip_count; i++)
		free(u->strip[i]);
	free(u->ca_pem);
}

static void
patterns_free(struct pattern *p, size_t count)
{
	for (size_t i = 0; p != NULL && i < count; i++)
		free(p[i].path);
	free(p);
}

static void
policy_wipe(struct policy *p)
{
	for (size_t i = 0; p->workloads != NULL && i < p->workload_count; i++)
		free(p->workloads[i]);
	free(p->workloads);
	for (size_t i = 0; p->uses != NULL && i < p->use_count; i++) {
		patterns_free(p->uses[i].allow, p->uses[i].allow_count);
		patterns_free(p->uses[i].deny, p->uses[i].deny_count);
	}
	free(p->uses);
}

void
rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; r->upstreams != NULL && i < r->upstream_count; i++)
		upstream_wipe(&r->upstreams[i]);
	for (size_t i = 0; r->policies != NULL && i < r->policy_count; i++)
		policy_wipe(&r->policies[i]);
	free(r->upstreams);
	free(r->policies);
	free(r);
}

void
rules_freep(struct rules **r)
{
	rules_free(*r);
	*r = NULL;
}

const struct upstream *
rules_upstream(const struct rules *r, struct span name)
{
	for (uint32_t i = 0; i < r->upstream_count; i++) {
		if (span_eq_str(name, r->upstreams[i].name))
			return &r->upstreams[i];
	}
	return NULL;
}

static void
upstream_put(struct wire_writer *w, const struct upstream *u)
{
	wire_put_str(w, u->name);
	wire_put_str(w, u->host);
	wire_put_u16(w, u->port);
	wire_put_str(w, u->base_path);
	wire_put_str(w, u->secret);
	wire_put_u8(w, (uint8_t)u->inject);
	wire_put_str(w, u->inject_name);
	wire_put_str(w, u->inject_value);
	wire_put_str(w, u->placeholder);
	wire_put_u8(w, (uint8_t)u->shape);
	wire_put_u16(w, u->env_count);
	for (size_t i = 0; i < u->env_count; i++) {
		wire_put_str(w, u->env[i].name);
		wire_put_str(w, u->env[i].value);
	}
	wire_put_u16(w, u->strip_count);
	for (size_t i = 0; i < u->strip_count; i++)
		wire_put_str(w, u->strip[i]);
	wire_put_blob(w, span_str(u->ca_pem));
	wire_put_str(w, u->connect_host);
	wire_put_u16(w, u->connect_port);
	wire_put_bool(w, u->allow_private);
	wire_put_bool(w, u->encoded_slash);
}

static void
patterns_put(struct wire_writer *w, const struct pattern *p, uint16_t count)
{
	wire_put_u16(w, count);
	for (size_t i = 0; i < count; i++) {
		wire_put_str(w, p[i].method);
		wire_put_str(w, p[i].path);
	}
}

static void
policy_put(struct wire_writer *w, const struct policy *p)
{
	wire_put_str(w, p->name);
	wire_put_u16(w, p->workload_count);
	for (size_t i = 0; i < p->workload_count; i++)
		wire_put_str(w, p->workloads[i]);
	wire_put_u16(w, p->use_count);
	for (size_t i = 0; i < p->use_count; i++) {
		const struct use *u = &p->uses[i];

		wire_put_u16(w, u->upstream);
		patterns_put(w, u->allow, u->allow_count);
		patterns_put(w, u->deny, u->deny_count);
		wire_put_u32(w, u->limit_requests);
		wire_put_u32(w, u->limit_window_s);
		wire_put_u32(w, u->limit_concurrent);
		wire_put_bool(w, u->browser);
	}
	wire_put_bool(w, p->revoke_on_misuse);
	wire_put_bool(w, p->enroll_readable);
}

static enum err
write_parts(const struct rules *r, bool policies, struct buf *out)
{
	struct wire_writer w = wire_write(out);
	size_t before = out->len;

	wire_put_fixed(&w, policies ? CODE_MAGIC_RULES : CODE_MAGIC_UPSTREAMS, CODE_MAGIC_LEN);
	wire_put_u32(&w, r->upstream_count);
	for (size_t i = 0; i < r->upstream_count; i++)
		upstream_put(&w, &r->upstreams[i]);
	if (policies) {
		wire_put_u32(&w, r->policy_count);
		for (size_t i = 0; i < r->policy_count; i++)
			policy_put(&w, &r->policies[i]);
	}
	if (w.e == ERR_OK && out->len - before > RULES_LEN_MAX)
		w.e = ERR_LIMIT;
	if (w.e != ERR_OK)
		buf_truncate(out, before);
	return w.e;
}

enum err
rules_write(const struct rules *r, struct buf *out)
{
	return write_parts(r, true, out);
}

enum err
rules_write_upstreams(const struct rules *r, struct buf *out)
{
	return write_parts(r, false, out);
}
