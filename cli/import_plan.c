/* The plan of an import: from the file and the options to one struct import. */
#include "cli/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/api/policyc/catalogue.h"
#include "cli/compiled.h"
#include "common/sys.h"

void
import_wipe(struct import *im)
{
	for (uint32_t i = 0; i < im->upstream_count; i++)
		rules_free(im->upstreams[i].own);
	for (uint32_t i = 0; i < im->file_count; i++)
		buf_wipe(&im->files[i].text);
	for (uint32_t i = 0; i < im->out_count; i++)
		buf_wipe(&im->outs[i].text);
	free(im->enrolls);
	im->enrolls = NULL;
	rules_freep(&im->current);
	rules_freep(&im->catalogue);
	free(im->items);
	im->items = NULL;
	dotenv_wipe(&im->env);
	buf_wipe(&im->text);
	buf_wipe(&im->out);
	im->upstream_count = im->file_count = im->out_count = 0;
}

struct span
import_value(const struct import *im, const struct import_item *it)
{
	return dotenv_value(&im->env, it->entry);
}

void
import_where(const struct import *im, const struct import_item *it, char dst[IMPORT_WHERE_SIZE])
{
	if (it->entry->service != NULL)
		(void)snprintf(dst, IMPORT_WHERE_SIZE, "the service %s", it->entry->service);
	else
		(void)snprintf(dst, IMPORT_WHERE_SIZE, "%s:%u", im->path, it->entry->line);
}

struct import_upstream *
import_upstream(struct import *im, const char *name)
{
	for (uint32_t i = 0; i < im->upstream_count; i++)
		if (strcmp(im->upstreams[i].name, name) == 0)
			return &im->upstreams[i];
	return NULL;
}

bool
import_uses(const struct import *im, uint32_t workload, uint32_t upstream)
{
	return !im->stack || im->uses[workload][upstream];
}

static enum cli_exit
read_env(struct import *im)
{
	struct dotenv_error why = { 0 };
	char real[PATH_MAX];
	enum err e;

	if (realpath(im->path, real) == NULL)
		return cli_fail(errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "cannot read %s: %s",
		    im->path, strerror(errno));
	e = sys_read_file(real, &im->text);
	if (e == ERR_LIMIT)
		return cli_fail(
		    CLI_FAILED, "%s is larger than %u KiB", im->path, DOTENV_FILE_MAX >> 10);
	if (e != ERR_OK)
		return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED, "cannot read %s: %s",
		    im->path, strerror(errno));
	e = dotenv_parse(buf_span(&im->text), &im->env, &why);
	if (e != ERR_OK)
		return cli_fail(CLI_FAILED, "%s:%u: %s", im->path, why.line, why.text);
	if (im->env.count == 0)
		return cli_fail(CLI_FAILED, "%s sets no variable", im->path);
	return CLI_OK;
}

static enum cli_exit
add_workload(struct import *im, const char *name)
{
	if (strlen(name) > NAME_LEN_MAX || name_workload_check(span_str(name)) != ERR_OK)
		return cli_fail(CLI_USAGE,
		    "\"%s\" is not a workload's name: 1 to 4 segments of a-z, 0-9, '.', "
		    "'_' and '-' joined by '/'",
		    name);
	for (uint32_t i = 0; i < im->workload_count; i++)
		if (strcmp(im->workloads[i], name) == 0)
			return cli_fail(CLI_USAGE, "the workload \"%s\" is named twice", name);
	if (im->workload_count == IMPORT_WORKLOADS_MAX)
		return cli_fail(CLI_USAGE, "more than %d workloads", IMPORT_WORKLOADS_MAX);
	im->workloads[im->workload_count++] = name;
	return CLI_OK;
}

static enum cli_exit
read_workloads(const struct cli *c, struct import *im)
{
	const char *list = cli_given(c, "workload");
	char *at = im->workload_names, *name;
	enum cli_exit x = CLI_OK;

	if (list == NULL)
		return cli_fail(
		    CLI_USAGE, "say which workloads use these keys: --workload NAME[,NAME...]");
	if (strlen(list) >= sizeof(im->workload_names))
		return cli_fail(CLI_USAGE, "--workload is too long");
	(void)snprintf(im->workload_names, sizeof(im->workload_names), "%s", list);
	while (x == CLI_OK && (name = strsep(&at, ",")) != NULL)
		x = add_workload(im, name);
	return x;
}

static enum cli_exit
settle_out(const struct cli *c, struct import *im)
{
	const char *out = cli_given(c, "out");
	struct stat st, in;
	int n = snprintf(im->out_path, sizeof(im->out_path), "%s%s", out != NULL ? out : im->path,
	    out != NULL ? "" : ".sidekey");

	if (n < 0 || n >= (int)sizeof(im->out_path) - 8)
		return cli_fail(CLI_USAGE, "the path of --out is too long");
	if (lstat(im->out_path, &st) != 0)
		return CLI_OK;
	if (stat(im->path, &in) == 0 && in.st_dev == st.st_dev && in.st_ino == st.st_ino)
		return cli_fail(
		    CLI_USAGE, "--out is the file itself, which is never touched; name another");
	if (!S_ISREG(st.st_mode))
		return cli_fail(CLI_FAILED,
		    "%s is there and is no ordinary file; name another with --out", im->out_path);
	if (cli_given(c, "force") == NULL)
		return cli_fail(CLI_FAILED,
		    "%s is there already; remove it, or say --out or --force", im->out_path);
	return CLI_OK;
}

enum cli_exit
import_read_rules(const struct cli *c, struct import *im)
{
	enum cli_exit x = compiled_rules(c, c->config_dir, &im->current);
	enum err e;

	if (x != CLI_OK)
		return x;
	e = catalogue_rules(&im->catalogue);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, "the built-in catalogue");
}

enum cli_exit
import_plan(const struct cli *c, struct import *im)
{
	enum cli_exit x;

	im->path = c->args[0];
	x = read_workloads(c, im);
	if (x == CLI_OK)
		x = settle_out(c, im);
	if (x == CLI_OK)
		x = import_read_rules(c, im);
	if (x == CLI_OK)
		x = read_env(im);
	if (x == CLI_OK)
		x = import_find_keys(c, im);
	if (x == CLI_OK)
		x = import_find_upstreams(c, im);
	if (x == CLI_OK)
		x = import_compose_files(c, im);
	return x == CLI_OK ? import_compose_out(im) : x;
}
