/* The .env with its keys again, as the store has them now. */
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/link.h"
#include "cli/stack.h"
#include "common/secret.h"
#include "common/sys.h"

struct restore {
	const char *path;
	const json_t *variables;
	struct link link;
	struct dotenv env;
	struct buf *out;
	bool changed;
};

static const json_t *
row_of(const struct restore *r, struct span name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(
	    r->variables, i, row) if (span_eq_str(name, admin_text(row, "variable"))) return row;
	return NULL;
}

static bool
needs_quotes(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] <= 0x20 || strchr("\"'\\$#`", value.p[i]) != NULL)
			return true;
	return value.len == 0;
}

/* Read the same by Compose and by us: bare, or in single quotes, in which nothing is filled in. */
static enum cli_exit
put_value(struct restore *r, const struct dotenv_entry *e, struct span value)
{
	const char *quote = needs_quotes(value) ? "'" : "";
	enum err x;

	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] == '\'' || value.p[i] == '\\')
			return cli_fail(CLI_FAILED,
			    "%s:%u: the key of %.*s has a ' or \\ in it, which readers of .env "
			    "files understand differently; put it there by hand (sidekey secret "
			    "show NAME --reveal), then say --rollback again",
			    r->path, e->line, (int)e->name.len, (const char *)e->name.p);
	x = buf_append_str(r->out, quote);
	if (x == ERR_OK)
		x = buf_append_span(r->out, value);
	if (x == ERR_OK)
		x = buf_append_str(r->out, quote);
	return x == ERR_OK ? CLI_OK : cli_fail_err(x, r->path);
}

static enum cli_exit
put_entry(struct restore *r, const struct dotenv_entry *e)
{
	AUTO(buf_wipe) struct buf value = BUF_MAX(SECRET_LEN_MAX);
	const json_t *row = row_of(r, e->name);
	struct span now = dotenv_value(&r->env, e);
	enum cli_exit x;
	enum err k;

	if (row != NULL && admin_true(row, "whole")) {
		x = link_reveal(&r->link, admin_text(row, "secret"), 0, &value);
		if (x != CLI_OK)
			return cli_fail(x,
			    "so %.*s cannot be given its value again, and nothing was changed",
			    (int)e->name.len, (const char *)e->name.p);
		if (!secret_equal(now.p, now.len, value.data, value.len)) {
			r->changed = true;
			return put_value(r, e, buf_span(&value));
		}
	} else if (row != NULL && r->changed) {
		return cli_fail(CLI_FAILED,
		    "%s:%u: a key is only a part of %.*s; put it there by hand (sidekey secret "
		    "show %s --reveal), then say --rollback again",
		    r->path, e->line, (int)e->name.len, (const char *)e->name.p,
		    admin_text(row, "secret"));
	}
	k = buf_append_span(r->out, e->written);
	return k == ERR_OK ? CLI_OK : cli_fail_err(k, r->path);
}

/* A variable whose line is gone would be without its key, and nobody told. */
static enum cli_exit
check_lines(const struct restore *r)
{
	const json_t *row;
	size_t i;

	json_array_foreach(r->variables, i, row)
	{
		const char *name = admin_text(row, "variable");
		bool there = false;

		for (uint32_t k = 0; k < r->env.count; k++)
			there = there || span_eq_str(r->env.entries[k].name, name);
		if (!there)
			return cli_fail(CLI_FAILED,
			    "%s has no line for %s any more; put %s= there, then say --rollback "
			    "again; nothing was changed",
			    r->path, name, name);
	}
	return CLI_OK;
}

/* Byte for byte, but for the values that are others now. */
static enum cli_exit
put_all(struct restore *r, struct span text)
{
	const uint8_t *at = text.p;
	enum cli_exit x = CLI_OK;
	enum err e = ERR_OK;

	for (uint32_t i = 0; i < r->env.count && x == CLI_OK; i++) {
		const struct dotenv_entry *entry = &r->env.entries[i];

		e = buf_append(r->out, at, (size_t)(entry->written.p - at));
		if (e != ERR_OK)
			return cli_fail_err(e, r->path);
		x = put_entry(r, entry);
		at = entry->written.p + entry->written.len;
	}
	if (x == CLI_OK)
		e = buf_append(r->out, at, (size_t)(text.p + text.len - at));
	return x == CLI_OK && e != ERR_OK ? cli_fail_err(e, r->path) : x;
}

/* The lines that say that an import wrote it. */
static struct span
without_head(struct span text)
{
	while (span_starts(text, "# Written by `sidekey import") ||
	       span_starts(text, "# Comments of the original")) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end + 1 - text.p);

		text = span_of(text.p + len, text.len - len);
	}
	return text;
}

enum cli_exit
stack_restore_env(const struct stack *s, const json_t *record, const char *path,
    struct buf *ret_text, bool *ret_changed)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(DOTENV_FILE_MAX + 1);
	struct restore r = { .path = path,
		.variables = json_object_get(record, "variables"),
		.link = LINK_NONE,
		.env = { .text = BUF_MAX(0) },
		.out = ret_text };
	struct dotenv_error why = { 0 };
	struct span body;
	enum cli_exit x;

	if (sys_read_file(path, &text) != ERR_OK)
		return cli_fail(CLI_FAILED, "cannot read %s, so nothing was changed", path);
	body = without_head(buf_span(&text));
	/* Where the head was, a part of a key cannot be what it was. */
	r.changed = body.len != text.len;
	if (dotenv_parse(body, &r.env, &why) != ERR_OK)
		return cli_fail(CLI_FAILED, "%s:%u: %s", path, why.line, why.text);
	x = check_lines(&r);
	if (x == CLI_OK)
		x = link_open(s->c, &r.link);
	if (x == CLI_OK)
		x = put_all(&r, body);
	link_close(&r.link);
	dotenv_wipe(&r.env);
	*ret_changed = r.changed;
	return x;
}
