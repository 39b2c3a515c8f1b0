#include "broker/sidekeyd/restart.h"

void
restart_started(struct restart *r, int64_t now_ms)
{
	r->started_ms = now_ms;
}

uint32_t
restart_delay(struct restart *r, int64_t now_ms)
{
	if (r->delay_ms == 0 || now_ms - r->started_ms >= RESTART_CALM_MS)
		r->delay_ms = RESTART_MIN_MS;
	else if (r->delay_ms > RESTART_MAX_MS / 2)
		r->delay_ms = RESTART_MAX_MS;
	else
		r->delay_ms *= 2;
	return r->delay_ms;
}
