#include "broker/gateway/health.h"

struct health
health_alive(void)
{
	return (struct health){ 200, "{\"status\":\"alive\"}" };
}

struct health
health_ready(bool keeper_here, enum ready_state s)
{
	if (!keeper_here)
		return (struct health){ 503, "{\"status\":\"keeper_away\"}" };
	switch (s) {
	case READY_YES:
		return (struct health){ 200, "{\"status\":\"ready\"}" };
	case READY_SEALED:
		return (struct health){ 503, "{\"status\":\"sealed\"}" };
	case READY_NO_RULES:
		return (struct health){ 503, "{\"status\":\"no_rules\"}" };
	case READY_AUDIT_FAILING:
		return (struct health){ 503, "{\"status\":\"audit_failing\"}" };
	case READY_CLOCK:
		return (struct health){ 503, "{\"status\":\"clock_behind\"}" };
	case READY_NOT:
		break;
	}
	return (struct health){ 503, "{\"status\":\"starting\"}" };
}
