/* One overlay a Compose file: what changes for the services that use a key, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/admin.h"
#include "cli/stack.h"
#include "common/sys.h"

#define WRITTEN_BY "# Written by `" STACK_LABEL "`"
#define OVERLAY_HEAD                                                                               \
	WRITTEN_BY ": goes behind its original, -f %s -f %s.\n"                                    \
		   "# It holds no key. To take all of it back: " STACK_LABEL " --rollback\n"

/* A double-quoted YAML string. dollar: "$$" where Compose is to fill nothing in. */
static enum err
put_quoted(struct buf *out, struct span s, const char *dollar)
{
	enum err e = buf_append_byte(out, '"');

	for (size_t i = 0; i < s.len && e == ERR_OK; i++) {
		uint8_t b = s.p[i];

		if (b == '"' || b == '\\')
			e = buf_printf(out, "\\%c", b);
		else if (b < 0x20 || b == 0x7f)
			e = buf_printf(out, "\\x%02x", b);
		else if (b == '$')
			e = buf_append_str(out, dollar);
		else
			e = buf_append_byte(out, b);
	}
	return e == ERR_OK ? buf_append_byte(out, '"') : e;
}

static enum err
put_string(struct buf *out, struct span s)
{
	return put_quoted(out, s, "$$");
}

static enum err
put_clean(const struct stack *s, struct buf *out, const char *text)
{
	AUTO(buf_wipe) struct buf clean = BUF_MAX(STACK_TEXT_MAX);
	enum err e = stack_put_clean(s, span_str(text), &clean);

	return e == ERR_OK ? put_string(out, buf_span(&clean)) : e;
}

static enum err
put_words(const struct stack *s, struct buf *out, const json_t *list, bool first)
{
	const json_t *word;
	enum err e = ERR_OK;
	size_t i;

	json_array_foreach(list, i, word)
	{
		if (e == ERR_OK && !(first && i == 0))
			e = buf_append_str(out, ", ");
		if (e == ERR_OK)
			e = put_clean(s, out, json_string_value(word));
	}
	return e == ERR_OK ? buf_append_str(out, "]\n") : e;
}

static enum err
put_command(
    const struct stack *s, const struct stack_service *v, const json_t *def, struct buf *out)
{
	AUTO(stack_command_wipe) struct stack_command k = { 0 };
	enum err e;

	/* Without those behind it, a file may leave open what is run: then the whole says it. */
	if (!stack_command(def, v->image, &k) && !stack_command(v->def, v->image, &k))
		return ERR_CONFLICT;
	e = buf_append_str(out, "    entrypoint: [\"" STACK_SHIM "\", \"--\"");
	if (e == ERR_OK)
		e = put_words(s, out, k.entrypoint, false);
	if (e == ERR_OK)
		e = buf_append_str(out, "    command: [");
	if (e == ERR_OK)
		e = put_words(s, out, k.command, true);
	return e;
}

/* In a container even a placeholder is better than what the .env holds, which docker inspect shows.
 */
static enum err
put_environment(const struct stack *s, const json_t *def, struct buf *out)
{
	const json_t *env = json_object_get(def, "environment"), *value;
	enum err e = ERR_OK;
	bool head = false;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)env, name, value)
	{
		AUTO(buf_wipe) struct buf clean = BUF_MAX(STACK_TEXT_MAX);
		const struct import_item *it = stack_item(s, name, value);
		struct span text = span_str(json_string_value(value));

		if (e != ERR_OK || text.len == 0 ||
		    (it != NULL && strncmp(it->note, "WARNING", 7) == 0))
			continue;
		e = stack_put_clean(s, text, &clean);
		if (e != ERR_OK || span_eq(text, buf_span(&clean)))
			continue;
		e = buf_append_str(out, head ? "" : "    environment:\n");
		head = true;
		if (e == ERR_OK)
			e = buf_append_str(out, "      ");
		if (e == ERR_OK)
			e = put_string(out, span_str(name));
		if (e == ERR_OK)
			e = buf_append_str(out, ": ");
		if (e == ERR_OK)
			e = put_string(out, buf_span(&clean));
		if (e == ERR_OK)
			e = buf_append_byte(out, '\n');
	}
	return e;
}

/* env_file: .env goes on as .env.sidekey, or the service would not start without the old one. */
static enum err
put_env_file(const struct stack *s, const struct stack_service *v, struct buf *out)
{
	const json_t *list = stack_env_files(s, v), *row;
	enum err e = ERR_OK;
	bool any = false;
	size_t i;

	json_array_foreach(list, i, row) any = any || stack_is_env(s, stack_env_file(row));
	if (!any)
		return ERR_OK;
	e = buf_append_str(out, "    env_file: !override\n");
	json_array_foreach(list, i, row)
	{
		char path[PATH_MAX + 16];
		bool env = stack_is_env(s, stack_env_file(row));
		bool may_lack = json_is_false(json_object_get(row, "required"));

		(void)snprintf(
		    path, sizeof(path), "%s%s", stack_env_file(row), env ? ".sidekey" : "");
		if (e == ERR_OK)
			e = buf_append_str(out, "      - path: ");
		if (e == ERR_OK)
			e = put_quoted(out, span_str(path), "$"); /* as it was written */
		if (e == ERR_OK)
			e = buf_append_str(out, may_lack ? "\n        required: false\n" : "\n");
	}
	return e;
}

static enum err
put_network(const struct stack_service *v, const json_t *def, struct buf *out)
{
	enum err e;

	if (!v->isolated || strcmp(admin_text(def, "network_mode"), "none") == 0)
		return ERR_OK;
	e = buf_append_str(out, "    network_mode: none\n");
	return e == ERR_OK ? buf_append_str(out, "    networks: !reset null\n") : e;
}

static enum err
put_service(
    struct stack *s, const struct stack_file *f, const struct stack_service *v, struct buf *out)
{
	const json_t *def = stack_def_in(f, v->name);
	enum err e = buf_printf(out, "  %s:\n", v->name);

	if (def == NULL)
		def = v->def;
	if (e == ERR_OK)
		e = put_command(s, v, def, out);
	if (e == ERR_OK && admin_true(def, "init"))
		e = buf_append_str(out, "    init: false\n"); /* the shim is */
	if (e == ERR_OK)
		e = put_env_file(s, v, out);
	if (e == ERR_OK)
		e = put_environment(s, def, out);
	if (e == ERR_OK)
		e = buf_printf(out,
		    "    secrets:\n      - {source: \"sidekey-%s\", target: sidekey}\n"
		    "    volumes:\n      - \"" STACK_SOCKET_MOUNT "\"\n      - \"" STACK_SHIM_MOUNT
		    "\"\n",
		    v->name);
	return e == ERR_OK ? put_network(v, def, out) : e;
}

static enum err
put_ends(const struct stack *s, const struct stack_file *f, struct buf *out)
{
	enum err e = buf_append_str(out, "secrets:\n");

	for (uint32_t i = 0; i < s->service_count && e == ERR_OK; i++)
		if (s->services[i].fate == STACK_CONVERTED &&
		    stack_has(&f->services, s->services[i].name))
			e = buf_printf(out, "  sidekey-%s: {file: \"./.sidekey/enroll/%s.json\"}\n",
			    s->services[i].name, s->services[i].name);
	return e == ERR_OK ? buf_append_str(out,
				 "volumes:\n  sidekey-run: {external: true, name: sidekey-run}\n"
				 "  sidekey-shim: {external: true, name: sidekey-shim}\n")
			   : e;
}

static enum cli_exit
compose(struct stack *s, const struct stack_file *f)
{
	struct import_out *o = &s->im.outs[s->im.out_count];
	bool any = false;
	enum err e;

	for (uint32_t i = 0; i < s->service_count; i++)
		any = any || (s->services[i].fate == STACK_CONVERTED &&
				 stack_has(&f->services, s->services[i].name));
	if (!any)
		return CLI_OK;
	must(s->im.out_count < IMPORT_OUTS_MAX);
	s->im.out_count++;
	o->text = (struct buf)BUF_MAX(STACK_TEXT_MAX);
	o->mode = 0644;
	memcpy(o->path, f->overlay, sizeof(o->path));
	e = buf_printf(&o->text, OVERLAY_HEAD "services:\n", stack_base_name(f->path),
	    stack_base_name(f->overlay));
	for (uint32_t i = 0; i < s->service_count && e == ERR_OK; i++)
		if (s->services[i].fate == STACK_CONVERTED &&
		    stack_has(&f->services, s->services[i].name))
			e = put_service(s, f, &s->services[i], &o->text);
	if (e == ERR_OK)
		e = put_ends(s, f, &o->text);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, o->path);
}

/* Only what an import wrote, and nobody changed, is written anew without being told. */
static enum cli_exit
check_place(const struct stack *s, const char *path)
{
	AUTO(buf_wipe) struct buf old = BUF_MAX(STACK_TEXT_MAX);
	struct stat st;

	if (lstat(path, &st) != 0 || cli_given(s->c, "force") != NULL)
		return CLI_OK;
	if (stack_edited(s, path))
		return cli_fail(CLI_FAILED,
		    "%s was changed since an import wrote it; undo that, or say --force to write "
		    "it anew",
		    path);
	if (sys_read_file(path, &old) == ERR_OK &&
	    (span_starts(buf_span(&old), WRITTEN_BY) ||
		span_starts(buf_span(&old), "# Written by `sidekey import env`")))
		return CLI_OK;
	return cli_fail(CLI_FAILED,
	    "%s is there, and no import wrote it; remove it, or say --force to replace it", path);
}

enum cli_exit
stack_compose_overlays(struct stack *s)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < s->file_count && x == CLI_OK; i++)
		x = compose(s, &s->files[i]);
	for (uint32_t i = 0; i < s->im.out_count && x == CLI_OK; i++) {
		x = check_place(s, s->im.outs[i].path);
		for (uint32_t k = 0; k < s->im.env.count && x == CLI_OK; k++) {
			struct span value = import_value(&s->im, &s->im.items[k]);
			const struct buf *text = &s->im.outs[i].text;

			must(s->im.items[k].fate != IMPORT_TAKEN ||
			     memmem(text->data, text->len, value.p, value.len) == NULL);
		}
	}
	if (x == CLI_OK && s->im.out_path[0] != '\0')
		x = check_place(s, s->im.out_path);
	return x;
}
