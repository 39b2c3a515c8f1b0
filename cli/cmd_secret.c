/* secret: values over keeper.sock, everything else over admin.sock. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/ipc/body.h"
#include "cli/commands.h"
#include "cli/link.h"
#include "cli/listing.h"
#include "cli/value.h"
#include "common/sys.h"
#include "common/text.h"

#define PUT_BODY_MAX (SECRET_LEN_MAX + 512)

static enum cli_exit
check_name(const char *name)
{
	if (strlen(name) <= NAME_LEN_MAX && name_object_check(span_str(name)) == ERR_OK)
		return CLI_OK;
	return cli_fail(CLI_USAGE,
	    "\"%s\" is not a secret's name: a-z, 0-9, '.', '_' and '-', a letter or digit first, "
	    "%d at most",
	    name, NAME_LEN_MAX);
}

/* --version N or --to N: *ret_n is 0 when it was not given. */
static enum cli_exit
version_given(const struct cli *c, const char *option, uint32_t *ret_n)
{
	const char *text = cli_given(c, option);
	uint64_t n = 0;

	*ret_n = 0;
	if (text == NULL)
		return CLI_OK;
	if (text_u64(span_str(text), UINT32_MAX, &n) != ERR_OK || n == 0)
		return cli_fail(CLI_USAGE, "--%s takes a version number, not \"%s\"", option, text);
	*ret_n = (uint32_t)n;
	return CLI_OK;
}

static enum cli_exit
put(struct cli *c, uint8_t flags, const char *done)
{
	AUTO(secret_freep) struct secret *value = NULL;
	AUTO(link_close) struct link l = LINK_NONE;
	AUTO(buf_wipe) struct buf body = BUF_MAX(PUT_BODY_MAX);
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	const char *name = c->args[0], *source = c->arg_count > 1 ? c->args[1] : NULL;
	struct wire_writer w;
	struct wire_reader r;
	uint32_t version;
	enum cli_exit x = check_name(name);

	if (x == CLI_OK)
		x = value_check_source(source);
	if (x == CLI_OK)
		x = link_open(c, &l); /* before anybody types a value for nothing */
	if (x == CLI_OK)
		x = value_read(source, name, true, &value);
	if (x != CLI_OK)
		return x;
	w = link_begin(&l, &body);
	wire_put_str(&w, name);
	wire_put_u8(&w, flags);
	wire_put_blob(&w, secret_span(value));
	x = link_ask(&l, CK_SECRET_PUT, &w, &reply);
	if (x != CLI_OK)
		return x;
	r = wire_read(buf_span(&reply.body));
	version = wire_u32(&r);
	if (link_done(&r) != CLI_OK)
		return CLI_FAILED;
	if (c->json)
		(void)printf("{\"name\":\"%s\",\"version\":%u}\n", name, version);
	else
		cli_say(c, "%s: version %u %s", name, version, done);
	return CLI_OK;
}

enum cli_exit
cmd_secret_set(struct cli *c)
{
	uint8_t flags = SECRET_PUT_NEW;

	if (cli_given(c, "exposed") != NULL)
		flags |= SECRET_PUT_EXPOSED;
	return put(c, flags, "stored");
}

enum cli_exit
cmd_secret_rotate(struct cli *c)
{
	return put(c, SECRET_PUT_ROTATE, "is active from the next request on");
}

static void
put_row(struct table *t, const json_t *row)
{
	table_cell(t, "%s", admin_text(row, "name"));
	table_cell(t, "%lld", (long long)admin_number(row, "active_version"));
	table_cell(t, "%lld", (long long)admin_number(row, "version_count"));
	table_cell(t, "%s", admin_true(row, "exposed") ? "exposed" : "");
	table_cell_time(t, admin_number(row, "changed_s"));
	table_cell_time(t, admin_number(row, "last_used_s"));
}

static const char *const headings[] = { "NAME", "ACTIVE", "VERSIONS", "NOTE", "CHANGED",
	"LAST USED", NULL };
static const struct listing secrets = { headings, put_row };

enum cli_exit
cmd_secret_list(struct cli *c)
{
	return listing_show(c, "secrets", &secrets);
}

static enum cli_exit
show_row(struct cli *c)
{
	bool found;
	enum cli_exit x = listing_show_one(c, "secrets", &secrets, c->args[0], &found);

	if (x != CLI_OK || found)
		return x;
	return cli_fail(
	    CLI_NOT_FOUND, "there is no secret \"%s\" (sidekey secret list)", c->args[0]);
}

/* Straight to the descriptor: stdio would keep a copy in its buffer. */
static enum cli_exit
print_value(struct span value)
{
	bool good =
	    fflush(stdout) == 0 && sys_write_all(STDOUT_FILENO, value.p, value.len) == ERR_OK;

	if (good && isatty(STDOUT_FILENO))
		good = sys_write_all(STDOUT_FILENO, "\n", 1) == ERR_OK;
	return good ? CLI_OK : cli_fail(CLI_FAILED, "cannot write to standard output");
}

static enum cli_exit
reveal(struct cli *c, uint32_t version)
{
	AUTO(link_close) struct link l = LINK_NONE;
	AUTO(buf_wipe) struct buf value = BUF_MAX(SECRET_LEN_MAX);
	enum cli_exit x = link_open(c, &l);

	if (x == CLI_OK)
		x = link_reveal(&l, c->args[0], version, &value);
	return x == CLI_OK ? print_value(buf_span(&value)) : x;
}

/* One version's row of the history. */
static enum cli_exit
show_version(struct cli *c, uint32_t version)
{
	AUTO(json_freep) json_t *reply = NULL;
	char path[1024];
	enum cli_exit x = admin_object_path("secrets", c->args[0], "history", path);
	const json_t *row;
	size_t i;

	if (x == CLI_OK)
		x = admin_get(c, path, &reply);
	if (x != CLI_OK)
		return x;
	json_array_foreach(admin_rows(reply), i, row)
	{
		if (admin_number(row, "version") != version)
			continue;
		if (c->json)
			admin_print(row);
		else
			(void)printf("%s version %u: %s%s\n", c->args[0], version,
			    admin_text(row, "state"),
			    admin_true(row, "exposed") ? ", exposed" : "");
		return CLI_OK;
	}
	return cli_fail(CLI_NOT_FOUND, "%s has no version %u (sidekey secret history %s)",
	    c->args[0], version, c->args[0]);
}

enum cli_exit
cmd_secret_show(struct cli *c)
{
	uint32_t version;
	enum cli_exit x = check_name(c->args[0]);

	if (x == CLI_OK)
		x = version_given(c, "version", &version);
	if (x != CLI_OK)
		return x;
	if (cli_given(c, "reveal") == NULL)
		return version == 0 ? show_row(c) : show_version(c, version);
	if (c->json)
		return cli_fail(CLI_USAGE, "--reveal prints the bare value; leave --json out");
	return reveal(c, version);
}

static void
put_version(struct table *t, const json_t *row)
{
	table_cell(t, "%lld", (long long)admin_number(row, "version"));
	table_cell(t, "%s", admin_text(row, "state"));
	table_cell(t, "%s", admin_true(row, "exposed") ? "exposed" : "");
	table_cell_time(t, admin_number(row, "created_s"));
	table_cell_time(t, admin_number(row, "changed_s"));
}

enum cli_exit
cmd_secret_history(struct cli *c)
{
	static const char *const columns[] = { "VERSION", "STATE", "NOTE", "CREATED", "CHANGED",
		NULL };
	static const struct listing versions = { columns, put_version };
	char path[1024];
	enum cli_exit x = check_name(c->args[0]);

	if (x == CLI_OK)
		x = admin_object_path("secrets", c->args[0], "history", path);
	return x == CLI_OK ? listing_show(c, path, &versions) : x;
}

static enum cli_exit
change(struct cli *c, const char *verb, uint32_t version, const char *done)
{
	AUTO(json_freep) json_t *reply = NULL;
	AUTO(json_freep) json_t *body = json_pack("{s:I}", "version", (json_int_t)version);
	char path[1024];
	enum cli_exit x = admin_object_path("secrets", c->args[0], verb, path);

	if (x == CLI_OK && body == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	if (x == CLI_OK)
		x = admin_post(c, path, body, &reply);
	if (x != CLI_OK)
		return x;
	if (c->json && reply != NULL)
		admin_print(reply);
	else
		cli_say(c, "%s: %s", c->args[0], done);
	if (reply != NULL && admin_number(reply, "active_version") == 0)
		cli_warn("%s has no active version now, and what needs it is refused until "
			 "sidekey secret rotate or rollback",
		    c->args[0]);
	return CLI_OK;
}

enum cli_exit
cmd_secret_rollback(struct cli *c)
{
	uint32_t version;
	enum cli_exit x = check_name(c->args[0]);

	if (x == CLI_OK)
		x = version_given(c, "to", &version);
	return x == CLI_OK ? change(c, "rollback", version, "rolled back") : x;
}

enum cli_exit
cmd_secret_destroy(struct cli *c)
{
	uint32_t version;
	enum cli_exit x = check_name(c->args[0]);

	if (x == CLI_OK)
		x = version_given(c, "version", &version);
	if (x != CLI_OK)
		return x;
	if (version == 0)
		return cli_fail(CLI_USAGE,
		    "say which version, since it is gone for good: --version N (sidekey secret "
		    "history %s)",
		    c->args[0]);
	return change(c, "destroy", version, "destroyed");
}
