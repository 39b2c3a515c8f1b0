/* The folders: which files there are, in which order, and the whole behind them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/api/policyc/compile.h"

#define PATH_SIZE 4096

typedef void file_fn(struct compiler *c, const struct yaml_node *root);

struct names {
	char **list;
	uint32_t count, room;
};

static void
names_wipe(struct names *n)
{
	for (uint32_t i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n->list);
	memset(n, 0, sizeof(*n));
}

enum err
compile_init(struct compiler *c, const char *config_dir, struct policyc_errors *errors)
{
	memset(c, 0, sizeof(*c));
	errors->count = 0;
	c->config_dir = c->file = config_dir;
	c->errors = errors;
	c->rules = calloc(1, sizeof(*c->rules));
	return c->rules == NULL ? ERR_NOMEM : ERR_OK;
}

enum err
compile_finish(struct compiler *c, struct rules **ret_r)
{
	AUTO(rules_freep) struct rules *r = c->rules;
	AUTO(buf_wipe) struct buf encoded = BUF_MAX(RULES_LEN_MAX + 1);
	enum err e = c->fatal;

	c->rules = NULL;
	if (e == ERR_OK && c->errors->count == 0) {
		e = rules_write(r, &encoded); /* what does not fit is said here, with the other
						 errors, not when it is sent */
		c->file = c->config_dir;
		if (e == ERR_LIMIT)
			compile_report(c, NULL,
			    "all files together are larger than %u bytes when compiled",
			    RULES_LEN_MAX);
	}
	if (e == ERR_NOMEM)
		compile_report(c, NULL, "out of memory");
	if (e == ERR_OK && c->errors->count > 0)
		e = ERR_SYNTAX;
	if (e != ERR_OK)
		return e;
	*ret_r = r;
	r = NULL; /* given away */
	return ERR_OK;
}

static bool
comes_after(const struct place_error *a, const struct place_error *b)
{
	return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* The errors of one file in the order of its lines: they were found key by key. */
static void
sort_errors(struct policyc_errors *errors, uint32_t first)
{
	uint32_t end = errors->count < POLICYC_ERRORS_MAX ? errors->count : POLICYC_ERRORS_MAX;

	for (uint32_t i = first + 1; i < end; i++) {
		for (uint32_t k = i;
		     k > first && comes_after(&errors->list[k - 1], &errors->list[k]); k--) {
			struct place_error swap = errors->list[k];

			errors->list[k] = errors->list[k - 1];
			errors->list[k - 1] = swap;
		}
	}
}

/* A file that was read: e, with its error or its tree. */
static void
take_tree(struct compiler *c, enum err e, const struct place_error *error,
    const struct yaml_node *root, file_fn *fn)
{
	uint32_t first = c->errors->count;

	if (e == ERR_OK)
		fn(c, root);
	else if (e == ERR_NOMEM)
		c->fatal = e;
	else
		compile_report_place(c, error);
	c->upstream_lost = c->upstream_lost || (e != ERR_OK && fn == compile_upstream);
	sort_errors(c->errors, first);
	c->file = c->config_dir;
}

static void
compile_bytes(struct compiler *c, const char *file, struct span in, file_fn *fn)
{
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct place_error error;
	enum err e = yaml_parse(file, in, &root, &error);

	c->file = file;
	take_tree(c, e, &error, root, fn);
}

void
compile_upstream_bytes(struct compiler *c, const char *file, struct span in)
{
	compile_bytes(c, file, in, compile_upstream);
}

void
compile_policy_bytes(struct compiler *c, const char *file, struct span in)
{
	compile_bytes(c, file, in, compile_policy);
}

static void
compile_file(struct compiler *c, const char *path, file_fn *fn)
{
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct place_error error;
	enum err e = yaml_load(path, path, &root, &error);

	c->file = path;
	take_tree(c, e, &error, root, fn);
}

static bool
ends_with(const char *s, const char *end)
{
	size_t a = strlen(s), b = strlen(end);

	return a > b && strcmp(s + a - b, end) == 0;
}

static void
take_entry(struct compiler *c, const char *folder, const char *name, struct names *n)
{
	if (name[0] == '.') /* also what editors and mounts leave there */
		return;
	if (ends_with(name, ".yml")) { /* silence would leave its author without rules, and without
					  a word about it */
		c->file = folder;
		compile_report(c, NULL, "the file %s must end in .yaml", name);
		return;
	}
	if (!ends_with(name, ".yaml"))
		return;
	if (n->count > RULES_POLICIES_MAX ||
	    !compile_grow(c, (void **)&n->list, n->count, &n->room, sizeof(n->list[0])))
		return;
	compile_keep(c, &n->list[n->count], name);
	n->count += n->list[n->count] != NULL;
}

static int
name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in folder, sorted: the same files give the same bytes, whatever order the file system
 * has. */
static void
list_folder(struct compiler *c, const char *folder, struct names *n)
{
	DIR *d = opendir(folder);
	const struct dirent *entry;

	if (d == NULL) {
		c->file = folder;
		if (errno == ENOENT) /* not "no rules": a folder that is gone takes none away */
			compile_report(c, NULL,
			    "there is no such folder; make it, and leave it empty if it is to have "
			    "no files");
		else
			compile_report(c, NULL, "the folder cannot be read: %s", strerror(errno));
		return;
	}
	while (c->fatal == ERR_OK && (entry = readdir(d)) != NULL)
		take_entry(c, folder, entry->d_name, n);
	(void)closedir(d);
	if (n->count > 1)
		qsort(n->list, n->count, sizeof(n->list[0]), name_order);
}

static bool
is_replaced(const struct compiler *c, const char *part, const char *name)
{
	for (size_t i = 0; i < c->extra_count; i++) {
		if (strcmp(c->extra[i].part, part) == 0 && strcmp(c->extra[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
compile_extra(struct compiler *c, const char *part, const char *folder, file_fn *fn)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < c->extra_count && c->fatal == ERR_OK; i++) {
		if (strcmp(c->extra[i].part, part) != 0)
			continue;
		c->file = folder;
		if (snprintf(path, sizeof(path), "%s/%s", folder, c->extra[i].name) >=
		    (int)sizeof(path))
			compile_report(c, NULL, "the path is too long");
		else
			compile_bytes(c, path, c->extra[i].text, fn);
	}
}

static void
compile_folder(struct compiler *c, const char *part, file_fn *fn)
{
	AUTO(names_wipe) struct names n = { NULL, 0, 0 };
	char folder[PATH_SIZE], path[PATH_SIZE];

	if (snprintf(folder, sizeof(folder), "%s/%s", c->config_dir, part) >= (int)sizeof(folder)) {
		compile_report(c, NULL, "the path is too long");
		return;
	}
	list_folder(c, folder, &n);
	for (uint32_t i = 0; i < n.count && c->fatal == ERR_OK; i++) {
		if (is_replaced(c, part, n.list[i]))
			continue;
		c->file = folder;
		if (snprintf(path, sizeof(path), "%s/%s", folder, n.list[i]) >= (int)sizeof(path))
			compile_report(c, NULL, "the path is too long");
		else
			compile_file(c, path, fn);
	}
	compile_extra(c, part, folder, fn);
	c->file = c->config_dir;
}

enum err
policyc_compile_with(const char *config_dir, const struct policyc_file *files, size_t count,
    struct rules **ret_r, struct policyc_errors *ret_errors)
{
	struct compiler c;
	enum err e = compile_init(&c, config_dir, ret_errors);

	if (e != ERR_OK)
		return e;
	c.extra = files;
	c.extra_count = count;
	compile_folder(&c, "upstreams", compile_upstream);
	compile_folder(&c, "policies", compile_policy);
	if (c.fatal == ERR_OK && c.errors->count == 0)
		compile_check_env(&c);
	return compile_finish(&c, ret_r);
}

enum err
policyc_compile(const char *config_dir, struct rules **ret_r, struct policyc_errors *ret_errors)
{
	return policyc_compile_with(config_dir, NULL, 0, ret_r, ret_errors);
}
