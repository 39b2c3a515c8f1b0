/* The reader of compiled rules. Its input comes from a process with less privilege: every count,
 * index and field is checked again. */
#include <stdlib.h>
#include <string.h>

#include "broker/rules/code.h"
#include "broker/rules/shape.h"
#include "broker/rules/target.h"

typedef const char *shape_fn(struct span s);

static void
fail(struct wire_reader *r, enum err e)
{
	if (r->e == ERR_OK)
		r->e = e;
}

static void
expect(struct wire_reader *r, bool good)
{
	if (!good)
		fail(r, ERR_SYNTAX);
}

static uint32_t
get_count(struct wire_reader *r, uint32_t count, uint32_t max, size_t least_len)
{
	if (r->e == ERR_OK && count > max)
		fail(r, ERR_LIMIT);
	expect(r, count <= r->left / least_len);
	return r->e == ERR_OK ? count : 0;
}

static void *
get_array(struct wire_reader *r, uint32_t count, size_t size)
{
	void *p;

	if (r->e != ERR_OK || count == 0)
		return NULL;
	p = calloc(count, size);
	if (p == NULL)
		fail(r, ERR_NOMEM);
	return p;
}

static char *
copy_span(struct wire_reader *r, struct span s)
{
	char *text;

	expect(r, s.len == 0 || memchr(s.p, '\0', s.len) == NULL);
	if (r->e != ERR_OK)
		return NULL;
	text = calloc(1, s.len + 1);
	if (text == NULL)
		fail(r, ERR_NOMEM);
	else if (s.len > 0)
		memcpy(text, s.p, s.len);
	return text;
}

/* A string of that shape; "" too only if the shape admits it. */
static char *
get_string(struct wire_reader *r, size_t max, shape_fn *shape)
{
	struct span s = wire_bytes(r, max);

	if (r->e == ERR_OK)
		expect(r, shape(s) == NULL);
	return r->e == ERR_OK ? copy_span(r, s) : NULL;
}

/* The same, but "" stands for NULL. */
static char *
get_optional(struct wire_reader *r, size_t max, shape_fn *shape)
{
	struct span s = wire_bytes(r, max);

	if (r->e != ERR_OK || s.len == 0)
		return NULL;
	expect(r, shape(s) == NULL);
	return r->e == ERR_OK ? copy_span(r, s) : NULL;
}

static void
get_array_string(struct wire_reader *r, char *dst, size_t size, shape_fn *shape)
{
	wire_str(r, dst, size);
	if (r->e == ERR_OK)
		expect(r, shape(span_str(dst)) == NULL);
}

static const char *
shape_host_or_none(struct span s)
{
	return s.len == 0 ? NULL : shape_host(s);
}

static const char *
shape_secret_or_none(struct span s)
{
	return s.len == 0 ? NULL : shape_object_name(s);
}

static const char *
shape_method_or_any(struct span s)
{
	return span_eq_str(s, "*") ? NULL : shape_method(s);
}

static const char *
shape_pattern(struct span s)
{
	const char *reason = "is no pattern";

	return target_pattern_check(s, &reason) == ERR_OK ? NULL : reason;
}

static const char *
shape_any(struct span s)
{
	(void)s;
	return NULL;
}

static void
get_inject(struct wire_reader *r, struct upstream *u)
{
	static shape_fn *const shapes[] = { shape_any, shape_header_name, shape_basic_user,
		shape_query_name };
	uint8_t kind = wire_u8(r);

	expect(r, kind < COUNT(shapes));
	if (r->e != ERR_OK)
		return;
	u->inject = (enum inject_kind)kind;
	u->inject_name = get_optional(r, RULES_TEMPLATE_LEN_MAX, shapes[kind]);
	u->inject_value = get_optional(r, RULES_TEMPLATE_LEN_MAX, shape_header_value);
	expect(r, (u->inject_name != NULL) == (kind != INJECT_NONE));
	expect(r, (u->inject_value != NULL) == (kind == INJECT_HEADER));
	expect(r, (u->secret[0] != '\0') == (kind != INJECT_NONE));
}

/* Counts go up one by one, so that rules_free() always finds whole elements. */
static void
get_lists(struct wire_reader *r, struct upstream *u)
{
	uint32_t n = get_count(r, wire_u16(r), RULES_ENV_MAX, 2 * CODE_STRING_MIN);

	for (uint32_t i = 0; i < n && r->e == ERR_OK; i++) {
		u->env_count++;
		u->env[i].name = get_string(r, RULES_TEMPLATE_LEN_MAX, shape_env_name);
		u->env[i].value = get_string(r, RULES_TEMPLATE_LEN_MAX, shape_env_value);
	}
	n = get_count(r, wire_u16(r), RULES_STRIP_MAX, CODE_STRING_MIN);
	for (uint32_t i = 0; i < n && r->e == ERR_OK; i++) {
		u->strip_count++;
		u->strip[i] = get_string(r, RULES_TEMPLATE_LEN_MAX, shape_header_name);
	}
}

static void
get_upstream(struct wire_reader *r, struct upstream *u)
{
	uint8_t shape;
	struct span ca;

	get_array_string(r, u->name, sizeof(u->name), shape_object_name);
	get_array_string(r, u->host, sizeof(u->host), shape_host);
	u->port = wire_u16(r);
	expect(r, u->port != 0);
	u->base_path = get_string(r, RULES_TEMPLATE_LEN_MAX, shape_base_path);
	get_array_string(r, u->secret, sizeof(u->secret), shape_secret_or_none);
	get_inject(r, u);
	u->placeholder = get_optional(r, RULES_TEMPLATE_LEN_MAX, shape_placeholder);
	shape = wire_u8(r);
	expect(r, shape <= SHAPE_GITHUB);
	u->shape = r->e == ERR_OK ? (enum error_shape)shape : SHAPE_PROBLEM;
	get_lists(r, u);
	ca = wire_blob(r, RULES_CA_LEN_MAX);
	u->ca_pem = ca.len > 0 ? copy_span(r, ca) : NULL;
	get_array_string(r, u->connect_host, sizeof(u->connect_host), shape_host_or_none);
	u->connect_port = wire_u16(r);
	expect(r, (u->connect_port == 0) == (u->connect_host[0] == '\0'));
	u->allow_private = wire_bool(r);
	u->encoded_slash = wire_bool(r);
}

static void
get_upstreams(struct wire_reader *r, struct rules *rules)
{
	uint32_t n = get_count(r, wire_u32(r), RULES_UPSTREAMS_MAX, CODE_UPSTREAM_MIN);

	rules->upstreams = get_array(r, n, sizeof(rules->upstreams[0]));
	for (uint32_t i = 0; i < n && r->e == ERR_OK; i++) {
		struct upstream *u = &rules->upstreams[i];

		get_upstream(r, u);
		/* two of one name would make the answer depend on who searches */
		expect(r, r->e != ERR_OK || rules_upstream(rules, span_str(u->name)) == NULL);
		rules->upstream_count++;
	}
}

static struct pattern *
get_patterns(struct wire_reader *r, uint16_t *ret_count)
{
	uint32_t n = get_count(r, wire_u16(r), RULES_PATTERNS_MAX, CODE_PATTERN_MIN);
	struct pattern *p = get_array(r, n, sizeof(*p));

	for (uint32_t i = 0; i < n && r->e == ERR_OK; i++) {
		get_array_string(r, p[i].method, sizeof(p[i].method), shape_method_or_any);
		p[i].path = get_string(r, RULES_PATTERN_LEN_MAX, shape_pattern);
		(*ret_count)++;
	}
	return p;
}

static void
get_use(struct wire_reader *r, const struct rules *rules, struct use *u)
{
	u->upstream = wire_u16(r);
	expect(r, u->upstream < rules->upstream_count);
	u->allow = get_patterns(r, &u->allow_count);
	u->deny = get_patterns(r, &u->deny_count);
	u->limit_requests = wire_u32(r);
	u->limit_window_s = wire_u32(r);
	u->limit_concurrent = wire_u32(r);
	expect(r, (u->limit_requests == 0) == (u->limit_window_s == 0));
	u->browser = wire_bool(r);
}

static void
get_policy(struct wire_reader *r, const struct rules *rules, struct policy *p)
{
	uint32_t n;

	get_array_string(r, p->name, sizeof(p->name), shape_object_name);
	n = get_count(r, wire_u16(r), RULES_WORKLOADS_MAX, CODE_STRING_MIN);
	p->workloads = get_array(r, n, sizeof(p->workloads[0]));
	for (uint32_t i = 0; i < n && r->e == ERR_OK; i++) {
		p->workloads[i] = get_string(r, NAME_LEN_MAX, shape_workload_name);
		p->workload_count++;
	}
	n = get_count(r, wire_u16(r), RULES_USES_MAX, CODE_USE_MIN);
	p->uses = get_array(r, n, sizeof(p->uses[0]));
	for (uint32_t i = 0; i < n && r->e == ERR_OK; i++) {
		get_use(r, rules, &p->uses[i]);
		p->use_count++;
	}
	p->revoke_on_misuse = wire_bool(r);
	p->enroll_readable = wire_bool(r);
}

static void
get_policies(struct wire_reader *r, struct rules *rules)
{
	uint32_t n = get_count(r, wire_u32(r), RULES_POLICIES_MAX, CODE_POLICY_MIN);

	rules->policies = get_array(r, n, sizeof(rules->policies[0]));
	for (uint32_t i = 0; i < n && r->e == ERR_OK; i++) {
		get_policy(r, rules, &rules->policies[i]);
		rules->policy_count++;
	}
}

static enum err
read_parts(struct span in, bool policies, struct rules **ret_r)
{
	AUTO(rules_freep) struct rules *rules = NULL;
	struct wire_reader r = wire_read(in);
	struct span magic;
	enum err e;

	if (in.len > RULES_LEN_MAX)
		return ERR_LIMIT;
	magic = wire_fixed(&r, CODE_MAGIC_LEN);
	expect(&r, span_eq_str(magic, policies ? CODE_MAGIC_RULES : CODE_MAGIC_UPSTREAMS));
	rules = get_array(&r, 1, sizeof(*rules));
	if (r.e == ERR_OK)
		get_upstreams(&r, rules);
	if (r.e == ERR_OK && policies)
		get_policies(&r, rules);
	e = wire_done(&r);
	if (e != ERR_OK)
		return e;
	*ret_r = rules;
	rules = NULL; /* given away */
	return ERR_OK;
}

enum err
rules_read(struct span in, struct rules **ret_r)
{
	return read_parts(in, true, ret_r);
}

enum err
rules_read_upstreams(struct span in, struct rules **ret_r)
{
	return read_parts(in, false, ret_r);
}
