/*
 * listing - what the broker lists, for people as a table, with --json a line an object.
 * Process: cli.   Owns: nothing.   Secrets: none pass here.
 * Limits: those of admin and table.   Failure: an exit code with the message on stderr.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "cli/admin.h"
#include "cli/table.h"

struct listing {
	const char *const *headings; /* end at a NULL */
	void (*row)(struct table *t, const json_t *object);
};

/* path is below /v1/admin/. */
enum cli_exit listing_show(
    const struct cli *c, const char *path, const struct listing *l) NODISCARD;
/* The one row with this "name"; nothing is printed if there is none. */
enum cli_exit listing_show_one(const struct cli *c, const char *path, const struct listing *l,
    const char *name, bool *ret_found) NODISCARD;

#endif
