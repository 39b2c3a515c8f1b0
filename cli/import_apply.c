/* Carries a plan out, step by step, and takes all of it back when a step fails. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/ipc/body.h"
#include "cli/admin.h"
#include "cli/import.h"
#include "cli/enroll_make.h"
#include "cli/link.h"
#include "cli/place.h"
#include "common/secret.h"
#include "common/sys.h"

struct stored { /* a secret */
	const char *name;
	uint32_t version;
	uint32_t before; /* the active one until then; not 0: version waits to be promoted */
	bool promoted;	 /* and was */
};

struct apply {
	const struct cli *c;
	struct import *im;
	struct link link;
	json_t *secrets, *workloads; /* what the broker has */
	struct place files[IMPORT_FILES_MAX + 1 + IMPORT_OUTS_MAX];
	uint32_t config_count, file_count; /* those of the configuration come first */
	bool config_written;
	struct stored *stored;
	uint32_t stored_count;
	bool workload_added[IMPORT_WORKLOADS_MAX];
	bool enrolled[IMPORT_WORKLOADS_MAX];	  /* or it failed half-way */
	bool enroll_is_new[IMPORT_WORKLOADS_MAX]; /* no file was there before */
	bool reloaded;
};

static void
apply_close(struct apply *a)
{
	link_close(&a->link);
	json_decref(a->secrets);
	json_decref(a->workloads);
	free(a->stored);
}

static const json_t *
find_row(const json_t *reply, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(admin_rows(reply), i, row)
	{
		if (strcmp(admin_text(row, "name"), name) == 0)
			return row;
	}
	return NULL;
}

static enum cli_exit
check_workloads(const struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < a->im->workload_count; i++) {
		const char *name = a->im->workloads[i];
		const json_t *row = find_row(a->workloads, name);

		if (row != NULL && strcmp(admin_text(row, "state"), "revoked") == 0)
			x = cli_fail(CLI_FAILED,
			    "the workload \"%s\" was revoked, and what is imported for it could "
			    "not be used; add it anew (sidekey workload add %s)%s",
			    name, name, a->im->stack ? "" : ", or name another");
	}
	return x;
}

/* A second import of a stack finds its keys in the store: the same values need no new version. */
static enum cli_exit
find_present(struct apply *a, struct import_item *it)
{
	AUTO(buf_wipe) struct buf now = BUF_MAX(SECRET_LEN_MAX);
	enum cli_exit x = link_reveal(&a->link, it->secret, 0, &now);
	struct span value = import_value(a->im, it);

	if (x == CLI_OK)
		it->present = secret_equal(now.data, now.len, value.p, value.len);
	return x;
}

static enum cli_exit
check_secret(struct apply *a, struct import_item *it)
{
	const json_t *row = find_row(a->secrets, it->secret);
	enum cli_exit x = CLI_OK;

	if (row == NULL || admin_number(row, "active_version") == 0)
		return CLI_OK;
	if (a->im->stack)
		x = find_present(a, it);
	if (x != CLI_OK || it->present || cli_given(a->c, "force") != NULL)
		return x;
	return cli_fail(CLI_FAILED,
	    "the secret \"%s\" exists already%s; say --force to rotate it to the value of %.*s, or "
	    "take that line out of the file",
	    it->secret, a->im->stack ? " with another value" : "", (int)it->entry->name.len,
	    (const char *)it->entry->name.p);
}

/* Asks all that can be refused before anything is changed. */
static enum cli_exit
check_broker(struct apply *a)
{
	enum cli_exit x = admin_get(a->c, "secrets", &a->secrets);

	if (x == CLI_OK)
		x = admin_get(a->c, "workloads", &a->workloads);
	if (x == CLI_OK)
		x = check_workloads(a);
	if (x == CLI_OK)
		x = link_open(a->c, &a->link);
	for (uint32_t i = 0; i < a->im->env.count && x == CLI_OK; i++)
		if (a->im->items[i].first)
			x = check_secret(a, &a->im->items[i]);
	return x;
}

/* What lies beside the Compose files belongs to whom they do. */
static enum cli_exit
write_one(struct apply *a, const char *path, mode_t mode, const struct buf *text)
{
	struct place *p = &a->files[a->file_count++];

	must(a->file_count <= COUNT(a->files) && strlen(path) < sizeof(p->path));
	*p = (struct place){ .mode = mode,
		.has_owner = a->im->has_owner && a->config_written,
		.owner = a->im->owner,
		.group = a->im->group };
	(void)snprintf(p->path, sizeof(p->path), "%s", path);
	return place_write(p, buf_span(text));
}

static enum cli_exit
write_files(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < a->im->file_count && x == CLI_OK; i++) {
		const struct import_file *f = &a->im->files[i];
		char name[NAME_LEN_MAX + 32], path[PATH_MAX];

		if (f->kept)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", f->part, f->name);
		x = cli_path(a->c->config_dir, name, path);
		if (x == CLI_OK)
			x = write_one(a, path, 0644, &f->text);
	}
	a->config_count = a->file_count;
	a->config_written = true; /* which stays root's */
	if (x == CLI_OK && a->im->out_path[0] != '\0')
		x = write_one(a, a->im->out_path, 0600, &a->im->out);
	for (uint32_t i = 0; i < a->im->out_count && x == CLI_OK; i++)
		x = write_one(a, a->im->outs[i].path, a->im->outs[i].mode, &a->im->outs[i].text);
	return x;
}

/* New ones become active at once, since nothing refers to them yet; those that exist wait for the
 * end. */
static enum cli_exit
store_value(struct apply *a, const struct import_item *it)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(SECRET_LEN_MAX + 512);
	AUTO(link_reply_close) struct call_reply reply = LINK_REPLY;
	const json_t *row = find_row(a->secrets, it->secret);
	uint32_t before = row == NULL ? 0 : (uint32_t)admin_number(row, "active_version");
	uint8_t flags = (uint8_t)(row == NULL	? SECRET_PUT_NEW
				  : before != 0 ? SECRET_PUT_ROTATE | SECRET_PUT_STAGED
						: SECRET_PUT_ROTATE);
	struct wire_writer w = link_begin(&a->link, &body);
	struct wire_reader r;
	enum cli_exit x;
	uint32_t version;

	wire_put_str(&w, it->secret);
	wire_put_u8(&w, flags | SECRET_PUT_EXPOSED);
	wire_put_blob(&w, import_value(a->im, it));
	x = link_ask(&a->link, CK_SECRET_PUT, &w, &reply);
	if (x != CLI_OK)
		return x;
	r = wire_read(buf_span(&reply.body));
	version = wire_u32(&r);
	a->stored[a->stored_count++] =
	    (struct stored){ .name = it->secret, .version = version, .before = before };
	return link_done(&r);
}

static enum cli_exit
store_values(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	a->stored = calloc(a->im->env.count, sizeof(*a->stored));
	if (a->stored == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	for (uint32_t i = 0; i < a->im->env.count && x == CLI_OK; i++)
		if (a->im->items[i].first && !a->im->items[i].present)
			x = store_value(a, &a->im->items[i]);
	return x;
}

/* Nobody uses them yet, so they can be looked at before the broker is told. */
static enum cli_exit
place_outs(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = a->config_count; i < a->file_count && x == CLI_OK; i++)
		x = place_file(&a->files[i]);
	return x == CLI_OK && a->im->check != NULL ? a->im->check(a->im->arg) : x;
}

static enum cli_exit
place_config(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < a->config_count && x == CLI_OK; i++)
		x = place_file(&a->files[i]);
	return x;
}

static enum cli_exit
reload(struct apply *a)
{
	AUTO(json_freep) json_t *reply = NULL;
	enum cli_exit x = admin_post(a->c, "reload", NULL, &reply);

	a->reloaded = x == CLI_OK;
	return x;
}

static enum cli_exit
add_workload(const struct apply *a, uint32_t i, bool quietly)
{
	AUTO(json_freep) json_t *reply = NULL;
	AUTO(json_freep) json_t *body = json_pack("{s:s}", "name", a->im->workloads[i]);

	if (body == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	return quietly ? admin_post_quietly(a->c, "workloads", body, &reply)
		       : admin_post(a->c, "workloads", body, &reply);
}

static enum cli_exit
add_workloads(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < a->im->workload_count && x == CLI_OK; i++) {
		if (find_row(a->workloads, a->im->workloads[i]) != NULL)
			continue;
		x = add_workload(a, i, false);
		a->workload_added[i] = x == CLI_OK;
	}
	return x;
}

static bool
has_enrollment(const struct apply *a, uint32_t i)
{
	const json_t *row = find_row(a->workloads, a->im->workloads[i]);

	return access(a->im->enrolls[i].path, F_OK) == 0 && row != NULL &&
	       admin_number(row, "open_enrollments") > 0 && cli_given(a->c, "force") == NULL;
}

static struct enroll_target
enroll_target(const struct apply *a, uint32_t i)
{
	const struct import_enroll *e = &a->im->enrolls[i];

	return (struct enroll_target){
		.path = e->path, .replace = true, .has_owner = true, .owner = e->owner
	};
}

static enum cli_exit
check_enrolls(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; a->im->enrolls != NULL && i < a->im->workload_count && x == CLI_OK;
	     i++) {
		struct enroll_target target = enroll_target(a, i);

		if (!has_enrollment(a, i))
			x = enroll_file_check(&target);
	}
	return x;
}

/* Its enrollment is elsewhere, and ends: whoever has that is to hear of it. */
static void
warn_of_other(const struct apply *a, uint32_t i)
{
	const char *name = a->im->workloads[i];
	const json_t *row = find_row(a->workloads, name);

	if (a->enroll_is_new[i] && row != NULL && admin_number(row, "open_enrollments") > 0)
		cli_warn("the workload %s was known, and its enrollment is not in this folder: it "
			 "ends. That is as it should be behind a --rollback; a service %s of "
			 "another stack needs another name, or both are one workload",
		    name, name);
}

/* One that is there and open stays: the container that mounts it goes on. */
static enum cli_exit
enroll_workloads(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; a->im->enrolls != NULL && i < a->im->workload_count && x == CLI_OK;
	     i++) {
		struct enroll_target target = enroll_target(a, i);
		struct enroll_new n = {
			.reusable = true, .cap = a->im->enrolls[i].cap, .replace = true
		};

		if (has_enrollment(a, i))
			continue;
		(void)snprintf(n.workload, sizeof(n.workload), "%s", a->im->workloads[i]);
		a->enroll_is_new[i] = access(target.path, F_OK) != 0;
		a->enrolled[i] = true;
		warn_of_other(a, i);
		x = enroll_make(a->c, &n, &target);
	}
	return x;
}

/* verb "promote", "rollback", "destroy"; quiet in an undo, which has said enough. */
static enum cli_exit
change_secret(
    const struct apply *a, const struct stored *s, const char *verb, uint32_t version, bool quietly)
{
	AUTO(json_freep) json_t *reply = NULL;
	AUTO(json_freep) json_t *body = json_pack("{s:I}", "version", (json_int_t)version);
	char path[1024];
	enum cli_exit x = admin_object_path("secrets", s->name, verb, path);

	if (x != CLI_OK || body == NULL)
		return CLI_FAILED;
	return quietly ? admin_post_quietly(a->c, path, body, &reply)
		       : admin_post(a->c, path, body, &reply);
}

static enum cli_exit
promote_values(struct apply *a)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < a->stored_count && x == CLI_OK; i++) {
		if (a->stored[i].before == 0)
			continue;
		x = change_secret(a, &a->stored[i], "promote", a->stored[i].version, false);
		a->stored[i].promoted = x == CLI_OK;
	}
	return x;
}

/* The broker forgets no name. One that was revoked would refuse the next try, so it is made known
 * again, without the enrollment. */
static bool
undo_workloads(const struct apply *a)
{
	bool good = true;

	for (uint32_t i = 0; i < a->im->workload_count; i++) {
		AUTO(json_freep) json_t *reply = NULL;
		char path[1024];

		if (!a->workload_added[i] || !a->enrolled[i])
			continue;
		good =
		    admin_object_path("workloads", a->im->workloads[i], "revoke", path) == CLI_OK &&
		    admin_post_quietly(a->c, path, NULL, &reply) == CLI_OK &&
		    add_workload(a, i, true) == CLI_OK && good;
	}
	return good;
}

static bool
undo_value(const struct apply *a, const struct stored *s)
{
	/* While it is the active one it stays: a workload that has only that is better off. */
	if (s->promoted && change_secret(a, s, "rollback", s->before, true) != CLI_OK) {
		cli_warn("version %u of the secret %s is still active; before the import it was "
			 "%u: sidekey secret rollback %s --to %u",
		    s->version, s->name, s->before, s->name, s->before);
		return false;
	}
	return change_secret(a, s, "destroy", s->version, true) == CLI_OK;
}

static bool
leaves_names(const struct apply *a)
{
	bool any = false;

	for (uint32_t i = 0; i < a->stored_count; i++)
		any = any || a->stored[i].before == 0;
	for (uint32_t i = 0; i < a->im->workload_count; i++)
		any = any || a->workload_added[i];
	return any;
}

static void
undo(struct apply *a)
{
	bool good = undo_workloads(a);

	for (uint32_t i = 0; i < a->im->workload_count; i++)
		if (a->enroll_is_new[i])
			(void)sys_unlink(a->im->enrolls[i].path);
	for (uint32_t i = 0; i < a->file_count; i++)
		good = place_undo(&a->files[i]) && good;
	if (a->reloaded) {
		AUTO(json_freep) json_t *reply = NULL;

		good = admin_post_quietly(a->c, "reload", NULL, &reply) == CLI_OK && good;
	}
	for (uint32_t i = 0; i < a->stored_count; i++)
		good = undo_value(a, &a->stored[i]) && good;
	if (good)
		cli_say(a->c, "all steps were taken back; nothing was imported%s",
		    leaves_names(a) ? " (the broker forgets no name: secrets stay known without a "
				      "value, workloads without an enrollment)"
				    : "");
	else
		cli_warn("not all steps could be taken back: look at sidekey secret list, workload "
			 "list and the "
			 "files in the configuration folder");
}

static enum cli_exit
run(struct apply *a)
{
	/* promote_values() is the last: what was active before cannot be made so again without a
	 * trace. */
	static enum cli_exit (*const steps[])(struct apply * a) = { check_broker, check_enrolls,
		write_files, place_outs, store_values, place_config, reload, add_workloads,
		enroll_workloads, promote_values };
	enum cli_exit x = CLI_OK;

	for (size_t i = 0; i < COUNT(steps) && x == CLI_OK; i++)
		x = steps[i](a);
	return x;
}

enum cli_exit
import_apply(const struct cli *c, struct import *im)
{
	AUTO(apply_close) struct apply a = { .c = c, .im = im, .link = LINK_NONE };
	enum cli_exit x = run(&a);

	for (uint32_t i = 0; i < a.file_count && x == CLI_OK; i++)
		place_keep(&a.files[i]);
	if (x != CLI_OK)
		undo(&a);
	return x;
}
