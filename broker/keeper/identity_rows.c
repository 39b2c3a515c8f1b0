#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/keeper/identity.h"
#include "common/text.h"

#define ROW_FORMAT 1

static void
workload_key(const struct workload *w, char key[KV_KEY_MAX + 1])
{
	(void)snprintf(key, KV_KEY_MAX + 1, KEY_WORKLOAD "%016llx", (unsigned long long)w->id);
}

static void
random_key(const char *prefix, const uint8_t id[IDENTITY_ID_LEN], char key[KV_KEY_MAX + 1])
{
	char hex[2 * IDENTITY_ID_LEN + 1];

	text_hex(id, IDENTITY_ID_LEN, hex);
	(void)snprintf(key, KV_KEY_MAX + 1, "%s%s", prefix, hex);
}

void
identity_workload_row(struct txn *t, const struct workload *w)
{
	char key[KV_KEY_MAX + 1];
	struct wire_writer out;

	workload_key(w, key);
	out = txn_put(t, key);
	wire_put_u8(&out, ROW_FORMAT);
	wire_put_u64(&out, w->id);
	wire_put_str(&out, w->name);
	wire_put_u8(&out, (uint8_t)w->state);
	wire_put_i64(&out, w->created_s);
	wire_put_i64(&out, w->last_seen_s);
	txn_wrote(t, &out);
}

void
identity_workload_drop(struct txn *t, const struct workload *w)
{
	char key[KV_KEY_MAX + 1];

	workload_key(w, key);
	txn_delete(t, key);
}

void
identity_enrollment_row(struct txn *t, const struct enrollment *e)
{
	char key[KV_KEY_MAX + 1];
	struct wire_writer out;

	random_key(KEY_ENROLL, e->id, key);
	out = txn_put(t, key);
	wire_put_u8(&out, ROW_FORMAT);
	wire_put_fixed(&out, e->id, sizeof e->id);
	wire_put_u64(&out, e->workload->id);
	wire_put_u64(&out, e->key_hash.a);
	wire_put_u64(&out, e->key_hash.b);
	wire_put_bool(&out, e->reusable);
	wire_put_u32(&out, e->cap);
	wire_put_i64(&out, e->created_s);
	wire_put_i64(&out, e->expires_s);
	txn_wrote(t, &out);
}

void
identity_enrollment_drop(struct txn *t, const struct enrollment *e)
{
	char key[KV_KEY_MAX + 1];

	random_key(KEY_ENROLL, e->id, key);
	txn_delete(t, key);
}

static void
certificate_write(struct wire_writer *out, const struct certificate *c)
{
	wire_put_bool(out, c->instance != NULL);
	wire_put_fixed(out, c->serial, sizeof c->serial);
	wire_put_i64(out, c->not_before_s);
	wire_put_i64(out, c->not_after_s);
}

void
identity_instance_row(struct txn *t, const struct instance *i)
{
	char key[KV_KEY_MAX + 1];
	struct wire_writer out;

	random_key(KEY_INSTANCE, i->id, key);
	out = txn_put(t, key);
	wire_put_u8(&out, ROW_FORMAT);
	wire_put_fixed(&out, i->id, sizeof i->id);
	wire_put_u64(&out, i->workload->id);
	wire_put_fixed(&out, i->enrollment_id, sizeof i->enrollment_id);
	wire_put_bool(&out, i->reusable);
	wire_put_i64(&out, i->created_s);
	wire_put_i64(&out, i->ended_s);
	certificate_write(&out, &i->current);
	certificate_write(&out, &i->previous);
	txn_wrote(t, &out);
}

void
identity_instance_drop(struct txn *t, const struct instance *i)
{
	char key[KV_KEY_MAX + 1];

	random_key(KEY_INSTANCE, i->id, key);
	txn_delete(t, key);
}

static void
take_fixed(struct wire_reader *r, uint8_t *dst, size_t len)
{
	struct span s = wire_fixed(r, len);

	if (s.len == len)
		memcpy(dst, s.p, len);
}

static enum err
load_workload(struct identity *id, struct wire_reader *r)
{
	struct workload *w = calloc(1, sizeof *w);
	enum err e;

	if (w == NULL)
		return ERR_NOMEM;
	w->id = wire_u64(r);
	wire_str(r, w->name, sizeof w->name);
	w->state = (enum workload_state)wire_u8(r);
	w->created_s = wire_i64(r);
	w->last_seen_s = wire_i64(r);
	e = wire_done(r);
	if (e == ERR_OK)
		e = w->state > WORKLOAD_REVOKED ? ERR_RANGE : identity_workload_add(id, w);
	if (e != ERR_OK)
		free(w);
	return e;
}

static enum err
load_enrollment(struct identity *id, struct wire_reader *r, bool *ret_orphan)
{
	struct enrollment *en = calloc(1, sizeof *en);
	enum err e;

	if (en == NULL)
		return ERR_NOMEM;
	take_fixed(r, en->id, sizeof en->id);
	en->workload = table_get(&id->ids, table_number(wire_u64(r), 0));
	en->key_hash.a = wire_u64(r);
	en->key_hash.b = wire_u64(r);
	en->reusable = wire_bool(r);
	en->cap = wire_u32(r);
	en->created_s = wire_i64(r);
	en->expires_s = wire_i64(r);
	e = wire_done(r);
	/* revoking a workload writes one row; what hangs on it ends by that */
	*ret_orphan =
	    e == ERR_OK && (en->workload == NULL || en->workload->state == WORKLOAD_REVOKED);
	if (e == ERR_OK && !*ret_orphan)
		e = identity_enrollment_add(id, en);
	if (e != ERR_OK || *ret_orphan)
		free(en);
	return e;
}

static void
certificate_read(struct wire_reader *r, struct instance *i, struct certificate *c)
{
	bool present = wire_bool(r);

	take_fixed(r, c->serial, sizeof c->serial);
	c->not_before_s = wire_i64(r);
	c->not_after_s = wire_i64(r);
	c->instance = present ? i : NULL;
}

static enum err
load_instance(struct identity *id, struct wire_reader *r, bool *ret_orphan)
{
	struct instance *i = calloc(1, sizeof *i);
	enum err e;

	if (i == NULL)
		return ERR_NOMEM;
	take_fixed(r, i->id, sizeof i->id);
	i->workload = table_get(&id->ids, table_number(wire_u64(r), 0));
	take_fixed(r, i->enrollment_id, sizeof i->enrollment_id);
	i->reusable = wire_bool(r);
	i->created_s = wire_i64(r);
	i->ended_s = wire_i64(r);
	certificate_read(r, i, &i->current);
	certificate_read(r, i, &i->previous);
	e = wire_done(r);
	*ret_orphan = e == ERR_OK && i->workload == NULL;
	if (e == ERR_OK && !*ret_orphan && i->workload->state == WORKLOAD_REVOKED &&
	    i->ended_s == 0)
		i->ended_s = i->current.not_before_s; /* ended with its workload */
	if (e == ERR_OK && !*ret_orphan)
		e = identity_instance_add(id, i);
	if (e != ERR_OK || *ret_orphan)
		free(i);
	return e;
}

enum err
identity_load(struct identity *id, struct span key, struct span plain, bool *ret_orphan)
{
	struct wire_reader r = wire_read(plain);
	bool known = span_starts(key, KEY_WORKLOAD) || span_starts(key, KEY_ENROLL) ||
		     span_starts(key, KEY_INSTANCE);

	*ret_orphan = false;
	if (!known)
		return ERR_NOT_FOUND;
	if (wire_u8(&r) != ROW_FORMAT)
		return ERR_VERSION;
	if (span_starts(key, KEY_WORKLOAD))
		return load_workload(id, &r);
	return span_starts(key, KEY_ENROLL) ? load_enrollment(id, &r, ret_orphan)
					    : load_instance(id, &r, ret_orphan);
}
