/* One policy file. */
#include <stdio.h>
#include <string.h>

#include "broker/api/policyc/compile.h"
#include "broker/rules/shape.h"
#include "broker/rules/target.h"
#include "common/text.h"

#define LIMIT_REQUESTS_MAX 1000000
#define LIMIT_WINDOW_S_MAX 86400
#define LIMIT_CONCURRENT_MAX 65535

/* The name that the file's name promises: its last part without ".yaml". */
static struct span
file_stem(const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash == NULL ? file : slash + 1;
	size_t len = strlen(base);

	return span_of(base, len > 5 && strcmp(base + len - 5, ".yaml") == 0 ? len - 5 : len);
}

static void
take_workloads(struct compiler *c, struct policy *p, const struct yaml_node *n)
{
	if (n->count == 0 || n->count > RULES_WORKLOADS_MAX) {
		compile_report(c, n, "expected 1 to %d workloads", RULES_WORKLOADS_MAX);
		return;
	}
	p->workloads = compile_array(c, n->count, sizeof(p->workloads[0]));
	for (uint32_t i = 0; i < n->count && c->fatal == ERR_OK; i++) {
		const struct yaml_node *w = n->items[i];

		if (!compile_shape(c, w, shape_workload_name))
			continue;
		for (uint16_t k = 0; k < p->workload_count; k++) {
			if (strcmp(p->workloads[k], w->text) == 0)
				compile_report(
				    c, w, "the workload \"%s\" is listed twice", w->text);
		}
		compile_keep(c, &p->workloads[p->workload_count++], w->text);
	}
}

/* "METHOD PATH", one space between. */
static bool
take_pattern(struct compiler *c, struct pattern *p, const struct yaml_node *n)
{
	const char *space, *why, *reason = "does not parse";
	char shown[YAML_SHOW_SIZE];
	struct span method, path;

	if (!compile_expect(c, n, YAML_STRING))
		return false;
	space = strchr(n->text, ' ');
	if (space == NULL) {
		compile_report(c, n,
		    "%s must be \"METHOD /path\", such as \"GET /v1/**\", or \"* /v1/**\" for any "
		    "method",
		    yaml_show(n->text, shown));
		return false;
	}
	method = span_of(n->text, (size_t)(space - n->text));
	path = span_str(space + 1);
	why = span_eq_str(method, "*") ? NULL : shape_method(method);
	if (why != NULL) {
		compile_report(c, n, "the method in %s %s", yaml_show(n->text, shown), why);
		return false;
	}
	if (path.len > RULES_PATTERN_LEN_MAX || target_pattern_check(path, &reason) != ERR_OK) {
		compile_report(c, n, "the path in %s is refused: %s", yaml_show(n->text, shown),
		    path.len > RULES_PATTERN_LEN_MAX ? "it is too long" : reason);
		return false;
	}
	(void)span_copy_str(method, p->method, sizeof(p->method));
	compile_keep(c, &p->path, space + 1);
	return true;
}

static void
take_patterns(
    struct compiler *c, const struct yaml_node *n, struct pattern **ret_list, uint16_t *ret_count)
{
	if (!compile_expect(c, n, YAML_LIST))
		return;
	if (n->count == 0 || n->count > RULES_PATTERNS_MAX) {
		compile_report(c, n, "expected 1 to %d rules", RULES_PATTERNS_MAX);
		return;
	}
	*ret_list = compile_array(c, n->count, sizeof(**ret_list));
	for (uint32_t i = 0; i < n->count && c->fatal == ERR_OK; i++)
		*ret_count =
		    (uint16_t)(*ret_count + take_pattern(c, &(*ret_list)[*ret_count], n->items[i]));
}

/* "60/1m": requests in a window. */
static void
take_requests(struct compiler *c, struct use *u, const struct yaml_node *n)
{
	char shown[YAML_SHOW_SIZE];
	const char *slash;
	uint64_t requests, window_s;

	if (!compile_expect(c, n, YAML_STRING))
		return;
	slash = strchr(n->text, '/');
	if (slash == NULL ||
	    text_u64(span_of(n->text, (size_t)(slash - n->text)), LIMIT_REQUESTS_MAX, &requests) !=
		ERR_OK ||
	    requests == 0 ||
	    text_duration_s(span_str(slash + 1), LIMIT_WINDOW_S_MAX, &window_s) != ERR_OK) {
		compile_report(c, n,
		    "%s must be COUNT/TIME, such as 60/1m: 1 to 1000000 requests in 1s to 1d",
		    yaml_show(n->text, shown));
		return;
	}
	u->limit_requests = (uint32_t)requests;
	u->limit_window_s = (uint32_t)window_s;
}

static void
take_limit(struct compiler *c, struct use *u, const struct yaml_node *n)
{
	static const char *const keys[] = { "requests", "concurrent", NULL };
	const struct yaml_node *v;
	int64_t concurrent = 0;

	if (!compile_keys(c, n, keys))
		return;
	if (n->count == 0)
		compile_report(c, n, "expected \"requests\" or \"concurrent\"");
	v = yaml_get(n, "requests");
	if (v != NULL)
		take_requests(c, u, v);
	v = yaml_get(n, "concurrent");
	if (v != NULL && compile_integer(c, v, 1, LIMIT_CONCURRENT_MAX, &concurrent))
		u->limit_concurrent = (uint32_t)concurrent;
}

static void
take_use(struct compiler *c, struct use *u, const struct yaml_node *n)
{
	static const char *const keys[] = { "allow", "deny", "limit", "browser", NULL };
	const struct yaml_node *v;

	if (!compile_keys(c, n, keys))
		return;
	v = yaml_get(n, "allow");
	if (v != NULL)
		take_patterns(c, v, &u->allow, &u->allow_count);
	else
		compile_report(
		    c, n, "the key \"allow\" is missing: without it nothing can be reached");
	v = yaml_get(n, "deny");
	if (v != NULL)
		take_patterns(c, v, &u->deny, &u->deny_count);
	v = yaml_get(n, "limit");
	if (v != NULL)
		take_limit(c, u, v);
	v = yaml_get(n, "browser");
	if (v != NULL)
		(void)compile_bool(c, v, &u->browser);
}

static void
take_uses(struct compiler *c, struct policy *p, const struct yaml_node *n)
{
	if (n->count == 0 || n->count > RULES_USES_MAX) {
		compile_report(c, n, "expected 1 to %d upstreams", RULES_USES_MAX);
		return;
	}
	p->uses = compile_array(c, n->count, sizeof(p->uses[0]));
	for (uint32_t i = 0; i < n->count && c->fatal == ERR_OK; i++) {
		struct use *u = &p->uses[p->use_count++];

		(void)compile_find_upstream(c, n->items[2 * i], &u->upstream);
		take_use(c, u, n->items[2 * i + 1]);
	}
}

static void
take_words(struct compiler *c, struct policy *p, const struct yaml_node *root)
{
	static const char *const misuse[] = { "deny", "revoke", NULL }, *const readable[] = {
		"refuse", "accept", NULL
	};
	const struct yaml_node *n = yaml_get(root, "on_misuse");
	uint32_t i;

	if (n != NULL && compile_word(c, n, misuse, &i))
		p->revoke_on_misuse = i == 1;
	n = yaml_get(root, "enroll_readable");
	if (n != NULL && compile_word(c, n, readable, &i))
		p->enroll_readable = i == 1;
}

static void
take_name(struct compiler *c, struct policy *p, const struct yaml_node *n)
{
	struct span stem = file_stem(c->file);

	if (!compile_shape(c, n, shape_object_name))
		return;
	if (!span_eq_str(stem, n->text))
		compile_report(
		    c, n, "the policy \"%s\" must stand in a file named %s.yaml", n->text, n->text);
	(void)span_copy_str(span_str(n->text), p->name, sizeof(p->name));
}

void
compile_policy(struct compiler *c, const struct yaml_node *root)
{
	static const char *const keys[] = { "policy", "workloads", "use", "on_misuse",
		"enroll_readable", NULL };
	struct rules *r = c->rules;
	const struct yaml_node *n;
	struct policy *p;

	if (!compile_expect(c, root, YAML_MAP))
		return;
	(void)compile_keys(c, root, keys);
	if (r->policy_count >= RULES_POLICIES_MAX) {
		compile_report(c, root, "more than %d policies", RULES_POLICIES_MAX);
		return;
	}
	if (!compile_grow(
		c, (void **)&r->policies, r->policy_count, &c->policy_room, sizeof(r->policies[0])))
		return;
	p = &r->policies[r->policy_count++];
	n = compile_need(c, root, "policy", YAML_STRING);
	if (n != NULL)
		take_name(c, p, n);
	n = compile_need(c, root, "workloads", YAML_LIST);
	if (n != NULL)
		take_workloads(c, p, n);
	n = compile_need(c, root, "use", YAML_MAP);
	if (n != NULL && c->fatal == ERR_OK)
		take_uses(c, p, n);
	take_words(c, p, root);
}
