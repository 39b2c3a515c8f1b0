#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* Takes text, which may be NULL. */
static void
add_cell(struct table *t, char *text)
{
	if (t->count == t->cap) {
		size_t cap = t->cap == 0 ? 64 : t->cap * 2;
		char **cells = calloc(cap, sizeof(*cells));

		if (cells == NULL) {
			free(text);
			return;
		}
		if (t->count > 0)
			memcpy(cells, t->cells, t->count * sizeof(*cells));
		free(t->cells);
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->count++] = text;
}

void
table_init(struct table *t, const char *const *headings)
{
	*t = (struct table){ 0 };
	while (headings[t->columns] != NULL)
		add_cell(t, strdup(headings[t->columns++]));
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
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	add_cell(t, strdup(text));
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

static const char *
cell_at(const struct table *t, size_t i)
{
	return i < t->count && t->cells[i] != NULL ? t->cells[i] : "";
}

void
table_print(const struct table *t, FILE *out)
{
	int width[TABLE_COLUMNS_MAX] = { 0 };
	size_t columns = (size_t)t->columns;

	for (size_t i = 0; i < t->count; i++) {
		int len = (int)strlen(cell_at(t, i));

		if (len > width[i % columns])
			width[i % columns] = len;
	}
	for (size_t i = 0; i < t->count; i++) {
		bool last = i % columns == columns - 1;

		if (last)
			(void)fprintf(out, "%s\n", cell_at(t, i));
		else
			(void)fprintf(out, "%-*s  ", width[i % columns], cell_at(t, i));
	}
}

void
table_wipe(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}
