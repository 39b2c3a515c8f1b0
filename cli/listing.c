#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

/* name: NULL for all. */
static enum cli_exit
show(const struct cli *c, const char *path, const struct listing *l, const char *name,
    bool *ret_found)
{
	AUTO(json_freep) json_t *reply = NULL;
	AUTO(table_wipe) struct table t = { 0 };
	enum cli_exit x = admin_get(c, path, &reply);
	const json_t *row;
	size_t i;

	if (x != CLI_OK)
		return x;
	*ret_found = false;
	table_init(&t, l->headings);
	json_array_foreach(admin_rows(reply), i, row)
	{
		if (name != NULL && strcmp(admin_text(row, "name"), name) != 0)
			continue;
		*ret_found = true;
		if (c->json)
			admin_print(row);
		else
			l->row(&t, row);
	}
	if (!c->json && (*ret_found || name == NULL))
		table_print(&t, stdout);
	return CLI_OK;
}

enum cli_exit
listing_show(const struct cli *c, const char *path, const struct listing *l)
{
	bool found;

	return show(c, path, l, NULL, &found);
}

enum cli_exit
listing_show_one(const struct cli *c, const char *path, const struct listing *l, const char *name,
    bool *ret_found)
{
	return show(c, path, l, name, ret_found);
}
