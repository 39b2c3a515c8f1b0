/* One upstream: a file's keys laid over what the catalogue says, then checked as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/api/policyc/catalogue.h"
#include "broker/api/policyc/compile.h"
#include "broker/rules/shape.h"
#include "common/sys.h"

#define PEM_MARK "-----BEGIN CERTIFICATE-----"
#define PEM_KEY_MARK "PRIVATE KEY-----"

typedef void set_fn(struct compiler *c, struct upstream *u, const struct yaml_node *n);

static void
forget(char **text)
{
	free(*text);
	*text = NULL;
}

static void
set_credential(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	static const char *const keys[] = { "kind", "secret", NULL };
	static const char *const kinds[] = { "static", NULL };
	const struct yaml_node *v;
	uint32_t kind;

	if (!compile_keys(c, n, keys))
		return;
	v = yaml_get(n, "kind");
	if (v != NULL)
		(void)compile_word(c, v, kinds, &kind);
	v = compile_need(c, n, "secret", YAML_STRING);
	if (v != NULL && compile_shape(c, v, shape_object_name))
		(void)span_copy_str(span_str(v->text), u->secret, sizeof(u->secret));
}

static void
set_inject(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	static const char *const keys[] = { "header", "value", "basic", "query", NULL };
	static const struct {
		const char *key;
		enum inject_kind kind;
		const char *(*shape)(struct span s);
	} kinds[] = { { "header", INJECT_HEADER, shape_header_name },
		{ "basic", INJECT_BASIC, shape_basic_user },
		{ "query", INJECT_QUERY, shape_query_name } };
	const struct yaml_node *v = NULL;
	size_t found = 0;

	if (!compile_keys(c, n, keys))
		return;
	forget(&u->inject_value);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct yaml_node *name = yaml_get(n, kinds[i].key);

		found += name != NULL;
		if (name == NULL || !compile_shape(c, name, kinds[i].shape))
			continue;
		u->inject = kinds[i].kind;
		compile_keep(c, &u->inject_name, name->text);
	}
	if (found != 1)
		compile_report(c, n, "expected exactly one of header, basic, query");
	v = yaml_get(n, "value");
	if (yaml_get(n, "header") == NULL && v != NULL)
		compile_report(c, v, "\"value\" goes with \"header\" only");
	else if (yaml_get(n, "header") != NULL && v == NULL)
		compile_report(c, n,
		    "the key \"value\" is missing: what the header holds, such as \"Bearer "
		    "{credential}\"");
	else if (v != NULL && compile_shape(c, v, shape_header_value))
		compile_keep(c, &u->inject_value, v->text);
}

static void
set_placeholder(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	if (compile_shape(c, n, shape_placeholder))
		compile_keep(c, &u->placeholder, n->text);
}

static void
set_env(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	if (!compile_expect(c, n, YAML_MAP))
		return;
	if (n->count > RULES_ENV_MAX) {
		compile_report(c, n, "more than %d variables", RULES_ENV_MAX);
		return;
	}
	for (uint32_t i = 0; i < u->env_count; i++) {
		forget(&u->env[i].name);
		forget(&u->env[i].value);
	}
	u->env_count = 0;
	for (uint32_t i = 0; i < n->count; i++) {
		const struct yaml_node *name = n->items[2 * i], *value = n->items[2 * i + 1];
		bool good = compile_shape(c, name, shape_env_name);

		if (!compile_shape(c, value, shape_env_value) || !good)
			continue;
		compile_keep(c, &u->env[u->env_count].name, name->text);
		compile_keep(c, &u->env[u->env_count].value, value->text);
		u->env_count++;
	}
}

static void
set_errors(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	static const char *const words[] = { "problem", "anthropic", "openai", "github",
		NULL }; /* in the order of enum error_shape */
	uint32_t i;

	if (compile_word(c, n, words, &i))
		u->shape = (enum error_shape)i;
}

static void
set_strip(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	if (!compile_expect(c, n, YAML_LIST))
		return;
	if (n->count > RULES_STRIP_MAX) {
		compile_report(c, n, "more than %d headers", RULES_STRIP_MAX);
		return;
	}
	for (uint32_t i = 0; i < u->strip_count; i++)
		forget(&u->strip[i]);
	u->strip_count = 0;
	for (uint32_t i = 0; i < n->count; i++) {
		char **name = &u->strip[u->strip_count];

		if (!compile_shape(c, n->items[i], shape_header_name))
			continue;
		compile_keep(c, name, n->items[i]->text);
		u->strip_count++;
		for (char *p = *name; p != NULL && *p != '\0'; p++)
			*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	}
}

static const char *
ca_refused(struct span pem)
{
	if (memchr(pem.p, '\0', pem.len) != NULL)
		return "is not text; expected PEM";
	if (memmem(pem.p, pem.len, PEM_KEY_MARK, strlen(PEM_KEY_MARK)) != NULL)
		return "holds a private key; only certificates belong here";
	if (memmem(pem.p, pem.len, PEM_MARK, strlen(PEM_MARK)) == NULL)
		return "holds no certificate (" PEM_MARK ")";
	return NULL;
}

/* The file's text with a NUL behind it into *pem; a phrase if it is no CA file. */
static const char *
read_ca(const struct compiler *c, const char *name, struct buf *pem)
{
	bool absolute = name[0] == '/';
	const char *why;
	char path[4096];
	struct stat st;
	enum err e;

	if (snprintf(path, sizeof(path), "%s%s%s", absolute ? "" : c->config_dir,
		absolute ? "" : "/", name) >= (int)sizeof(path))
		return "is too long for a path";
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return "is not a regular file";
	e = sys_read_file(path, pem);
	if (e == ERR_NOT_FOUND)
		return "does not exist";
	if (e == ERR_LIMIT || pem->len > RULES_CA_LEN_MAX)
		return "is larger than 256 KiB";
	if (e != ERR_OK)
		return "cannot be read";
	why = pem->len == 0 ? "is empty" : ca_refused(buf_span(pem));
	return why == NULL && buf_append_byte(pem, '\0') != ERR_OK ? "does not fit" : why;
}

static void
set_ca(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	AUTO(buf_wipe) struct buf pem = BUF_MAX(RULES_CA_LEN_MAX + 1);
	char shown[YAML_SHOW_SIZE];
	const char *why;

	if (!compile_expect(c, n, YAML_STRING))
		return;
	why = read_ca(c, n->text, &pem);
	if (why != NULL)
		compile_report(c, n, "the CA file %s %s", yaml_show(n->text, shown), why);
	else
		compile_keep(c, &u->ca_pem, (const char *)pem.data);
}

static void
set_allow_private(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	(void)compile_bool(c, n, &u->allow_private);
}

static void
set_encoded_slash(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	(void)compile_bool(c, n, &u->encoded_slash);
}

static const struct {
	const char *key;
	set_fn *set;
} setters[] = { { "url", compile_url }, { "credential", set_credential }, { "inject", set_inject },
	{ "placeholder", set_placeholder }, { "env", set_env }, { "errors", set_errors },
	{ "strip", set_strip }, { "ca", set_ca }, { "connect", compile_connect },
	{ "allow_private", set_allow_private }, { "encoded_slash", set_encoded_slash } };

static void
apply(struct compiler *c, struct upstream *u, const struct yaml_node *root)
{
	for (size_t i = 0; i < COUNT(setters); i++) {
		const struct yaml_node *n = yaml_get(root, setters[i].key);

		if (n != NULL)
			setters[i].set(c, u, n);
	}
}

static void
apply_catalogue(struct compiler *c, struct upstream *u, const char *name)
{
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct place_error error;
	const char *text = catalogue_text(name), *file = c->file;
	enum err e = yaml_parse(name, span_str(text), &root, &error);

	must(e == ERR_OK || e == ERR_NOMEM); /* it is built in */
	if (e != ERR_OK) {
		c->fatal = e;
		return;
	}
	c->file = "(built in)";
	apply(c, u, root);
	c->file = file;
}

static bool
env_wants_placeholder(const struct upstream *u)
{
	for (uint32_t i = 0; i < u->env_count; i++) {
		if (strstr(u->env[i].value, "{placeholder}") != NULL)
			return true;
	}
	return false;
}

/* What only the whole can say. */
static void
check_whole(struct compiler *c, const struct upstream *u, const struct yaml_node *at, bool like)
{
	if (u->host[0] == '\0') {
		compile_report(c, at, "the key \"url\" is missing%s",
		    !like && catalogue_text(u->name) != NULL
			? "; to change the built-in one, add: like: (its name)"
			: "");
		return;
	}
	if (u->inject != INJECT_NONE && u->secret[0] == '\0')
		compile_report(
		    c, at, "\"inject\" needs a \"credential\": {kind: static, secret: NAME}");
	if (u->inject == INJECT_NONE && u->secret[0] != '\0')
		compile_report(
		    c, at, "\"credential\" needs an \"inject\": where the credential is put");
	if (u->inject == INJECT_NONE && u->placeholder != NULL)
		compile_report(c, at,
		    "\"placeholder\" needs an \"inject\": there is no credential that it could "
		    "stand for");
	if (u->placeholder == NULL && env_wants_placeholder(u))
		compile_report(
		    c, at, "\"env\" uses {placeholder}, and there is no \"placeholder\"");
}

/* url is NULL when it came from the catalogue, which holds host names. */
static void
check_address(struct compiler *c, const struct upstream *u, const struct yaml_node *url)
{
	if (url != NULL && shape_host_is_ip(span_str(u->host)) && !u->allow_private &&
	    u->connect_host[0] == '\0')
		compile_report(c, url,
		    "the url holds an IP address; write a host name, or say allow_private: true or "
		    "connect: HOST:PORT");
}

static struct upstream *
new_upstream(struct compiler *c, const char *name)
{
	struct rules *r = c->rules;
	struct upstream *u;

	if (!compile_grow(c, (void **)&r->upstreams, r->upstream_count, &c->upstream_room,
		sizeof(r->upstreams[0])))
		return NULL;
	u = &r->upstreams[r->upstream_count++];
	(void)span_copy_str(span_str(name), u->name, sizeof(u->name));
	compile_keep(c, &u->base_path, "");
	return u;
}

void
compile_upstream(struct compiler *c, const struct yaml_node *root)
{
	static const char *const keys[] = { "upstream", "like", "url", "credential", "inject",
		"placeholder", "env", "errors", "strip", "ca", "connect", "allow_private",
		"encoded_slash", NULL };
	const struct yaml_node *name, *like;
	struct upstream *u;
	uint32_t i, before = c->errors->count;

	if (!compile_expect(c, root, YAML_MAP))
		return;
	(void)compile_keys(c, root, keys);
	name = compile_need(c, root, "upstream", YAML_STRING);
	if (name == NULL || !compile_shape(c, name, shape_object_name)) {
		c->upstream_lost = true;
		return;
	}
	if (rules_upstream(c->rules, span_str(name->text)) != NULL) {
		compile_report(
		    c, name, "the upstream \"%s\" is in another file already", name->text);
		return;
	}
	if (c->rules->upstream_count >= RULES_UPSTREAMS_MAX) {
		compile_report(c, name, "more than %d upstreams", RULES_UPSTREAMS_MAX);
		return;
	}
	u = new_upstream(c, name->text);
	if (u == NULL)
		return;
	like = yaml_get(root, "like");
	if (like != NULL && compile_word(c, like, catalogue_names, &i))
		apply_catalogue(c, u, catalogue_names[i]);
	apply(c, u, root);
	/* a key that is bad is not missing as well */
	if (c->fatal != ERR_OK || c->errors->count != before)
		return;
	check_whole(c, u, name, like != NULL);
	check_address(c, u, yaml_get(root, "url"));
}

/* A catalogue entry that needs no file, as an upstream of its own. */
static bool
add_from_catalogue(struct compiler *c, const struct yaml_node *name)
{
	struct upstream *u = new_upstream(c, name->text);

	if (u == NULL)
		return false;
	apply_catalogue(c, u, name->text);
	if (c->fatal != ERR_OK || u->host[0] != '\0')
		return c->fatal == ERR_OK;
	compile_report(c, name,
	    "the built-in upstream \"%s\" needs a file upstreams/NAME.yaml with like: %s and what "
	    "it lacks (url: ...)",
	    name->text, name->text);
	return false;
}

static void
report_unknown(struct compiler *c, const struct yaml_node *name)
{
	const char *known[RULES_UPSTREAMS_MAX + CATALOGUE_MAX + 1] = { NULL };
	char shown[YAML_SHOW_SIZE], hint[300];
	size_t n = 0;

	for (size_t i = 0; i < c->rules->upstream_count && i < RULES_UPSTREAMS_MAX; i++)
		known[n++] = c->rules->upstreams[i].name;
	for (size_t i = 0; catalogue_names[i] != NULL; i++)
		known[n++] = catalogue_names[i];
	compile_report(c, name, "unknown upstream %s%s", yaml_show(name->text, shown),
	    yaml_nearest(name->text, known, hint, sizeof(hint)));
}

bool
compile_find_upstream(struct compiler *c, const struct yaml_node *name, uint16_t *ret_index)
{
	const struct upstream *u;

	if (!compile_shape(c, name, shape_object_name))
		return false;
	u = rules_upstream(c->rules, span_str(name->text));
	if (u == NULL && catalogue_text(name->text) != NULL) {
		if (!add_from_catalogue(c, name))
			return false;
		u = rules_upstream(c->rules, span_str(name->text));
	}
	if (u == NULL && !c->upstream_lost)
		report_unknown(c, name);
	if (u == NULL)
		return false;
	*ret_index = (uint16_t)(u - c->rules->upstreams);
	return true;
}
