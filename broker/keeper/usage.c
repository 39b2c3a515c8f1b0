#include "broker/keeper/usage.h"

bool
usage_save(struct keeper *k)
{
	AUTO(txn_wipe) struct txn t;
	struct named_secret *n;
	struct workload *w;
	size_t cursor = 0;

	txn_init(&t);
	while (t.count < USAGE_ROWS && (n = table_next(&k->secrets.names, &cursor)) != NULL) {
		if (n->used)
			secrets_row(&t, n);
		n->used = false;
	}
	cursor = 0;
	while (t.count < USAGE_ROWS && (w = table_next(&k->identity.ids, &cursor)) != NULL) {
		if (w->seen && w->state != WORKLOAD_REVOKED) /* whose row may be gone */
			identity_workload_row(&t, w);
		w->seen = false;
	}
	return t.count > 0 && keeper_commit_plain(k, &t) == ERR_OK && t.count == USAGE_ROWS;
}
