/* workload: who may have an identity. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/ipc/body.h"
#include "cli/commands.h"
#include "cli/enroll_make.h"
#include "cli/link.h"
#include "cli/listing.h"
#include "cli/value.h"
#include "common/text.h"

static enum cli_exit
check_name(const char *name)
{
	if (strlen(name) <= NAME_LEN_MAX && name_workload_check(span_str(name)) == ERR_OK)
		return CLI_OK;
	return cli_fail(CLI_USAGE,
	    "\"%s\" is not a workload's name: 1 to 4 segments of a-z, 0-9, '.', '_' and '-' joined "
	    "by '/', "
	    "not below sidekey/",
	    name);
}

enum cli_exit
cmd_workload_add(struct cli *c)
{
	AUTO(json_freep) json_t *reply = NULL;
	AUTO(json_freep) json_t *body = NULL;
	enum cli_exit x = check_name(c->args[0]);

	if (x != CLI_OK)
		return x;
	body = json_pack("{s:s}", "name", c->args[0]);
	if (body == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	x = admin_post(c, "workloads", body, &reply);
	if (x != CLI_OK)
		return x;
	if (c->json && reply != NULL)
		admin_print(reply);
	cli_say(c, "%s: added; next: a policy for it, then sidekey workload enroll %s", c->args[0],
	    c->args[0]);
	return CLI_OK;
}

static void
put_row(struct table *t, const json_t *row)
{
	table_cell(t, "%s", admin_text(row, "name"));
	table_cell(t, "%s", admin_text(row, "state"));
	table_cell(t, "%lld", (long long)admin_number(row, "live_certificates"));
	table_cell(t, "%lld", (long long)admin_number(row, "open_enrollments"));
	table_cell_time(t, admin_number(row, "created_s"));
	table_cell_time(t, admin_number(row, "last_seen_s"));
}

enum cli_exit
cmd_workload_list(struct cli *c)
{
	static const char *const headings[] = { "NAME", "STATE", "CERTIFICATES", "ENROLLMENTS",
		"CREATED", "LAST SEEN", NULL };
	static const struct listing all = { headings, put_row };

	return listing_show(c, "workloads", &all);
}

static enum cli_exit
change(struct cli *c, const char *verb, const char *done)
{
	AUTO(json_freep) json_t *reply = NULL;
	char path[1024];
	enum cli_exit x = check_name(c->args[0]);

	if (x == CLI_OK)
		x = admin_object_path("workloads", c->args[0], verb, path);
	if (x == CLI_OK)
		x = admin_post(c, path, NULL, &reply);
	if (x != CLI_OK)
		return x;
	if (c->json && reply != NULL)
		admin_print(reply);
	cli_say(c, "%s: %s", c->args[0], done);
	return CLI_OK;
}

enum cli_exit
cmd_workload_suspend(struct cli *c)
{
	return change(c, "suspend", "suspended; its open streams are cut");
}

enum cli_exit
cmd_workload_resume(struct cli *c)
{
	return change(c, "resume", "resumed");
}

enum cli_exit
cmd_workload_revoke(struct cli *c)
{
	return change(
	    c, "revoke", "revoked; its certificates and enrollments are dead, its streams are cut");
}

/* The options that are for the keeper, into the question. */
static enum cli_exit
read_terms(const struct cli *c, struct enroll_new *ret_n)
{
	const char *ttl = cli_given(c, "ttl"), *cap = cli_given(c, "cap");
	uint64_t n = 0;

	if (ttl != NULL &&
	    text_duration_s(span_str(ttl), ENROLL_TTL_DAYS_MAX * UINT64_C(86400), &n) != ERR_OK)
		return cli_fail(CLI_USAGE,
		    "--ttl takes a time like 30m, 24h or 30d, 1s to %dd, not \"%s\"",
		    ENROLL_TTL_DAYS_MAX, ttl);
	ret_n->ttl_s = (uint32_t)n;
	n = 0;
	if (cap != NULL && (text_u64(span_str(cap), ENROLL_CAP_MAX, &n) != ERR_OK || n == 0))
		return cli_fail(CLI_USAGE, "--cap takes a number from 1 to %d, not \"%s\"",
		    ENROLL_CAP_MAX, cap);
	ret_n->cap = (uint32_t)n;
	ret_n->reusable = cli_given(c, "reusable") != NULL;
	ret_n->replace = cli_given(c, "replace") != NULL;
	(void)snprintf(ret_n->workload, sizeof(ret_n->workload), "%s", c->args[0]);
	return CLI_OK;
}

enum cli_exit
cmd_workload_enroll(struct cli *c)
{
	struct enroll_target target = { .path = cli_given(c, "out"),
		.replace = cli_given(c, "replace") != NULL };
	struct enroll_new n = { 0 };
	const char *owner = cli_given(c, "owner");
	uint64_t uid = 0;
	enum cli_exit x = check_name(c->args[0]);

	if (x == CLI_OK)
		x = read_terms(c, &n);
	if (x != CLI_OK)
		return x;
	if (target.path == NULL)
		target.path = "enroll.json";
	if (owner != NULL && text_u64(span_str(owner), UINT32_MAX - 1, &uid) != ERR_OK)
		return cli_fail(CLI_USAGE, "--owner takes a numeric user id, not \"%s\"", owner);
	target.has_owner = owner != NULL;
	target.owner = (uid_t)uid;
	x = enroll_file_check(&target); /* before a key is made that would get lost */
	return x == CLI_OK ? enroll_make(c, &n, &target) : x;
}
