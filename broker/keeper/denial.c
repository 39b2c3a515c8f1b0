#include "broker/keeper/denial.h"

uint64_t
denial_record(struct keeper *k, const struct workload *w, const struct audit_record *r)
{
	uint64_t seq;

	if (!fold_admit(k->denials, span_str(w == NULL ? "" : w->name), loop_now_ms(k->loop)))
		return 0;
	return keeper_record(k, r, &seq) == ERR_OK ? seq : 0;
}

void
denial_sweep(struct keeper *k)
{
	struct folded f;

	while (!k->audit_failing && fold_take(k->denials, loop_now_ms(k->loop), &f)) {
		struct audit_record r = { .event = "denied_folded",
			.workload = span_str(f.workload),
			.decision = "deny",
			.count = f.count };

		keeper_record_fact(k, &r);
	}
}
