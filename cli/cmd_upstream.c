/* upstream: what is in force (asked of the broker), and what a definition means (compiled here). */
#include <stdio.h>
#include <string.h>

#include "broker/api/policyc/catalogue.h"
#include "cli/commands.h"
#include "cli/compiled.h"
#include "cli/listing.h"

static void
put_row(struct table *t, const json_t *row)
{
	table_cell(t, "%s", admin_text(row, "name"));
	table_cell(t, "%s:%lld", admin_text(row, "host"), (long long)admin_number(row, "port"));
	table_cell(t, "%s", admin_text(row, "secret"));
	table_cell(t, "%s", admin_text(row, "inject"));
}

enum cli_exit
cmd_upstream_list(struct cli *c)
{
	static const char *const headings[] = { "NAME", "HOST", "SECRET", "INJECT", NULL };
	static const struct listing all = { headings, put_row };

	return listing_show(c, "upstreams", &all);
}

static void
describe_place(const struct upstream *u, char *dst, size_t size)
{
	switch (u->inject) {
	case INJECT_HEADER:
		(void)snprintf(dst, size, "header %s: %s", u->inject_name, u->inject_value);
		break;
	case INJECT_BASIC:
		(void)snprintf(dst, size, "header Authorization, basic, user %s", u->inject_name);
		break;
	case INJECT_QUERY:
		(void)snprintf(dst, size, "query parameter %s", u->inject_name);
		break;
	default:
		(void)snprintf(dst, size, "nowhere: no credential");
	}
}

static enum cli_exit
print_json(const struct upstream *u, const char *place, const char *dial)
{
	AUTO(json_freep)
	json_t *j = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:b}", "name", u->name,
	    "host", u->host, "port", (int)u->port, "base_path", u->base_path, "dial", dial,
	    "secret", u->secret, "inject", place, "own_ca", u->ca_pem != NULL, "allow_private",
	    u->allow_private);

	if (j == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	admin_print(j);
	return CLI_OK;
}

static enum cli_exit
print_upstream(const struct cli *c, const struct upstream *u)
{
	char place[RULES_TEMPLATE_LEN_MAX + 512], dial[RULES_HOST_LEN_MAX + 16];
	bool elsewhere = u->connect_host[0] != '\0';

	describe_place(u, place, sizeof(place));
	(void)snprintf(dial, sizeof(dial), "%s:%u", elsewhere ? u->connect_host : u->host,
	    (unsigned)(elsewhere ? u->connect_port : u->port));
	if (c->json)
		return print_json(u, place, dial);
	(void)printf("%s: https://%s:%u%s\n", u->name, u->host, u->port, u->base_path);
	(void)printf("  dialled:     %s%s\n", dial,
	    u->allow_private || elsewhere ? ", private addresses too"
					  : ", never a private address");
	(void)printf("  verified as: %s, by %s\n", u->host,
	    u->ca_pem != NULL ? "its own CA file" : "the system's CA store");
	(void)printf("  secret:      %s\n", u->secret[0] != '\0' ? u->secret : "none");
	(void)printf("  put into:    %s\n", place);
	for (uint16_t i = 0; i < u->env_count; i++)
		(void)printf("  %s  %s=%s\n", i == 0 ? "variables: " : "           ",
		    u->env[i].name, u->env[i].value);
	return CLI_OK;
}

enum cli_exit
cmd_upstream_check(struct cli *c)
{
	AUTO(rules_freep) struct rules *rules = NULL;
	AUTO(rules_freep) struct rules *built_in = NULL;
	enum cli_exit x = compiled_rules(c, c->config_dir, &rules);
	const struct upstream *u;
	enum err e;

	if (x != CLI_OK)
		return x;
	u = rules_upstream(rules, span_str(c->args[0]));
	if (u == NULL) {
		e = catalogue_rules(&built_in);
		if (e != ERR_OK)
			return cli_fail_err(e, "the built-in catalogue");
		u = rules_upstream(built_in, span_str(c->args[0]));
	}
	if (u == NULL)
		return cli_fail(CLI_NOT_FOUND,
		    catalogue_text(c->args[0]) != NULL
			? "the built-in upstream \"%s\" needs a file in %s/upstreams, with like: "
			  "and what it lacks (url: ...)"
			: "there is no upstream \"%s\" in %s/upstreams, nor built in",
		    c->args[0], c->config_dir);
	return print_upstream(c, u);
}
