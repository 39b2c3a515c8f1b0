/* The upstreams that the taken variables are for, and the names under which their values are
 * stored. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/api/policyc/catalogue.h"
#include "cli/compiled.h"
#include "cli/import.h"
#include "cli/recognise.h"

/* The variable of the file that says where this upstream is; NULL: none, or an empty one. */
static const struct import_item *
find_address(const struct import *im, const char *upstream)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		const struct import_item *it = &im->items[i];
		const char *of = recognise_address(it->entry->name);

		if (of != NULL && strcmp(of, upstream) == 0 && import_value(im, it).len > 0 &&
		    !it->elsewhere)
			return it;
	}
	return NULL;
}

/* Where clients append /v1 themselves, or not, the catalogue's own template says it:
 * "{base_url}/v1". */
static const char *
address_tail(const struct import *im, const char *upstream)
{
	const struct upstream *u = rules_upstream(im->catalogue, span_str(upstream));

	for (uint16_t i = 0; u != NULL && i < u->env_count; i++)
		if (strncmp(u->env[i].value, "{base_url}", 10) == 0)
			return u->env[i].value + 10;
	return "";
}

static size_t
without_slashes(struct span s)
{
	while (s.len > 0 && s.p[s.len - 1] == '/')
		s.len--;
	return s.len;
}

bool
import_is_usual(const struct import *im, const char *upstream, struct span address)
{
	const struct upstream *u = rules_upstream(im->catalogue, span_str(upstream));
	char usual[512];

	if (u == NULL)
		return false;
	address.len = without_slashes(address);
	(void)snprintf(usual, sizeof(usual), "https://%s%s%s", u->host, u->base_path,
	    address_tail(im, upstream));
	return span_eq_str(address, usual);
}

/* Nothing that could end the quoted string in the YAML file that it is written to. */
static bool
is_plain_url(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return span_starts(s, "https://");
}

bool
import_binds(const struct import *im, const char *upstream, const struct import_item *it)
{
	struct span value = import_value(im, it);
	const char *tail = address_tail(im, upstream);
	size_t len = without_slashes(value), tail_len = strlen(tail);

	return !it->entry->refers && is_plain_url(value) && len < sizeof(im->upstreams[0].url) &&
	       len >= tail_len && span_eq_str(span_of(value.p + len - tail_len, tail_len), tail);
}

/* The address in the .env, as an upstream's url, into u->url; "" if it is the usual one. */
static enum cli_exit
take_address(struct import *im, struct import_upstream *u, const struct import_item *it)
{
	struct span value = import_value(im, it), name = it->entry->name;
	const char *tail = address_tail(im, u->name);
	char where[IMPORT_WHERE_SIZE];

	import_where(im, it, where);
	if (!import_binds(im, u->name, it))
		return cli_fail(CLI_FAILED,
		    "%s: %.*s is not an https address%s%s, so the key of %s cannot be bound to "
		    "it; write "
		    "upstreams/%s.yaml first (sidekey-policy(5)), or only store the key with "
		    "--take",
		    where, (int)name.len, (const char *)name.p,
		    tail[0] != '\0' ? " that ends in " : "", tail, u->name, u->name);
	if (!import_is_usual(im, u->name, value))
		(void)span_copy_str(span_of(value.p, without_slashes(value) - strlen(tail)), u->url,
		    sizeof(u->url));
	return CLI_OK;
}

static bool
in_catalogue(const char *name)
{
	return catalogue_text(name) != NULL;
}

/* Compiles "like: NAME" with the address of the .env, to see what it gives. */
static enum cli_exit
compile_own(const struct cli *c, struct import_upstream *u)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(4096);
	struct policyc_errors *errors = calloc(1, sizeof(*errors));
	char file[NAME_LEN_MAX + 8];
	struct policyc_file extra = { .part = "upstreams", .name = file };
	enum cli_exit x = CLI_OK;
	enum err e =
	    buf_printf(&text, "upstream: %s\nlike: %s\nurl: \"%s\"\n", u->name, u->name, u->url);

	(void)snprintf(file, sizeof(file), "%s.yaml", u->name);
	extra.text = buf_span(&text);
	if (errors == NULL)
		e = ERR_NOMEM;
	if (e == ERR_OK)
		e = policyc_compile_with(c->config_dir, &extra, 1, &u->own, errors);
	if (e != ERR_OK)
		x = errors != NULL && errors->count > 0 ? compiled_errors(c, errors)
							: cli_fail_err(e, u->name);
	free(errors);
	if (x == CLI_OK)
		u->base = rules_upstream(u->own, span_str(u->name));
	return x;
}

static enum cli_exit
settle_base(const struct cli *c, struct import *im, struct import_upstream *u)
{
	const struct import_item *address = find_address(im, u->name);
	char path[PATH_MAX], file[NAME_LEN_MAX + 32];
	enum cli_exit x;

	(void)snprintf(file, sizeof(file), "upstreams/%s.yaml", u->name);
	x = cli_path(c->config_dir, file, path);
	if (x != CLI_OK)
		return x;
	u->in_file = access(path, F_OK) == 0;
	u->base = rules_upstream(im->current, span_str(u->name));
	if (u->in_file || !in_catalogue(u->name))
		address = NULL;
	if (address != NULL)
		x = take_address(im, u, address);
	if (x != CLI_OK)
		return x;
	if (u->url[0] != '\0')
		return compile_own(c, u);
	if (u->base == NULL)
		u->base = rules_upstream(im->catalogue, span_str(u->name));
	if (u->base != NULL)
		return CLI_OK;
	return cli_fail(CLI_NOT_FOUND,
	    "the upstream \"%s\" is not known%s; write upstreams/%s.yaml first "
	    "(sidekey-policy(5)), or only store the key with --take",
	    u->name, strcmp(u->name, "azure-openai") == 0 ? " without AZURE_OPENAI_ENDPOINT" : "",
	    u->name);
}

static enum cli_exit
add_upstream(const struct cli *c, struct import *im, const struct import_item *it)
{
	struct import_upstream *u;

	if (import_upstream(im, it->upstream) != NULL)
		return CLI_OK;
	if (im->upstream_count == IMPORT_UPSTREAMS_MAX)
		return cli_fail(CLI_FAILED, "more than %d upstreams", IMPORT_UPSTREAMS_MAX);
	u = &im->upstreams[im->upstream_count++];
	(void)snprintf(u->name, sizeof(u->name), "%s", it->upstream);
	return settle_base(c, im, u);
}

/* "STRIPE_KEY" is stored as "stripe-key". */
static void
name_from_variable(struct span variable, char dst[NAME_LEN_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < variable.len && n < NAME_LEN_MAX; i++) {
		int b = tolower(variable.p[i]);

		if (b == '_' && n == 0)
			continue; /* a name starts with a letter or digit */
		dst[n++] = (char)(b == '_' ? '-' : b);
	}
	dst[n] = '\0';
}

static enum cli_exit
settle_secret(struct import *im, struct import_item *it)
{
	const struct import_upstream *u = import_upstream(im, it->upstream);
	struct span name = it->entry->name;
	char where[IMPORT_WHERE_SIZE];

	import_where(im, it, where);
	if (u != NULL && u->base->secret[0] == '\0')
		return cli_fail(CLI_FAILED, "the upstream \"%s\" takes no credential", u->name);
	if (u != NULL)
		(void)snprintf(it->secret, sizeof(it->secret), "%s", u->base->secret);
	else
		name_from_variable(name, it->secret);
	if (name_object_check(span_str(it->secret)) != ERR_OK)
		return cli_fail(CLI_FAILED, "%s: no secret's name can be made of %.*s", where,
		    (int)name.len, (const char *)name.p);
	it->first = true;
	return CLI_OK;
}

/* Two variables may share a secret only if they hold the same key. */
static enum cli_exit
check_shared(struct import *im, struct import_item *it)
{
	char here[IMPORT_WHERE_SIZE], there[IMPORT_WHERE_SIZE];

	for (struct import_item *o = im->items; o != it; o++) {
		struct span a = o->entry->name, b = it->entry->name;

		if (o->fate != IMPORT_TAKEN || strcmp(o->secret, it->secret) != 0)
			continue;
		it->first = false;
		if (span_eq(import_value(im, o), import_value(im, it)))
			return CLI_OK;
		import_where(im, it, here);
		import_where(im, o, there);
		return cli_fail(CLI_FAILED,
		    "%s: %.*s, and %s: %.*s, hold different keys, and both would become the secret "
		    "%s; %s",
		    here, (int)b.len, (const char *)b.p, there, (int)a.len, (const char *)a.p,
		    it->secret,
		    im->stack ? "give one of them an upstream with a secret of its own "
				"(sidekey-policy(5)), and --take it for that"
			      : "say --take VAR for the one that is only to be stored");
	}
	return CLI_OK;
}

enum cli_exit
import_find_upstreams(const struct cli *c, struct import *im)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < im->env.count; i++) {
		struct import_item *it = &im->items[i];
		enum cli_exit x = CLI_OK;

		if (it->fate != IMPORT_TAKEN)
			continue;
		taken++;
		if (it->upstream[0] != '\0')
			x = add_upstream(c, im, it);
		if (x == CLI_OK)
			x = settle_secret(im, it);
		if (x == CLI_OK)
			x = check_shared(im, it);
		if (x != CLI_OK)
			return x;
	}
	if (taken == 0)
		return cli_fail(CLI_FAILED,
		    "no key in %s is known by its name or shape; name those that are keys "
		    "with --take VAR=UPSTREAM or --take VAR",
		    im->path);
	return CLI_OK;
}
