/* The upstream and policy files of an import, composed in memory and compiled with the folder as it
 * would then be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/api/policyc/catalogue.h"
#include "cli/compiled.h"
#include "cli/import.h"
#include "cli/recognise.h"

#define WRITTEN_BY "# Written by `%s`.\n"

/* What a client of each built-in upstream needs to work, and no more. Paths as seen behind the
 * upstream's base path. */
static const struct {
	const char *upstream;
	const char *allow[8], *deny[2];
} needs[] = {
	{ "anthropic",
	    { "POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models",
		"GET /v1/models/*" },
	    { NULL } },
	{ "openai",
	    { "POST /v1/responses", "POST /v1/chat/completions", "POST /v1/completions",
		"POST /v1/embeddings", "GET /v1/models", "GET /v1/models/*" },
	    { NULL } },
	{ "azure-openai",
	    { "POST /openai/deployments/*/chat/completions",
		"POST /openai/deployments/*/completions", "POST /openai/deployments/*/embeddings",
		"POST /openai/responses", "POST /openai/v1/responses",
		"POST /openai/v1/chat/completions", "POST /openai/v1/embeddings" },
	    { NULL } },
	/* Reading only: what may be written is the operator's decision. */
	{ "github", { "GET /**" }, { "* /**/secrets/**" } },
	{ "brave",
	    { "GET /res/v1/web/search", "GET /res/v1/local/pois", "GET /res/v1/local/descriptions",
		"GET /res/v1/news/search", "GET /res/v1/images/search", "GET /res/v1/videos/search",
		"GET /res/v1/summarizer/search" },
	    { NULL } },
	/* Sending traces only. */
	{ "langsmith",
	    { "GET /info", "POST /runs", "PATCH /runs/*", "POST /runs/batch",
		"POST /runs/multipart" },
	    { NULL } },
};

static bool
has_needs(const char *upstream)
{
	for (size_t i = 0; i < COUNT(needs); i++)
		if (strcmp(needs[i].upstream, upstream) == 0)
			return true;
	return false;
}

struct import_file *
import_file_new(struct import *im, const char *part, const char *stem, const char *ending)
{
	struct import_file *f = &im->files[im->file_count++];
	char name[sizeof(f->name)];

	must(im->file_count <= IMPORT_FILES_MAX);
	f->part = part;
	(void)snprintf(name, sizeof(name), "%s%s", stem, ending);
	memcpy(f->name, name, sizeof(f->name));
	f->text = (struct buf)BUF_MAX(IMPORT_FILE_LEN_MAX);
	return f;
}

static bool
sets_variable(const struct upstream *u, struct span name)
{
	for (uint16_t i = 0; i < u->env_count; i++)
		if (span_eq_str(name, u->env[i].name))
			return true;
	return false;
}

/* The template that this upstream gives to a variable that holds its address; NULL: none. */
static const char *
address_template(const struct upstream *u)
{
	for (uint16_t i = 0; i < u->env_count; i++)
		if (strncmp(u->env[i].value, "{base_url}", 10) == 0)
			return u->env[i].value;
	return NULL;
}

/* Services may hold different addresses under one name. */
static bool
is_repeated(const struct import *im, const struct import_item *it)
{
	for (const struct import_item *o = im->items; o != it; o++)
		if (span_eq(o->entry->name, it->entry->name))
			return true;
	return false;
}

/* What the variable must hold in the container for this upstream, where its definition does not say
 * so already; NULL: nothing. */
static const char *
missing_template(
    const struct import *im, const struct import_upstream *u, const struct import_item *it)
{
	const char *of = recognise_address(it->entry->name);

	if (sets_variable(u->base, it->entry->name))
		return NULL;
	if (of != NULL && strcmp(of, u->name) == 0)
		return is_repeated(im, it) ? NULL : address_template(u->base);
	if (it->fate == IMPORT_TAKEN && strcmp(it->upstream, u->name) == 0)
		return "{placeholder}";
	return NULL;
}

static bool
lacks_variables(const struct import *im, const struct import_upstream *u)
{
	for (uint32_t i = 0; i < im->env.count; i++)
		if (missing_template(im, u, &im->items[i]) != NULL)
			return true;
	return false;
}

static enum err
put_env(const struct import *im, const struct import_upstream *u, struct buf *out)
{
	enum err e = buf_append_str(out, "env:\n");

	for (uint16_t i = 0; i < u->base->env_count && e == ERR_OK; i++)
		e = buf_printf(out, "  %s: \"%s\"\n", u->base->env[i].name, u->base->env[i].value);
	for (uint32_t i = 0; i < im->env.count && e == ERR_OK; i++) {
		struct span name = im->items[i].entry->name;
		const char *value = missing_template(im, u, &im->items[i]);

		if (value != NULL)
			e = buf_printf(
			    out, "  %.*s: \"%s\"\n", (int)name.len, (const char *)name.p, value);
	}
	return e;
}

/* Only where the catalogue's own entry would not do. */
static enum cli_exit
compose_upstream(struct import *im, const struct import_upstream *u)
{
	bool lacks = lacks_variables(im, u);
	struct import_file *f;
	enum err e;

	if (!lacks && u->url[0] == '\0')
		return CLI_OK;
	if (u->in_file || catalogue_text(u->name) == NULL)
		return cli_fail(CLI_FAILED,
		    "the upstream \"%s\" does not set all variables of %s that hold its key; "
		    "add them to env: in its file as \"{placeholder}\"",
		    u->name, im->path);
	f = import_file_new(im, "upstreams", u->name, ".yaml");
	e = buf_printf(
	    &f->text, WRITTEN_BY "upstream: %s\nlike: %s\n", im->label, u->name, u->name);
	if (e == ERR_OK && u->url[0] != '\0')
		e = buf_printf(&f->text, "url: \"%s\"\n", u->url);
	if (e == ERR_OK && lacks)
		e = put_env(im, u, &f->text);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, f->name);
}

/* The rules are written as the whole target that goes upstream, so with the base path in front. */
static enum err
put_rules(
    struct buf *out, const char *key, const char *const *list, size_t max, const char *base_path)
{
	enum err e = list[0] != NULL ? buf_printf(out, "    %s:\n", key) : ERR_OK;

	for (size_t i = 0; i < max && list[i] != NULL && e == ERR_OK; i++) {
		const char *path = strchr(list[i], ' ');

		e = buf_printf(out, "      - \"%.*s%s%s\"\n", (int)(path + 1 - list[i]), list[i],
		    base_path, path + 1);
	}
	return e;
}

static enum err
put_use(struct buf *out, const struct import_upstream *u)
{
	enum err e = buf_printf(out, "  %s:\n", u->name);

	for (size_t i = 0; i < COUNT(needs) && e == ERR_OK; i++) {
		if (strcmp(needs[i].upstream, u->name) != 0)
			continue;
		e = put_rules(
		    out, "allow", needs[i].allow, COUNT(needs[i].allow), u->base->base_path);
		if (e == ERR_OK)
			e = put_rules(
			    out, "deny", needs[i].deny, COUNT(needs[i].deny), u->base->base_path);
	}
	return e;
}

/* Is anything known that this workload may ask? */
static bool
has_rules(const struct import *im, uint32_t workload)
{
	for (uint32_t i = 0; i < im->upstream_count; i++)
		if (import_uses(im, workload, i) && has_needs(im->upstreams[i].name))
			return true;
	return false;
}

/* A policy's name is one segment; a workload's may be several. */
static enum cli_exit
policy_name(const struct import *im, const char *workload, char dst[NAME_LEN_MAX + 1])
{
	size_t skip = strspn(workload, "._-");

	(void)snprintf(dst, NAME_LEN_MAX + 1, "%s", workload + skip);
	for (char *p = dst; *p != '\0'; p++)
		if (*p == '/')
			*p = '.';
	if (name_object_check(span_str(dst)) != ERR_OK)
		return cli_fail(
		    CLI_USAGE, "no policy's name can be made of the workload \"%s\"", workload);
	for (uint32_t i = 0; i < im->file_count; i++)
		if (strcmp(im->files[i].part, "policies") == 0 &&
		    strncmp(im->files[i].name, dst, strlen(dst)) == 0 &&
		    strcmp(im->files[i].name + strlen(dst), ".yaml") == 0)
			return cli_fail(CLI_USAGE,
			    "two of the workloads would get the policy %s; import them "
			    "one after the other",
			    dst);
	return CLI_OK;
}

static enum cli_exit
compose_policy(struct import *im, uint32_t index)
{
	const char *workload = im->workloads[index];
	char name[NAME_LEN_MAX + 1];
	enum cli_exit x = policy_name(im, workload, name);
	struct import_file *f;
	enum err e;

	if (x != CLI_OK || !has_rules(im, index))
		return x;
	f = import_file_new(im, "policies", name, ".yaml");
	f->workload = workload;
	e = buf_printf(&f->text,
	    WRITTEN_BY
	    "# What this workload may ask of each upstream; all else is refused. After a change: "
	    "sidekey reload\npolicy: \"%s\"\nworkloads: [\"%s\"]\nuse:\n",
	    im->label, name, workload);
	for (uint32_t i = 0; i < im->upstream_count && e == ERR_OK; i++)
		if (import_uses(im, index, i) && has_needs(im->upstreams[i].name))
			e = put_use(&f->text, &im->upstreams[i]);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, f->name);
}

/* A stack's second import leaves what is there: the operator may have changed it meanwhile. */
static enum cli_exit
check_absent(const struct cli *c, const struct import *im, struct import_file *f)
{
	char path[PATH_MAX], name[NAME_LEN_MAX + 32];
	enum cli_exit x;

	(void)snprintf(name, sizeof(name), "%s/%s", f->part, f->name);
	x = cli_path(c->config_dir, name, path);
	if (x != CLI_OK || access(path, F_OK) != 0 || cli_given(c, "force") != NULL)
		return x;
	f->kept = im->stack;
	if (!f->kept)
		return cli_fail(CLI_FAILED,
		    "%s is there already; remove it, or say --force to replace it", path);
	return x;
}

static enum cli_exit
check_all_absent(const struct cli *c, struct import *im, uint32_t from)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = from; i < im->file_count && x == CLI_OK; i++)
		x = check_absent(c, im, &im->files[i]);
	return x;
}

static enum cli_exit
compile_all(const struct cli *c, const struct import *im, struct rules **ret_rules)
{
	struct policyc_file extra[IMPORT_FILES_MAX] = { { .part = NULL } };
	struct policyc_errors *errors = calloc(1, sizeof(*errors));
	enum cli_exit x = CLI_OK;
	enum err e = errors == NULL ? ERR_NOMEM : ERR_OK;
	size_t count = 0;

	for (uint32_t i = 0; i < im->file_count; i++)
		if (!im->files[i].kept)
			extra[count++] = (struct policyc_file){ .part = im->files[i].part,
				.name = im->files[i].name,
				.text = buf_span(&im->files[i].text) };
	if (e == ERR_OK)
		e = policyc_compile_with(c->config_dir, extra, count, ret_rules, errors);
	if (e != ERR_OK)
		x = errors != NULL && errors->count > 0 ? compiled_errors(c, errors)
							: cli_fail_err(e, c->config_dir);
	free(errors);
	return x;
}

enum cli_exit
import_compose_files(const struct cli *c, struct import *im)
{
	AUTO(rules_freep) struct rules *rules = NULL;
	enum cli_exit x = CLI_OK;
	uint32_t composed;

	for (uint32_t i = 0; i < im->upstream_count && x == CLI_OK; i++) {
		im->without_rules += !has_needs(im->upstreams[i].name);
		x = compose_upstream(im, &im->upstreams[i]);
	}
	for (uint32_t i = 0; i < im->workload_count && x == CLI_OK; i++)
		x = compose_policy(im, i);
	if (x == CLI_OK && im->stack)
		x = check_all_absent(c, im, 0);
	if (x == CLI_OK)
		x = compile_all(c, im, &rules);
	composed = im->file_count;
	if (x == CLI_OK)
		x = import_compose_expect(im, rules);
	return x == CLI_OK ? check_all_absent(c, im, im->stack ? composed : 0) : x;
}
