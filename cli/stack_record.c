/* What an import did, for a second one and for --rollback; and the doing. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/admin.h"
#include "cli/stack.h"
#include "common/sys.h"
#include "common/text.h"

#define RECORD "/.sidekey/import.json"
#define FOLDERS 2

void
stack_text_digest(struct span text, char ret_hex[STACK_DIGEST_SIZE])
{
	uint8_t digest[(STACK_DIGEST_SIZE - 1) / 2];

	(void)crypto_generichash(digest, sizeof(digest), text.p, text.len, NULL, 0);
	text_hex(digest, sizeof(digest), ret_hex);
}

bool
stack_file_digest(const char *path, char ret_hex[STACK_DIGEST_SIZE])
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(STACK_TEXT_MAX);

	if (sys_read_file(path, &text) != ERR_OK)
		return false;
	stack_text_digest(buf_span(&text), ret_hex);
	return true;
}

/* The folder is there, the file is not yet. */
static enum cli_exit
absolute(const char *path, char ret_path[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX], real[PATH_MAX];

	(void)snprintf(dir, sizeof(dir), "%.*s", slash != NULL ? (int)(slash - path) : 1,
	    slash != NULL ? path : ".");
	if (realpath(dir[0] != '\0' ? dir : "/", real) == NULL)
		return cli_fail(CLI_FAILED, "%s: %s", dir, strerror(errno));
	return cli_path(real, slash != NULL ? slash + 1 : path, ret_path);
}

static enum cli_exit
add_file(json_t *list, const char *path, struct span text)
{
	char full[PATH_MAX], digest[STACK_DIGEST_SIZE];
	enum cli_exit x = absolute(path, full);

	if (x != CLI_OK)
		return x;
	stack_text_digest(text, digest);
	if (json_array_append_new(list, json_pack("{s:s, s:s}", "path", full, "blake2b", digest)) !=
	    0)
		return cli_fail(CLI_FAILED, "out of memory");
	return CLI_OK;
}

/* Of a row, or of a list of names the name itself. */
static const char *
name_of(const json_t *row, const char *key)
{
	return json_is_string(row) ? json_string_value(row) : admin_text(row, key);
}

static const json_t *
row_of(const json_t *list, const char *key, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row) if (strcmp(name_of(row, key), name) == 0) return row;
	return NULL;
}

/* What an earlier import did, and this one does not do again, is still to be taken back. */
static enum cli_exit
carry(json_t *record, const json_t *old)
{
	static const struct {
		const char *list, *key;
	} parts[] = { { "files", "path" }, { "config", "path" }, { "enrollments", "" },
		{ "variables", "variable" } };
	const char *env = admin_text(record, "env"), *before = admin_text(old, "env");
	json_t *row;
	size_t i;

	if (env[0] != '\0' && before[0] != '\0' && strcmp(env, before) != 0)
		return cli_fail(CLI_FAILED,
		    "an import here replaced the keys of %s; take that back first (--rollback), or "
		    "name that file with --env-file",
		    before);
	for (size_t k = 0; k < COUNT(parts); k++) {
		json_t *list = json_object_get(record, parts[k].list);

		json_array_foreach(json_object_get(old, parts[k].list), i,
		    row) if (row_of(list, parts[k].key, name_of(row, parts[k].key)) == NULL)(void)
		    json_array_append(list, row);
	}
	if (env[0] == '\0' && before[0] != '\0')
		(void)json_object_set_new(record, "env", json_string(before));
	(void)json_object_update(json_object_get(record, "health_before"),
	    json_object_get(old, "health_before")); /* that of the stack as it was */
	return CLI_OK;
}

static enum cli_exit
add_config(const struct stack *s, json_t *list)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < s->im.file_count && x == CLI_OK; i++) {
		const struct import_file *f = &s->im.files[i];
		char name[NAME_LEN_MAX + 32], path[PATH_MAX];

		if (f->kept)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", f->part, f->name);
		x = cli_path(s->c->config_dir, name, path);
		if (x == CLI_OK)
			x = add_file(list, path, buf_span(&f->text));
	}
	return x;
}

static json_t *
health(const struct stack *s)
{
	json_t *j = json_object();

	for (uint32_t i = 0; i < s->service_count; i++)
		if (s->services[i].fate == STACK_CONVERTED)
			(void)json_object_set_new(
			    j, s->services[i].name, json_string(s->services[i].health));
	return j;
}

static enum cli_exit
add_paths(const struct stack *s, json_t *record)
{
	json_t *enrollments = json_object_get(record, "enrollments");
	char full[PATH_MAX];
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < s->im.workload_count && x == CLI_OK; i++) {
		x = absolute(s->im.enrolls[i].path, full);
		if (x == CLI_OK && json_array_append_new(enrollments, json_string(full)) != 0)
			x = cli_fail(CLI_FAILED, "out of memory");
	}
	if (x != CLI_OK || s->env_path[0] == '\0')
		return x;
	x = absolute(s->env_path, full);
	return x == CLI_OK && json_object_set_new(record, "env", json_string(full)) != 0
		   ? cli_fail(CLI_FAILED, "out of memory")
		   : x;
}

/* Where its paths are good: a folder that was mounted elsewhere, or moved, has others. */
static enum cli_exit
add_places(const struct stack *s, json_t *record)
{
	char folder[PATH_MAX], config[PATH_MAX];

	if (realpath(s->project_dir, folder) == NULL || realpath(s->c->config_dir, config) == NULL)
		return cli_fail(
		    CLI_FAILED, "%s or %s: %s", s->project_dir, s->c->config_dir, strerror(errno));
	return json_object_set_new(record, "folder", json_string(folder)) == 0 &&
		       json_object_set_new(record, "config_dir", json_string(config)) == 0
		   ? CLI_OK
		   : cli_fail(CLI_FAILED, "out of memory");
}

static enum cli_exit
check_place(const json_t *record, const char *key, const char *now)
{
	const char *then = admin_text(record, key);
	char real[PATH_MAX];

	if (then[0] == '\0' || (realpath(now, real) != NULL && strcmp(real, then) == 0))
		return CLI_OK;
	return cli_fail(CLI_FAILED,
	    "the import was done with %s where %s is now: take it back from there (in a container: "
	    "with the same mounts); nothing was changed",
	    then, now);
}

enum cli_exit
stack_check_places(const struct stack *s, const json_t *record)
{
	enum cli_exit x = check_place(record, "folder", s->project_dir);

	return x == CLI_OK ? check_place(record, "config_dir", s->c->config_dir) : x;
}

static enum cli_exit
add_out(struct stack *s, const char *name, struct span text)
{
	struct import_out *o = &s->im.outs[s->im.out_count++];
	enum err e;

	must(s->im.out_count <= IMPORT_OUTS_MAX);
	o->mode = 0644;
	o->text = (struct buf)BUF_MAX(STACK_RECORD_MAX);
	(void)snprintf(o->path, sizeof(o->path), "%.*s%s", PATH_MAX - 64, s->project_dir, name);
	e = buf_append_span(&o->text, text);
	if (e == ERR_OK)
		e = buf_append_byte(&o->text, '\n');
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, o->path);
}

static enum cli_exit
write_record(struct stack *s, const json_t *record)
{
	char *text = json_dumps(record, JSON_INDENT(1));
	enum cli_exit x;

	if (text == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	x = add_out(s, "/.sidekey/.gitignore", span_str("*"));
	if (x == CLI_OK)
		x = add_out(s, RECORD, span_str(text));
	free(text);
	return x;
}

enum cli_exit
stack_compose_record(struct stack *s)
{
	AUTO(json_freep) json_t *old = NULL;
	AUTO(json_freep)
	json_t *record = json_pack("{s:i, s:O, s:[], s:[], s:[], s:o}", "version", 1, "variables",
	    s->restores, "files", "config", "enrollments", "health_before", health(s));
	enum cli_exit x = CLI_OK;
	json_t *files;

	if (record == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	if (stack_read_record(s, &old) == CLI_FAILED)
		return cli_fail(CLI_FAILED,
		    "%s" RECORD " is there, and is not what this version writes, so what an "
		    "import did here would be forgotten; take it away if nothing is to be taken "
		    "back",
		    s->project_dir);
	files = json_object_get(record, "files");
	for (uint32_t i = 0; i < s->im.out_count && x == CLI_OK; i++)
		x = add_file(files, s->im.outs[i].path, buf_span(&s->im.outs[i].text));
	if (x == CLI_OK && s->im.out_path[0] != '\0')
		x = add_file(files, s->im.out_path, buf_span(&s->im.out));
	if (x == CLI_OK)
		x = add_config(s, json_object_get(record, "config"));
	if (x == CLI_OK)
		x = add_paths(s, record);
	if (x == CLI_OK)
		x = add_places(s, record);
	if (x == CLI_OK && old != NULL)
		x = stack_check_places(s, old);
	if (x == CLI_OK)
		x = carry(record, old);
	return x == CLI_OK ? write_record(s, record) : x;
}

bool
stack_edited(const struct stack *s, const char *path)
{
	AUTO(json_freep) json_t *record = NULL;
	char full[PATH_MAX], digest[STACK_DIGEST_SIZE];
	const json_t *row;

	if (stack_read_record(s, &record) != CLI_OK || absolute(path, full) != CLI_OK ||
	    !stack_file_digest(full, digest))
		return false;
	row = row_of(json_object_get(record, "files"), "path", full);
	return row != NULL && strcmp(admin_text(row, "blake2b"), digest) != 0;
}

enum cli_exit
stack_read_record(const struct stack *s, json_t **ret_record)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(STACK_RECORD_MAX);
	char path[PATH_MAX];
	json_error_t why;
	enum err e;

	(void)snprintf(path, sizeof(path), "%.*s%s", PATH_MAX - 64, s->project_dir, RECORD);
	e = sys_read_file(path, &text);
	if (e != ERR_OK)
		return CLI_NOT_FOUND;
	*ret_record = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
	if (*ret_record != NULL && admin_number(*ret_record, "version") == 1)
		return CLI_OK;
	json_decref(*ret_record);
	*ret_record = NULL;
	return CLI_FAILED;
}

static enum cli_exit
make_folders(const struct stack *s, bool made[FOLDERS])
{
	static const char *const names[FOLDERS] = { "/.sidekey", "/.sidekey/enroll" };

	for (size_t i = 0; i < FOLDERS; i++) {
		char path[PATH_MAX];

		(void)snprintf(
		    path, sizeof(path), "%.*s%s", PATH_MAX - 64, s->project_dir, names[i]);
		made[i] = mkdir(path, 0755) == 0;
		if (!made[i] && errno != EEXIST)
			return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED,
			    "cannot make %s: %s", path, strerror(errno));
		if (made[i] && geteuid() == 0 && lchown(path, s->im.owner, s->im.group) != 0)
			return cli_fail(
			    CLI_FAILED, "cannot give %s away: %s", path, strerror(errno));
	}
	return CLI_OK;
}

static void
drop_folders(const struct stack *s, const bool made[FOLDERS])
{
	static const char *const names[FOLDERS] = { "/.sidekey/enroll", "/.sidekey" };

	for (size_t i = 0; i < FOLDERS; i++) {
		char path[PATH_MAX];

		(void)snprintf(
		    path, sizeof(path), "%.*s%s", PATH_MAX - 64, s->project_dir, names[i]);
		if (made[FOLDERS - 1 - i])
			(void)rmdir(path);
	}
}

enum cli_exit
stack_apply(struct stack *s)
{
	bool made[FOLDERS] = { false };
	struct stat st;
	enum cli_exit x;

	if (s->im.workload_count == 0)
		return cli_fail(
		    CLI_FAILED, "no service here can be converted; nothing was changed");
	if (stat(s->project_dir, &st) != 0)
		return cli_fail(CLI_FAILED, "%s: %s", s->project_dir, strerror(errno));
	s->im.check = stack_check_outcome;
	s->im.has_owner = true;
	s->im.owner = st.st_uid;
	s->im.group = st.st_gid;
	x = make_folders(s, made);
	if (x == CLI_OK)
		x = stack_compose_record(s);
	if (x == CLI_OK)
		x = import_apply(s->c, &s->im);
	if (x != CLI_OK)
		drop_folders(s, made);
	return x;
}
