#include <string.h>

#include "cli/recognise.h"
#include "tests/lib/tap.h"

#define X20 "aaaaaaaaaaaaaaaaaaaa"

static bool
same(const char *got, const char *want)
{
	return got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
}

static const struct {
	const char *name, *upstream;
} by_name[] = {
	{ "ANTHROPIC_API_KEY", "anthropic" },
	{ "OPENAI_API_KEY", "openai" },
	{ "AZURE_OPENAI_API_KEY", "azure-openai" },
	{ "GITHUB_TOKEN", "github" },
	{ "GITHUB_PERSONAL_ACCESS_TOKEN", "github" },
	{ "GH_TOKEN", "github" },
	{ "BRAVE_API_KEY", "brave" },
	{ "LANGSMITH_API_KEY", "langsmith" },
	{ "LANGCHAIN_API_KEY", "langsmith" },
	{ "anthropic_api_key", NULL }, /* names of variables have a case */
	{ "ANTHROPIC_API_KEY2", NULL },
	{ "ANTHROPIC_API_KE", NULL },
	{ "ANTHROPIC_AUTH_TOKEN", NULL }, /* goes into another header */
	{ "STRIPE_KEY", NULL },
	{ "", NULL },
};

static const struct {
	const char *value, *upstream;
	size_t prefix;
} by_shape[] = {
	{ "sk-ant-api03-" X20, "anthropic", 13 },
	{ "sk-ant-api04-" X20, "anthropic", 10 },
	{ "sk-ant-admin01-" X20, NULL, 15 }, /* may manage the organisation: only when told */
	{ "sk-ant-oat01-" X20, NULL, 13 },
	{ "sk-proj-" X20, "openai", 8 },
	{ "sk-svcacct-" X20, "openai", 11 },
	{ "sk-" X20 "T3BlbkFJ" X20, "openai", 3 },
	{ "sk-" X20 X20, NULL, 3 }, /* many providers have such keys */
	{ "ghp_" X20, "github", 4 },
	{ "github_pat_" X20, "github", 11 },
	{ "ghs_" X20, "github", 4 },
	{ "lsv2_pt_" X20, "langsmith", 8 },
	{ "ghp_short", NULL, 0 },
	{ "sk-ant-api03-", NULL, 0 },
	{ "Bearer sk-ant-api03-" X20, NULL, 0 },
	{ "-----BEGIN PRIVATE KEY-----", NULL, 0 },
	{ "hello", NULL, 0 },
	{ "", NULL, 0 },
};

static const struct {
	const char *name, *value;
	bool suspicious;
} doubts[] = {
	{ "STRIPE_KEY", "abcdefgh", true },
	{ "db_password", "hunter22", true },
	{ "MY_TOKEN", "0123456789abcdef", true },
	{ "LOG_LEVEL", "information", false },
	{ "TOKEN_LIMIT", "128000", false },
	{ "SESSION_KEY", "1234567890123456", true },
	{ "USE_KEY", "false", false },
	{ "KEY", "short", false },
	{ "ANYTHING", "sk_live_" X20, true },
	{ "ANYTHING", "xoxb-" X20, true },
	{ "ANYTHING", "-----BEGIN PRIVATE KEY-----", true },
	{ "A", "", false },
};

static const struct {
	const char *value;
	bool password;
} urls[] = {
	{ "postgres://user:pw@db/x", true },
	{ "postgres://user:pw@db", true },
	{ "redis://:pw@cache:6379/0", true },
	{ "https://token@host/", false }, /* a user without a password */
	{ "https://user:@host/", false },
	{ "https://host:8443/a@b", false },
	{ "https://host/?x=u:p@h", false },
	{ "postgres://db/x", false },
	{ "user:pw@db", false },
	{ "://", false },
	{ "", false },
};

int
main(void)
{
	for (size_t i = 0; i < COUNT(by_name); i++)
		ok(same(recognise_name(span_str(by_name[i].name)), by_name[i].upstream), "name %s",
		    by_name[i].name);
	for (size_t i = 0; i < COUNT(by_shape); i++) {
		struct span v = span_str(by_shape[i].value);

		ok(same(recognise_shape(v), by_shape[i].upstream), "shape %.13s",
		    by_shape[i].value);
		ok(recognise_prefix(v) == by_shape[i].prefix, "prefix of %.13s", by_shape[i].value);
	}
	for (size_t i = 0; i < COUNT(doubts); i++)
		ok(recognise_suspicious(span_str(doubts[i].name), span_str(doubts[i].value)) ==
			doubts[i].suspicious,
		    "%s=%.10s", doubts[i].name, doubts[i].value);
	for (size_t i = 0; i < COUNT(urls); i++)
		ok(recognise_url_password(span_str(urls[i].value)) == urls[i].password, "url %s",
		    urls[i].value);
	ok(same(recognise_address(span_str("AZURE_OPENAI_ENDPOINT")), "azure-openai"),
	    "an address");
	ok(recognise_address(span_str("DATABASE_URL")) == NULL, "no address of ours");
	return done();
}
