/* What Docker and Compose say about a stack: asked of their own clients. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/run.h"
#include "cli/stack.h"
#include "common/text.h"

#define COMPOSE_MAJOR 2
#define COMPOSE_MINOR 24
#define TAR_BLOCK 512

struct words {
	const char *list[RUN_ARGS_MAX];
	size_t count;
};

static void
add(struct words *w, const char *word)
{
	must(w->count + 1 < COUNT(w->list));
	w->list[w->count++] = word;
}

static void
add_compose(const struct stack *s, struct words *w)
{
	if (s->compose[0] != '\0') {
		add(w, s->compose);
		return;
	}
	add(w, s->docker);
	add(w, "compose");
}

/* "2.26.1-4", "v2.40.0" */
static bool
is_new_enough(struct span text)
{
	uint64_t parts[2] = { 0 };
	size_t at = span_starts(text, "v") ? 1 : 0;

	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t start = at;

		while (at < text.len && isdigit(text.p[at]))
			at++;
		if (at == start ||
		    text_u64(span_of(text.p + start, at - start), 100000, &parts[i]) != ERR_OK)
			return false;
		at++; /* the dot */
	}
	return parts[0] > COMPOSE_MAJOR || (parts[0] == COMPOSE_MAJOR && parts[1] >= COMPOSE_MINOR);
}

static bool
compose_works(const struct stack *s)
{
	AUTO(buf_wipe) struct buf out = BUF_MAX(4096);
	struct words w = { .count = 0 };
	int status = 1;

	if (s->compose[0] == '\0' && s->docker[0] == '\0')
		return false;
	add_compose(s, &w);
	add(&w, "version");
	add(&w, "--short");
	return run_program(w.list, &out, NULL, &status) == CLI_OK && status == 0 &&
	       is_new_enough(buf_span(&out));
}

enum cli_exit
stack_docker_find(struct stack *s)
{
	if (cli_find_program("docker", s->docker) != CLI_OK)
		s->docker[0] = '\0';
	if (compose_works(s))
		return CLI_OK;
	if (cli_find_program("docker-compose", s->compose) == CLI_OK && compose_works(s))
		return CLI_OK;
	return cli_fail(CLI_FAILED,
	    "there is no Docker Compose %d.%d or newer here, neither as \"docker compose\" nor as "
	    "docker-compose; install it (Debian 13: docker-compose), or give what it prints "
	    "elsewhere: --config FILE of docker compose config --format json, --images FILE of "
	    "docker image inspect IMAGE...",
	    COMPOSE_MAJOR, COMPOSE_MINOR);
}

/* The variable that Compose misses is worth a word; the rest of what it says may quote the .env. */
static void
missing_variable(const struct buf *errors, char dst[64])
{
	static const char mark[] = "required variable ";
	const uint8_t *at =
	    errors->len == 0 ? NULL : memmem(errors->data, errors->len, mark, sizeof(mark) - 1);
	const uint8_t *end = errors->data + errors->len;
	size_t n = 0;

	if (at != NULL)
		for (at += sizeof(mark) - 1; at < end && (isalnum(*at) || *at == '_') && n < 63;
		     at++)
			dst[n++] = (char)*at;
	dst[n] = '\0';
}

enum err
stack_put_word(struct buf *line, const char *word)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-";
	enum err e = ERR_OK;

	if (word[0] != '\0' && word[strspn(word, plain)] == '\0')
		return buf_append_str(line, word);
	e = buf_append_byte(line, '\'');
	for (; *word != '\0' && e == ERR_OK; word++)
		e = *word == '\'' ? buf_append_str(line, "'\\''")
				  : buf_append_byte(line, (uint8_t)*word);
	return e == ERR_OK ? buf_append_byte(line, '\'') : e;
}

static enum cli_exit
config_failed(const struct stack *s, const struct words *w, const struct buf *errors, int status)
{
	AUTO(buf_wipe) struct buf line = BUF_MAX(STACK_NOTES_MAX);
	enum err e = ERR_OK;
	char missing[64];

	missing_variable(errors, missing);
	if (missing[0] != '\0')
		return cli_fail(CLI_FAILED,
		    "Compose misses the variable %s: set it in the .env file, or name that with "
		    "--env-file",
		    missing);
	for (size_t i = 0; i < w->count && e == ERR_OK; i++) {
		if (strcmp(w->list[i], "--format") == 0 || strcmp(w->list[i], "json") == 0)
			continue;
		e = buf_append_byte(&line, ' ');
		if (e == ERR_OK)
			e = stack_put_word(&line, w->list[i]);
	}
	if (e != ERR_OK)
		return cli_fail_err(e, "the line to look with");
	return cli_fail(CLI_FAILED,
	    "Compose refuses these files (exit %d)%s; what it says may hold values of the .env, so "
	    "see for yourself:%.*s --quiet",
	    status, s->file_count > 1 ? ", alone or together" : "", (int)line.len,
	    (const char *)line.data);
}

/* with_ours: each overlay right behind its original, and .env.sidekey in the place of the .env. */
static void
add_files(const struct stack *s, uint32_t count, bool with_ours, struct words *w)
{
	const char *env = cli_given(s->c, "env-file"), *dir = cli_given(s->c, "project-directory");

	if (with_ours && s->im.out_path[0] != '\0')
		env = s->im.out_path;

	add(w, "--profile");
	add(w, "*");
	if (env != NULL) {
		add(w, "--env-file");
		add(w, env);
	}
	if (dir != NULL) {
		add(w, "--project-directory");
		add(w, dir);
	}
	for (uint32_t i = 0; i < count; i++) {
		add(w, "-f");
		add(w, s->files[i].path);
		for (uint32_t k = 0; with_ours && k < s->im.out_count; k++)
			if (strcmp(s->im.outs[k].path, s->files[i].overlay) == 0) {
				add(w, "-f");
				add(w, s->files[i].overlay);
			}
	}
}

static enum cli_exit
parse(struct span text, const char *what, json_t **ret_j)
{
	json_error_t why;

	*ret_j = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &why);
	return *ret_j != NULL ? CLI_OK
			      : cli_fail(CLI_FAILED, "%s is not JSON: line %d", what, why.line);
}

/* The command that prints the model of the first count files as JSON. */
static void
add_config(const struct stack *s, uint32_t count, bool overlays, struct words *w)
{
	add_compose(s, w);
	add_files(s, count, overlays, w);
	add(w, "config");
	add(w, "--format");
	add(w, "json");
}

enum cli_exit
stack_docker_config(struct stack *s, uint32_t count, bool bare, json_t **ret_model)
{
	AUTO(buf_wipe) struct buf out = BUF_MAX(STACK_TEXT_MAX);
	AUTO(buf_wipe) struct buf errors = BUF_MAX(STACK_FILE_TEXT_MAX);
	struct words w = { .count = 0 };
	int status = 1;
	enum cli_exit x;

	add_config(s, count, false, &w);
	if (bare)
		add(&w, "--no-interpolate");
	x = run_program(w.list, &out, &errors, &status);
	if (x != CLI_OK)
		return x;
	if (status != 0 && (bare || count < s->file_count))
		return CLI_FAILED; /* a file that is no stack by itself */
	if (status != 0)
		return config_failed(s, &w, &errors, status);
	return parse(buf_span(&out), "what docker compose config prints", ret_model);
}

/* What it says is shown where it quotes no value: the files are gone when a person could look. */
static enum cli_exit
outcome_failed(const struct stack *s, struct buf *errors, int status)
{
	struct span text = buf_span(errors);
	size_t len = 0;

	while (len < text.len && len < 600 && (text.p[len] >= 0x20 || text.p[len] == '\t'))
		len++;
	return stack_quotes_value(s, text) || len == 0
		   ? cli_fail(CLI_FAILED,
			 "Compose refuses the overlays beside the originals (exit %d), and what it "
			 "says of them holds a value of the .env, so it is not shown",
			 status)
		   : cli_fail(CLI_FAILED,
			 "Compose refuses the overlays beside the originals (exit %d): %.*s",
			 status, (int)len, (const char *)text.p);
}

enum cli_exit
stack_docker_outcome(const struct stack *s, json_t **ret_model)
{
	AUTO(buf_wipe) struct buf out = BUF_MAX(STACK_TEXT_MAX);
	AUTO(buf_wipe) struct buf errors = BUF_MAX(STACK_FILE_TEXT_MAX);
	struct words w = { .count = 0 };
	int status = 1;
	enum cli_exit x;

	add_config(s, s->file_count, true, &w);
	x = run_program(w.list, &out, &errors, &status);
	if (x != CLI_OK)
		return x;
	return status == 0 ? parse(buf_span(&out), "what docker compose config prints", ret_model)
			   : outcome_failed(s, &errors, status);
}

void
stack_image_name(const struct stack *s, const char *name, const json_t *def, char dst[512])
{
	const char *image = admin_text(def, "image");

	if (image[0] != '\0')
		(void)snprintf(dst, 512, "%s", image);
	else
		(void)snprintf(dst, 512, "%s-%s", admin_text(s->model, "name"), name);
}

/* One at a time: an image that is not there makes the client fail for all. */
static enum cli_exit
inspect(struct stack *s, const char *name, const json_t *def)
{
	AUTO(buf_wipe) struct buf out = BUF_MAX(STACK_TEXT_MAX);
	AUTO(json_freep) json_t *list = NULL;
	char image[512];
	struct words w = { .count = 0 };
	int status = 1;
	enum cli_exit x;

	stack_image_name(s, name, def, image);
	add(&w, s->docker);
	add(&w, "image");
	add(&w, "inspect");
	add(&w, "--");
	add(&w, image);
	x = run_program(w.list, &out, NULL, &status);
	if (x != CLI_OK || status != 0)
		return x;
	x = parse(buf_span(&out), "what docker image inspect prints", &list);
	if (x != CLI_OK || json_array_size(list) == 0)
		return x;
	/* Compose knows it by this name; the tags in the reply may be written otherwise. */
	(void)json_object_set_new(json_array_get(list, 0), "SidekeyName", json_string(image));
	return json_array_extend(s->images, list) == 0 ? CLI_OK
						       : cli_fail(CLI_FAILED, "out of memory");
}

/* "coder|Up 3 minutes (healthy)" */
static enum cli_exit
read_health(struct stack *s)
{
	AUTO(buf_wipe) struct buf out = BUF_MAX(STACK_FILE_TEXT_MAX);
	char filter[600];
	const char *const argv[] = { s->docker, "ps", "--all", "--filter", filter, "--format",
		"{{.Label \"com.docker.compose.service\"}}|{{.Status}}", NULL };
	char *at, *line;
	int status = 1;
	enum cli_exit x;

	(void)snprintf(filter, sizeof(filter), "label=com.docker.compose.project=%s",
	    admin_text(s->model, "name"));
	x = run_program(argv, &out, NULL, &status);
	if (x != CLI_OK || status != 0)
		return x;
	if (buf_append_byte(&out, '\0') != ERR_OK)
		return cli_fail(CLI_FAILED, "out of memory");
	at = (char *)out.data;
	while ((line = strsep(&at, "\n")) != NULL) {
		char *bar = strchr(line, '|');
		struct stack_service *v = NULL;

		if (bar != NULL) {
			*bar = '\0';
			v = stack_service(s, line);
		}
		if (v != NULL)
			(void)snprintf(v->health, sizeof(v->health), "%.60s", bar + 1);
	}
	return CLI_OK;
}

enum cli_exit
stack_docker_images(struct stack *s)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < s->service_count && x == CLI_OK; i++)
		x = inspect(s, s->services[i].name, s->services[i].def);
	return x == CLI_OK ? read_health(s) : x;
}

/* name:x:UID:... on a line of the one file in a tar stream. */
static bool
uid_in_tar(const struct buf *tar, const char *user, uid_t *ret_uid)
{
	size_t len = strlen(user), at = TAR_BLOCK;

	while (at + len < tar->len) {
		const uint8_t *line = tar->data + at;
		const uint8_t *end = memchr(line, '\n', tar->len - at);
		struct span rest;
		uint64_t uid;

		if (end == NULL)
			return false;
		at = (size_t)(end + 1 - tar->data);
		if (!span_starts(span_of(line, (size_t)(end - line)), user) || line[len] != ':')
			continue;
		line = memchr(line + len + 1, ':', (size_t)(end - line) - len - 1);
		if (line == NULL)
			return false;
		rest = span_of(line + 1, strcspn((const char *)line + 1, ":\n"));
		if (text_u64(rest, UINT32_MAX - 1, &uid) != ERR_OK)
			return false;
		*ret_uid = (uid_t)uid;
		return true;
	}
	return false;
}

/* A container that is made and never started: nothing of the image runs. */
bool
stack_docker_uid(const struct stack *s, const char *image, const char *user, uid_t *ret_uid)
{
	AUTO(buf_wipe) struct buf id = BUF_MAX(4096);
	AUTO(buf_wipe) struct buf tar = BUF_MAX(STACK_FILE_TEXT_MAX);
	AUTO(buf_wipe) struct buf ignored = BUF_MAX(4096);
	const char *const create[] = { s->docker, "create", "--pull", "never", "--network", "none",
		"--entrypoint", "/none", "--", image, NULL };
	char name[128], from[160];
	const char *const copy[] = { s->docker, "cp", "--follow-link", from, "-", NULL };
	/* With the volumes that it was given because the image names some. */
	const char *const drop[] = { s->docker, "rm", "--force", "--volumes", name, NULL };
	int status = 1;
	bool found;

	if (s->docker[0] == '\0' || run_program(create, &id, NULL, &status) != CLI_OK ||
	    status != 0 || id.len < 12 || id.len > 100)
		return false;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(id.len - 1), (const char *)id.data);
	(void)snprintf(from, sizeof(from), "%s:/etc/passwd", name);
	found = run_program(copy, &tar, NULL, &status) == CLI_OK && status == 0 &&
		buf_append_byte(&tar, '\n') == ERR_OK && uid_in_tar(&tar, user, ret_uid);
	return run_program(drop, &ignored, NULL, &status) == CLI_OK && found;
}
