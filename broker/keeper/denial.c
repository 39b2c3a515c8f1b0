#include "broker/keeper/denial.h"

#include "broker/keeper/share.h"

uint64_t
denial_record(struct keeper *k, struct workload *w, const struct audit_record *r)
{
	struct audit_record counted = *r;
	uint64_t seq;

	counted.quota = w == NULL ? &k->strangers : &w->quota;
	if (w == NULL ? !share_admits_stranger(k) : !share_admits_request(k, w)) {
		share_refused(k, w);
		return 0;
	}
	if (!fold_admit(k->denials, span_str(w == NULL ? "" : w->name), loop_now_ms(k->loop)))
		return 0;
	return keeper_record(k, &counted, &seq) == ERR_OK ? seq : 0;
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
