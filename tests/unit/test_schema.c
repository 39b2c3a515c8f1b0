/* The JSON Schemas name the keys that the compiler and the daemon know: no more, no fewer. */
#include <string.h>

#include "broker/api/policyc/catalogue.h"
#include "broker/api/policyc/compile.h"
#include "broker/sidekeyd/config_keys.h"
#include "tests/lib/tap.h"

/* The place of an object in a schema: keys from its root. */
static const struct yaml_node *
at(const struct yaml_node *n, const char *const *path)
{
	for (; n != NULL && *path != NULL; path++)
		n = yaml_get(n, *path);
	return n;
}

static struct yaml_node *
load(const char *name)
{
	struct yaml_node *root = NULL;
	struct place_error p;
	char path[128];
	enum err e;

	(void)snprintf(path, sizeof(path), "policies/schema/%s.schema.json", name);
	e = yaml_load(path, path, &root, &p); /* JSON without fractions is YAML's core */
	if (!is_err(e, ERR_OK, path))
		printf("# %u:%u %s\n", p.line, p.column, p.text);
	return root;
}

/* "; expected one of: a, b, c" of an error: is it exactly the keys of map? */
static bool
same_keys(const char *error, const struct yaml_node *map)
{
	const char *list = strstr(error, "expected one of: ");
	char want[128], have[512];
	size_t count = 1;

	if (list == NULL || map == NULL)
		return false;
	(void)snprintf(have, sizeof(have), ", %s, ", list + strlen("expected one of: "));
	for (const char *p = list; *p != '\0'; p++)
		count += *p == ',';
	for (uint32_t i = 0; i < map->count; i++) {
		(void)snprintf(want, sizeof(want), ", %s, ", map->items[2 * i]->text);
		if (strstr(have, want) == NULL)
			return false;
	}
	return count == map->count;
}

static const struct {
	const char *what, *text;
	bool policy;
	const char *path[8];
} cases[] = {
	{ "upstream", "zzzzzz: 1\n", false, { "properties" } },
	{ "credential", "upstream: u\ncredential: {zzzzzz: 1}\n", false,
	    { "properties", "credential", "properties" } },
	{ "policy", "zzzzzz: 1\n", true, { "properties" } },
	{ "use", "policy: p\nworkloads: [w]\nuse: {brave: {zzzzzz: 1}}\n", true,
	    { "properties", "use", "additionalProperties", "properties" } },
	{ "limit",
	    "policy: p\nworkloads: [w]\nuse: {brave: {allow: [GET /], limit: {zzzzzz: 1}}}\n", true,
	    { "properties", "use", "additionalProperties", "properties", "limit", "properties" } },
};

static void
check_keys(const struct yaml_node *upstream, const struct yaml_node *policy)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct yaml_node *map =
		    at(cases[i].policy ? policy : upstream, cases[i].path);
		struct policyc_errors errors;
		struct rules *rules = NULL;
		struct compiler c;
		bool found = false;

		must(compile_init(&c, "", &errors) == ERR_OK);
		if (cases[i].policy)
			compile_policy_bytes(&c, "p.yaml", span_str(cases[i].text));
		else
			compile_upstream_bytes(&c, "u.yaml", span_str(cases[i].text));
		must(compile_finish(&c, &rules) == ERR_SYNTAX);
		for (uint32_t k = 0; k < errors.count; k++)
			found = found || (strstr(errors.list[k].text, "zzzzzz") != NULL &&
					     same_keys(errors.list[k].text, map));
		if (!ok(found, "the keys of %s", cases[i].what))
			printf("# %s\n", errors.list[0].text);
	}
}

static void
check_like(const struct yaml_node *upstream)
{
	static const char *const path[] = { "properties", "like", "enum", NULL };
	const struct yaml_node *list = at(upstream, path);
	bool good = list != NULL;
	uint32_t n = 0;

	for (; good && catalogue_names[n] != NULL; n++)
		good = n < list->count && strcmp(list->items[n]->text, catalogue_names[n]) == 0;
	ok(good && n == list->count, "the words of like:");
}

static void
check_daemon(const struct yaml_node *daemon)
{
	const struct yaml_node *map = yaml_get(daemon, "properties");
	uint32_t n = 0;

	for (; config_keys[n].name != NULL; n++)
		ok(yaml_get(map, config_keys[n].name) != NULL, "sidekey.yaml: %s",
		    config_keys[n].name);
	ok(map != NULL && n == map->count, "and no other");
}

int
main(void)
{
	AUTO(yaml_freep) struct yaml_node *upstream = load("upstream");
	AUTO(yaml_freep) struct yaml_node *policy = load("policy");
	AUTO(yaml_freep) struct yaml_node *daemon = load("sidekey");

	check_keys(upstream, policy);
	check_like(upstream);
	check_daemon(daemon);
	return done();
}
