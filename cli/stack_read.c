/* Reads a stack: its files as they are written, and as Compose resolves them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/admin.h"
#include "cli/stack.h"
#include "cli/stack_scan.h"
#include "common/sys.h"

#define CONFIG_LINE "docker compose config --format json"

void
stack_wipe(struct stack *s)
{
	for (uint32_t i = 0; i < s->file_count; i++) {
		buf_wipe(&s->files[i].text);
		buf_wipe(&s->files[i].services);
		json_decref(s->files[i].model);
	}
	json_decref(s->bare);
	json_decref(s->restores);
	json_decref(s->images);
	import_wipe(&s->im);
	dotenv_wipe(&s->env);
	buf_wipe(&s->env_text);
	buf_wipe(&s->notes);
	free(s);
}

enum cli_exit
stack_note(struct stack *s, enum stack_note kind, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	enum err e;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	e = buf_append_byte(&s->notes, (uint8_t)kind);
	if (e == ERR_OK)
		e = buf_append(&s->notes, line, strlen(line) + 1);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, "what there is to say about the stack");
}

struct stack_service *
stack_service(struct stack *s, const char *name)
{
	for (uint32_t i = 0; i < s->service_count; i++)
		if (strcmp(s->services[i].name, name) == 0)
			return &s->services[i];
	return NULL;
}

const json_t *
stack_def_in(const struct stack_file *f, const char *service)
{
	return json_object_get(json_object_get(f->model, "services"), service);
}

const json_t *
stack_env_files(const struct stack *s, const struct stack_service *v)
{
	return json_object_get(
	    json_object_get(json_object_get(s->bare, "services"), v->name), "env_file");
}

const char *
stack_env_file(const json_t *row)
{
	return json_is_string(row) ? json_string_value(row) : admin_text(row, "path");
}

bool
stack_is_env(const struct stack *s, const char *path)
{
	struct stat a, b;

	return s->env_path[0] != '\0' && stat(path, &a) == 0 && stat(s->env_path, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool
stack_has(const struct buf *names, const char *name)
{
	for (size_t at = 0; at < names->len; at += strlen((const char *)names->data + at) + 1)
		if (strcmp((const char *)names->data + at, name) == 0)
			return true;
	return false;
}

static enum err
keep_service(const struct stack_scalar *v, void *arg)
{
	struct buf *names = arg;

	if (!v->is_key || v->depth != 2 || !span_eq_str(v->top, "services"))
		return ERR_OK;
	return buf_append_span(names, v->text) == ERR_OK ? buf_append_byte(names, '\0') : ERR_NOMEM;
}

/* docker-compose.mcp.yml: docker-compose.mcp.sidekey.yml */
static enum cli_exit
name_overlay(struct stack_file *f)
{
	const char *dot = strrchr(f->path, '.'), *slash = strrchr(f->path, '/');
	char overlay[PATH_MAX];
	size_t stem = dot != NULL && (slash == NULL || dot > slash) ? (size_t)(dot - f->path)
								    : strlen(f->path);

	if (stem >= 8 && strncmp(f->path + stem - 8, ".sidekey", 8) == 0)
		return cli_fail(
		    CLI_USAGE, "%s is an overlay that an import wrote; name the original", f->path);
	if (strlen(f->path) + 16 >= sizeof(f->overlay))
		return cli_fail(CLI_USAGE, "the path %s is too long", f->path);
	(void)snprintf(overlay, sizeof(overlay), "%.*s.sidekey%s", (int)stem, f->path,
	    f->path[stem] != '\0' ? f->path + stem : ".yml");
	memcpy(f->overlay, overlay, sizeof(overlay));
	return CLI_OK;
}

static enum cli_exit
read_text(const char *path, struct buf *ret)
{
	char real[PATH_MAX];
	enum err e;

	if (realpath(path, real) == NULL)
		return cli_fail(errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "cannot read %s: %s",
		    path, strerror(errno));
	e = sys_read_file(real, ret);
	if (e == ERR_LIMIT)
		return cli_fail(CLI_FAILED, "%s is larger than %zu KiB", path, ret->max >> 10);
	return e == ERR_OK ? CLI_OK
			   : cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED,
				 "cannot read %s: %s", path, strerror(errno));
}

static enum cli_exit
add_file(struct stack *s, const char *path)
{
	struct stack_file *f = &s->files[s->file_count];
	uint32_t line = 0;
	enum cli_exit x;
	enum err e;

	if (s->file_count == STACK_FILES_MAX)
		return cli_fail(CLI_USAGE, "more than %d Compose files", STACK_FILES_MAX);
	if (strlen(path) >= sizeof(f->path))
		return cli_fail(CLI_USAGE, "the path of a Compose file is too long");
	s->file_count++;
	f->text = (struct buf)BUF_MAX(STACK_FILE_TEXT_MAX);
	f->services = (struct buf)BUF_MAX(STACK_FILE_TEXT_MAX);
	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	x = name_overlay(f);
	if (x == CLI_OK)
		x = read_text(f->path, &f->text);
	if (x != CLI_OK)
		return x;
	e = stack_scan(buf_span(&f->text), keep_service, &f->services, &line);
	if (e == ERR_SYNTAX || e == ERR_LIMIT)
		return cli_fail(CLI_FAILED, "%s:%u: this is not YAML that can be read", path, line);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, path);
}

/* As Compose looks for them, in the folder that it would take. */
static enum cli_exit
usual_files(struct stack *s)
{
	static const char *const names[] = { "compose", "docker-compose" };
	static const char *const endings[] = { ".yaml", ".yml" };
	const char *dir = cli_given(s->c, "project-directory");
	enum cli_exit x = CLI_NOT_FOUND;

	for (size_t i = 0; i < COUNT(names) * 2 && x == CLI_NOT_FOUND; i++) {
		char path[PATH_MAX], over[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s%s%s%s", dir != NULL ? dir : "",
		    dir != NULL ? "/" : "", names[i / 2], endings[i % 2]);
		(void)snprintf(over, sizeof(over), "%s%s%s.override%s", dir != NULL ? dir : "",
		    dir != NULL ? "/" : "", names[i / 2], endings[i % 2]);
		if (access(path, F_OK) != 0)
			continue;
		x = add_file(s, path);
		if (x == CLI_OK && access(over, F_OK) == 0)
			x = add_file(s, over);
	}
	return x == CLI_NOT_FOUND
		   ? cli_fail(CLI_NOT_FOUND, "there is no Compose file here; name yours: -f FILE")
		   : x;
}

static enum cli_exit
read_files(struct stack *s)
{
	enum cli_exit x = CLI_OK;
	const char *path;

	/* Compose would take others than are read here. */
	if (cli_env("COMPOSE_FILE") != NULL && cli_given(s->c, "file") == NULL)
		return cli_fail(CLI_USAGE, "COMPOSE_FILE is set; name those files with -f");
	if (cli_env("COMPOSE_ENV_FILES") != NULL && cli_given(s->c, "env-file") == NULL)
		return cli_fail(
		    CLI_USAGE, "COMPOSE_ENV_FILES is set; name that file with --env-file");

	for (int i = 0; x == CLI_OK && (path = cli_given_nth(s->c, "file", i)) != NULL; i++)
		x = add_file(s, path);
	return x == CLI_OK && s->file_count == 0 ? usual_files(s) : x;
}

static enum cli_exit
settle_places(struct stack *s)
{
	const char *dir = cli_given(s->c, "project-directory");
	const char *env = cli_given(s->c, "env-file"), *slash = strrchr(s->files[0].path, '/');
	struct span folder = span_str(".");
	char path[PATH_MAX];
	int n;

	if (dir != NULL)
		folder = span_str(dir);
	else if (slash != NULL)
		folder = span_of(s->files[0].path,
		    slash == s->files[0].path ? 1 : (size_t)(slash - s->files[0].path));
	if (folder.len >= PATH_MAX - 300 || !span_copy_str(folder, s->project_dir, PATH_MAX))
		return cli_fail(CLI_USAGE, "the project's path is too long");
	if (cli_given_nth(s->c, "env-file", 1) != NULL)
		return cli_fail(CLI_USAGE, "one --env-file can be imported at a time");
	if (env != NULL)
		n = snprintf(path, PATH_MAX, "%s", env);
	else if (strcmp(s->project_dir, ".") == 0)
		n = snprintf(path, PATH_MAX, ".env");
	else
		n = snprintf(path, PATH_MAX, "%s/.env", s->project_dir);
	if (n < 0 || n >= PATH_MAX - 16)
		return cli_fail(CLI_USAGE, "the path of --env-file is too long");
	memcpy(s->env_path, path, (size_t)n + 1);
	if (env == NULL && access(s->env_path, F_OK) != 0)
		s->env_path[0] = '\0';
	return CLI_OK;
}

static enum cli_exit
read_env(struct stack *s)
{
	struct dotenv_error why = { 0 };
	enum cli_exit x;

	if (s->env_path[0] == '\0')
		return CLI_OK;
	x = read_text(s->env_path, &s->env_text);
	if (x != CLI_OK)
		return x;
	if (span_starts(buf_span(&s->env_text), "# Written by `sidekey import"))
		return cli_fail(CLI_USAGE,
		    "%s is what an import wrote, with placeholders for keys; name the original "
		    "with "
		    "--env-file",
		    s->env_path);
	if (dotenv_parse(buf_span(&s->env_text), &s->env, &why) != ERR_OK)
		return cli_fail(CLI_FAILED, "%s:%u: %s", s->env_path, why.line, why.text);
	for (uint32_t i = 0; i < s->env.count; i++)
		if (span_eq_str(s->env.entries[i].name, "COMPOSE_FILE") &&
		    cli_given(s->c, "file") == NULL)
			return cli_fail(CLI_USAGE, "%s sets COMPOSE_FILE; name those files with -f",
			    s->env_path);
	return CLI_OK;
}

/* Compose writes $$ for a $ that is none of its own. */
static void
undouble(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		*to++ = *from;
		if (from[0] == '$' && from[1] == '$')
			from++;
	}
	*to = '\0';
}

static enum cli_exit
undouble_all(json_t *j)
{
	enum cli_exit x = CLI_OK;
	const char *key;
	json_t *child;
	size_t i;

	if (json_is_string(j) && strstr(json_string_value(j), "$$") != NULL) {
		AUTO(buf_wipe) struct buf text = BUF_MAX(STACK_TEXT_MAX);
		enum err e =
		    buf_append(&text, json_string_value(j), strlen(json_string_value(j)) + 1);

		if (e != ERR_OK)
			return cli_fail_err(e, "the model");
		undouble((char *)text.data);
		if (json_string_set_nocheck(j, (const char *)text.data) != 0)
			return cli_fail(CLI_FAILED, "out of memory");
	}
	json_array_foreach(j, i, child) x = x == CLI_OK ? undouble_all(child) : x;
	if (json_is_object(j))
		json_object_foreach(j, key, child) x = x == CLI_OK ? undouble_all(child) : x;
	return x;
}

/* From a file, or from a pipe at "-". */
static enum cli_exit
load(const char *path, const char *printed_by, json_t **ret_j)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(STACK_TEXT_MAX);
	json_error_t why;
	ssize_t n = 1;
	enum cli_exit x = strcmp(path, "-") == 0 ? CLI_OK : read_text(path, &text);

	while (x == CLI_OK && strcmp(path, "-") == 0 && n > 0) {
		if (buf_reserve(&text, 65536) != ERR_OK)
			return cli_fail(CLI_FAILED, "standard input is too long");
		n = sys_read(STDIN_FILENO, buf_tail(&text), buf_room(&text));
		if (n > 0)
			buf_added(&text, (size_t)n);
	}
	if (x != CLI_OK)
		return x;
	*ret_j = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
	return *ret_j != NULL
		   ? CLI_OK
		   : cli_fail(CLI_FAILED, "%s:%d: this is not JSON; give what %s prints",
			 strcmp(path, "-") == 0 ? "standard input" : path, why.line, printed_by);
}

/* Files by themselves, the first, then with the second, and so on: each overlay is to fit also
 * where those behind it are not used. */
static enum cli_exit
read_model(struct stack *s, uint32_t i)
{
	bool last = i + 1 == s->file_count;
	const char *given = cli_given_nth(s->c, "config", (int)i);
	enum cli_exit x;

	if (cli_given_nth(s->c, "config", (int)s->file_count) != NULL)
		return cli_fail(CLI_USAGE, "there are more --config than Compose files");
	if (cli_given(s->c, "config") == NULL)
		x = stack_docker_config(s, i + 1, false, &s->files[i].model);
	else if (cli_given_nth(s->c, "config", 1) == NULL) /* one, and for all of them */
		x = last ? load(cli_given(s->c, "config"), CONFIG_LINE, &s->files[i].model)
			 : CLI_FAILED;
	else if (given != NULL)
		x = load(given, CONFIG_LINE, &s->files[i].model);
	else
		return cli_fail(CLI_USAGE,
		    "--config comes once, for all Compose files together, or once a Compose file");
	if (x == CLI_OK)
		x = undouble_all(s->files[i].model);
	return x;
}

static enum cli_exit
read_models(struct stack *s)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = s->file_count; i > 0 && x == CLI_OK; i--) {
		struct stack_file *f = &s->files[i - 1];

		x = read_model(s, i - 1);
		/* A file that is no stack by itself is judged as part of the whole. */
		if (x == CLI_FAILED && i < s->file_count && f->model == NULL) {
			f->model = json_incref(s->files[i].model);
			x = CLI_OK;
		}
	}
	s->model = s->files[s->file_count - 1].model;
	return x;
}

static enum cli_exit
list_services(struct stack *s)
{
	const char *name;
	json_t *def;

	json_object_foreach(json_object_get(s->model, "services"), name, def)
	{
		if (s->service_count == STACK_SERVICES_MAX)
			return cli_fail(CLI_FAILED, "more than %d services", STACK_SERVICES_MAX);
		s->services[s->service_count++] =
		    (struct stack_service){ .name = name, .def = def };
	}
	return s->service_count > 0 ? CLI_OK
				    : cli_fail(CLI_FAILED, "%s has no service", s->files[0].path);
}

/* By the name that Compose has for it. */
static const json_t *
find_image(const struct stack *s, const struct stack_service *v)
{
	char name[512], tagged[520];
	const json_t *image, *tag;
	size_t i, k;

	stack_image_name(s, v->name, v->def, name);
	(void)snprintf(tagged, sizeof(tagged), "%s:latest", name);
	json_array_foreach(s->images, i, image)
	{
		if (strcmp(admin_text(image, "SidekeyName"), name) == 0)
			return image;
		json_array_foreach(json_object_get(image, "RepoTags"), k,
		    tag) if (json_is_string(tag) &&
			     (strcmp(json_string_value(tag), name) == 0 ||
				 strcmp(json_string_value(tag), tagged) == 0)) return image;
	}
	return NULL;
}

static enum cli_exit
read_images(struct stack *s)
{
	const char *given = cli_given(s->c, "images");
	enum cli_exit x = CLI_OK;

	if (given != NULL)
		x = load(given, "docker image inspect", &s->images);
	else if ((s->images = json_array()) == NULL)
		x = cli_fail(CLI_FAILED, "out of memory");
	else if (s->docker[0] != '\0')
		x = stack_docker_images(s);
	if (x == CLI_OK && !json_is_array(s->images))
		x = cli_fail(CLI_FAILED, "%s is no list of images", given);
	for (uint32_t i = 0; i < s->service_count && x == CLI_OK; i++)
		s->services[i].image = find_image(s, &s->services[i]);
	return x;
}

enum cli_exit
stack_read_places(struct stack *s)
{
	enum cli_exit x = read_files(s);

	return x == CLI_OK ? settle_places(s) : x;
}

enum cli_exit
stack_read(struct stack *s)
{
	enum cli_exit x = stack_read_places(s);

	if (x == CLI_OK)
		x = read_env(s);
	if (x == CLI_OK && cli_given(s->c, "config") == NULL)
		x = stack_docker_find(s);
	if (x == CLI_OK)
		x = read_models(s);
	if (x == CLI_OK)
		x = list_services(s);
	/* It cannot where a file that they include or extend is named with a variable. */
	if (x == CLI_OK && cli_given(s->c, "config") == NULL &&
	    stack_docker_config(s, s->file_count, true, &s->bare) != CLI_OK)
		s->bare = NULL;
	return x == CLI_OK ? read_images(s) : x;
}
