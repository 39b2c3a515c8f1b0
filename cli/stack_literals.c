/* What the import cannot remove, since the originals stay as they are: keys that stand in them. And
 * scripts that name Compose files, which will not know of the overlays. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/recognise.h"
#include "cli/stack.h"
#include "cli/stack_scan.h"
#include "common/sys.h"

#define SCRIPTS_DEPTH 2
#define SCRIPT_LEN_MAX ((size_t)1 << 18)

struct literals {
	struct stack *s;
	const char *path;
	uint32_t line; /* of the last note: one a line */
};

static bool
is_known_key(const struct stack *s, struct span text)
{
	for (uint32_t i = 0; i < s->im.env.count; i++) {
		const struct import_item *it = &s->im.items[i];
		struct span value = import_value(&s->im, it);

		if (it->fate == IMPORT_TAKEN && text.len >= value.len &&
		    memmem(text.p, text.len, value.p, value.len) != NULL)
			return true;
	}
	return false;
}

static bool
refers(struct span text)
{
	return text.len > 0 && memchr(text.p, '$', text.len) != NULL;
}

/* The default in ${NAME:-default}, ${NAME-default}. */
static bool
find_default(struct span text, struct span *ret_name, struct span *ret_default)
{
	const uint8_t *open = text.len == 0 ? NULL : memmem(text.p, text.len, "${", 2);
	const uint8_t *end = text.p + text.len, *close, *dash;

	close = open == NULL ? NULL : memchr(open, '}', (size_t)(end - open));
	dash = close == NULL ? NULL : memchr(open, '-', (size_t)(close - open));
	if (dash == NULL)
		return false;
	*ret_name = span_of(open + 2, (size_t)(dash - open) - 2);
	if (ret_name->len > 0 && ret_name->p[ret_name->len - 1] == ':')
		ret_name->len--;
	*ret_default = span_of(dash + 1, (size_t)(close - dash) - 1);
	return true;
}

static bool
is_secret(const struct stack *s, const struct stack_scalar *v)
{
	struct span name = v->key, value = v->text, password;
	const uint8_t *equals = value.len == 0 ? NULL : memchr(value.p, '=', value.len);

	if (is_known_key(s, value))
		return true;
	if (equals != NULL && span_eq_str(v->key, "environment")) {
		name = span_of(value.p, (size_t)(equals - value.p));
		value = span_of(equals + 1, value.len - name.len - 1);
	}
	if (refers(value) && !find_default(value, &name, &value))
		return stack_url_password(value, &password) && !refers(password);
	if (stack_url_password(value, &password))
		return true;
	return recognise_shape(value) != NULL || recognise_suspicious(name, value);
}

static enum err
look_at(const struct stack_scalar *v, void *arg)
{
	struct literals *l = arg;

	/* Elsewhere a name with KEY or SECRET in it names a file, a volume, a Compose secret. */
	if (v->is_key || l->line == v->line ||
	    (!span_eq_str(v->top, "services") && !span_starts(v->top, "x-")) || !is_secret(l->s, v))
		return ERR_OK;
	l->line = v->line;
	return stack_note(l->s, STACK_NOTE_LITERAL,
		   "%s:%u: a secret stands in the file itself (%.*s); the import cannot remove it",
		   l->path, v->line, (int)(v->key.len < 80 ? v->key.len : 80),
		   (const char *)v->key.p) == CLI_OK
		   ? ERR_OK
		   : ERR_NOMEM;
}

/* Comments too, and files that env_file names. */
static enum cli_exit
look_at_lines(struct literals *l, struct span text)
{
	enum cli_exit x = CLI_OK;
	uint32_t line = 0;

	while (text.len > 0 && x == CLI_OK) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.p);

		line++;
		if (is_known_key(l->s, span_of(text.p, len)))
			x = stack_note(l->s, STACK_NOTE_LITERAL,
			    "%s:%u: a key stands in the file itself; the import cannot remove it",
			    l->path, line);
		text = span_of(text.p + len, text.len - len);
		if (text.len > 0)
			text = span_of(text.p + 1, text.len - 1);
	}
	return x;
}

static enum cli_exit
look_at_env_files(struct stack *s, const struct stack_service *v)
{
	enum cli_exit x = CLI_OK;
	const json_t *row;
	size_t i;

	json_array_foreach(stack_env_files(s, v), i, row)
	{
		AUTO(buf_wipe) struct buf text = BUF_MAX(STACK_FILE_TEXT_MAX);
		struct literals l = { .s = s, .path = stack_env_file(row) };

		if (x != CLI_OK || stack_is_env(s, l.path) ||
		    sys_read_file(l.path, &text) != ERR_OK)
			continue;
		x = look_at_lines(&l, buf_span(&text));
	}
	return x;
}

enum cli_exit
stack_find_literals(struct stack *s)
{
	enum cli_exit x = CLI_OK;
	uint32_t line;

	for (uint32_t i = 0; i < s->file_count && x == CLI_OK; i++) {
		struct literals l = { .s = s, .path = s->files[i].path };
		enum err e = stack_scan(buf_span(&s->files[i].text), look_at, &l, &line);

		if (e != ERR_OK)
			x = cli_fail_err(e, s->files[i].path);
	}
	for (uint32_t i = 0; i < s->service_count && x == CLI_OK; i++)
		if (s->services[i].fate == STACK_CONVERTED)
			x = look_at_env_files(s, &s->services[i]);
	return x;
}

static bool
is_script(const char *name)
{
	static const char *const endings[] = { ".sh", ".mk", ".bash", ".service", ".yml", ".yaml",
		".json", ".ps1", ".bat", ".cmd", ".zsh", ".fish", ".py", ".toml" };
	size_t len = strlen(name);

	if (strcasecmp(name, "makefile") == 0 || strcasecmp(name, "justfile") == 0 ||
	    strchr(name + 1, '.') == NULL)
		return true;
	for (size_t i = 0; i < COUNT(endings); i++)
		if (len > strlen(endings[i]) &&
		    strcmp(name + len - strlen(endings[i]), endings[i]) == 0)
			return strstr(name, ".sidekey.") == NULL;
	return false;
}

static bool
has_word(struct span line, const char *word)
{
	return line.len > 0 && memmem(line.p, line.len, word, strlen(word)) != NULL;
}

/* -f FILE, -fFILE, -f=FILE, also as a list's word in quotes. */
static bool
has_option(struct span line)
{
	for (size_t i = 1; i + 1 < line.len; i++)
		if (line.p[i] == '-' && line.p[i + 1] == 'f' &&
		    strchr(" \t\"'", line.p[i - 1]) != NULL)
			return true;
	return has_word(line, "--file");
}

/* A line that calls Compose with files of its own choice; *calls: the one before it did, and goes
 * on here. */
static bool
names_files(struct span line, bool *calls)
{
	const uint8_t *word = line.len == 0 ? NULL : memmem(line.p, line.len, "compose", 7);
	bool goes_on, compose = *calls || word != NULL;
	size_t at = *calls || word == NULL ? 0 : (size_t)(word - line.p);

	while (line.len > 0 && strchr("\r \t", line.p[line.len - 1]) != NULL)
		line.len--;
	goes_on = line.len > 0 && line.p[line.len - 1] == '\\';
	*calls = compose && goes_on;
	/* behind the word: "rm -f compose.yml" is no call */
	return (compose && has_option(span_of(line.p + at, line.len - at))) ||
	       has_word(line, "COMPOSE_FILE");
}

static enum cli_exit
read_script(struct stack *s, const char *path)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(SCRIPT_LEN_MAX);
	enum cli_exit x = CLI_OK;
	uint32_t number = 0;
	bool calls = false;
	size_t at = 0;

	if (sys_read_file(path, &text) != ERR_OK)
		return CLI_OK; /* not ours to complain about */
	while (at < text.len && x == CLI_OK) {
		const uint8_t *end = memchr(text.data + at, '\n', text.len - at);
		size_t len = end == NULL ? text.len - at : (size_t)(end - text.data) - at;

		number++;
		if (names_files(span_of(text.data + at, len), &calls))
			x = stack_note(s, STACK_NOTE_SCRIPT,
			    "%s:%u: names Compose files itself; add the overlays there", path,
			    number);
		at += len + 1;
	}
	return x;
}

/* CI's are hidden. */
static int
may_hold_scripts(const struct dirent *d)
{
	static const char *const hidden[] = { ".github", ".gitlab-ci.yml", ".circleci", ".gitea",
		".forgejo", ".woodpecker.yml", ".drone.yml", ".envrc" };

	for (size_t i = 0; i < COUNT(hidden); i++)
		if (strcmp(d->d_name, hidden[i]) == 0)
			return true;
	return d->d_name[0] != '.' && strcmp(d->d_name, "node_modules") != 0;
}

static enum cli_exit
read_folder(struct stack *s, const char *dir, int depth)
{
	struct dirent **list = NULL;
	int count = scandir(dir, &list, may_hold_scripts, alphasort);
	enum cli_exit x = CLI_OK;

	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		struct stat st;
		int n = snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);

		if (x == CLI_OK && n > 0 && n < PATH_MAX && lstat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode) && depth < SCRIPTS_DEPTH)
				x = read_folder(s, path, depth + 1);
			else if (S_ISREG(st.st_mode) && is_script(list[i]->d_name))
				x = read_script(s, path);
		}
		free(list[i]);
	}
	free(list);
	return x;
}

enum cli_exit
stack_find_scripts(struct stack *s)
{
	return read_folder(s, s->project_dir, 0);
}
