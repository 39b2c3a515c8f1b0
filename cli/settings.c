#include "cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/yaml/yaml.h"
#include "common/buf.h"
#include "common/sys.h"

static void
copy(char dst[PATH_MAX], const char *text)
{
	(void)snprintf(dst, PATH_MAX, "%s", text);
}

static enum cli_exit
read_unseal(const char *path, const struct yaml_node *node, struct settings *s)
{
	const struct yaml_node *file;

	if (node == NULL)
		return CLI_OK;
	if (node->kind == YAML_STRING && strcmp(node->text, "passphrase") == 0) {
		s->passphrase = true;
		return CLI_OK;
	}
	file = node->kind == YAML_MAP ? yaml_get(node, "key_file") : NULL;
	if (file == NULL || file->kind != YAML_STRING)
		return cli_fail(CLI_FAILED,
		    "%s:%u:%u: unseal is neither passphrase nor {key_file: PATH}", path, node->line,
		    node->column);
	copy(s->key_file, file->text);
	return CLI_OK;
}

enum cli_exit
settings_read(const struct cli *c, struct settings *ret_s)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(YAML_FILE_MAX);
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	const struct yaml_node *node;
	struct place_error place;
	char path[PATH_MAX];
	enum cli_exit x = cli_path(c->config_dir, "sidekey.yaml", path);
	enum err e;

	if (x != CLI_OK)
		return x;
	e = sys_read_file(path, &text);
	if (e == ERR_NOT_FOUND)
		return CLI_NOT_FOUND;
	if (e != ERR_OK)
		return cli_fail(CLI_FAILED, "cannot read %s: %s", path, err_name(e));
	e = yaml_parse(path, buf_span(&text), &root, &place);
	if (e != ERR_OK)
		return cli_fail(
		    CLI_FAILED, "%s:%u:%u: %s", path, place.line, place.column, place.text);
	if (root == NULL || root->kind != YAML_MAP)
		return cli_fail(CLI_FAILED, "%s: expected a map", path);
	node = yaml_get(root, "state_dir");
	if (node != NULL && node->kind == YAML_STRING)
		copy(ret_s->state_dir, node->text);
	node = yaml_get(root, "gateway_dir");
	if (node != NULL && node->kind == YAML_STRING)
		copy(ret_s->gateway_dir, node->text);
	return read_unseal(path, yaml_get(root, "unseal"), ret_s);
}

/* A path in sidekey.yaml must mean the same wherever sidekeyd is started. */
static enum cli_exit
make_absolute(char path[PATH_MAX], const char *option)
{
	char here[PATH_MAX], whole[PATH_MAX];

	for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			return cli_fail(CLI_USAGE, "--%s holds a control character", option);
	if (path[0] == '/' || path[0] == '\0')
		return CLI_OK;
	if (getcwd(here, sizeof(here)) == NULL)
		return cli_fail(CLI_FAILED, "the current folder has no name: %s", strerror(errno));
	if (cli_path(here, path, whole) != CLI_OK)
		return CLI_FAILED;
	copy(path, whole);
	return CLI_OK;
}

static enum cli_exit
take_options(const struct cli *c, struct settings *s)
{
	const char *state_dir = cli_given(c, "state-dir"), *method = cli_given(c, "unseal"),
		   *key_file = cli_given(c, "key-file");
	enum cli_exit x;

	if (state_dir != NULL)
		copy(s->state_dir, state_dir);
	if (method != NULL && strcmp(method, "passphrase") != 0 && strcmp(method, "key-file") != 0)
		return cli_fail(
		    CLI_USAGE, "--unseal is key-file or passphrase, not \"%s\"", method);
	if (method != NULL)
		s->passphrase = strcmp(method, "passphrase") == 0;
	if (s->passphrase && key_file != NULL)
		return cli_fail(CLI_USAGE, "--key-file goes with --unseal key-file");
	if (key_file != NULL)
		copy(s->key_file, key_file);
	if (s->passphrase)
		s->key_file[0] = '\0';
	if (!s->passphrase && s->key_file[0] == '\0' &&
	    cli_path(c->config_dir, "unseal.key", s->key_file) != CLI_OK)
		return CLI_FAILED;
	x = make_absolute(s->state_dir, "state-dir");
	return x == CLI_OK ? make_absolute(s->key_file, "key-file") : x;
}

enum cli_exit
settings_settle(const struct cli *c, struct settings *ret_s)
{
	struct settings s = { .state_dir = CLI_STATE_DIR }, file;
	enum cli_exit x = settings_read(c, &s);

	if (x != CLI_OK && x != CLI_NOT_FOUND)
		return x;
	s.from_file = x == CLI_OK;
	file = s;
	x = take_options(c, &s);
	if (x != CLI_OK)
		return x;
	if (s.from_file && strcmp(s.state_dir, file.state_dir) != 0)
		return cli_fail(CLI_FAILED,
		    "%s/sidekey.yaml says state_dir: %s; change it there, or leave "
		    "--state-dir out",
		    c->config_dir, file.state_dir);
	if (s.from_file &&
	    (s.passphrase != file.passphrase ||
		(file.key_file[0] != '\0' && strcmp(s.key_file, file.key_file) != 0)))
		return cli_fail(CLI_FAILED,
		    "%s/sidekey.yaml says another `unseal`; change it there, or leave "
		    "--unseal and --key-file out",
		    c->config_dir);
	if (s.from_file && !s.passphrase && file.key_file[0] == '\0')
		return cli_fail(CLI_FAILED,
		    "%s/sidekey.yaml has no `unseal`; add `unseal: {key_file: PATH}` or "
		    "`unseal: passphrase`",
		    c->config_dir);
	*ret_s = s;
	return CLI_OK;
}

/* A single-quoted YAML string; controls were refused before. */
static enum err
put_quoted(struct buf *out, const char *text)
{
	enum err e = buf_append_byte(out, '\'');

	for (; *text != '\0' && e == ERR_OK; text++)
		e = *text == '\'' ? buf_append_str(out, "''")
				  : buf_append_byte(out, (uint8_t)*text);
	return e == ERR_OK ? buf_append_byte(out, '\'') : e;
}

static enum err
put_setting(struct buf *out, const char *key, const char *value, const char *end)
{
	enum err e = buf_append_str(out, key);

	if (e == ERR_OK)
		e = put_quoted(out, value);
	return e == ERR_OK ? buf_append_str(out, end) : e;
}

enum cli_exit
settings_write(const struct cli *c, const struct settings *s)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(16384);
	char path[PATH_MAX], run_dir[PATH_MAX];
	enum cli_exit x = cli_path(c->config_dir, "sidekey.yaml", path);
	enum err e;

	copy(run_dir, c->run_dir);
	if (x == CLI_OK)
		x = make_absolute(run_dir, "run-dir");
	if (x != CLI_OK)
		return x;
	e = buf_append_str(&text, "# The broker's settings; sidekey.yaml(5) has them all.\n");
	if (e == ERR_OK)
		e = put_setting(&text, "state_dir: ", s->state_dir, "\n");
	if (e == ERR_OK)
		e = put_setting(&text, "run_dir: ", run_dir, "\n");
	if (e == ERR_OK && s->passphrase)
		e = buf_append_str(&text, "unseal: passphrase\n");
	else if (e == ERR_OK)
		e = put_setting(&text, "unseal: {key_file: ", s->key_file, "}\n");
	if (e == ERR_OK)
		e = sys_replace_file(path, buf_span(&text), 0644);
	return e == ERR_OK ? CLI_OK
			   : cli_fail(CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
}
