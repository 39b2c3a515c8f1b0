#include "broker/keeper/adopt.h"

#include <string.h>

#include "common/log.h"

/* Which rule had allowed it is not known any more: it counts under each of this workload and
 * upstream. */
static void
hold(struct keeper *k, struct flight *f)
{
	struct limit_uses all = { .count = 0 };
	const struct rules *view = policies_view(&k->policies, f->workload->name);
	const struct upstream *u = rules_upstream(view, span_str(f->upstream->name));
	struct limit_ask a = { .workload_id = f->workload->id };
	enum err e;

	if (u == NULL)
		return;
	e = limit_uses_of(&k->limits, view, (uint16_t)(u - view->upstreams), NULL, &all);
	a.uses = all.list;
	a.count = all.count;
	if (e == ERR_OK && a.count > 0)
		e = limits_hold(&k->limits, &a, &f->held);
	if (e != ERR_OK)
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
