/*
 * table - rows of text in columns, for people.
 * Process: cli.   Owns: copies of its cells (table_wipe()).   Secrets: none may be put in.
 * Limits: TABLE_COLUMNS_MAX columns; TABLE_CELL_MAX bytes a cell, the rest is cut; TABLE_TEXT_MAX
 * bytes in all. Failure: cells beyond that, or for which there is no memory, are not shown.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include "common/buf.h"

#define TABLE_COLUMNS_MAX 10
#define TABLE_CELL_MAX 256
#define TABLE_TEXT_MAX (64u << 20)

struct table {
	int columns;
	struct buf text; /* the cells, row by row, each with its NUL; the first row are the headings
			  */
	bool full;
};

/* Headings end at a NULL. */
void table_init(struct table *t, const char *const *headings);
void table_cell(struct table *t, const char *fmt, ...) PRINTF(2, 3); /* controls become '?' */
void table_cell_time(struct table *t, int64_t wall_s);		     /* RFC 3339; "never" for 0 */
void table_print(const struct table *t, FILE *out);
void table_wipe(struct table *t);

#endif
