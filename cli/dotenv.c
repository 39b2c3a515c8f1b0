#include "cli/dotenv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct span in;
	size_t at;
	uint32_t line;
	struct dotenv *d;
	struct dotenv_error *error;
};

static enum err PRINTF(4, 5)
    refuse(struct reader *r, enum err e, uint32_t line, const char *fmt, ...)
{
	va_list ap;

	r->error->line = line;
	va_start(ap, fmt);
	(void)vsnprintf(r->error->text, sizeof(r->error->text), fmt, ap);
	va_end(ap);
	return e;
}

/* -1 at the end. */
static int
peek(const struct reader *r, size_t ahead)
{
	return r->at + ahead < r->in.len ? r->in.p[r->at + ahead] : -1;
}

static bool
is_blank(int b)
{
	return b == ' ' || b == '\t';
}

static bool
is_name_byte(int b, bool first)
{
	return (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || b == '_' ||
	       (!first && ((b >= '0' && b <= '9') || b == '.'));
}

static void
skip_blanks(struct reader *r)
{
	while (is_blank(peek(r, 0)))
		r->at++;
}

/* 1 for LF, 2 for CRLF, 0 for neither. */
static size_t
newline_len(const struct reader *r)
{
	if (peek(r, 0) == '\n')
		return 1;
	return peek(r, 0) == '\r' && peek(r, 1) == '\n' ? 2 : 0;
}

static bool
at_end_of_line(const struct reader *r)
{
	return peek(r, 0) == -1 || newline_len(r) > 0;
}

static void
skip_line(struct reader *r)
{
	while (!at_end_of_line(r))
		r->at++;
}

static enum err
put_byte(struct reader *r, struct dotenv_entry *e, int b)
{
	enum err x = buf_append_byte(&r->d->text, (uint8_t)b);

	if (x != ERR_OK)
		return refuse(r, x, e->line, "out of memory");
	e->len++;
	return ERR_OK;
}

/* Would a reader that fills in variables see one here? */
static bool
starts_reference(const struct reader *r)
{
	int next = peek(r, 1);

	return peek(r, 0) == '$' &&
	       (next == '{' || next == '(' || next == '$' || is_name_byte(next, true));
}

static enum err
read_bare(struct reader *r, struct dotenv_entry *e)
{
	size_t start = r->at, end = start; /* end: behind the last byte that is no blank */
	enum err x = ERR_OK;

	if (peek(r, 0) == '#' && !is_blank(r->in.p[r->at - 1]))
		return refuse(r, ERR_SYNTAX, e->line,
		    "'#' right behind '=' is a comment to some readers and a value to others; "
		    "quote it");
	while (!at_end_of_line(r)) {
		if (peek(r, 0) == '#' && is_blank(r->in.p[r->at - 1]))
			break;
		e->refers = e->refers || starts_reference(r);
		if (!is_blank(peek(r, 0)))
			end = r->at + 1;
		r->at++;
	}
	e->written = span_of(r->in.p + start, end - start);
	for (size_t i = 0; i < e->written.len && x == ERR_OK; i++)
		x = put_byte(r, e, e->written.p[i]);
	return x;
}

/* The byte behind a backslash; 0: none of the known ones, both stay. */
static int
escaped(int b)
{
	switch (b) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case '\\':
	case '"':
	case '$':
		return b;
	default:
		return 0;
	}
}

/* One byte of a quoted value, or one escape or line end. */
static enum err
read_quoted_byte(struct reader *r, struct dotenv_entry *e)
{
	size_t newline = newline_len(r);
	int b = peek(r, 0);

	if (newline > 0) {
		r->at += newline;
		r->line++;
		return put_byte(r, e, '\n');
	}
	if (e->quote == DOTENV_DOUBLE && b == '\\' && escaped(peek(r, 1)) != 0) {
		b = escaped(peek(r, 1));
		r->at++;
	} else if (e->quote == DOTENV_DOUBLE && starts_reference(r)) {
		e->refers = true;
	}
	r->at++;
	return put_byte(r, e, b);
}

static enum err
read_quoted(struct reader *r, struct dotenv_entry *e)
{
	int quote = peek(r, 0);
	size_t start = r->at++;

	e->quote = quote == '"' ? DOTENV_DOUBLE : DOTENV_SINGLE;
	while (peek(r, 0) != quote) {
		enum err x;

		if (peek(r, 0) == -1)
			return refuse(r, ERR_SYNTAX, e->line, "the %s quote is never closed",
			    quote == '"' ? "double" : "single");
		x = read_quoted_byte(r, e);
		if (x != ERR_OK)
			return x;
	}
	r->at++;
	e->written = span_of(r->in.p + start, r->at - start);
	return ERR_OK;
}

static enum err
read_value(struct reader *r, struct dotenv_entry *e)
{
	enum err x;

	skip_blanks(r);
	e->at = r->d->text.len;
	if (peek(r, 0) != '"' && peek(r, 0) != '\'')
		x = read_bare(r, e);
	else
		x = read_quoted(r, e);
	if (x != ERR_OK)
		return x;
	skip_blanks(r);
	if (peek(r, 0) == '#') {
		r->d->comments++;
		skip_line(r);
	}
	if (!at_end_of_line(r))
		return refuse(r, ERR_SYNTAX, r->line, "there is text behind the closing quote");
	return ERR_OK;
}

/* The word "export" in front, if a blank follows it. */
static bool
read_export(struct reader *r)
{
	if (!span_starts(span_of(r->in.p + r->at, r->in.len - r->at), "export") ||
	    !is_blank(peek(r, 6)))
		return false;
	r->at += 6;
	skip_blanks(r);
	return true;
}

static enum err
read_name(struct reader *r, struct dotenv_entry *e)
{
	size_t start = r->at;

	e->exported = read_export(r);
	if (e->exported)
		start = r->at;
	while (is_name_byte(peek(r, 0), r->at == start))
		r->at++;
	e->name = span_of(r->in.p + start, r->at - start);
	if (e->name.len > DOTENV_NAME_MAX)
		return refuse(
		    r, ERR_LIMIT, r->line, "a name is longer than %d bytes", DOTENV_NAME_MAX);
	skip_blanks(r);
	/* The word is not quoted in the message: on a line of its own it may be the rest of a key.
	 */
	if (e->name.len == 0 || peek(r, 0) != '=')
		return refuse(r, ERR_SYNTAX, r->line,
		    "expected NAME=VALUE, with letters, digits, '_' and '.' in the name");
	r->at++;
	return ERR_OK;
}

static enum err
check_new(struct reader *r, const struct dotenv_entry *e)
{
	for (uint32_t i = 0; i < r->d->count; i++)
		if (span_eq(r->d->entries[i].name, e->name))
			return refuse(r, ERR_SYNTAX, e->line, "%.*s is set again; first on line %u",
			    (int)e->name.len, (const char *)e->name.p, r->d->entries[i].line);
	return ERR_OK;
}

static enum err
read_entry(struct reader *r)
{
	struct dotenv_entry e = { .line = r->line };
	enum err x = read_name(r, &e);

	if (x == ERR_OK)
		x = check_new(r, &e);
	if (x == ERR_OK)
		x = read_value(r, &e);
	if (x != ERR_OK)
		return x;
	if (r->d->count == DOTENV_ENTRIES_MAX)
		return refuse(r, ERR_LIMIT, e.line, "more than %d variables", DOTENV_ENTRIES_MAX);
	r->d->entries[r->d->count++] = e;
	return ERR_OK;
}

static enum err
read_line(struct reader *r)
{
	enum err x = ERR_OK;

	skip_blanks(r);
	if (peek(r, 0) == '#') {
		r->d->comments++;
		skip_line(r);
	} else if (!at_end_of_line(r)) {
		x = read_entry(r);
	}
	r->at += newline_len(r);
	r->line++;
	return x;
}

/* Once over the whole: what no line of text may hold. */
static enum err
check_bytes(struct reader *r)
{
	uint32_t line = 1;

	if (r->in.len > DOTENV_FILE_MAX)
		return refuse(
		    r, ERR_LIMIT, 0, "the file is larger than %u KiB", DOTENV_FILE_MAX >> 10);
	for (size_t i = 0; i < r->in.len; i++) {
		uint8_t b = r->in.p[i];
		bool line_end =
		    b == '\n' || (b == '\r' && i + 1 < r->in.len && r->in.p[i + 1] == '\n');

		if ((b < 0x20 && b != '\t' && !line_end) || b == 0x7f)
			return refuse(r, ERR_SYNTAX, line, "a control character (byte 0x%02x)", b);
		line += b == '\n';
	}
	return ERR_OK;
}

static enum err
read_all(struct reader *r)
{
	enum err x = check_bytes(r);

	if (x != ERR_OK)
		return x;
	if (span_starts(r->in, "\xef\xbb\xbf")) /* editors on Windows put a mark in front */
		r->at = 3;
	r->d->entries = calloc(DOTENV_ENTRIES_MAX, sizeof(*r->d->entries));
	if (r->d->entries == NULL)
		return refuse(r, ERR_NOMEM, 0, "out of memory");
	while (r->at < r->in.len && x == ERR_OK)
		x = read_line(r);
	return x;
}

enum err
dotenv_parse(struct span in, struct dotenv *ret_d, struct dotenv_error *ret_error)
{
	AUTO(dotenv_wipe) struct dotenv d = { .text = BUF_MAX(DOTENV_FILE_MAX) };
	struct reader r = { .in = in, .line = 1, .d = &d, .error = ret_error };
	enum err x = read_all(&r);

	if (x != ERR_OK)
		return x;
	*ret_d = d;
	d = (struct dotenv){ .text = BUF_MAX(0) }; /* given away */
	return ERR_OK;
}

void
dotenv_wipe(struct dotenv *d)
{
	free(d->entries);
	d->entries = NULL;
	d->count = 0;
	buf_wipe(&d->text);
}

struct span
dotenv_value(const struct dotenv *d, const struct dotenv_entry *e)
{
	return e->len == 0 ? SPAN_NONE : span_of(d->text.data + e->at, e->len);
}
