/* import: the .env file's way into the store, and the report about it. Values are never printed. */
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "cli/table.h"

static const char *
fate_word(const struct import_item *it)
{
	if (it->fate != IMPORT_TAKEN)
		return "left";
	return it->first ? "taken" : "taken (same key)";
}

static enum cli_exit
report_json(const struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		const struct import_item *it = &im->items[i];
		AUTO(json_freep)
		json_t *j = json_pack("{s:s%, s:i, s:s, s:s, s:s, s:s}", "variable",
		    it->entry->name.p, it->entry->name.len, "line", (int)it->entry->line, "action",
		    it->fate == IMPORT_TAKEN ? "taken" : "left", "secret", it->secret, "upstream",
		    it->upstream, "note", it->note);

		if (j == NULL)
			return cli_fail(CLI_FAILED, "out of memory");
		admin_print(j);
	}
	return CLI_OK;
}

static void
report_table(const struct import *im)
{
	static const char *const headings[] = { "VARIABLE", "LINE", "WHAT", "SECRET", "UPSTREAM",
		"NOTE", NULL };
	AUTO(table_wipe) struct table t = { 0 };

	table_init(&t, headings);
	for (uint32_t i = 0; i < im->env.count; i++) {
		const struct import_item *it = &im->items[i];

		table_cell(&t, "%.*s", (int)it->entry->name.len, (const char *)it->entry->name.p);
		table_cell(&t, "%u", it->entry->line);
		table_cell(&t, "%s", fate_word(it));
		table_cell(&t, "%s", it->secret);
		table_cell(&t, "%s", it->upstream);
		table_cell(&t, "%s", it->note);
	}
	table_print(&t, stdout);
}

static void
say_files(const struct cli *c, const struct import *im, const char *verb)
{
	for (uint32_t i = 0; i < im->file_count; i++)
		cli_say(
		    c, "%s %s/%s/%s", verb, c->config_dir, im->files[i].part, im->files[i].name);
	cli_say(c, "%s %s", verb, im->out_path);
}

static void
say_open_ends(const struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		const struct import_item *it = &im->items[i];

		if (it->fate == IMPORT_LEFT && strncmp(it->note, "WARNING", 7) == 0)
			cli_warn("%.*s (line %u) stays in %s: it%s", (int)it->entry->name.len,
			    (const char *)it->entry->name.p, it->entry->line, im->out_path,
			    it->note + strlen("WARNING:"));
	}
	if (im->without_rules > 0)
		cli_warn("for %u of the upstreams no usual rules are known: write what the "
			 "workloads may ask of "
			 "them into policies/, then: sidekey reload",
		    im->without_rules);
}

static void
say_next(const struct cli *c, const struct import *im)
{
	cli_say(c,
	    "%s was not touched; its keys have been readable where it was used, so they are marked "
	    "exposed: "
	    "rotate them (sidekey secret rotate NAME), then delete it",
	    im->path);
	for (uint32_t i = 0; i < im->workload_count; i++)
		cli_say(
		    c, "next: sidekey workload enroll %s --reusable --owner UID", im->workloads[i]);
}

enum cli_exit
cmd_import_env(struct cli *c)
{
	AUTO(import_wipe) struct import im = IMPORT_NONE;
	bool dry = cli_given(c, "dry-run") != NULL;
	enum cli_exit x = import_plan(c, &im);

	if (x == CLI_OK && !dry)
		x = import_apply(c, &im);
	if (x == CLI_OK && c->json)
		x = report_json(&im);
	else if (x == CLI_OK)
		report_table(&im);
	if (x != CLI_OK)
		return x;
	say_files(c, &im, dry ? "would write" : "wrote");
	say_open_ends(&im);
	if (!dry)
		say_next(c, &im);
	return CLI_OK;
}
