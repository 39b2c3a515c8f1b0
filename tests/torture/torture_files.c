/* Files that people write: what is good is taken whole or not at all, and is not called bad; no
 * value of a key file stays behind. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/api/policyc/policyc.h"
#include "broker/proc/filter.h"
#include "broker/proc/sandbox.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "cli/value.h"
#include "common/sys.h"
#include "shim/enrollfile.h"
#include "shim/env.h"
#include "shim/sandbox.h"
#include "tests/torture/torture.h"

#define KEY "sk-ant-api03-tortureCANARY0123456789"
#define ENROLL_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static char dir[] = "/tmp/sidekey-torture-XXXXXX";
static char env_path[64], enroll_path[64], value_path[64];
static struct rules *made;
static struct buf want = BUF_MAX(RULES_LEN_MAX), got = BUF_MAX(RULES_LEN_MAX);
static struct policyc_errors errors;
static struct import import;
static struct cli cli;
static struct shim_enrollment enrollment;
static struct secret *value;
static char why[SHIM_WHY_SIZE];

static void
nothing(void)
{
}

static void
write_text(const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	must(sys_replace_file(path, span_str(text), 0600) == ERR_OK);
}

static void
make_folder(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	must(mkdir(path, 0700) == 0);
}

static void
remove_all(void)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	must(system(command) == 0);
}

static void
write_all(void)
{
	must(mkdtemp(dir) != NULL);
	make_folder("upstreams");
	make_folder("policies");
	write_text("upstreams/corp.yaml",
	    "upstream: corp\nurl: https://api.corp.example/v1\ncredential: {secret: corp-key}\n"
	    "inject: {header: X-Key, value: \"{credential}\"}\nplaceholder: \"corp-{random}\"\n");
	write_text("policies/agent.yaml",
	    "policy: agent\nworkloads: [agent, team/bot]\nuse:\n  corp:\n    allow:\n"
	    "      - GET /repos/**\n      - POST /repos/*/issues\n    deny: [\"* "
	    "/**/secrets/**\"]\n"
	    "    limit: {requests: 60/1m, concurrent: 8}\n  anthropic:\n    allow: [\"* /**\"]\n");
	write_text(".env", "# mine\nexport ANTHROPIC_API_KEY=\"" KEY "\" # key\nLOG_LEVEL=debug\n"
			   "DATABASE_URL=postgres://u:p@db/x\n");
	write_text("enroll.json", "{\"gateway\":\"unix:/run/gw.sock\",\"ca\":\"PEM\","
				  "\"workload\":\"coder\",\"trust_domain\":\"a.example\","
				  "\"key\":\"" ENROLL_KEY "\"}");
	write_text("value", KEY "\n");
	(void)snprintf(env_path, sizeof env_path, "%s/.env", dir);
	(void)snprintf(enroll_path, sizeof enroll_path, "%s/enroll.json", dir);
	(void)snprintf(value_path, sizeof value_path, "@%s/value", dir);
}

static void
first(void)
{
	must(value_lock_memory() == CLI_OK);
	must(policyc_compile(dir, &made, &errors) == ERR_OK && rules_write(made, &want) == ERR_OK);
	rules_freep(&made);
}

/* ---- upstreams and policies ---- */

static enum err
run_compile(void)
{
	return policyc_compile(dir, &made, &errors);
}

static enum err
run_read(void)
{
	return rules_read(buf_span(&want), &made);
}

static enum err
run_write(void)
{
	enum err e = rules_read(buf_span(&want), &made);

	return e == ERR_OK ? rules_write(made, &got) : e;
}

static void
check_rules(enum err e)
{
	if (e != ERR_OK && got.max == 0)
		torture_wrong("the buffer's limit was changed");
	if (e != ERR_OK)
		return;
	buf_clear(&got);
	if (made == NULL || rules_write(made, &got) != ERR_OK ||
	    !span_eq(buf_span(&got), buf_span(&want)))
		torture_wrong("other rules came out");
}

/* Half the rules would be other rules: all or none. */
static void
check_compile(enum err e)
{
	if ((e == ERR_OK) != (made != NULL))
		torture_wrong("%s, and what it gave does not fit that", err_name(e));
	if (e == ERR_SYNTAX && strstr(errors.list[0].text, "cannot be read") == NULL)
		torture_wrong(
		    "a good file is called bad: %s: %s", errors.list[0].file, errors.list[0].text);
	check_rules(e);
}

static void
tear_down_rules(void)
{
	rules_freep(&made);
	buf_wipe(&got);
}

/* ---- import ---- */

static void
set_up_import(void)
{
	const char *argv[] = { "sidekey", "--config-dir", dir, "import", "env", env_path,
		"--workload", "fresh" };

	import = (struct import)IMPORT_NONE;
	cli = (struct cli){ 0 };
	must(cli_parse(&cli, COUNT(argv), (char **)(uintptr_t)argv) == CLI_OK &&
	     cli_settle_dirs(&cli) == CLI_OK);
}

static enum err
run_import(void)
{
	return import_plan(&cli, &import) == CLI_OK ? ERR_OK : ERR_NOMEM;
}

static void
check_import(enum err e)
{
	if (e != ERR_OK)
		return;
	if (memmem(import.out.data, import.out.len, KEY, strlen(KEY)) != NULL)
		torture_wrong("the new file holds the key");
	if (import.items[0].fate != IMPORT_TAKEN ||
	    !span_eq_str(import_value(&import, &import.items[0]), KEY))
		torture_wrong("the key is not taken");
	if (import.out.len == 0 || import.file_count == 0)
		torture_wrong("half a plan");
}

static void
tear_down_import(void)
{
	import_wipe(&import);
}

/* ---- the shim's files ---- */

static enum err
run_enroll(void)
{
	return shim_enrollfile_read(enroll_path, &enrollment, why);
}

static void
check_enroll(enum err e)
{
	if (e == ERR_OK && !span_eq_str(secret_span(enrollment.key), ENROLL_KEY))
		torture_wrong("another key");
	if (e != ERR_OK && why[0] == '\0')
		torture_wrong("%s without a word", err_name(e));
	if (e != ERR_OK && (enrollment.key != NULL || enrollment.ca.len != 0))
		torture_wrong("%s, and something was kept", err_name(e));
}

static void
tear_down_enroll(void)
{
	shim_enrollfile_wipe(&enrollment);
}

static char *environment[4], *strings[3];
static struct shim_env env;

static void
set_up_env(void)
{
	static const char *const all[] = { "PATH=/bin", "API_TOKEN=" KEY, "SIDEKEY_LOG=debug" };

	for (size_t i = 0; i < COUNT(all); i++) {
		strings[i] = environment[i] = strdup(all[i]);
		must(strings[i] != NULL);
	}
}

static enum err
run_env(void)
{
	enum err e = shim_env_take(environment, &env);

	if (e == ERR_OK)
		e = shim_env_set(&env, "API_TOKEN", span_str("placeholder"));
	return e == ERR_OK ? shim_env_no_proxy(&env) : e;
}

static void
check_env(enum err e)
{
	bool taken = env.count != 0;

	if (!taken && strcmp(strings[1], "API_TOKEN=" KEY) != 0)
		torture_wrong("what was not taken was overwritten");
	if (taken && strstr(strings[1], KEY) != NULL)
		torture_wrong("what was taken stands in the old place");
	if (e == ERR_OK && strcmp(shim_env_get(&env, "API_TOKEN"), "placeholder") != 0)
		torture_wrong("it was not set");
}

static void
tear_down_env(void)
{
	shim_env_close(&env);
	for (size_t i = 0; i < COUNT(strings); i++) {
		secret_wipe(strings[i], strlen(strings[i]));
		free(strings[i]);
	}
}

/* ---- the command line's ---- */

static enum err
run_value(void)
{
	return value_read(value_path, "the value", false, &value) == CLI_OK ? ERR_OK : ERR_IO;
}

static void
check_value(enum err e)
{
	if ((e == ERR_OK) != (value != NULL))
		torture_wrong("%s, and what it gave does not fit that", err_name(e));
	if (e == ERR_OK && !span_eq_str(secret_span(value), KEY))
		torture_wrong("another value");
}

static void
tear_down_value(void)
{
	secret_freep(&value);
}

/* ---- the lists of system calls ---- */

static struct buf filter = BUF_MAX(FILTER_LEN_MAX), shim_filter = BUF_MAX(SHIM_FILTER_MAX);

static enum err
run_filters(void)
{
	enum err e = sandbox_filter(ROLE_SIDEKEYD, &filter);

	return e == ERR_OK ? shim_sandbox_prepare(&shim_filter) : e;
}

static void
check_filters(enum err e)
{
	AUTO(buf_wipe) struct buf whole = BUF_MAX(FILTER_LEN_MAX);

	must(sandbox_filter(ROLE_SIDEKEYD, &whole) == ERR_OK);
	if (filter.len != 0 && !span_eq(buf_span(&filter), buf_span(&whole)))
		torture_wrong("a part of a filter");
	if ((e == ERR_OK) != (shim_filter.len != 0))
		torture_wrong("%s, and what it gave does not fit that", err_name(e));
}

static void
tear_down_filters(void)
{
	buf_wipe(&filter);
	buf_wipe(&shim_filter);
}

static const struct torture_path paths[] = {
	{ "compile a folder", NULL, nothing, run_compile, check_compile, tear_down_rules, false },
	{ "read compiled rules", NULL, nothing, run_read, check_rules, tear_down_rules, false },
	{ "write them", NULL, nothing, run_write, check_rules, tear_down_rules, false },
	{ "plan an import", KEY, set_up_import, run_import, check_import, tear_down_import, false },
	{ "read enroll.json", ENROLL_KEY, nothing, run_enroll, check_enroll, tear_down_enroll,
	    false },
	{ "take the environment", KEY, set_up_env, run_env, check_env, tear_down_env, false },
	{ "filters of system calls", NULL, nothing, run_filters, check_filters, tear_down_filters,
	    false },
	{ "read a value", KEY, nothing, run_value, check_value, tear_down_value, false },
};

int
main(int argc, char **argv)
{
	int code;

	write_all();
	code = torture_main(paths, COUNT(paths), first, argc, argv);
	remove_all();
	return code;
}
