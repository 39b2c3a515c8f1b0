#include "cli/table.h"

#include <stdarg.h>
#include <string.h>

#include "common/text.h"

static void
add_cell(struct table *t, const char *text)
{
	t->full = t->full || buf_append(&t->text, text, strlen(text) + 1) != ERR_OK;
}

void
table_init(struct table *t, const char *const *headings)
{
	*t = (struct table){ .text = BUF_MAX(TABLE_TEXT_MAX) };
	while (headings[t->columns] != NULL)
		add_cell(t, headings[t->columns++]);
	must(t->columns > 0 && t->columns <= TABLE_COLUMNS_MAX);
}

void
table_cell(struct table *t, const char *fmt, ...)
{
	char text[TABLE_CELL_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	text_tame(text);
	add_cell(t, text);
}

void
table_cell_time(struct table *t, int64_t wall_s)
{
	char text[TEXT_TIME_SIZE];

	if (wall_s == 0) {
		table_cell(t, "never");
		return;
	}
	text_time(wall_s, text);
	table_cell(t, "%s", text);
}

/* The cell at *at, which moves behind it; NULL at the end. */
static const char *
next_cell(const struct table *t, size_t *at)
{
	const char *cell;

	if (*at >= t->text.len)
		return NULL;
	cell = (const char *)t->text.data + *at;
	*at += strlen(cell) + 1;
	return cell;
}

void
table_print(const struct table *t, FILE *out)
{
	int width[TABLE_COLUMNS_MAX] = { 0 }, column = 0;
	const char *cell;

	for (size_t at = 0; (cell = next_cell(t, &at)) != NULL; column = (column + 1) % t->columns)
		if ((int)strlen(cell) > width[column])
			width[column] = (int)strlen(cell);
	column = 0;
	for (size_t at = 0; (cell = next_cell(t, &at)) != NULL; column = (column + 1) % t->columns)
		if (column == t->columns - 1)
			(void)fprintf(out, "%s\n", cell);
		else
			(void)fprintf(out, "%-*s  ", width[column], cell);
}

void
table_wipe(struct table *t)
{
	buf_wipe(&t->text);
}
