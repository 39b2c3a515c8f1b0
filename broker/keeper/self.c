#include <stdio.h>
#include <string.h>

#include "broker/keeper/control.h"
#include "common/text.h"

/* The upstreams that any policy of a view uses, each once, in the order of the rules. */
static bool
view_uses(const struct rules *view, uint16_t upstream)
{
	for (uint32_t i = 0; i < view->policy_count; i++)
		for (uint16_t k = 0; k < view->policies[i].use_count; k++)
			if (view->policies[i].uses[k].upstream == upstream)
				return true;
	return false;
}

void
control_learn_placeholders(struct keeper *k, struct instance *i)
{
	const struct rules *view;

	if (policies_generation(&k->policies) == 0)
		return;
	view = policies_view(&k->policies, i->workload->name);
	for (uint32_t n = 0; n < view->upstream_count && view->policy_count > 0; n++) {
		const struct upstream *u = &view->upstreams[n];

		/* one that is not known is ignored when it comes back: no harm but the missing
		 * alarm */
		if (u->placeholder != NULL && view_uses(view, (uint16_t)n))
			(void)!placeholders_learn(&k->placeholders, i,
			    policies_upstream_name(&k->policies, (uint16_t)n), u->placeholder);
	}
}

void
control_learn_all(struct keeper *k)
{
	size_t cursor = 0;
	struct instance *i;

	while ((i = table_next(&k->identity.instances, &cursor)) != NULL)
		control_learn_placeholders(k, i);
}

/* text with {base_url} and {placeholder} filled in, appended to scratch. */
static enum err
expand(struct buf *scratch, const char *text, const char *upstream, struct span placeholder)
{
	enum err e = ERR_OK;

	while (e == ERR_OK && *text != '\0') {
		if (strncmp(text, "{base_url}", 10) == 0) {
			e = buf_printf(scratch, "{sidekey_url}/p/%s", upstream);
			text += 10;
		} else if (strncmp(text, "{placeholder}", 13) == 0) {
			e = buf_append_span(scratch, placeholder);
			text += 13;
		} else {
			e = buf_append_byte(scratch, (uint8_t)*text++);
		}
	}
	return e;
}

static enum err
put_upstream(struct ask *a, const struct upstream *u, const struct instance *i, struct buf *scratch)
{
	struct self_upstream row = { .env_count = u->env_count };
	size_t from = scratch->len;
	enum err e = ERR_OK;

	must(span_copy_str(span_str(u->name), row.name, sizeof row.name));
	if (u->placeholder != NULL)
		e = placeholder_make(
		    &a->keeper->placeholders, u->placeholder, i->id, u->name, scratch);
	row.placeholder = span_of(scratch->data + from, scratch->len - from);
	for (uint16_t n = 0; e == ERR_OK && n < u->env_count; n++) {
		from = scratch->len;
		e = expand(scratch, u->env[n].value, u->name, row.placeholder);
		row.env[n].name = span_str(u->env[n].name);
		row.env[n].value = span_of(scratch->data + from, scratch->len - from);
	}
	if (e == ERR_OK)
		self_upstream_put(&a->out, &row);
	return e;
}

enum err
control_self_reserve(struct ask *a)
{
	return buf_reserve(&a->scratch, ASK_SCRATCH_MAX - a->scratch.len); /* spans point into it */
}

static enum err
put_upstreams(struct ask *a, const struct rules *view, const struct instance *i)
{
	enum err e = control_self_reserve(a);

	for (uint32_t n = 0; e == ERR_OK && n < view->upstream_count; n++) {
		if (!view_uses(view, (uint16_t)n))
			continue;
		buf_clear(&a->scratch);
		e = put_upstream(a, &view->upstreams[n], i, &a->scratch);
	}
	return e;
}

enum err
control_self(struct ask *a, const uint8_t serial[SERIAL_LEN])
{
	static const struct rules nothing;
	struct keeper *k = a->keeper;
	struct certificate *c = identity_certificate(&k->identity, serial);
	const struct rules *view = &nothing;
	struct self s = { .upstream_count = 0 };
	enum err e = control_check(a, c);

	if (e != ERR_OK)
		return e;
	if (policies_generation(&k->policies) != 0)
		view = policies_view(&k->policies, c->instance->workload->name);
	for (uint32_t n = 0; n < view->upstream_count; n++)
		s.upstream_count = (uint16_t)(s.upstream_count + view_uses(view, (uint16_t)n));
	must(span_copy_str(span_str(c->instance->workload->name), s.workload, sizeof s.workload));
	s.not_after_s = c->not_after_s;
	s.enroll_reusable = c->instance->reusable;
	s.enroll_readable_ok = policies_readable_ok(view);
	text_hex(c->instance->id, IDENTITY_ID_LEN, s.instance);
	(void)snprintf(s.spiffe_id, sizeof s.spiffe_id, "spiffe://%s/%s",
	    kv_meta(k->kv)->trust_domain, s.workload);
	self_put(&a->out, &s);
	control_learn_placeholders(k, c->instance);
	return put_upstreams(a, view, c->instance);
}
