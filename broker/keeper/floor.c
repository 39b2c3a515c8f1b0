#include "broker/keeper/floor.h"

bool
floor_init(struct floor *f, int64_t audit_ms, int64_t wall_ms, int64_t mono_ms)
{
	f->base_ms = audit_ms > wall_ms ? audit_ms : wall_ms;
	f->base_mono_ms = mono_ms;
	return audit_ms - wall_ms > FLOOR_AHEAD_MS_MAX;
}

void
floor_accept(struct floor *f, int64_t wall_ms, int64_t mono_ms)
{
	f->base_ms = wall_ms;
	f->base_mono_ms = mono_ms;
}

int64_t
floor_now_ms(struct floor *f, int64_t wall_ms, int64_t mono_ms)
{
	int64_t passed = f->base_ms + (mono_ms - f->base_mono_ms);

	if (wall_ms > passed) {
		f->base_ms = wall_ms;
		f->base_mono_ms = mono_ms;
		return wall_ms;
	}
	return passed;
}
