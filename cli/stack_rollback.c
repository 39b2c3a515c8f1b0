/* Takes an import back: first the .env, then what the broker was told, then what was written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/admin.h"
#include "cli/place.h"
#include "cli/stack.h"
#include "common/secret.h"
#include "common/sys.h"

#define CONFIG_MAX IMPORT_FILES_MAX

struct rollback {
	const struct cli *c;
	json_t *record;
	struct place env, config[CONFIG_MAX];
	uint32_t config_count;
};

/* What was edited since may hold what nobody wants to lose. */
static enum cli_exit
check_files(const struct rollback *r, const char *list)
{
	enum cli_exit x = CLI_OK;
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(r->record, list), i, row)
	{
		char digest[STACK_DIGEST_SIZE];
		const char *path = admin_text(row, "path");

		if (cli_given(r->c, "force") == NULL && stack_file_digest(path, digest) &&
		    strcmp(digest, admin_text(row, "blake2b")) != 0)
			x = cli_fail(CLI_FAILED,
			    "%s was changed since the import; undo that, or say --force to remove "
			    "it all the same",
			    path);
	}
	return x;
}

/* A symbolic link stays one: what it leads to is written. */
static enum cli_exit
find_env(const char *env, char ret_path[PATH_MAX], bool *ret_there)
{
	struct stat st;

	if (lstat(env, &st) != 0)
		place_recover(env);
	*ret_there = realpath(env, ret_path) != NULL;
	if (*ret_there)
		return CLI_OK;
	if (errno != ENOENT)
		return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED,
		    "cannot read %s: %s; nothing was changed", env, strerror(errno));
	if (lstat(env, &st) == 0)
		return cli_fail(CLI_FAILED,
		    "%s is a symbolic link to a file that is gone; put that back, or remove the "
		    "link to have the keys in an ordinary file there; nothing was changed",
		    env);
	(void)snprintf(ret_path, PATH_MAX, "%s", env);
	return CLI_OK;
}

static enum cli_exit
restore(const struct stack *s, struct rollback *r)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(DOTENV_FILE_MAX + SECRET_LEN_MAX);
	const char *env = admin_text(r->record, "env");
	char beside[PATH_MAX + 16];
	const char *from = r->env.path;
	bool changed, there;
	struct stat st;
	enum cli_exit x;

	if (env[0] == '\0')
		return CLI_OK;
	x = find_env(env, r->env.path, &there);
	if (x != CLI_OK)
		return x;
	(void)snprintf(beside, sizeof(beside), "%s.sidekey", env);
	if (!there)
		from = beside;
	if (stat(from, &st) != 0)
		return cli_fail(CLI_FAILED,
		    "neither %s nor %s.sidekey is there, so there is nothing to put the keys into; "
		    "nothing was changed",
		    env, env);
	x = stack_restore_env(s, r->record, from, &text, &changed);
	if (x != CLI_OK || (there && !changed))
		return x;
	r->env.mode = there ? st.st_mode & 0777 : 0600;
	r->env.has_owner = true;
	r->env.owner = st.st_uid;
	r->env.group = st.st_gid;
	x = place_write(&r->env, buf_span(&text));
	if (x == CLI_OK)
		x = place_file(&r->env);
	if (x == CLI_OK)
		cli_say(s->c, "wrote %s, with its keys as the store has them now", r->env.path);
	return x;
}

static enum cli_exit
take_rules_back(struct rollback *r)
{
	AUTO(json_freep) json_t *reply = NULL;
	enum cli_exit x = CLI_OK;
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(r->record, "config"), i, row)
	{
		struct place *p = &r->config[r->config_count];

		if (x != CLI_OK || r->config_count == CONFIG_MAX)
			break;
		(void)snprintf(p->path, sizeof(p->path), "%s", admin_text(row, "path"));
		r->config_count++;
		x = place_remove(p);
	}
	return x == CLI_OK ? admin_post(r->c, "reload", NULL, &reply) : x;
}

static void
remove_file(const struct cli *c, const char *path)
{
	if (sys_unlink(path) == 0)
		cli_say(c, "removed %s", path);
	else if (errno != ENOENT)
		cli_warn("cannot remove %s: %s", path, strerror(errno));
}

static void
remove_written(const struct stack *s, const struct rollback *r)
{
	static const char *const rest[] = { "/.sidekey/.gitignore", "/.sidekey/import.json" };
	static const char *const folders[] = { "/.sidekey/enroll", "/.sidekey" };
	char path[PATH_MAX];
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(r->record, "files"), i, row)
	    remove_file(s->c, admin_text(row, "path"));
	json_array_foreach(json_object_get(r->record, "enrollments"), i, row)
	    remove_file(s->c, json_is_string(row) ? json_string_value(row) : "");
	for (i = 0; i < COUNT(rest); i++)
		if (cli_path(s->project_dir, rest[i] + 1, path) == CLI_OK)
			remove_file(s->c, path);
	for (i = 0; i < COUNT(folders); i++)
		if (cli_path(s->project_dir, folders[i] + 1, path) == CLI_OK)
			(void)rmdir(path);
}

static enum cli_exit
run(const struct stack *s, struct rollback *r)
{
	enum cli_exit x = check_files(r, "files");

	if (x == CLI_OK)
		x = check_files(r, "config");
	if (x == CLI_OK)
		x = restore(s, r);
	if (x == CLI_OK)
		x = take_rules_back(r);
	for (uint32_t i = 0; i < r->config_count; i++)
		if (x == CLI_OK)
			place_keep(&r->config[i]);
		else
			(void)place_undo(&r->config[i]);
	if (x == CLI_OK)
		place_keep(&r->env);
	else
		(void)place_undo(&r->env);
	return x;
}

/* For how the stack is started: what the import was told to read, where Compose would not look. */
static void
name_env(struct stack *s, const json_t *record)
{
	const char *env = admin_text(record, "env");
	char usual[PATH_MAX];

	if (env[0] != '\0' && cli_path(admin_text(record, "folder"), ".env", usual) == CLI_OK &&
	    strcmp(env, usual) != 0)
		(void)snprintf(s->im.out_path, sizeof(s->im.out_path), "%s", env);
}

enum cli_exit
stack_rollback(struct stack *s)
{
	struct rollback *r = calloc(1, sizeof(*r));
	enum cli_exit x = stack_read_places(s);

	if (r == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	r->c = s->c;
	if (x == CLI_OK && stack_read_record(s, &r->record) != CLI_OK)
		x = cli_fail(CLI_NOT_FOUND,
		    "%s/.sidekey/import.json is not there or not whole, so it is not known what an "
		    "import wrote here; name the same Compose files as then",
		    s->project_dir);
	if (x == CLI_OK)
		x = stack_check_places(s, r->record);
	if (x == CLI_OK)
		x = run(s, r);
	if (x == CLI_OK) {
		remove_written(s, r);
		name_env(s, r->record);
		cli_say(s->c,
		    "the stack's files are as they were; its secrets stay in the store (sidekey "
		    "secret list), and its workloads are known: they may use nothing, and their "
		    "enrollments are open (sidekey workload revoke NAME ends them)");
	}
	json_decref(r->record);
	free(r);
	return x;
}
