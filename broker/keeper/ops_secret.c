#include "broker/keeper/keeper.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/page.h"
#include "common/log.h"

static enum err
take_name(struct ask *a, char name[NAME_LEN_MAX + 1])
{
	wire_str(&a->in, name, NAME_LEN_MAX + 1);
	return a->in.e;
}

static enum err
no_such_secret(struct ask *a, const char *name)
{
	return ask_refuse(a, ERR_NOT_FOUND, "no_secret", "`sidekey secret list` shows them all",
	    "there is no secret %s", name);
}

static struct audit_record
record_of(const struct ask *a, const char *event, const struct named_secret *n, uint32_t version)
{
	return (struct audit_record){ .event = event,
		.secret = span_str(n->name),
		.secret_version = version,
		.has_uid = a->has_uid,
		.uid = a->uid };
}

static enum err
commit(struct ask *a, const struct named_secret *n, struct txn *t, const struct audit_record *r)
{
	enum err e;

	secrets_row(t, n);
	keeper_deed(a->keeper, t, r);
	e = keeper_commit(a->keeper, t);
	if (e == ERR_OK && secrets_replace(&a->keeper->secrets, n) != ERR_OK)
		log_fatal("no memory for a secret that is in the store already");
	return e;
}

static enum err
put_refused(struct ask *a, enum err e, const char *name)
{
	if (e == ERR_EXISTS)
		return ask_refuse(a, e, "secret_exists",
		    "use `sidekey secret rotate` for a new version", "there is a secret %s already",
		    name);
	if (e == ERR_NOT_FOUND)
		return no_such_secret(a, name);
	if (e == ERR_LIMIT)
		return ask_refuse(a, e, "secret_limit",
		    "destroy versions or secrets that nobody uses",
		    "%s has as many versions as it may, or there are too many secrets", name);
	return ERR_PROTO;
}

static enum err
put(struct ask *a, const char *name, uint8_t flags, struct span value)
{
	AUTO(txn_wipe) struct txn t;
	struct keeper *k = a->keeper;
	const struct named_secret *old = secrets_find(&k->secrets, name);
	struct named_secret next;
	struct audit_record r;
	uint32_t version;
	enum err e;

	txn_init(&t);
	e = secrets_put(&k->secrets, old, name, flags, keeper_now_s(k), &t, &next);
	if (e != ERR_OK)
		return put_refused(a, e, name);
	version = next.versions[next.version_count - 1].version;
	secrets_value_row(&t, &next, version, value);
	r = record_of(a, old == NULL ? "secret_put" : "secret_rotate", &next, version);
	e = commit(a, &next, &t, &r);
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	wire_put_u32(&a->out, version);
	if (old == NULL)
		ruleset_secret_added(a);
	return ERR_OK;
}

enum err
ops_secret_put(struct ask *a)
{
	char name[NAME_LEN_MAX + 1];
	const char *why = NULL;
	struct span value;
	uint8_t flags;
	enum err e;

	if (take_name(a, name) != ERR_OK)
		return ERR_PROTO;
	flags = wire_u8(&a->in);
	value = wire_blob(&a->in, UINT16_MAX);
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	if (name_object_check(span_str(name)) != ERR_OK)
		return ask_refuse(a, ERR_SYNTAX, "bad_name",
		    "use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit",
		    "%s is not a name for a secret", name);
	e = secrets_value_check(value, &why);
	if (e != ERR_OK)
		return ask_refuse(a, e, "bad_value",
		    "give the bare key on one line; a line break at its end is not part of it",
		    "the value of %s is refused: %s", name, why);
	return put(a, name, flags, value);
}

static void
put_row(struct ask *a, const struct named_secret *n)
{
	struct secret_row row = { .active_version = secrets_active(n),
		.version_count = n->version_count,
		.exposed = n->exposed,
		.created_s = n->created_s,
		.changed_s = n->changed_s,
		.last_used_s = n->last_used_s };

	(void)span_copy_str(span_str(n->name), row.name, sizeof row.name);
	secret_row_put(&a->out, &row);
}

enum err
ops_secret_list(struct ask *a)
{
	char after[NAME_LEN_MAX + 1];
	struct page page = { .after = after };
	const struct named_secret *n;
	size_t cursor = 0;

	if (take_name(a, after) != ERR_OK || wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	while ((n = table_next(&a->keeper->secrets.names, &cursor)) != NULL)
		page_offer(&page, n->name, n);
	wire_put_bool(&a->out, page.more);
	wire_put_u16(&a->out, (uint16_t)page.count);
	for (size_t i = 0; i < page.count; i++)
		put_row(a, page.items[i]);
	return ERR_OK;
}

enum err
ops_secret_history(struct ask *a)
{
	char name[NAME_LEN_MAX + 1];
	const struct named_secret *n;

	if (take_name(a, name) != ERR_OK || wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	n = secrets_find(&a->keeper->secrets, name);
	if (n == NULL)
		return no_such_secret(a, name);
	wire_put_u16(&a->out, (uint16_t)n->version_count);
	for (uint32_t i = 0; i < n->version_count; i++)
		version_row_put(&a->out, &n->versions[i]);
	return ERR_OK;
}

static enum err
change_refused(struct ask *a, enum err e, const char *name)
{
	static const char hint[] = "`sidekey secret history NAME` shows versions and states";

	if (e == ERR_NOT_FOUND)
		return ask_refuse(a, e, "no_version", hint, "%s has no such version", name);
	if (e == ERR_CONFLICT)
		return ask_refuse(a, e, "version_state", hint,
		    "that version of %s is in a state that does not admit this", name);
	if (e == ERR_RANGE)
		return ask_refuse(a, e, "version_needed", "name the version: it cannot be undone",
		    "which version of %s?", name);
	return ask_commit_error(a, e);
}

static enum err
change(struct ask *a, const struct named_secret *old, enum secret_change what, uint32_t version)
{
	static const char *const events[] = { "", "secret_rollback", "secret_destroy",
		"secret_promote" };
	AUTO(txn_wipe) struct txn t;
	struct named_secret next;
	struct audit_record r;
	uint32_t active;
	enum err e;

	txn_init(&t);
	e = secrets_change(old, what, version, keeper_now_s(a->keeper), &t, &next);
	if (e != ERR_OK)
		return change_refused(a, e, old->name);
	active = secrets_active(&next);
	r = record_of(a, events[what], &next, what == SECRET_DESTROY ? version : active);
	e = commit(a, &next, &t, &r);
	if (e != ERR_OK)
		return ask_commit_error(a, e);
	wire_put_u32(&a->out, active);
	return ERR_OK;
}

enum err
ops_secret_set(struct ask *a)
{
	char name[NAME_LEN_MAX + 1];
	const struct named_secret *n;
	uint32_t version;
	uint8_t what;

	if (take_name(a, name) != ERR_OK)
		return ERR_PROTO;
	what = wire_u8(&a->in);
	version = wire_u32(&a->in);
	if (wire_done(&a->in) != ERR_OK || what == SECRET_NONE || what > SECRET_PROMOTE)
		return ERR_PROTO;
	n = secrets_find(&a->keeper->secrets, name);
	return n == NULL ? no_such_secret(a, name)
			 : change(a, n, (enum secret_change)what, version);
}

static enum err
reveal(struct ask *a, const struct named_secret *n, uint32_t version)
{
	AUTO(secret_freep) struct secret *value = NULL;
	char key[KV_KEY_MAX + 1];
	struct audit_record r = record_of(a, "secret_reveal", n, version);
	uint64_t seq;
	enum err e = keeper_record(a->keeper, &r, &seq);

	if (e == ERR_OK) /* who saw it stands in the log before anybody sees it */
		e = keeper_sync(a->keeper);
	if (e != ERR_OK)
		return ask_commit_error(a, ERR_IO);
	secrets_value_key(n, version, key);
	e = kv_open_row(a->keeper->kv, key, &value);
	if (e != ERR_OK)
		return ask_refuse(a, e, "secret_unavailable", "look at the broker's log",
		    "the value of %s cannot be opened", n->name);
	wire_put_blob(&a->out, secret_span(value));
	return ERR_OK;
}

enum err
ops_secret_reveal(struct ask *a)
{
	char name[NAME_LEN_MAX + 1];
	const struct named_secret *n;
	uint32_t version;

	if (take_name(a, name) != ERR_OK)
		return ERR_PROTO;
	version = wire_u32(&a->in);
	if (wire_done(&a->in) != ERR_OK)
		return ERR_PROTO;
	n = secrets_find(&a->keeper->secrets, name);
	if (n == NULL)
		return no_such_secret(a, name);
	if (version == 0)
		version = secrets_active(n);
	if (!secrets_has_version(n, version))
		return change_refused(a, ERR_NOT_FOUND, name);
	return reveal(a, n, version);
}
