#include "broker/keeper/page.h"
#include "broker/keeper/table.h"
#include "tests/lib/tap.h"

#include <stdlib.h>
#include <string.h>

#define MANY 5000

static void
test_many(void)
{
	static int values[MANY];
	struct table t = TABLE_MAX(MANY);
	size_t cursor = 0, seen = 0;
	bool all = true;

	for (uint64_t i = 0; i < MANY; i++)
		all = all && table_put(&t, table_number(i, 7), &values[i]) == ERR_OK;
	ok(all, "%d entries go in", MANY);
	is_err(table_put(&t, table_number(MANY, 7), &values[0]), ERR_LIMIT,
	    "one more is one too many");
	is_err(table_put(&t, table_number(5, 7), &values[0]), ERR_EXISTS, "a key stands once");
	ok(table_get(&t, table_number(5, 8)) == NULL, "both halves of a key count");
	for (uint64_t i = 0; i < MANY; i += 2)
		all = all && table_remove(&t, table_number(i, 7)) == &values[i];
	for (uint64_t i = 0; i < MANY; i++)
		all = all && table_get(&t, table_number(i, 7)) == (i % 2 == 0 ? NULL : &values[i]);
	ok(all, "what was removed is gone, everything else is still found");
	while (table_next(&t, &cursor) != NULL)
		seen++;
	ok(seen == MANY / 2 && t.count == MANY / 2, "each entry is met once");
	ok(table_remove(&t, table_number(0, 7)) == NULL, "removing twice finds nothing");
	table_close(&t);
	ok(table_get(&t, table_number(1, 7)) == NULL, "a closed table is empty");
}

static void
test_page(void)
{
	static char names[300][8];
	struct page p = { .after = "" };
	bool sorted = true;

	for (size_t i = 0; i < 300; i++)
		(void)snprintf(names[i], sizeof names[i], "n%03zu", (i * 7) % 300);
	for (size_t i = 0; i < 300; i++)
		page_offer(&p, names[i], names[i]);
	for (size_t i = 0; i < p.count; i++)
		sorted = sorted && atoi(p.names[i] + 1) == (int)i && p.items[i] == p.names[i];
	ok(p.count == PAGE_MAX && p.more && sorted,
	    "the first page holds the first names in order");
	p = (struct page){ .after = "n298" };
	for (size_t i = 0; i < 300; i++)
		page_offer(&p, names[i], names[i]);
	ok(p.count == 1 && !p.more && strcmp(p.names[0], "n299") == 0,
	    "the last page holds the rest");
	p = (struct page){ .after = "n299" };
	for (size_t i = 0; i < 300; i++)
		page_offer(&p, names[i], names[i]);
	ok(p.count == 0 && !p.more, "behind the last name there is nothing");
}

int
main(void)
{
	test_many();
	test_page();
	return done();
}
