/* Which variables of the file are taken, and what for. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"
#include "cli/recognise.h"
#include "common/secret.h"

static enum cli_exit
find_told(struct import *im, struct span name, struct import_item **ret_item)
{
	if (im->find_told != NULL)
		return im->find_told(im->arg, name, ret_item);
	for (uint32_t i = 0; i < im->env.count; i++)
		if (span_eq(im->items[i].entry->name, name)) {
			*ret_item = &im->items[i];
			return CLI_OK;
		}
	return cli_fail(CLI_NOT_FOUND, "--take %.*s: there is no such variable in %s",
	    (int)name.len, (const char *)name.p, im->path);
}

static enum cli_exit
take_told(struct import *im, const char *told)
{
	const char *equals = strchr(told, '=');
	size_t len = equals != NULL ? (size_t)(equals - told) : strlen(told);
	struct import_item *it = NULL;
	enum cli_exit x = find_told(im, span_of(told, len), &it);

	if (x != CLI_OK)
		return x;
	must(it != NULL);
	if (it->told)
		return cli_fail(CLI_USAGE, "--take %.*s is said twice", (int)len, told);
	it->told = true;
	it->fate = IMPORT_TAKEN;
	it->only_stored = equals == NULL;
	if (equals == NULL)
		return CLI_OK;
	if (name_object_check(span_str(equals + 1)) != ERR_OK ||
	    !span_copy_str(span_str(equals + 1), it->upstream, sizeof(it->upstream)))
		return cli_fail(
		    CLI_USAGE, "--take %s: \"%s\" is not an upstream's name", told, equals + 1);
	return CLI_OK;
}

/* By name, then by shape; both, and not the same, is for a person to say. */
static enum cli_exit
recognise(const struct import *im, struct import_item *it)
{
	struct span name = it->entry->name, value = import_value(im, it);
	const char *by_name = recognise_name(name), *by_shape = recognise_shape(value);
	char where[IMPORT_WHERE_SIZE];

	if (it->entry->refers || value.len == 0 || recognise_address(name) != NULL)
		return CLI_OK;
	import_where(im, it, where);
	if (by_name != NULL && by_shape != NULL && strcmp(by_name, by_shape) != 0)
		return cli_fail(CLI_FAILED,
		    "%s: %.*s should hold a key of %s, but its value looks like one of %s; say "
		    "--take %.*s=%s or --take %.*s=%s",
		    where, (int)name.len, (const char *)name.p, by_name, by_shape, (int)name.len,
		    (const char *)name.p, by_name, (int)name.len, (const char *)name.p, by_shape);
	if (by_name == NULL)
		by_name = by_shape;
	if (by_name == NULL)
		return CLI_OK;
	it->fate = IMPORT_TAKEN;
	(void)snprintf(it->upstream, sizeof(it->upstream), "%s", by_name);
	return CLI_OK;
}

/* ${VAR} or $VAR, also with a message or an empty default: no part of a key stands here. */
static bool
only_refers(struct span value)
{
	static const char *const ends[] = { "", ":-", "-" };
	bool braces = value.len > 3 && value.p[1] == '{' && value.p[value.len - 1] == '}';
	size_t at = braces ? 2 : 1, end = braces ? value.len - 1 : value.len;
	struct span rest;

	if (value.len < 2 || value.p[0] != '$')
		return false;
	while (at < end && (isalnum(value.p[at]) || value.p[at] == '_'))
		at++;
	rest = span_of(value.p + at, end - at);
	if (braces && (span_starts(rest, ":?") || span_starts(rest, "?")))
		return true;
	for (size_t i = 0; i < COUNT(ends); i++)
		if (span_eq_str(rest, ends[i]))
			return braces || i == 0;
	return false;
}

static void
note_left(const struct import *im, struct import_item *it)
{
	struct span name = it->entry->name, value = import_value(im, it);
	bool known = recognise_name(name) != NULL || recognise_suspicious(name, value);

	if (it->entry->refers && known && only_refers(value))
		(void)snprintf(it->note, sizeof(it->note), "refers to another variable");
	else if (it->entry->refers && known)
		(void)snprintf(it->note, sizeof(it->note),
		    "WARNING: looks like a secret, but has a $ that some readers fill in; if it "
		    "is meant as it stands, put it in single quotes");
	else if (recognise_url_password(value))
		(void)snprintf(
		    it->note, sizeof(it->note), "WARNING: holds a password inside a URL");
	else if (recognise_suspicious(name, value))
		(void)snprintf(
		    it->note, sizeof(it->note), "WARNING: looks like a secret; --take it");
	else if (value.len == 0 && recognise_name(name) != NULL)
		(void)snprintf(it->note, sizeof(it->note), "empty");
}

/* What the keeper would refuse is refused before anything is done. */
static enum cli_exit
check_taken(const struct import *im, const struct import_item *it)
{
	struct span name = it->entry->name, value = import_value(im, it);
	const char *why = NULL;
	char where[IMPORT_WHERE_SIZE];

	if (it->entry->refers)
		why = "has a $ that some readers fill in with another variable; only a value that "
		      "stands in the file can be taken: if it is meant as it stands, put it in "
		      "single quotes";
	else if (value.len == 0)
		why = "is empty";
	else if (value.len > SECRET_LEN_MAX)
		why = "is longer than 16384 bytes";
	for (size_t i = 0; i < value.len && why == NULL; i++)
		if (value.p[i] < 0x20 || value.p[i] == 0x7f)
			why = "holds a line break or another control character; such a secret "
			      "cannot be stored";
	if (why == NULL)
		return CLI_OK;
	import_where(im, it, where);
	return cli_fail(CLI_FAILED, "%s: %.*s %s", where, (int)name.len, (const char *)name.p, why);
}

enum cli_exit
import_find_keys(const struct cli *c, struct import *im)
{
	enum cli_exit x = CLI_OK;
	const char *told;

	im->items = calloc(im->env.count, sizeof(*im->items));
	if (im->items == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	for (uint32_t i = 0; i < im->env.count; i++)
		im->items[i].entry = &im->env.entries[i];
	for (int i = 0; x == CLI_OK && (told = cli_given_nth(c, "take", i)) != NULL; i++)
		x = take_told(im, told);
	for (uint32_t i = 0; i < im->env.count && x == CLI_OK; i++) {
		struct import_item *it = &im->items[i];

		if (!it->told)
			x = recognise(im, it);
		if (x == CLI_OK && it->fate == IMPORT_TAKEN)
			x = check_taken(im, it);
		if (x == CLI_OK && it->fate == IMPORT_LEFT)
			note_left(im, it);
	}
	return x;
}
