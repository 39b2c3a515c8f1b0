/*
 * Input: compiled rules, whole or the part for a gateway. What is accepted is written again byte
 * for byte, every index is inside, every name of a workload and every pattern is of the grammar.
 */
#include <string.h>

#include "broker/rules/match.h"
#include "broker/rules/target.h"
#include "tests/fuzz/fuzz.h"

static void
check_patterns(const struct pattern *p, uint16_t count)
{
	const char *reason;

	must(count <= RULES_PATTERNS_MAX);
	for (uint16_t i = 0; i < count; i++)
		must(p[i].method[0] != '\0' &&
		     target_pattern_check(span_str(p[i].path), &reason) == ERR_OK);
}

static void
check_policy(const struct rules *r, const struct policy *p)
{
	for (uint16_t i = 0; i < p->workload_count; i++)
		must(name_workload_check(span_str(p->workloads[i])) == ERR_OK);
	for (uint16_t i = 0; i < p->use_count; i++) {
		must(p->uses[i].upstream < r->upstream_count);
		check_patterns(p->uses[i].allow, p->uses[i].allow_count);
		check_patterns(p->uses[i].deny, p->uses[i].deny_count);
	}
	if (p->workload_count > 0 && p->use_count > 0)
		(void)match_request(r, span_str(p->workloads[0]),
		    span_str(r->upstreams[p->uses[0].upstream].name), span_str("GET"),
		    span_str("/a/b"), false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf again = BUF_MAX(RULES_LEN_MAX);
	AUTO(rules_freep) struct rules *whole = NULL, *part = NULL;
	struct span in = span_of(data, size);

	if (rules_read(in, &whole) == ERR_OK) {
		must(rules_write(whole, &again) == ERR_OK && span_eq(buf_span(&again), in));
		for (uint32_t i = 0; i < whole->upstream_count; i++)
			must(rules_upstream(whole, span_str(whole->upstreams[i].name)) ==
			     &whole->upstreams[i]);
		for (uint32_t i = 0; i < whole->policy_count; i++)
			check_policy(whole, &whole->policies[i]);
		buf_clear(&again);
	}
	if (rules_read_upstreams(in, &part) == ERR_OK) {
		must(whole == NULL && part->policy_count == 0);
		must(
		    rules_write_upstreams(part, &again) == ERR_OK && span_eq(buf_span(&again), in));
	}
	return 0;
}
