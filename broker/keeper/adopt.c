#include "broker/keeper/adopt.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static void
uses_freep(const struct use ***uses)
{
	free((void *)*uses);
}

/* Which rule had allowed it is not known any more: it counts under each of this workload and
 * upstream. */
static void
hold(struct keeper *k, struct flight *f)
{
	AUTO(uses_freep) const struct use **uses = NULL;
	const struct rules *view = policies_view(&k->policies, f->workload->name);
	const struct upstream *u = rules_upstream(view, span_str(f->upstream->name));
	struct limit_ask a = { .workload_id = f->workload->id };
	size_t max = 0;

	for (uint32_t i = 0; i < view->policy_count; i++)
		max += view->policies[i].use_count;
	if (u == NULL || max == 0)
		return;
	uses = calloc(max, sizeof(const struct use *));
	for (uint32_t i = 0; uses != NULL && i < view->policy_count; i++)
		for (uint16_t n = 0; n < view->policies[i].use_count; n++)
			if (&view->upstreams[view->policies[i].uses[n].upstream] == u)
				uses[a.count++] = &view->policies[i].uses[n];
	a.uses = uses;
	if (a.count > 0 && limits_hold(&k->limits, &a, &f->held) != ERR_OK)
		log_warn("no memory to count a stream that outlived the keeper");
}

void
adopt_limits(struct keeper *k)
{
	size_t cursor = 0;
	struct flight *f;

	while ((f = table_next(&k->flights.by_seq, &cursor)) != NULL)
		if (f->held.first == NULL)
			hold(k, f);
}

void
adopt_live(struct keeper *k, struct peer *p, const struct live *l)
{
	const struct certificate *c = identity_certificate(&k->identity, l->serial);
	const struct interned *upstream = intern_find(&k->upstream_names, l->upstream);
	struct flight f = { .seq = l->seq, .peer = p, .upstream = upstream };

	if (l->seq == 0 || l->seq >= k->first_seq || p->adopted >= ADOPTED_MAX)
		return;
	p->adopted++;
	if (identity_refusal(c, keeper_now_s(k)) != NULL)
		revoke_tell_serial(k, p, l->serial);
	if (c == NULL || upstream == NULL)
		return;
	f.workload = c->instance->workload;
	f.deadline_s = c->not_after_s;
	memcpy(f.instance, c->instance->id, sizeof f.instance);
	if (flight_start(&k->flights, &f) == ERR_OK && policies_generation(&k->policies) != 0)
		hold(k, p->flights); /* the newest of its list */
}
