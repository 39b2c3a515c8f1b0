#include "shim/enrollfile.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/sys.h"
#include "common/text.h"
#include "shim/json.h"
#include "shim/limits.h"

enum member { GATEWAY, CA, WORKLOAD, TRUST_DOMAIN, KEY, MEMBERS };
static const char *const names[MEMBERS] = { "gateway", "ca", "workload", "trust_domain", "key" };

static enum err
complain(char why[SHIM_WHY_SIZE], enum err e, const char *text)
{
	(void)snprintf(why, SHIM_WHY_SIZE, "%s", text);
	return e;
}

static enum err
take_members(json_t *root, struct span ret_values[MEMBERS], char why[SHIM_WHY_SIZE])
{
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
	{
		size_t i = 0;

		while (i < MEMBERS && strcmp(name, names[i]) != 0)
			i++;
		if (i == MEMBERS) {
			(void)snprintf(why, SHIM_WHY_SIZE, "unknown member \"%.40s\"", name);
			return ERR_SYNTAX;
		}
		if (!json_is_string(value)) {
			(void)snprintf(why, SHIM_WHY_SIZE, "\"%s\" is not a string", names[i]);
			return ERR_SYNTAX;
		}
		ret_values[i] = span_of(json_string_value(value), json_string_length(value));
	}
	for (size_t i = 0; i < MEMBERS; i++)
		if (ret_values[i].p == NULL) {
			(void)snprintf(why, SHIM_WHY_SIZE, "\"%s\" is missing", names[i]);
			return ERR_SYNTAX;
		}
	return ERR_OK;
}

static enum err
take_key(struct span text, struct secret **ret_key)
{
	uint8_t key[SHIM_KEY_LEN];
	size_t len = 0;
	enum err e = text_unbase64(text, TEXT_BASE64URL, key, sizeof key, &len);

	secret_wipe(key, sizeof key);
	if (e != ERR_OK)
		return e;
	if (len != SHIM_KEY_LEN)
		return ERR_SYNTAX;
	return secret_from(text.p, text.len, ret_key);
}

static enum err
fill(const struct span v[MEMBERS], struct shim_enrollment *en, char why[SHIM_WHY_SIZE])
{
	enum err e = shim_gateway_parse(v[GATEWAY], &en->gateway);

	if (e != ERR_OK)
		return complain(
		    why, e, "\"gateway\" is neither unix:/absolute/path nor tcp:host:port");
	e = name_workload_check(v[WORKLOAD]);
	if (e != ERR_OK || !span_copy_str(v[WORKLOAD], en->workload, sizeof en->workload))
		return complain(why, ERR_SYNTAX, "\"workload\" is not a workload's name");
	e = name_trust_domain_check(v[TRUST_DOMAIN]);
	if (e != ERR_OK ||
	    !span_copy_str(v[TRUST_DOMAIN], en->trust_domain, sizeof en->trust_domain))
		return complain(why, ERR_SYNTAX, "\"trust_domain\" is not a trust domain");
	en->ca = (struct buf)BUF_MAX(SHIM_ENROLL_FILE_MAX);
	e = buf_append_span(&en->ca, v[CA]);
	if (e != ERR_OK)
		return complain(why, e, "no memory");
	e = take_key(v[KEY], &en->key);
	if (e == ERR_NOMEM)
		return complain(why, e, "no memory for the key");
	return e == ERR_OK ? ERR_OK : complain(why, e, "\"key\" is not 32 bytes of base64url");
}

enum err
shim_enrollfile_parse(struct span json, struct shim_enrollment *ret_en, char why[SHIM_WHY_SIZE])
{
	AUTO(shim_json_freep) json_t *root = NULL;
	struct span values[MEMBERS] = { 0 };
	struct shim_enrollment en = { 0 };
	json_error_t error;
	enum err e;

	shim_json_init();
	root = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL && error.text[0] == '\0') /* jansson has a text for all but this */
		return complain(why, ERR_NOMEM, "no memory to read it");
	if (!json_is_object(root)) { /* error.text may quote the file: the place is enough */
		(void)snprintf(why, SHIM_WHY_SIZE, "not a JSON object (line %d, column %d)",
		    error.line, error.column);
		return ERR_SYNTAX;
	}
	e = take_members(root, values, why);
	if (e == ERR_OK)
		e = fill(values, &en, why);
	if (e != ERR_OK) {
		shim_enrollfile_wipe(&en);
		return e;
	}
	*ret_en = en;
	return ERR_OK;
}

enum err
shim_enrollfile_read(const char *path, struct shim_enrollment *ret_en, char why[SHIM_WHY_SIZE])
{
	AUTO(buf_wipe) struct buf file = BUF_MAX(SHIM_ENROLL_FILE_MAX);
	enum err e = sys_read_file(path, &file);

	if (e == ERR_LIMIT)
		return complain(why, e, "longer than an enrollment can be");
	if (e == ERR_DENIED)
		return complain(why, e, "is a pipe, not a file");
	if (e != ERR_OK)
		return complain(why, e,
		    errno == ELOOP ? "is a symbolic link: name the file itself" : strerror(errno));
	return shim_enrollfile_parse(buf_span(&file), ret_en, why);
}

void
shim_enrollfile_wipe(struct shim_enrollment *en)
{
	secret_freep(&en->key);
	buf_wipe(&en->ca);
	*en = (struct shim_enrollment){ 0 };
}
