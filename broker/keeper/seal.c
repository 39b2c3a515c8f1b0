#include "broker/keeper/seal.h"

#include "broker/keeper/ops.h"
#include "broker/keeper/rekey.h"
#include "broker/keeper/usage.h"
#include "common/log.h"

void
seal_record(struct keeper *k, const char *event, uint32_t uid)
{
	struct audit_record r = {
		.event = event, .has_uid = true, .uid = uid, .count = k->unseal.failures
	};

	keeper_record_fact(k, &r);
	(void)!keeper_sync(k); /* failing or not, what the operator asked for happens */
}

static void
cut_all(struct keeper *k)
{
	const struct workload *w;
	size_t cursor = 0;

	while ((w = table_next(&k->identity.ids, &cursor)) != NULL)
		if (w->instances != NULL)
			revoke_workload(k, w, NULL, 0, 0);
}

void
seal_now(struct keeper *k)
{
	answers_send(k);
	cut_all(k);
	for (struct peer *p = k->peers.first; p != NULL; p = p->next)
		if (p->role == ROLE_GATEWAY)
			flights_end_peer(k, p);
	while (usage_save(k))
		continue;
	(void)!keeper_sync(k);
	keeper_close(k);
	keeper_tell_state(k);
}

void
seal_opened(struct keeper *k)
{
	log_info("unsealed: %u instances of %zu workloads, %zu secrets", k->identity.live_count,
	    k->identity.names.count, k->secrets.names.count);
	ruleset_opened(k);
	for (struct peer *p = k->peers.first; p != NULL; p = p->next)
		if (p->role == ROLE_GATEWAY && p->hello)
			revoke_tell_again(k, p);
	rekey_resume(k);
	keeper_tell_state(k);
	ops_gateway_serve_waiting(k);
}
