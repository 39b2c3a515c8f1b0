#include <string.h>

#include "cli/commands.h"

#define AUDIT_FILTER_OPTIONS                                                                       \
	{ "since", 0, "TIME", "2026-11-24T00:00:00Z, or an age: 90s, 30m, 24h, 7d" },              \
	    { "workload", 0, "NAME", "only of this workload" },                                    \
	    { "upstream", 0, "NAME", "only of this upstream" },                                    \
	{                                                                                          \
		"secret", 0, "NAME", "only of this secret"                                         \
	}

/* clang-format off: one row a command reads best as a table */
const struct cli_command cli_commands[] = {
	{ NULL, "init", "",
	    "make the store, its keys and the internal CA; write a first sidekey.yaml", 0, 0,
	    cmd_init,
	    { { "state-dir", 0, "DIR",
		  "where the store and the audit log live (default " CLI_STATE_DIR ")" },
		{ "trust-domain", 0, "NAME",
		    "the first part of every identity (default sidekey.internal)" },
		{ "unseal", 0, "METHOD", "key-file (default) or passphrase" },
		{ "key-file", 0, "FILE",
		    "where the unseal key goes (default CONFIG-DIR/unseal.key)" } } },
	{ NULL, "status", "",
	    "what the broker does now; exit 6 when it is sealed, 5 when it cannot be reached", 0, 0,
	    cmd_status, { { NULL } } },
	{ NULL, "doctor", "", "look for what is wrong or weak on this machine, and say what to do",
	    0, 0, cmd_doctor, { { NULL } } },
	{ NULL, "unseal", "[@FILE]", "give the passphrase, from a prompt, stdin or a file", 0, 1,
	    cmd_unseal, { { NULL } } },
	{ NULL, "seal", "", "forget the root key: nothing is handed out until the next unseal", 0,
	    0, cmd_seal, { { NULL } } },
	{ NULL, "rekey", "", "start a new data key and seal all records under it, while serving", 0,
	    0, cmd_rekey, { { NULL } } },
	{ NULL, "reload", "", "compile upstreams and policies again and put them in force", 0, 0,
	    cmd_reload, { { NULL } } },

	{ "import", "env", "FILE", "move the keys of an .env file into the store", 1, 1,
	    cmd_import_env,
	    { { "workload", 0, "NAMES", "the workloads that use them, separated by commas" },
		{ "take", 0, "VAR[=UPSTREAM]",
		    "take this variable too; without UPSTREAM it is only stored" },
		{ "out", 0, "FILE", "where the file without keys goes (default FILE.sidekey)" },
		{ "dry-run", 0, NULL, "say what would be done, and do nothing" },
		{ "force", 0, NULL, "replace files that exist, and rotate secrets that exist" } } },
	{ "import", "compose", "",
	    "move a Compose stack off its .env: show the plan, and with --apply do it", 0, 0,
	    cmd_import_compose,
	    { { "file", 'f', "FILE",
		  "a Compose file; again for each (default: as docker compose finds them)" },
		{ "env-file", 0, "FILE", "the .env (default: beside the first Compose file)" },
		{ "project-directory", 0, "DIR", "as docker compose takes it" },
		{ "take", 0, "VAR=UPSTREAM",
		    "take this variable too, for that upstream; VAR may be SERVICE:VAR" },
		{ "keep-network", 0, "SERVICE", "it needs a network for more than its APIs" },
		{ "owner", 0, "SERVICE=UID", "the user that its image runs as" },
		{ "config", 0, "FILE",
		    "what docker compose config --format json printed elsewhere" },
		{ "images", 0, "FILE", "what docker image inspect printed elsewhere" },
		{ "apply", 0, NULL, "do what the plan says" },
		{ "rollback", 0, NULL, "take an import back, with the keys as they are now" },
		{ "force", 0, NULL, "replace files that exist, and rotate secrets that exist" } } },

	{ "secret", "set", "NAME [@FILE]", "store a new secret, from a prompt, stdin or a file", 1,
	    2, cmd_secret_set,
	    { { "exposed", 0, NULL, "mark it as seen by others until it is rotated" } } },
	{ "secret", "list", "", "all secrets, without their values", 0, 0, cmd_secret_list,
	    { { NULL } } },
	{ "secret", "show", "NAME", "one secret; its value only with --reveal, which is audited", 1,
	    1, cmd_secret_show,
	    { { "reveal", 0, NULL, "print the value" },
		{ "version", 0, "N", "that version (default: the active one)" } } },
	{ "secret", "history", "NAME", "the versions of a secret", 1, 1, cmd_secret_history,
	    { { NULL } } },
	{ "secret", "rotate", "NAME [@FILE]",
	    "store a new version and use it from the next request on", 1, 2, cmd_secret_rotate,
	    { { NULL } } },
	{ "secret", "rollback", "NAME", "use an older version again", 1, 1, cmd_secret_rollback,
	    { { "to", 0, "N", "that version (default: the previous one)" } } },
	{ "secret", "destroy", "NAME", "erase one version for good", 1, 1, cmd_secret_destroy,
	    { { "version", 0, "N", "the version; must be given" } } },

	{ "upstream", "list", "", "the upstreams in force", 0, 0, cmd_upstream_list, { { NULL } } },
	{ "upstream", "check", "NAME",
	    "compile one upstream's definition and show where its key would go", 1, 1,
	    cmd_upstream_check, { { NULL } } },

	{ "workload", "add", "NAME", "make a workload known", 1, 1, cmd_workload_add,
	    { { NULL } } },
	{ "workload", "list", "", "all workloads", 0, 0, cmd_workload_list, { { NULL } } },
	{ "workload", "enroll", "NAME",
	    "make the file by which a workload gets its first certificate", 1, 1,
	    cmd_workload_enroll,
	    { { "reusable", 0, NULL, "works more than once: for containers that restart" },
		{ "ttl", 0, "TIME", "how long it works: 90s, 30m, 24h, 30d" },
		{ "cap", 0, "N", "live certificates at once; the newest wins (default 1)" },
		{ "owner", 0, "UID", "give the file to this user: the one in the container" },
		{ "out", 0, "FILE", "default enroll.json; - is stdout" },
		{ "replace", 0, NULL,
		    "end all enrollments made before, and replace a file that exists" } } },
	{ "workload", "suspend", "NAME", "refuse it from now on, until resumed", 1, 1,
	    cmd_workload_suspend, { { NULL } } },
	{ "workload", "resume", "NAME", "end a suspension", 1, 1, cmd_workload_resume,
	    { { NULL } } },
	{ "workload", "revoke", "NAME",
	    "end its certificates and enrollments for good, cut its streams", 1, 1,
	    cmd_workload_revoke, { { NULL } } },

	{ "policy", "check", "[DIR]", "compile upstreams and policies and list every error", 0, 1,
	    cmd_policy_check, { { NULL } } },
	{ "policy", "test", "[DIR]", "run the .expect files beside the policies", 0, 1,
	    cmd_policy_test, { { NULL } } },
	{ "policy", "explain", "WORKLOAD UPSTREAM METHOD TARGET",
	    "what the files say to one request, and which rule says it", 4, 4, cmd_policy_explain,
	    { { NULL } } },

	{ "shim", "install", "DIR", "put the shim into the folder that containers mount", 1, 1,
	    cmd_shim_install, { { NULL } } },

	{ "audit", "tail", "", "the newest audit records", 0, 0, cmd_audit_tail,
	    { { "lines", 'n', "N", "how many (default 10)" },
		{ "follow", 'f', NULL, "go on printing as records come" }, AUDIT_FILTER_OPTIONS } },
	{ "audit", "export", "", "audit records as JSON lines, oldest first", 0, 0,
	    cmd_audit_export, { AUDIT_FILTER_OPTIONS } },
	{ "audit", "verify", "[FILE...]",
	    "prove that nothing was changed: the broker's log, or files", 0, CLI_ARGS_MAX,
	    cmd_audit_verify,
	    { { "dir", 0, "DIR", "all segments in a folder" },
		{ "key", 0, "FILE", "the public key, as in audit.pub" },
		{ "anchor", 0, "HEX",
		    "a chain value kept from an earlier run: must still be in the log" } } },

	{ NULL, "completion", "SHELL", "print the completion script for bash, zsh or fish", 1, 1,
	    cmd_completion, { { NULL } } },
	{ NULL, "version", "", "print the version", 0, 0, cmd_version, { { NULL } } },
	{ NULL, "help", "[COMMAND]", "this help, or that of one command", 0, 2, cmd_help,
	    { { NULL } } },
	{ 0 }
};

const struct cli_option cli_globals[] = { { "json", 0, NULL, "data as JSON, one object a line" },
	{ "quiet", 'q', NULL, "no news on stderr, only errors and warnings" },
	{ "run-dir", 0, "DIR",
	    "where the broker's sockets are (SIDEKEY_RUN_DIR, default " CLI_RUN_DIR ")" },
	{ "config-dir", 0, "DIR",
	    "where sidekey.yaml is (SIDEKEY_CONFIG_DIR, default " CLI_CONFIG_DIR ")" },
	{ "help", 'h', NULL, "help on the command" }, { 0 } };
/* clang-format on */

static bool
same_group(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

const struct cli_command *
cli_find_command(const char *group, const char *name)
{
	if (group != NULL && strcmp(group, "workload") == 0 && strcmp(name, "enrol") == 0)
		name = "enroll";
	for (const struct cli_command *row = cli_commands; row->name != NULL; row++)
		if (same_group(row->group, group) && strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

bool
cli_is_group(const char *word)
{
	for (const struct cli_command *row = cli_commands; row->name != NULL; row++)
		if (row->group != NULL && strcmp(row->group, word) == 0)
			return true;
	return false;
}
