#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "tests/lib/tap.h"

#define WORDS_MAX 12

static const struct {
	const char *words[WORDS_MAX];
	enum cli_exit want;
	const char *name; /* of the command found; NULL: none */
	int args;
} cases[] = {
	{ { "status" }, CLI_OK, "status", 0 },
	{ { "--json", "status" }, CLI_OK, "status", 0 },
	{ { "status", "--json" }, CLI_OK, "status", 0 },
	{ { "--run-dir", "/x", "secret", "list" }, CLI_OK, "list", 0 },
	{ { "--run-dir=/x", "secret", "list" }, CLI_OK, "list", 0 },
	{ { "secret", "--json", "list" }, CLI_OK, "list", 0 },
	{ { "secret", "set", "a" }, CLI_OK, "set", 1 },
	{ { "secret", "set", "a", "@f", "--exposed" }, CLI_OK, "set", 2 },
	{ { "secret", "set", "--", "--exposed" }, CLI_OK, "set", 1 },
	{ { "secret", "set", "a", "-" }, CLI_OK, "set", 2 },
	{ { "workload", "enrol", "a" }, CLI_OK, "enroll", 1 },
	{ { "workload", "enroll", "a", "--ttl", "24h", "--cap=3" }, CLI_OK, "enroll", 1 },
	{ { "audit", "tail", "-n", "5", "-f" }, CLI_OK, "tail", 0 },
	{ { "audit", "tail", "-n5" }, CLI_OK, "tail", 0 },
	{ { "audit", "verify", "a", "b", "c" }, CLI_OK, "verify", 3 },
	{ { "policy", "explain", "w", "u", "GET", "/x" }, CLI_OK, "explain", 4 },
	{ { "help" }, CLI_OK, "help", 0 },
	{ { "--help" }, CLI_OK, NULL, 0 },
	{ { "secret", "--help" }, CLI_OK, NULL, 0 },
	{ { "secret", "set", "--help" }, CLI_OK, "set", 0 },
	{ { "secret", "set", "-h" }, CLI_OK, "set", 0 },
	{ { NULL }, CLI_USAGE, NULL, 0 },
	{ { "secret" }, CLI_USAGE, NULL, 0 },
	{ { "set" }, CLI_USAGE, NULL, 0 },
	{ { "secret", "frob" }, CLI_USAGE, NULL, 0 },
	{ { "enrol", "a" }, CLI_USAGE, NULL, 0 },
	{ { "secret", "enrol" }, CLI_USAGE, NULL, 0 },
	{ { "status", "x" }, CLI_USAGE, "status", 1 },
	{ { "secret", "set" }, CLI_USAGE, "set", 0 },
	{ { "secret", "set", "a", "@b", "c" }, CLI_USAGE, "set", 3 },
	{ { "policy", "explain", "w", "u", "GET" }, CLI_USAGE, "explain", 3 },
	{ { "status", "--frob" }, CLI_USAGE, "status", 0 },
	{ { "--exposed", "secret", "set", "a" }, CLI_USAGE, NULL,
	    0 }, /* belongs behind its command */
	{ { "secret", "list", "--exposed" }, CLI_USAGE, "list", 0 },
	{ { "status", "--json=yes" }, CLI_USAGE, "status", 0 },
	{ { "status", "--run-dir" }, CLI_USAGE, "status", 0 },
	{ { "status", "--jso" }, CLI_USAGE, "status", 0 },
	{ { "status", "--jsonx" }, CLI_USAGE, "status", 0 },
	{ { "status", "-x" }, CLI_USAGE, "status", 0 },
	{ { "secret", "show", "a", "--version" }, CLI_USAGE, "show", 1 },
};

static int
copy_words(const char *const *words, char *argv[WORDS_MAX + 2])
{
	int argc = 1;

	argv[0] = strdup("sidekey");
	for (int i = 0; i < WORDS_MAX && words[i] != NULL; i++)
		argv[argc++] = strdup(words[i]);
	argv[argc] = NULL;
	return argc;
}

static void
free_words(char **argv)
{
	for (; *argv != NULL; argv++)
		free(*argv);
}

static void
test_case(size_t i)
{
	struct cli c = { 0 };
	char *argv[WORDS_MAX + 2];
	int argc = copy_words(cases[i].words, argv);
	enum cli_exit x = cli_parse(&c, argc, argv);
	const char *name = c.command != NULL ? c.command->name : NULL;
	bool same = name == NULL || cases[i].name == NULL ? name == cases[i].name
							  : strcmp(name, cases[i].name) == 0;

	ok(x == cases[i].want, "case %zu (%s %s): exit %d", i, argc > 1 ? argv[1] : "",
	    argc > 2 ? argv[2] : "", (int)x);
	ok(same, "case %zu: command", i);
	ok(c.arg_count == cases[i].args, "case %zu: %d arguments", i, c.arg_count);
	free_words(argv);
}

static void
test_values(void)
{
	static const char *const words[WORDS_MAX] = { "import", "env", ".env", "--take", "A",
		"--take=B=u", "--workload", "x", "--workload", "y", NULL };
	struct cli c = { 0 };
	char *argv[WORDS_MAX + 2];
	int argc = copy_words(words, argv);

	ok(cli_parse(&c, argc, argv) == CLI_OK, "import with options");
	ok(strcmp(cli_given_nth(&c, "take", 0), "A") == 0, "the first of two");
	ok(strcmp(cli_given_nth(&c, "take", 1), "B=u") == 0,
	    "the second of two, with an equals sign");
	ok(cli_given_nth(&c, "take", 2) == NULL, "no third");
	ok(strcmp(cli_given(&c, "workload"), "y") == 0, "the last one wins");
	ok(cli_given(&c, "dry-run") == NULL, "a switch that is off");
	free_words(argv);
}

/* flag, then environment, then sidekey.yaml, then the default */
static void
test_dirs(void)
{
	static const char *const flag[WORDS_MAX] = { "status", "--run-dir", "/flag", NULL };
	static const char *const none[WORDS_MAX] = { "status", NULL };
	char dir[] = "/tmp/test_cli_args.XXXXXX", path[64];
	char *argv[WORDS_MAX + 2];
	struct cli c = { 0 };
	int argc = copy_words(none, argv);
	FILE *f;

	must(mkdtemp(dir) != NULL && cli_parse(&c, argc, argv) == CLI_OK);
	ok(cli_settle_dirs(&c) == CLI_OK && strcmp(c.config_dir, CLI_CONFIG_DIR) == 0,
	    "the default folder");
	(void)setenv("SIDEKEY_CONFIG_DIR", dir, 1);
	ok(cli_settle_dirs(&c) == CLI_OK && strcmp(c.run_dir, CLI_RUN_DIR) == 0,
	    "the default without a file");
	(void)snprintf(path, sizeof(path), "%s/sidekey.yaml", dir);
	f = fopen(path, "w");
	must(f != NULL && fputs("run_dir: /file\n", f) >= 0 && fclose(f) == 0);
	ok(cli_settle_dirs(&c) == CLI_OK && strcmp(c.run_dir, "/file") == 0,
	    "the file over the default");
	(void)setenv("SIDEKEY_RUN_DIR", "/env", 1);
	ok(cli_settle_dirs(&c) == CLI_OK && strcmp(c.run_dir, "/env") == 0,
	    "the environment over the file");
	free_words(argv);
	c = (struct cli){ 0 };
	argc = copy_words(flag, argv);
	ok(cli_parse(&c, argc, argv) == CLI_OK && cli_settle_dirs(&c) == CLI_OK &&
		strcmp(c.run_dir, "/flag") == 0,
	    "the flag over the environment");
	free_words(argv);
	(void)remove(path);
	(void)remove(dir);
}

int
main(void)
{
	(void)unsetenv("SIDEKEY_RUN_DIR");
	(void)unsetenv("SIDEKEY_CONFIG_DIR");
	must(freopen("/dev/null", "w", stderr) != NULL);
	for (size_t i = 0; i < COUNT(cases); i++)
		test_case(i);
	test_values();
	test_dirs();
	return done();
}
