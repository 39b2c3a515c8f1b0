/* The built-in upstreams: what each puts where, and that the shipped files and expectations hold.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/api/policyc/catalogue.h"
#include "broker/api/policyc/compile.h"
#include "tests/lib/tap.h"

static const struct {
	const char *name, *host, *secret, *header, *value, *placeholder;
	enum error_shape shape;
	const char *variables[5]; /* each with its value behind '=' */
} wanted[] = {
	{ "anthropic", "api.anthropic.com", "anthropic-api-key", "x-api-key", "{credential}",
	    "sk-ant-api03-{random}", SHAPE_ANTHROPIC,
	    { "ANTHROPIC_BASE_URL={base_url}", "ANTHROPIC_API_KEY={placeholder}" } },
	{ "openai", "api.openai.com", "openai-api-key", "Authorization", "Bearer {credential}",
	    "sk-proj-{random}", SHAPE_OPENAI,
	    { "OPENAI_BASE_URL={base_url}/v1", "OPENAI_API_KEY={placeholder}" } },
	{ "github", "api.github.com", "github-token", "Authorization", "Bearer {credential}",
	    "ghp_{random}", SHAPE_GITHUB,
	    { "GITHUB_API_URL={base_url}", "GITHUB_TOKEN={placeholder}",
		"GITHUB_PERSONAL_ACCESS_TOKEN={placeholder}" } },
	{ "brave", "api.search.brave.com", "brave-api-key", "X-Subscription-Token", "{credential}",
	    "BSA{random}", SHAPE_PROBLEM, { "BRAVE_API_KEY={placeholder}" } },
	{ "langsmith", "api.smith.langchain.com", "langsmith-api-key", "x-api-key", "{credential}",
	    "lsv2_pt_{random}", SHAPE_PROBLEM,
	    { "LANGSMITH_ENDPOINT={base_url}", "LANGSMITH_API_KEY={placeholder}",
		"LANGCHAIN_ENDPOINT={base_url}", "LANGCHAIN_API_KEY={placeholder}" } },
};

static bool
has_variable(const struct upstream *u, const char *want)
{
	char have[256];

	for (size_t i = 0; i < u->env_count; i++) {
		(void)snprintf(have, sizeof(have), "%s=%s", u->env[i].name, u->env[i].value);
		if (strcmp(have, want) == 0)
			return true;
	}
	return false;
}

static void
check_complete(void)
{
	AUTO(rules_freep) struct rules *r = NULL;

	is_err(catalogue_rules(&r), ERR_OK, "the catalogue compiles");
	ok(r->upstream_count == COUNT(wanted), "so many need no file");
	for (size_t i = 0; i < COUNT(wanted); i++) {
		const struct upstream *u = rules_upstream(r, span_str(wanted[i].name));
		size_t n = 0;

		if (!ok(u != NULL && strcmp(u->host, wanted[i].host) == 0 && u->port == 443 &&
			    u->base_path[0] == '\0',
			"%s: where", wanted[i].name))
			continue;
		ok(strcmp(u->secret, wanted[i].secret) == 0 && u->inject == INJECT_HEADER &&
			strcmp(u->inject_name, wanted[i].header) == 0 &&
			strcmp(u->inject_value, wanted[i].value) == 0,
		    "%s: what is put in", wanted[i].name);
		ok(strcmp(u->placeholder, wanted[i].placeholder) == 0 &&
			u->shape == wanted[i].shape,
		    "%s: placeholder, errors", wanted[i].name);
		for (; n < COUNT(wanted[i].variables) && wanted[i].variables[n] != NULL; n++)
			ok(has_variable(u, wanted[i].variables[n]), "%s: %s", wanted[i].name,
			    wanted[i].variables[n]);
		ok(u->env_count == n && !u->allow_private && !u->encoded_slash && u->ca_pem == NULL,
		    "%s: no more than that", wanted[i].name);
	}
}

static void
check_partial(void)
{
	static const struct {
		const char *name;
		enum inject_kind inject;
	} cases[] = { { "azure-openai", INJECT_HEADER }, { "header", INJECT_HEADER },
		{ "bearer", INJECT_HEADER }, { "basic", INJECT_BASIC }, { "query", INJECT_QUERY } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policyc_errors errors;
		struct rules *r = NULL;
		struct compiler c;
		char text[256];

		(void)snprintf(text, sizeof(text),
		    "upstream: u\nlike: %s\nurl: https://a.example\ncredential: {secret: s}\n",
		    cases[i].name);
		must(compile_init(&c, "", &errors) == ERR_OK);
		compile_upstream_bytes(&c, "u.yaml", span_str(text));
		is_err(compile_finish(&c, &r), ERR_OK, cases[i].name);
		ok(r != NULL && r->upstreams[0].inject == cases[i].inject &&
			r->upstreams[0].placeholder != NULL,
		    "  puts it where its name says");
		rules_free(r);
	}
	ok(catalogue_text("nosuch") == NULL && catalogue_text("") == NULL &&
		catalogue_text("anthropi") == NULL,
	    "other names are not in it");
}

int
main(void)
{
	check_complete();
	check_partial();
	return done();
}
