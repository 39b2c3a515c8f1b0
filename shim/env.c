#include "shim/env.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/secret.h"
#include "shim/limits.h"

#define OURS "SIDEKEY_"

static void
free_string(char *s)
{
	if (s != NULL)
		secret_wipe(s, strlen(s));
	free(s);
}

void
shim_env_close(struct shim_env *env)
{
	for (size_t i = 0; i < env->count; i++)
		free_string(env->list[i]);
	free(env->list);
	*env = (struct shim_env){ 0 };
}

static void
scrub(char **environ_list)
{
	for (char **s = environ_list; *s != NULL; s++)
		secret_wipe(*s, strlen(*s));
	environ_list[0] = NULL; /* for getenv() in libraries */
}

enum err
shim_env_take(char **environ_list, struct shim_env *ret_env)
{
	AUTO(shim_env_close) struct shim_env env = { 0 };
	size_t count = 0;

	while (environ_list[count] != NULL)
		if (++count > SHIM_ENV_COUNT_MAX)
			return ERR_LIMIT;
	env.list = calloc(SHIM_ENV_COUNT_MAX + 1, sizeof *env.list);
	if (env.list == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		if (strncmp(environ_list[i], OURS, strlen(OURS)) == 0)
			continue;
		env.list[env.count] = strdup(environ_list[i]);
		if (env.list[env.count] == NULL)
			return ERR_NOMEM;
		env.count++;
	}
	scrub(environ_list);
	*ret_env = env;
	env = (struct shim_env){ 0 }; /* given away */
	return ERR_OK;
}

static bool
defines(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

const char *
shim_env_get(const struct shim_env *env, const char *name)
{
	for (size_t i = 0; i < env->count; i++)
		if (defines(env->list[i], name))
			return env->list[i] + strlen(name) + 1;
	return NULL;
}

/* The last one, just added, is the one that stays. */
static void
remove_older(struct shim_env *env, const char *name)
{
	size_t kept = 0, last = env->count - 1;

	for (size_t i = 0; i < last; i++) {
		if (defines(env->list[i], name))
			free_string(env->list[i]);
		else
			env->list[kept++] = env->list[i];
	}
	env->list[kept++] = env->list[last];
	env->list[kept] = NULL;
	env->count = kept;
}

enum err
shim_env_set(struct shim_env *env, const char *name, struct span value)
{
	char *entry = NULL;

	if (env->count == SHIM_ENV_COUNT_MAX || value.len > INT_MAX)
		return ERR_LIMIT;
	if (asprintf(&entry, "%s=%.*s", name, (int)value.len, (const char *)value.p) < 0)
		return ERR_NOMEM;
	env->list[env->count++] = entry;
	remove_older(env, name);
	return ERR_OK;
}

static bool
lists(const char *text, const char *item)
{
	size_t len = strlen(item);

	for (const char *at = strstr(text, item); at != NULL; at = strstr(at + 1, item)) {
		bool starts = at == text || at[-1] == ',' || at[-1] == ' ';

		if (starts && (at[len] == '\0' || at[len] == ',' || at[len] == ' '))
			return true;
	}
	return false;
}

static enum err
merge(struct shim_env *env, const char *name, const char *before)
{
	static const char *const wanted[] = { "127.0.0.1", "localhost" };
	AUTO(buf_wipe) struct buf value = BUF_MAX(1u << 20);
	enum err e;

	if (before != NULL &&
	    strcmp(before, "*") == 0) /* everything already; in a list it would mean nothing */
		return shim_env_set(env, name, span_str("*"));
	e = buf_append_str(&value, before == NULL ? "" : before);
	for (size_t i = 0; i < COUNT(wanted) && e == ERR_OK; i++) {
		if (before != NULL && lists(before, wanted[i]))
			continue;
		if (value.len > 0)
			e = buf_append_byte(&value, ',');
		if (e == ERR_OK)
			e = buf_append_str(&value, wanted[i]);
	}
	return e == ERR_OK ? shim_env_set(env, name, buf_span(&value)) : e;
}

enum err
shim_env_no_proxy(struct shim_env *env)
{
	const char *upper = shim_env_get(env, "NO_PROXY");
	const char *lower = shim_env_get(env, "no_proxy");
	enum err e;

	/* Clients that know both prefer one or the other: each gets what its own said, else what
	 * the other said. */
	AUTO(buf_wipe) struct buf from = BUF_MAX(1u << 20);

	if (upper == NULL && lower != NULL) {
		e = buf_append(&from, lower, strlen(lower) + 1);
		if (e != ERR_OK)
			return e;
		upper = (const char *)from.data;
	}
	e = merge(env, "NO_PROXY", upper);
	return e == ERR_OK
		   ? merge(env, "no_proxy", lower != NULL ? lower : shim_env_get(env, "NO_PROXY"))
		   : e;
}

bool
shim_env_name_ok(struct span name)
{
	if (name.len == 0 || name.len > 255 || (name.p[0] >= '0' && name.p[0] <= '9') ||
	    span_starts(name, OURS))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '_'))
			return false;
	}
	return true;
}
