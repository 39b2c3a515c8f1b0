#include "cli/recognise.h"

#include <ctype.h>
#include <string.h>

#include "common/err.h"

struct pair {
	const char *word, *upstream;
};

static const struct pair names[] = {
	{ "ANTHROPIC_API_KEY", "anthropic" },
	{ "CLAUDE_API_KEY", "anthropic" },
	{ "OPENAI_API_KEY", "openai" },
	{ "AZURE_OPENAI_API_KEY", "azure-openai" },
	{ "AZURE_OPENAI_KEY", "azure-openai" },
	{ "GITHUB_TOKEN", "github" },
	{ "GITHUB_PERSONAL_ACCESS_TOKEN", "github" },
	{ "GITHUB_API_TOKEN", "github" },
	{ "GH_TOKEN", "github" },
	{ "BRAVE_API_KEY", "brave" },
	{ "BRAVE_SEARCH_API_KEY", "brave" },
	{ "LANGSMITH_API_KEY", "langsmith" },
	{ "LANGCHAIN_API_KEY", "langsmith" },
};

static const struct pair addresses[] = {
	{ "ANTHROPIC_BASE_URL", "anthropic" },
	{ "OPENAI_BASE_URL", "openai" },
	{ "OPENAI_API_BASE", "openai" },
	{ "AZURE_OPENAI_ENDPOINT", "azure-openai" },
	{ "LANGSMITH_ENDPOINT", "langsmith" },
	{ "LANGCHAIN_ENDPOINT", "langsmith" },
};

/* Longest first where one starts another. "" : a secret for sure, but of no upstream that Sidekey
 * knows by itself. */
static const struct pair shapes[] = {
	{ "sk-ant-api03-", "anthropic" },
	{ "sk-ant-api", "anthropic" },
	{ "sk-ant-admin01-",
	    "" },		 /* may manage the organisation: never put in without being told */
	{ "sk-ant-oat01-", "" }, /* needs another header than an API key */
	{ "sk-ant-", "" },
	{ "sk-proj-", "openai" },
	{ "sk-svcacct-", "openai" },
	{ "sk-admin-", "" },
	{ "github_pat_", "github" },
	{ "ghp_", "github" },
	{ "gho_", "github" },
	{ "ghu_", "github" },
	{ "ghs_", "github" },
	{ "lsv2_pt_", "langsmith" },
	{ "lsv2_sk_", "langsmith" },
	{ "ls__", "langsmith" },
	{ "sk_live_", "" },
	{ "sk_test_", "" },
	{ "rk_live_", "" },
	{ "whsec_", "" },
	{ "xoxb-", "" },
	{ "xoxp-", "" },
	{ "xapp-", "" },
	{ "glpat-", "" },
	{ "npm_", "" },
	{ "hf_", "" },
	{ "tvly-", "" },
	{ "pplx-", "" },
	{ "gsk_", "" },
	{ "xai-", "" },
	{ "sk-", "" },
	{ "AKIA", "" },
	{ "ASIA", "" },
	{ "AIza", "" },
	{ "eyJ", "" }, /* a JWT */
	{ "SG.", "" },
	{ "BSA", "" }, /* Brave, but three letters prove nothing */
	{ "-----BEGIN ", "" },
};
#define SHAPE_LEN_MIN 20 /* bytes; a shorter value is a word that starts like a key */

static const char *
look_up(const struct pair *list, size_t count, struct span word)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq_str(word, list[i].word))
			return list[i].upstream;
	return NULL;
}

const char *
recognise_name(struct span name)
{
	return look_up(names, COUNT(names), name);
}

const char *
recognise_address(struct span name)
{
	return look_up(addresses, COUNT(addresses), name);
}

static const struct pair *
find_shape(struct span value)
{
	if (value.len < SHAPE_LEN_MIN)
		return NULL;
	for (size_t i = 0; i < COUNT(shapes); i++)
		if (span_starts(value, shapes[i].word))
			return &shapes[i];
	return NULL;
}

static bool
contains(struct span s, const char *word)
{
	return s.len > 0 && memmem(s.p, s.len, word, strlen(word)) != NULL;
}

const char *
recognise_shape(struct span value)
{
	const struct pair *shape = find_shape(value);

	if (shape != NULL && shape->upstream[0] != '\0')
		return shape->upstream;
	/* Older keys are "sk-" and 48 letters like those of a dozen others, but carry this mark in
	 * the middle. */
	if (shape != NULL && strcmp(shape->word, "sk-") == 0 && contains(value, "T3BlbkFJ"))
		return "openai";
	return NULL;
}

size_t
recognise_prefix(struct span value)
{
	const struct pair *shape = find_shape(value);

	return shape != NULL && shape->word[0] != '-' ? strlen(shape->word) : 0;
}

bool
recognise_url_password(struct span value)
{
	const uint8_t *start, *end;
	bool colon = false;

	if (value.len == 0)
		return false;
	start = memmem(value.p, value.len, "://", 3);
	end = value.p + value.len;
	if (start == NULL)
		return false;
	for (const uint8_t *p = start + 3; p < end && *p != '/' && *p != '?' && *p != '#'; p++) {
		if (*p == '@')
			return colon;
		colon = colon || (*p == ':' && p + 1 < end && p[1] != '@');
	}
	return false;
}

static bool
all_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isdigit(s.p[i]))
			return false;
	return true;
}

#define RANDOM_LEN_MIN 24 /* bytes; of a shorter word the count says too little */
#define RANDOM_LETTERS 11 /* as many letters, each as often, would be as hard to guess twice */
#define RANDOM_DIGITS 7	  /* hexadecimal has 16 */

/* The chance that two of its bytes are the same is 1 in so many, about: collision entropy, without
 * a logarithm. */
bool
recognise_random(struct span value)
{
	uint32_t count[256] = { 0 }, letters = 0, digits = 0, hex = 0, joints = 0;
	uint64_t pairs = 0;

	for (size_t i = 0; i < value.len; i++) {
		uint8_t b = value.p[i];

		if (!isalnum(b) && strchr("_-+=", b) == NULL)
			return false; /* a path, a list, a sentence */
		count[b]++;
		letters += isalpha(b) != 0;
		digits += isdigit(b) != 0;
		hex += isxdigit(b) != 0;
		joints += b == '-' || b == '_';
	}
	for (size_t i = 0; i < COUNT(count); i++)
		pairs += (uint64_t)count[i] * count[i];
	if (value.len < RANDOM_LEN_MIN || value.len > 4096 || letters == 0 || digits < 3 ||
	    joints > 2) /* words and versions, or a UUID, which names things */
		return false;
	return (uint64_t)value.len * value.len >=
	       pairs * (hex == value.len ? RANDOM_DIGITS : RANDOM_LETTERS);
}

bool
recognise_suspicious(struct span name, struct span value)
{
	static const char *const words[] = { "KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD",
		"PASSPHRASE", "CREDENTIAL", "PRIVATE", "_PW", "_PASS" };
	uint8_t upper[128];
	size_t len = name.len < sizeof(upper) ? name.len : sizeof(upper);

	if (find_shape(value) != NULL || recognise_random(value))
		return true;
	if (value.len < 6 || (value.len < 16 && all_digits(value)) ||
	    span_eq_nocase(value, "false"))
		return false;
	for (size_t i = 0; i < len; i++)
		upper[i] = (uint8_t)toupper(name.p[i]);
	for (size_t i = 0; i < COUNT(words); i++)
		if (contains(span_of(upper, len), words[i]))
			return true;
	return false;
}
