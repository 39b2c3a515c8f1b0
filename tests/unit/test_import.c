/* Plans of imports, against a configuration folder of their own; no broker is asked. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/rules/match.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define ANT "sk-ant-api03-CANARYCANARYCANARY1"
#define GHP "ghp_CANARYCANARYCANARY2"
#define WORDS_MAX 16

static char dir[] = "/tmp/test_import.XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
write_text(const char *name, const char *text)
{
	must(sys_replace_file(in_dir(name), span_str(text), 0600) == ERR_OK);
}

static void
remove_text(const char *name)
{
	(void)sys_unlink(in_dir(name));
}

struct run {
	struct cli c;
	char file[PATH_MAX];
	struct import im;
};

/* Plans text with the options in words, which end at NULL. */
static enum cli_exit
plan(struct run *r, const char *text, const char *const *words)
{
	static const char *const head[] = { "sidekey", "import", "env" };
	const char *argv[WORDS_MAX + 8];
	int argc = 0;

	*r = (struct run){ .im = IMPORT_NONE };
	write_text(".env", text);
	(void)snprintf(r->file, sizeof(r->file), "%s", in_dir(".env"));
	for (size_t i = 0; i < COUNT(head); i++)
		argv[argc++] = head[i];
	argv[argc++] = r->file;
	for (; *words != NULL; words++)
		argv[argc++] = *words;
	must(cli_parse(&r->c, argc, (char **)argv) == CLI_OK && cli_settle_dirs(&r->c) == CLI_OK);
	return import_plan(&r->c, &r->im);
}

static const struct import_item *
item(const struct run *r, const char *name)
{
	for (uint32_t i = 0; i < r->im.env.count; i++)
		if (span_eq_str(r->im.items[i].entry->name, name))
			return &r->im.items[i];
	must(false);
	return NULL;
}

static bool
out_has(const struct run *r, const char *text)
{
	return memmem(r->im.out.data, r->im.out.len, text, strlen(text)) != NULL;
}

static const struct import_file *
file(const struct run *r, const char *part, const char *name)
{
	for (uint32_t i = 0; i < r->im.file_count; i++)
		if (strcmp(r->im.files[i].part, part) == 0 &&
		    strcmp(r->im.files[i].name, name) == 0)
			return &r->im.files[i];
	return NULL;
}

static bool
file_has(const struct import_file *f, const char *text)
{
	return f != NULL && memmem(f->text.data, f->text.len, text, strlen(text)) != NULL;
}

/* What the folder would allow with the plan's files in it. */
static bool
allows(const struct run *r, const char *workload, const char *upstream, const char *request)
{
	struct policyc_file extra[IMPORT_FILES_MAX] = { { .part = NULL } };
	AUTO(rules_freep) struct rules *rules = NULL;
	static struct policyc_errors errors;
	const char *target = strchr(request, ' ') + 1;
	size_t count = 0;

	for (uint32_t i = 0; i < r->im.file_count; i++)
		if (strstr(r->im.files[i].name, ".expect") == NULL)
			extra[count++] = (struct policyc_file){ .part = r->im.files[i].part,
				.name = r->im.files[i].name,
				.text = buf_span(&r->im.files[i].text) };
	must(policyc_compile_with(dir, extra, count, &rules, &errors) == ERR_OK);
	return match_request(rules, span_str(workload), span_str(upstream),
		   span_of(request, (size_t)(target - 1 - request)), span_str(target), false)
		   .verdict == VERDICT_ALLOW;
}

static void
test_usual(void)
{
	static const char *const words[] = { "--workload", "agent,team/bot", NULL };
	struct run r;

	ok(plan(&r,
	       "# old key: sk-ant-api03-OLDOLDOLD\nexport ANTHROPIC_API_KEY=\"" ANT "\" # mine\n"
	       "GITHUB_TOKEN='" GHP "'\nLOG_LEVEL=debug # loud\nDATABASE_URL=postgres://u:p@db/x\n",
	       words) == CLI_OK,
	    "the usual file");
	ok(strcmp(item(&r, "ANTHROPIC_API_KEY")->secret, "anthropic-api-key") == 0 &&
		strcmp(item(&r, "GITHUB_TOKEN")->upstream, "github") == 0,
	    "keys are known by name");
	ok(item(&r, "LOG_LEVEL")->fate == IMPORT_LEFT && item(&r, "LOG_LEVEL")->note[0] == '\0',
	    "an ordinary variable is left without a word");
	ok(strstr(item(&r, "DATABASE_URL")->note, "password") != NULL,
	    "a password in a URL is reported");
	ok(!out_has(&r, "CANARY"), "no key in the new file");
	ok(!out_has(&r, "OLDOLD"), "no comment in the new file");
	ok(out_has(&r, "\nexport ANTHROPIC_API_KEY=\"sk-ant-api03-"),
	    "the shape and the quotes are kept");
	ok(out_has(&r, "\nLOG_LEVEL=debug\n") && out_has(&r, "DATABASE_URL=postgres://u:p@db/x\n"),
	    "what was left is as it was");
	ok(file(&r, "upstreams", "anthropic.yaml") == NULL,
	    "no file where the catalogue's entry does");
	ok(allows(&r, "agent", "anthropic", "POST /v1/messages?beta=true") &&
		allows(&r, "team/bot", "anthropic", "POST /v1/messages"),
	    "both workloads may ask");
	ok(!allows(&r, "agent", "anthropic", "DELETE /v1/files/x") &&
		!allows(&r, "other", "anthropic", "POST /v1/messages"),
	    "nothing else, and nobody else");
	ok(allows(&r, "agent", "github", "GET /repos/a/b/issues") &&
		!allows(&r, "agent", "github", "GET /repos/a/b/actions/secrets/public-key") &&
		!allows(&r, "agent", "github", "DELETE /repos/a/b"),
	    "github for reading, without its secrets");
	ok(file(&r, "policies", "team.bot.yaml") != NULL, "a policy's name is one segment");
	ok(file_has(file(&r, "policies", "team.bot.expect"),
	       "\nallow team/bot anthropic GET /v1/models/x\n") &&
		file_has(file(&r, "policies", "agent.expect"),
		    "\ndeny agent anthropic DELETE /v1/messages not_allowed\n") &&
		file_has(file(&r, "policies", "agent.expect"),
		    "\ndeny agent github GET /x/secrets/x denied_by_rule\n"),
	    "each has beside it what it decides");
	import_wipe(&r.im);
}

static void
test_take(void)
{
	static const char *const words[] = { "--workload", "a", "--take", "STRIPE_KEY", "--take",
		"MY_CLAUDE=anthropic", NULL };
	struct run r;

	ok(plan(&r, "STRIPE_KEY=abcdefgh12345678\nMY_CLAUDE=" ANT "\nANTHROPIC_API_KEY=" ANT "\n",
	       words) == CLI_OK,
	    "told to take");
	ok(strcmp(item(&r, "STRIPE_KEY")->secret, "stripe-key") == 0 &&
		item(&r, "STRIPE_KEY")->upstream[0] == '\0',
	    "only stored");
	ok(!out_has(&r, "abcdefgh12345678"), "and gone from the new file");
	ok(item(&r, "MY_CLAUDE")->first && !item(&r, "ANTHROPIC_API_KEY")->first,
	    "one key under two names is stored once");
	ok(file_has(file(&r, "upstreams", "anthropic.yaml"), "MY_CLAUDE: \"{placeholder}\"") &&
		file_has(
		    file(&r, "upstreams", "anthropic.yaml"), "ANTHROPIC_BASE_URL: \"{base_url}\""),
	    "the upstream sets the variable besides its own");
	import_wipe(&r.im);
}

static void
test_address(void)
{
	static const char *const words[] = { "--workload", "a", NULL };
	struct run r;

	ok(plan(&r, "OPENAI_API_KEY=abcdefgh\nOPENAI_API_BASE=https://llm.example.com/team/v1/\n",
	       words) == CLI_OK,
	    "a key with an address of its own");
	ok(file_has(file(&r, "upstreams", "openai.yaml"), "url: \"https://llm.example.com/team\""),
	    "the key is bound to that host");
	ok(file_has(file(&r, "upstreams", "openai.yaml"), "OPENAI_API_BASE: \"{base_url}/v1\""),
	    "and the variable will hold ours");
	ok(allows(&r, "a", "openai", "POST /team/v1/responses") &&
		!allows(&r, "a", "openai", "POST /v1/responses"),
	    "the rules have its base path");
	import_wipe(&r.im);
	ok(plan(&r, "OPENAI_API_KEY=abcdefgh\nOPENAI_BASE_URL=https://api.openai.com/v1\n",
	       words) == CLI_OK &&
		file(&r, "upstreams", "openai.yaml") == NULL,
	    "the usual address is no difference");
	import_wipe(&r.im);
	ok(plan(&r,
	       "AZURE_OPENAI_API_KEY=0123456789abcdef0123456789abcdef\n"
	       "AZURE_OPENAI_ENDPOINT=https://acme.openai.azure.com/\n",
	       words) == CLI_OK &&
		file_has(file(&r, "upstreams", "azure-openai.yaml"),
		    "url: \"https://acme.openai.azure.com\""),
	    "the customer's host");
	import_wipe(&r.im);
}

/* Values with a $: taken only where every reader sees the same. */
static void
test_dollar(void)
{
	static const char *const words[] = { "--workload", "a", NULL };
	static const struct {
		const char *what, *line, *note; /* note NULL: taken */
	} cases[] = {
		{ "a key in single quotes", "OPENAI_API_KEY='abc$def-0123456789'", NULL },
		{ "a $ that nobody fills in", "OPENAI_API_KEY=abc$9ef-0123456789", NULL },
		{ "an escaped one", "OPENAI_API_KEY=\"abc\\$def-0123456789\"", NULL },
		{ "a known name", "OPENAI_API_KEY=abc$def-0123456789", "WARNING" },
		{ "a known name in double quotes", "OPENAI_API_KEY=\"abc$def-0123456789\"",
		    "WARNING" },
		{ "a known shape", "X=" GHP "$a", "WARNING" },
		{ "a name that sounds so", "MY_PASSWORD=pa${ss-0123456789", "WARNING" },
		{ "a part of it only", "MY_PASSWORD=${A}0123456789", "WARNING" },
		{ "nothing but a reference", "OPENAI_API_KEY=${OTHER}", "refers" },
		{ "with an empty default", "OPENAI_API_KEY=${OTHER:-}", "refers" },
		{ "with a message", "OPENAI_API_KEY=${OTHER:?is missing}", "refers" },
		{ "with a default that is a key", "OPENAI_API_KEY=${OTHER:-abc-0123456789}",
		    "WARNING" },
		{ "two of them", "OPENAI_API_KEY=${A}-${B}", "WARNING" },
		{ "without braces", "OPENAI_API_KEY=$OTHER_KEY", "refers" },
		{ "an ordinary variable", "PROMPT=a$b", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[256], name[32];
		struct run r;
		const struct import_item *it;

		(void)snprintf(
		    text, sizeof(text), "ANTHROPIC_API_KEY=" ANT "\n%s\n", cases[i].line);
		(void)snprintf(
		    name, sizeof(name), "%.*s", (int)strcspn(cases[i].line, "="), cases[i].line);
		must(plan(&r, text, words) == CLI_OK);
		it = item(&r, name);
		ok(cases[i].note == NULL
			? it->fate == IMPORT_TAKEN
			: it->fate == IMPORT_LEFT &&
			      (cases[i].note[0] == '\0'
				      ? it->note[0] == '\0'
				      : strstr(it->note, cases[i].note) == it->note),
		    "$: %s", cases[i].what);
		if (cases[i].note != NULL && cases[i].note[0] == 'W')
			ok(strstr(it->note, "single quotes") != NULL, "and what to do");
		import_wipe(&r.im);
	}
}

static const struct {
	const char *what, *text;
	const char *words[WORDS_MAX];
	enum cli_exit want;
} refused[] = {
	{ "no workload", "OPENAI_API_KEY=abcdefgh\n", { NULL }, CLI_USAGE },
	{ "a bad workload", "OPENAI_API_KEY=abcdefgh\n", { "--workload", "A" }, CLI_USAGE },
	{ "an empty one in the list", "OPENAI_API_KEY=abcdefgh\n", { "--workload", "a,,b" },
	    CLI_USAGE },
	{ "a workload twice", "OPENAI_API_KEY=abcdefgh\n", { "--workload", "a,a" }, CLI_USAGE },
	{ "a reserved workload", "OPENAI_API_KEY=abcdefgh\n", { "--workload", "sidekey/x" },
	    CLI_USAGE },
	{ "two workloads, one policy", "OPENAI_API_KEY=abcdefgh\n", { "--workload", "a/b,a.b" },
	    CLI_USAGE },
	{ "no key at all", "LOG_LEVEL=debug\n", { "--workload", "a" }, CLI_FAILED },
	{ "an empty key alone", "OPENAI_API_KEY=\n", { "--workload", "a" }, CLI_FAILED },
	{ "a reference alone", "OPENAI_API_KEY=${X}\n", { "--workload", "a" }, CLI_FAILED },
	{ "a reference that is told", "K=${X}\n", { "--workload", "a", "--take", "K" },
	    CLI_FAILED },
	{ "a line break", "K=\"a\nb\"\n", { "--workload", "a", "--take", "K" }, CLI_FAILED },
	{ "no such variable", "OPENAI_API_KEY=abcdefgh\n", { "--workload", "a", "--take", "X" },
	    CLI_NOT_FOUND },
	{ "no such upstream", "K=abcdefgh\n", { "--workload", "a", "--take", "K=frob" },
	    CLI_NOT_FOUND },
	{ "a shape is no upstream", "K=abcdefgh\n", { "--workload", "a", "--take", "K=bearer" },
	    CLI_NOT_FOUND },
	{ "not an upstream's name", "K=abcdefgh\n", { "--workload", "a", "--take", "K=../x" },
	    CLI_USAGE },
	{ "told twice", "K=abcdefgh\n", { "--workload", "a", "--take", "K", "--take", "K" },
	    CLI_USAGE },
	{ "name and shape disagree", "OPENAI_API_KEY=" GHP "\n", { "--workload", "a" },
	    CLI_FAILED },
	{ "two keys for one upstream", "GH_TOKEN=abcdefgh\nGITHUB_TOKEN=12345678\n",
	    { "--workload", "a" }, CLI_FAILED },
	{ "two variables, one secret", "A_B=abcdefgh\nA__B=1\na_b=12345678\n",
	    { "--workload", "a", "--take", "A_B", "--take", "a_b" }, CLI_FAILED },
	{ "azure without its host", "AZURE_OPENAI_API_KEY=abcdefgh\n", { "--workload", "a" },
	    CLI_NOT_FOUND },
	{ "an address without TLS", "OPENAI_API_KEY=abcdefgh\nOPENAI_BASE_URL=http://x/v1\n",
	    { "--workload", "a" }, CLI_FAILED },
	{ "an address without its end", "OPENAI_API_KEY=abcdefgh\nOPENAI_BASE_URL=https://x/v2\n",
	    { "--workload", "a" }, CLI_FAILED },
	{ "an address that writes YAML",
	    "ANTHROPIC_API_KEY=abcdefgh\nANTHROPIC_BASE_URL=\"https://x\\\"\\nallow_private: "
	    "true\"\n",
	    { "--workload", "a" }, CLI_FAILED },
	{ "an address with a user",
	    "ANTHROPIC_API_KEY=abcdefgh\nANTHROPIC_BASE_URL=https://u:p@x\n", { "--workload", "a" },
	    CLI_FAILED },
	{ "the key once more", "ANTHROPIC_API_KEY=" ANT "\nCONFIG={\"key\":\"" ANT "\"}\n",
	    { "--workload", "a" }, CLI_FAILED },
	{ "a bad line", "ANTHROPIC_API_KEY=" ANT "\nfoo\n", { "--workload", "a" }, CLI_FAILED },
	{ "an empty file", "", { "--workload", "a" }, CLI_FAILED },
	{ "the file itself as --out", "OPENAI_API_KEY=abcdefgh\n",
	    { "--workload", "a", "--force", "--out", NULL }, CLI_USAGE },
};

static void
test_refused(void)
{
	for (size_t i = 0; i < COUNT(refused); i++) {
		const char *words[WORDS_MAX + 1] = { NULL };
		struct run r;

		memcpy(words, refused[i].words, sizeof(refused[i].words));
		for (size_t k = 0; k + 1 < WORDS_MAX && words[k] != NULL; k++)
			if (strcmp(words[k], "--out") == 0)
				words[k + 1] = in_dir(".env");
		ok(plan(&r, refused[i].text, words) == refused[i].want, "refused: %s",
		    refused[i].what);
		import_wipe(&r.im);
	}
}

/* What is there already wins, or is refused; never replaced without a word. */
static void
test_existing(void)
{
	static const char *const words[] = { "--workload", "a", NULL };
	static const char *const force[] = { "--workload", "a", "--force", NULL };
	struct run r;

	write_text("policies/a.yaml",
	    "policy: a\nworkloads: [a]\nuse: {anthropic: {allow: [\"GET /x\"]}}\n");
	ok(plan(&r, "ANTHROPIC_API_KEY=" ANT "\n", words) == CLI_FAILED, "a policy that exists");
	import_wipe(&r.im);
	ok(plan(&r, "ANTHROPIC_API_KEY=" ANT "\n", force) == CLI_OK &&
		!allows(&r, "a", "anthropic", "GET /x"),
	    "is replaced when forced");
	import_wipe(&r.im);
	write_text("policies/a.yaml", "policy: a\nworkloads: [a]\nuse: {anthropic: {alow: []}}\n");
	ok(plan(&r, "ANTHROPIC_API_KEY=" ANT "\n", force) == CLI_FAILED,
	    "a folder that does not compile");
	import_wipe(&r.im);
	remove_text("policies/a.yaml");
	write_text("upstreams/anthropic.yaml",
	    "upstream: anthropic\nlike: anthropic\nurl: "
	    "https://own.example\ncredential: {secret: own-key}\n");
	ok(plan(&r, "ANTHROPIC_API_KEY=" ANT "\nANTHROPIC_BASE_URL=https://other.example\n",
	       words) == CLI_OK &&
		strcmp(item(&r, "ANTHROPIC_API_KEY")->secret, "own-key") == 0 &&
		file(&r, "upstreams", "anthropic.yaml") == NULL,
	    "the operator's upstream says where and which");
	import_wipe(&r.im);
	ok(plan(&r, "MY_KEY=" ANT "\n", words) == CLI_FAILED,
	    "and is not rewritten for a variable");
	import_wipe(&r.im);
	remove_text("upstreams/anthropic.yaml");
	write_text(".env.sidekey", "A=1\n");
	ok(plan(&r, "ANTHROPIC_API_KEY=" ANT "\n", words) == CLI_FAILED, "an output that exists");
	import_wipe(&r.im);
	remove_text(".env.sidekey");
}

int
main(void)
{
	must(mkdtemp(dir) != NULL);
	must(mkdir(in_dir("upstreams"), 0700) == 0 && mkdir(in_dir("policies"), 0700) == 0);
	(void)setenv("SIDEKEY_CONFIG_DIR", dir, 1);
	must(freopen("/dev/null", "w", stderr) != NULL);
	test_usual();
	test_take();
	test_address();
	test_dollar();
	test_refused();
	test_existing();
	remove_text(".env");
	(void)remove(in_dir("upstreams"));
	(void)remove(in_dir("policies"));
	(void)remove(dir);
	return done();
}
