#include "shim/self.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "shim/json.h"
#include "shim/limits.h"

#define URL_MARK "{sidekey_url}"

static enum err
expand(struct span value, const char *url, struct buf *ret)
{
	while (value.len > 0) {
		const uint8_t *mark = memmem(value.p, value.len, URL_MARK, strlen(URL_MARK));
		size_t before = mark == NULL ? value.len : (size_t)(mark - value.p);
		enum err e = buf_append(ret, value.p, before);

		if (e == ERR_OK && mark != NULL)
			e = buf_append_str(ret, url);
		if (e != ERR_OK)
			return e;
		before += mark == NULL ? 0 : strlen(URL_MARK);
		value = span_of(value.p + before, value.len - before);
	}
	return ERR_OK;
}

static enum err
set_variable(struct shim_env *env, const char *name, const json_t *value, const char *url)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(SHIM_ENV_VALUE_MAX);
	enum err e;

	if (!json_is_string(value) || !shim_env_name_ok(span_str(name)))
		return ERR_SYNTAX;
	e = expand(span_of(json_string_value(value), json_string_length(value)), url, &text);
	if (e == ERR_OK && text.len > 0 && memchr(text.data, 0, text.len) != NULL)
		e = ERR_SYNTAX;
	return e == ERR_OK ? shim_env_set(env, name, buf_span(&text)) : e;
}

static enum err
set_upstream(struct shim_env *env, json_t *upstream, const char *url, char why[SHIM_WHY_SIZE])
{
	json_t *variables = json_object_get(upstream, "env"), *value;
	const char *name;

	if (!json_is_object(upstream) || (variables != NULL && !json_is_object(variables))) {
		(void)snprintf(why, SHIM_WHY_SIZE, "the broker's list of upstreams cannot be read");
		return ERR_SYNTAX;
	}
	json_object_foreach(variables, name, value)
	{
		enum err e = set_variable(env, name, value, url);

		if (e != ERR_OK) {
			(void)snprintf(why, SHIM_WHY_SIZE,
			    "the broker sets a variable that cannot be set: \"%.60s\" (%s)", name,
			    err_name(e));
			return e;
		}
	}
	return ERR_OK;
}

enum err
shim_self_take(struct span json, const char *url, struct shim_env *env, struct shim_self *ret_self,
    char why[SHIM_WHY_SIZE])
{
	AUTO(shim_json_freep)
	json_t *root = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, NULL);
	json_t *self = json_object_get(root, "self"), *upstream;
	json_t *upstreams = json_object_get(self, "upstreams");
	json_t *enrollment = json_object_get(self, "enrollment");
	json_t *reusable = json_object_get(enrollment, "reusable");
	enum err e = ERR_OK;
	size_t i;

	if (!json_is_array(upstreams) || !json_is_boolean(reusable)) {
		(void)snprintf(why, SHIM_WHY_SIZE,
		    "the broker's answer does not say what this workload may use");
		return ERR_SYNTAX;
	}
	json_array_foreach(upstreams, i, upstream)
	{
		e = set_upstream(env, upstream, url, why);
		if (e != ERR_OK)
			return e;
	}
	ret_self->reusable = json_is_true(reusable);
	ret_self->readable_ok = json_is_true(json_object_get(enrollment, "readable_ok"));
	return ERR_OK;
}
