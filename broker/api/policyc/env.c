/* One workload gets one value for a variable: two upstreams that want it differently are an error,
 * not a race. */
#include <stdlib.h>
#include <string.h>

#include "broker/api/policyc/compile.h"

struct grant { /* this workload may use this upstream */
	const char *workload;
	uint16_t upstream;
};

static int
grant_order(const void *a, const void *b)
{
	const struct grant *x = a, *y = b;
	int c = strcmp(x->workload, y->workload);

	return c != 0 ? c : (int)x->upstream - (int)y->upstream;
}

static const char *
common_variable(const struct upstream *a, const struct upstream *b)
{
	for (size_t i = 0; i < a->env_count; i++) {
		for (size_t k = 0; k < b->env_count; k++) {
			bool template = strchr(a->env[i].value, '{') != NULL ||
					strchr(b->env[k].value, '{') != NULL;

			if (strcmp(a->env[i].name, b->env[k].name) != 0)
				continue;
			if (template || strcmp(a->env[i].value, b->env[k].value) != 0)
				return a->env[i].name;
		}
	}
	return NULL;
}

static void
check_pair(struct compiler *c, const struct grant *a, const struct grant *b)
{
	const struct upstream *list = c->rules->upstreams;
	const char *variable = a->upstream == b->upstream
				   ? NULL
				   : common_variable(&list[a->upstream], &list[b->upstream]);

	if (variable != NULL)
		compile_report(c, NULL,
		    "the workload \"%s\" may use the upstreams \"%s\" and \"%s\", and both set the "
		    "variable %s; change \"env\" of one",
		    a->workload, list[a->upstream].name, list[b->upstream].name, variable);
}

static size_t
count_grants(const struct rules *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->policy_count; i++)
		n += (size_t)r->policies[i].workload_count * r->policies[i].use_count;
	return n;
}

static void
fill_grants(const struct rules *r, struct grant *g)
{
	for (size_t i = 0; i < r->policy_count; i++) {
		const struct policy *p = &r->policies[i];

		for (size_t w = 0; w < p->workload_count; w++) {
			for (size_t u = 0; u < p->use_count; u++)
				*g++ = (struct grant){ p->workloads[w], p->uses[u].upstream };
		}
	}
}

void
compile_check_env(struct compiler *c)
{
	size_t n = count_grants(c->rules);
	struct grant *list = calloc(n + 1, sizeof(*list));

	if (list == NULL) {
		c->fatal = ERR_NOMEM;
		return;
	}
	fill_grants(c->rules, list);
	qsort(list, n, sizeof(*list), grant_order);
	for (size_t i = 0; i < n && c->errors->count < POLICYC_ERRORS_MAX; i++) {
		for (size_t k = i + 1; k < n && strcmp(list[i].workload, list[k].workload) == 0;
		     k++)
			check_pair(c, &list[i], &list[k]);
	}
	free(list);
}
