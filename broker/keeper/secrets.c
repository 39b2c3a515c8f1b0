#include "broker/keeper/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_FORMAT 1

void
secrets_init(struct secrets *s, const struct secret *hash_key)
{
	*s =
	    (struct secrets){ .names = TABLE_MAX(SECRETS_MAX), .hash_key = hash_key, .next_id = 1 };
}

void
secrets_close(struct secrets *s)
{
	size_t cursor = 0;
	struct named_secret *n;

	while ((n = table_next(&s->names, &cursor)) != NULL)
		free(n);
	table_close(&s->names);
}

struct named_secret *
secrets_find(const struct secrets *s, const char *name)
{
	return table_get(&s->names, table_hash_str(s->hash_key, name));
}

uint32_t
secrets_active(const struct named_secret *n)
{
	for (uint32_t i = n->version_count; i > 0; i--)
		if (n->versions[i - 1].state == VERSION_ACTIVE)
			return n->versions[i - 1].version;
	return 0;
}

static const struct version_row *
version_find(const struct named_secret *n, uint32_t version)
{
	for (uint32_t i = 0; i < n->version_count; i++)
		if (n->versions[i].version == version)
			return &n->versions[i];
	return NULL;
}

bool
secrets_has_version(const struct named_secret *n, uint32_t version)
{
	const struct version_row *v = version_find(n, version);

	return v != NULL && v->state != VERSION_DESTROYED;
}

enum err
secrets_value_check(struct span value, const char **ret_why)
{
	if (value.len == 0) {
		*ret_why = "it is empty";
		return ERR_RANGE;
	}
	if (value.len > SECRET_LEN_MAX) {
		*ret_why = "it is longer than 16384 bytes";
		return ERR_RANGE;
	}
	for (size_t i = 0; i < value.len; i++) {
		/* a CR or LF would end the header line that carries it, and start one of its own */
		if (value.p[i] >= 0x20 && value.p[i] != 0x7f)
			continue;
		*ret_why = "it holds a line break or another control character";
		return ERR_RANGE;
	}
	return ERR_OK;
}

void
secrets_value_key(const struct named_secret *n, uint32_t version, char ret_key[KV_KEY_MAX + 1])
{
	(void)snprintf(ret_key, KV_KEY_MAX + 1, KEY_VALUE "%s/%010u", n->name, version);
}

void
secrets_value_row(struct txn *t, const struct named_secret *n, uint32_t version, struct span value)
{
	char key[KV_KEY_MAX + 1];
	struct wire_writer out;

	secrets_value_key(n, version, key);
	out = txn_put(t, key);
	wire_put_fixed(&out, value.p, value.len);
	txn_wrote(t, &out);
}

void
secrets_row(struct txn *t, const struct named_secret *n)
{
	char key[KV_KEY_MAX + 1];
	struct wire_writer out;

	(void)snprintf(key, sizeof key, KEY_SECRET "%s", n->name);
	out = txn_put(t, key);
	wire_put_u8(&out, ROW_FORMAT);
	wire_put_u32(&out, n->id);
	wire_put_bool(&out, n->exposed);
	wire_put_i64(&out, n->created_s);
	wire_put_i64(&out, n->changed_s);
	wire_put_i64(&out, n->last_used_s);
	wire_put_u32(&out, n->next_version);
	wire_put_u32(&out, n->version_count);
	for (uint32_t i = 0; i < n->version_count; i++)
		version_row_put(&out, &n->versions[i]);
	txn_wrote(t, &out);
}

static enum err
row_read(struct span key, struct span plain, struct named_secret *n)
{
	struct wire_reader r = wire_read(plain);
	size_t prefix = sizeof KEY_SECRET - 1;

	if (!span_copy_str(span_of(key.p + prefix, key.len - prefix), n->name, sizeof n->name))
		return ERR_SYNTAX;
	if (wire_u8(&r) != ROW_FORMAT)
		return ERR_VERSION;
	n->id = wire_u32(&r);
	n->exposed = wire_bool(&r);
	n->created_s = wire_i64(&r);
	n->changed_s = wire_i64(&r);
	n->last_used_s = wire_i64(&r);
	n->next_version = wire_u32(&r);
	n->version_count = wire_u32(&r);
	if (n->version_count > VERSIONS_MAX)
		return ERR_LIMIT;
	for (uint32_t i = 0; i < n->version_count; i++) {
		version_row_get(&r, &n->versions[i]);
		if (n->versions[i].state == VERSION_NONE ||
		    n->versions[i].state > VERSION_DESTROYED)
			return ERR_RANGE;
	}
	return wire_done(&r);
}

enum err
secrets_load(struct secrets *s, struct span key, struct span plain)
{
	struct named_secret n = { .id = 0 };
	enum err e;

	if (!span_starts(key, KEY_SECRET))
		return ERR_NOT_FOUND;
	e = row_read(key, plain, &n);
	return e == ERR_OK ? secrets_replace(s, &n) : e;
}

enum err
secrets_replace(struct secrets *s, const struct named_secret *n)
{
	struct named_secret *old = secrets_find(s, n->name);
	enum err e = ERR_OK;

	if (old == NULL) {
		old = calloc(1, sizeof *old);
		if (old == NULL)
			return ERR_NOMEM;
		e = table_put(&s->names, table_hash_str(s->hash_key, n->name), old);
	}
	if (e != ERR_OK) {
		free(old);
		return e;
	}
	s->exposed_count += n->exposed;
	s->exposed_count -= old->exposed;
	*old = *n;
	if (n->id >= s->next_id)
		s->next_id = n->id + 1;
	return ERR_OK;
}

static void
set_state(struct named_secret *n, uint32_t version, enum version_state state, int64_t now_s)
{
	for (uint32_t i = 0; i < n->version_count; i++) {
		if (n->versions[i].version != version)
			continue;
		n->versions[i].state = (uint8_t)state;
		n->versions[i].changed_s = now_s;
	}
}

/* One version is active and one in grace, at most. */
static void
activate(struct named_secret *n, uint32_t version, enum version_state for_old, int64_t now_s)
{
	uint32_t active = secrets_active(n);
	const struct version_row *now_active;

	for (uint32_t i = 0; i < n->version_count; i++)
		if (n->versions[i].state == VERSION_GRACE)
			set_state(n, n->versions[i].version, VERSION_RETIRED, now_s);
	if (active != 0)
		set_state(n, active, for_old, now_s);
	set_state(n, version, VERSION_ACTIVE, now_s);
	now_active = version_find(n, version);
	must(now_active != NULL);
	n->exposed = now_active->exposed;
}

static void
forget_version(struct named_secret *n, uint32_t at, struct txn *t)
{
	char key[KV_KEY_MAX + 1];

	if (n->versions[at].state != VERSION_DESTROYED) {
		secrets_value_key(n, n->versions[at].version, key);
		txn_delete(t, key);
	}
	memmove(&n->versions[at], &n->versions[at + 1],
	    (n->version_count - at - 1) * sizeof n->versions[0]);
	n->version_count--;
}

/* The oldest version that nobody uses goes. */
static enum err
make_room(struct named_secret *n, struct txn *t)
{
	if (n->version_count < VERSIONS_MAX)
		return ERR_OK;
	for (uint32_t i = 0; i < n->version_count; i++) {
		if (n->versions[i].state != VERSION_RETIRED &&
		    n->versions[i].state != VERSION_DESTROYED)
			continue;
		forget_version(n, i, t);
		return ERR_OK;
	}
	return ERR_LIMIT;
}

static enum err
put_allowed(const struct secrets *s, const struct named_secret *old, uint8_t flags)
{
	const uint8_t known =
	    SECRET_PUT_NEW | SECRET_PUT_ROTATE | SECRET_PUT_STAGED | SECRET_PUT_EXPOSED;

	if ((flags & ~known) != 0 ||
	    ((flags & SECRET_PUT_NEW) != 0 && (flags & SECRET_PUT_ROTATE) != 0))
		return ERR_RANGE;
	if ((flags & SECRET_PUT_NEW) != 0 && old != NULL)
		return ERR_EXISTS;
	if ((flags & SECRET_PUT_ROTATE) != 0 && old == NULL)
		return ERR_NOT_FOUND;
	return old == NULL && s->names.count >= SECRETS_MAX ? ERR_LIMIT : ERR_OK;
}

enum err
secrets_put(struct secrets *s, const struct named_secret *old, const char *name, uint8_t flags,
    int64_t now_s, struct txn *t, struct named_secret *ret_n)
{
	struct version_row *v;
	enum err e = put_allowed(s, old, flags);

	if (e != ERR_OK)
		return e;
	if (old != NULL) {
		*ret_n = *old;
	} else {
		*ret_n = (struct named_secret){
			.id = s->next_id, .created_s = now_s, .next_version = 1
		};
		must(span_copy_str(span_str(name), ret_n->name, sizeof ret_n->name));
	}
	e = make_room(ret_n, t);
	if (e != ERR_OK)
		return e;
	v = &ret_n->versions[ret_n->version_count++];
	*v = (struct version_row){ .version = ret_n->next_version++,
		.state = VERSION_STAGED,
		.exposed = (flags & SECRET_PUT_EXPOSED) != 0,
		.created_s = now_s,
		.changed_s = now_s };
	ret_n->changed_s = now_s;
	if ((flags & SECRET_PUT_STAGED) == 0)
		activate(ret_n, v->version, VERSION_GRACE, now_s);
	return ERR_OK;
}

/* The newest staged version. */
static uint32_t
newest_staged(const struct named_secret *n)
{
	for (uint32_t i = n->version_count; i > 0; i--)
		if (n->versions[i - 1].state == VERSION_STAGED)
			return n->versions[i - 1].version;
	return 0;
}

/* The version that the active one took over from stays in grace; without one, the newest before it
 * that was in use once. A version that was rolled back is retired: it does not come again by
 * itself while a better one is there. */
static uint32_t
previous_of_active(const struct named_secret *n)
{
	uint32_t active = secrets_active(n), retired = 0;

	for (uint32_t i = 0; i < n->version_count; i++) {
		const struct version_row *v = &n->versions[i];

		if (active != 0 && v->version >= active)
			continue;
		if (v->state == VERSION_GRACE)
			return v->version;
		if (v->state == VERSION_RETIRED)
			retired = v->version;
	}
	return retired;
}

static enum err
change_active(struct named_secret *n, enum secret_change change, uint32_t version, int64_t now_s)
{
	bool promote = change == SECRET_PROMOTE;
	const struct version_row *v;

	if (version == 0)
		version = promote ? newest_staged(n) : previous_of_active(n);
	v = version_find(n, version);
	if (v == NULL)
		return ERR_NOT_FOUND;
	if (promote ? v->state != VERSION_STAGED
		    : v->state != VERSION_GRACE && v->state != VERSION_RETIRED)
		return ERR_CONFLICT;
	/* after a rollback the newer one is the bad one: nobody should use it in grace */
	activate(n, version, promote ? VERSION_GRACE : VERSION_RETIRED, now_s);
	return ERR_OK;
}

static enum err
destroy(struct named_secret *n, uint32_t version, int64_t now_s, struct txn *t)
{
	const struct version_row *v = version_find(n, version);
	char key[KV_KEY_MAX + 1];

	if (version == 0) /* "the previous one" would be a guess, and this cannot be undone */
		return ERR_RANGE;
	if (v == NULL)
		return ERR_NOT_FOUND;
	if (v->state == VERSION_DESTROYED)
		return ERR_CONFLICT;
	set_state(n, version, VERSION_DESTROYED, now_s);
	n->exposed = n->exposed && secrets_active(n) != 0; /* it says so of the active one */
	secrets_value_key(n, version, key);
	txn_delete(t, key);
	return ERR_OK;
}

enum err
secrets_change(const struct named_secret *old, enum secret_change change, uint32_t version,
    int64_t now_s, struct txn *t, struct named_secret *ret_n)
{
	enum err e;

	*ret_n = *old;
	ret_n->changed_s = now_s;
	switch (change) {
	case SECRET_ROLLBACK:
	case SECRET_PROMOTE:
		e = change_active(ret_n, change, version, now_s);
		break;
	case SECRET_DESTROY:
		e = destroy(ret_n, version, now_s, t);
		break;
	case SECRET_NONE:
	default:
		e = ERR_RANGE;
	}
	return e;
}
