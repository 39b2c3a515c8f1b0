#include <stdlib.h>
#include <string.h>

#include "shim/env.h"
#include "shim/limits.h"
#include "shim/self.h"
#include "tests/lib/tap.h"

static struct shim_env
taken(const char *const *entries, size_t count)
{
	struct shim_env env = { 0 };
	char *list[16] = { NULL }, *kept[16];
	bool wiped = true;

	for (size_t i = 0; i < count; i++)
		kept[i] = list[i] = strdup(entries[i]);
	is_err(shim_env_take(list, &env), ERR_OK, "the environment is taken");
	for (size_t i = 0; i < count; i++) {
		for (size_t at = 0; at < strlen(entries[i]); at++)
			wiped = wiped && kept[i][at] == '\0';
		free(kept[i]);
	}
	ok(wiped && list[0] == NULL, "and nothing of it is left where it stood");
	return env;
}

static bool
is(const struct shim_env *env, const char *name, const char *value)
{
	const char *got = shim_env_get(env, name);
	size_t defined = 0, len = strlen(name);

	for (size_t i = 0; i < env->count; i++)
		defined += strncmp(env->list[i], name, len) == 0 && env->list[i][len] == '=';
	if (value == NULL)
		return got == NULL && defined == 0;
	return got != NULL && strcmp(got, value) == 0 && defined == 1 &&
	       env->list[env->count] == NULL;
}

static void
test_take(void)
{
	static const char *const entries[] = { "PATH=/bin", "SIDEKEY_ENROLL_FILE=/x", "A=1",
		"SIDEKEY_=y", "odd", "A=2", "EMPTY=" };
	AUTO(shim_env_close) struct shim_env env = taken(entries, COUNT(entries));

	ok(env.count == 5, "all but our own settings are kept");
	ok(is(&env, "SIDEKEY_ENROLL_FILE", NULL) && is(&env, "PATH", "/bin") &&
		is(&env, "EMPTY", ""),
	    "as they were");
	ok(strcmp(shim_env_get(&env, "A"), "1") == 0,
	    "the first of two definitions is the one that counts");
	is_err(shim_env_set(&env, "A", span_str("3")), ERR_OK, "a variable is set");
	ok(is(&env, "A", "3"), "and defined once from then on");
	is_err(shim_env_set(&env, "NEW", SPAN_NONE), ERR_OK, "a new one, empty");
	ok(is(&env, "NEW", "") && is(&env, "NE", NULL), "is there; a prefix of it is not");
}

static void
test_limit(void)
{
	static char entry[] = "A=1";
	static char *many[SHIM_ENV_COUNT_MAX + 2];
	AUTO(shim_env_close) struct shim_env env = { 0 };

	for (size_t i = 0; i < SHIM_ENV_COUNT_MAX + 1; i++)
		many[i] = entry;
	is_err(shim_env_take(many, &env), ERR_LIMIT, "one variable too many");
	ok(strcmp(entry, "A=1") == 0 && env.list == NULL, "leaves all as it was");
	many[SHIM_ENV_COUNT_MAX] = NULL;
	is_err(shim_env_take(many, &env), ERR_OK, "as many as are allowed");
	is_err(shim_env_set(&env, "B", span_str("2")), ERR_LIMIT, "but not one more");
}

static const struct {
	const char *upper, *lower, *want_upper, *want_lower;
} proxies[] = {
	{ NULL, NULL, "127.0.0.1,localhost", "127.0.0.1,localhost" },
	{ "NO_PROXY=", NULL, "127.0.0.1,localhost", "127.0.0.1,localhost" },
	{ "NO_PROXY=a.example", NULL, "a.example,127.0.0.1,localhost",
	    "a.example,127.0.0.1,localhost" },
	{ NULL, "no_proxy=b", "b,127.0.0.1,localhost", "b,127.0.0.1,localhost" },
	{ "NO_PROXY=a", "no_proxy=b", "a,127.0.0.1,localhost", "b,127.0.0.1,localhost" },
	{ "NO_PROXY=localhost", NULL, "localhost,127.0.0.1", "localhost,127.0.0.1" },
	{ "NO_PROXY=127.0.0.1,localhost", NULL, "127.0.0.1,localhost", "127.0.0.1,localhost" },
	{ "NO_PROXY=127.0.0.10, localhost", NULL, "127.0.0.10, localhost,127.0.0.1",
	    "127.0.0.10, localhost,127.0.0.1" },
	{ "NO_PROXY=mylocalhost", NULL, "mylocalhost,127.0.0.1,localhost",
	    "mylocalhost,127.0.0.1,localhost" },
	{ "NO_PROXY=*", NULL, "*", "*" },
	{ "NO_PROXY=*", "no_proxy=b", "*", "b,127.0.0.1,localhost" },
};

static void
test_no_proxy(void)
{
	for (size_t i = 0; i < COUNT(proxies); i++) {
		const char *entries[2];
		size_t count = 0;

		if (proxies[i].upper != NULL)
			entries[count++] = proxies[i].upper;
		if (proxies[i].lower != NULL)
			entries[count++] = proxies[i].lower;
		{
			AUTO(shim_env_close) struct shim_env env = taken(entries, count);

			is_err(shim_env_no_proxy(&env), ERR_OK, "merged");
			ok(is(&env, "NO_PROXY", proxies[i].want_upper) &&
				is(&env, "no_proxy", proxies[i].want_lower),
			    "%s", proxies[i].want_upper);
		}
	}
}

#define SELF(env)                                                                                  \
	"{\"self\":{\"enrollment\":{\"reusable\":true,\"readable_ok\":false},\"upstreams\":[{"     \
	"\"name\":\"a\",\"env\":" env "}]}}"

static const struct {
	const char *what, *json;
	enum err e;
	const char *name, *value;
} selves[] = {
	{ "a base URL", SELF("{\"BASE\":\"{sidekey_url}/p/a\"}"), ERR_OK, "BASE",
	    "http://127.0.0.1:1/p/a" },
	{ "the mark twice", SELF("{\"B\":\"{sidekey_url},{sidekey_url}\"}"), ERR_OK, "B",
	    "http://127.0.0.1:1,http://127.0.0.1:1" },
	{ "no mark", SELF("{\"B\":\"{sidekey_ur}{other}\"}"), ERR_OK, "B", "{sidekey_ur}{other}" },
	{ "an empty value", SELF("{\"B\":\"\"}"), ERR_OK, "B", "" },
	{ "it replaces what the image sets", SELF("{\"PATH\":\"/x\"}"), ERR_OK, "PATH", "/x" },
	{ "no variables",
	    "{\"self\":{\"enrollment\":{\"reusable\":false},\"upstreams\":[{\"name\":\"a\"}]}}",
	    ERR_OK, "B", NULL },
	{ "no upstreams",
	    "{\"self\":{\"enrollment\":{\"reusable\":false},\"upstreams\":[],\"newer\":1}}", ERR_OK,
	    "B", NULL },
	{ "a number", SELF("{\"B\":1}"), ERR_SYNTAX, "B", NULL },
	{ "a list", SELF("[\"B\"]"), ERR_SYNTAX, "B", NULL },
	{ "a setting of ours", SELF("{\"SIDEKEY_URL\":\"x\"}"), ERR_SYNTAX, "SIDEKEY_URL", NULL },
	{ "a name with '='", SELF("{\"A=B\":\"x\"}"), ERR_SYNTAX, "A", NULL },
	{ "a name with a digit first", SELF("{\"1A\":\"x\"}"), ERR_SYNTAX, "1A", NULL },
	{ "an empty name", SELF("{\"\":\"x\"}"), ERR_SYNTAX, "", NULL },
	{ "no enrollment", "{\"self\":{\"upstreams\":[]}}", ERR_SYNTAX, "B", NULL },
	{ "upstreams that are none",
	    "{\"self\":{\"enrollment\":{\"reusable\":true},\"upstreams\":[1]}}", ERR_SYNTAX, "B",
	    NULL },
	{ "no self", "{\"enrollment\":{\"reusable\":true},\"upstreams\":[]}", ERR_SYNTAX, "B",
	    NULL },
	{ "a self that is no object", "{\"self\":[]}", ERR_SYNTAX, "B", NULL },
	{ "no object", "[]", ERR_SYNTAX, "B", NULL },
	{ "no JSON", "<html>", ERR_SYNTAX, "B", NULL },
	{ "nothing", "", ERR_SYNTAX, "B", NULL },
};

static void
test_self(void)
{
	static const char *const entries[] = { "PATH=/bin" };

	for (size_t i = 0; i < COUNT(selves); i++) {
		AUTO(shim_env_close) struct shim_env env = taken(entries, 1);
		struct shim_self self = { 0 };
		char why[SHIM_WHY_SIZE] = "";

		is_err(shim_self_take(
			   span_str(selves[i].json), "http://127.0.0.1:1", &env, &self, why),
		    selves[i].e, selves[i].what);
		ok(is(&env, selves[i].name, selves[i].value), "gives that variable or none");
		ok((why[0] == '\0') == (selves[i].e == ERR_OK),
		    "with a reason if it is refused: %s", why);
	}
}

static void
test_self_flags(void)
{
	static const char *const entries[] = { "PATH=/bin" };
	static char json[40000] =
	    "{\"self\":{\"enrollment\":{\"reusable\":true,\"readable_ok\":true},"
	    "\"upstreams\":[{\"env\":{\"B\":\"";
	AUTO(shim_env_close) struct shim_env env = taken(entries, 1);
	struct shim_self self = { 0 };
	char why[SHIM_WHY_SIZE];
	size_t len = strlen(json);

	is_err(shim_self_take(span_str(SELF("{}")), "u", &env, &self, why), ERR_OK,
	    "a reusable enrollment");
	ok(self.reusable && !self.readable_ok, "is known as such");
	memset(json + len, 'x', 17000);
	(void)strcpy(json + len + 17000, "\"}}]}}");
	is_err(shim_self_take(span_str(json), "u", &env, &self, why), ERR_LIMIT,
	    "a value that is too long");
	memmove(json + len + 16384, json + len + 17000, 7);
	is_err(shim_self_take(span_str(json), "u", &env, &self, why), ERR_OK,
	    "the longest that is allowed");
	ok(self.readable_ok, "policy may accept that the file is readable");
}

int
main(void)
{
	test_take();
	test_limit();
	test_no_proxy();
	test_self();
	test_self_flags();
	return done();
}
