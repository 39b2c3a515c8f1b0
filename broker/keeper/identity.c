#include "broker/keeper/identity.h"

#include <stdlib.h>
#include <string.h>

void
identity_init(struct identity *id, const struct secret *hash_key)
{
	*id = (struct identity){
		.names = TABLE_MAX(WORKLOADS_MAX),
		.ids = TABLE_MAX(WORKLOADS_MAX),
		.enroll_keys = TABLE_MAX(ENROLLMENTS_MAX),
		.enrollments = TABLE_MAX(ENROLLMENTS_MAX),
		.instances = TABLE_MAX(INSTANCES_MAX),
		.serials = TABLE_MAX(2 * INSTANCES_MAX),
		.hash_key = hash_key,
		.next_id = 1,
	};
}

static void
free_all(struct table *t)
{
	size_t cursor = 0;
	void *p;

	while ((p = table_next(t, &cursor)) != NULL)
		free(p);
	table_close(t);
}

void
identity_close(struct identity *id)
{
	table_close(&id->serials);
	table_close(&id->enroll_keys);
	table_close(&id->names);
	free_all(&id->instances);
	free_all(&id->enrollments);
	free_all(&id->ids);
}

static struct table_key
id_key(const uint8_t id[IDENTITY_ID_LEN])
{
	struct table_key k;

	memcpy(&k, id, sizeof k); /* the keeper's own random bytes */
	return k;
}

static struct table_key
serial_key(const struct identity *id, const uint8_t serial[SERIAL_LEN])
{
	struct span part = span_of(serial, SERIAL_LEN);

	return table_hash(id->hash_key, &part, 1);
}

struct workload *
identity_workload(const struct identity *id, const char *name)
{
	return table_get(&id->names, table_hash_str(id->hash_key, name));
}

struct enrollment *
identity_enrollment_of_key(const struct identity *id, struct span key)
{
	return table_get(&id->enroll_keys, table_hash(id->hash_key, &key, 1));
}

struct enrollment *
identity_enrollment(const struct identity *id, const uint8_t eid[IDENTITY_ID_LEN])
{
	return table_get(&id->enrollments, id_key(eid));
}

struct certificate *
identity_certificate(const struct identity *id, const uint8_t serial[SERIAL_LEN])
{
	return table_get(&id->serials, serial_key(id, serial));
}

const char *
identity_refusal(const struct certificate *c, int64_t now_s)
{
	if (c == NULL)
		return "certificate_unknown";
	if (c->instance->workload->state == WORKLOAD_REVOKED)
		return "workload_revoked";
	if (c->instance->ended_s != 0)
		return "certificate_revoked";
	if (now_s >= c->not_after_s)
		return "certificate_expired";
	if (now_s < c->not_before_s)
		return "certificate_not_yet_valid";
	return c->instance->workload->state == WORKLOAD_SUSPENDED ? "workload_suspended" : NULL;
}

void
identity_seen(struct certificate *c, int64_t now_s)
{
	c->instance->workload->last_seen_s = now_s;
	c->instance->workload->seen = true;
}

enum err
identity_workload_new(struct identity *id, const char *name, int64_t now_s, struct workload **ret_w)
{
	const struct workload *old = identity_workload(id, name);
	struct workload *w;

	if (old != NULL && old->state != WORKLOAD_REVOKED)
		return ERR_EXISTS;
	if (id->ids.count >= WORKLOADS_MAX)
		return ERR_LIMIT;
	w = calloc(1, sizeof *w);
	if (w == NULL)
		return ERR_NOMEM;
	w->id = id->next_id;
	must(span_copy_str(span_str(name), w->name, sizeof w->name));
	w->created_s = now_s;
	*ret_w = w;
	return ERR_OK;
}

enum err
identity_workload_add(struct identity *id, struct workload *w)
{
	struct table_key name = table_hash_str(id->hash_key, w->name);
	struct workload *old = table_get(&id->names, name);
	enum err e = table_put(&id->ids, table_number(w->id, 0), w);

	if (e != ERR_OK)
		return e;
	if (w->id >= id->next_id)
		id->next_id = w->id + 1;
	if (old != NULL && old->id > w->id)
		return ERR_OK;		      /* loading: the newer one of that name came first */
	(void)table_remove(&id->names, name); /* the old one stays in ids: its instances know it */
	e = table_put(&id->names, name, w);
	if (e != ERR_OK)
		(void)table_remove(&id->ids, table_number(w->id, 0));
	return e;
}

enum err
identity_enrollment_new(struct identity *id, struct workload *w, const struct enroll_new *what,
    int64_t now_s, struct secret **ret_key, struct enrollment **ret_e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct enrollment *e;
	struct span part;
	enum err r;

	uint32_t ending = what->replace ? w->enrollment_count : 0;

	if (w->enrollment_count - ending >= WORKLOAD_ENROLLMENTS_MAX ||
	    id->enrollments.count - ending >= ENROLLMENTS_MAX)
		return ERR_LIMIT;
	r = crypto_random_secret(ENROLL_KEY_LEN, &key);
	if (r != ERR_OK)
		return r;
	e = calloc(1, sizeof *e);
	if (e == NULL)
		return ERR_NOMEM;
	part = secret_span(key);
	e->key_hash = table_hash(id->hash_key, &part, 1);
	crypto_random(e->id, sizeof e->id);
	e->workload = w;
	e->reusable = what->reusable;
	e->cap = what->cap == 0 ? 1 : what->cap;
	e->created_s = now_s;
	e->expires_s = now_s + what->ttl_s;
	*ret_e = e;
	*ret_key = key;
	key = NULL; /* given away */
	return ERR_OK;
}

enum err
identity_enrollment_add(struct identity *id, struct enrollment *e)
{
	enum err r = table_put(&id->enrollments, id_key(e->id), e);

	if (r != ERR_OK)
		return r;
	r = table_put(&id->enroll_keys, e->key_hash, e);
	if (r != ERR_OK) {
		(void)table_remove(&id->enrollments, id_key(e->id));
		return r;
	}
	e->next = e->workload->enrollments;
	e->workload->enrollments = e;
	e->workload->enrollment_count++;
	return ERR_OK;
}

void
identity_enrollment_end(struct identity *id, struct enrollment *e)
{
	struct enrollment **at = &e->workload->enrollments;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	e->workload->enrollment_count--;
	(void)table_remove(&id->enroll_keys, e->key_hash);
	(void)table_remove(&id->enrollments, id_key(e->id));
	free(e);
}

enum err
identity_instance_new(
    const struct enrollment *e, const struct certificate *c, int64_t now_s, struct instance **ret_i)
{
	struct instance *i = calloc(1, sizeof *i);

	if (i == NULL)
		return ERR_NOMEM;
	crypto_random(i->id, sizeof i->id);
	i->workload = e->workload;
	memcpy(i->enrollment_id, e->id, sizeof i->enrollment_id);
	i->reusable = e->reusable;
	i->created_s = now_s;
	i->current = *c;
	i->current.instance = i;
	*ret_i = i;
	return ERR_OK;
}

static enum err
serial_add(struct identity *id, struct certificate *c)
{
	return c->instance == NULL ? ERR_OK : table_put(&id->serials, serial_key(id, c->serial), c);
}

static void
serial_remove(struct identity *id, struct certificate *c)
{
	if (c->instance != NULL)
		(void)table_remove(&id->serials, serial_key(id, c->serial));
}

/* Both or none. */
static enum err
serials_add(struct identity *id, struct instance *i)
{
	enum err e = serial_add(id, &i->current);

	if (e != ERR_OK)
		return e;
	e = serial_add(id, &i->previous);
	if (e != ERR_OK)
		serial_remove(id, &i->current);
	return e;
}

enum err
identity_instance_add(struct identity *id, struct instance *i)
{
	enum err e = table_put(&id->instances, id_key(i->id), i);

	if (e != ERR_OK)
		return e;
	e = serials_add(id, i);
	if (e != ERR_OK) {
		(void)table_remove(&id->instances, id_key(i->id));
		return e;
	}
	i->next = i->workload->instances;
	i->workload->instances = i;
	if (i->ended_s == 0)
		id->live_count++;
	return ERR_OK;
}

void
identity_instance_end(struct identity *id, struct instance *i, int64_t now_s)
{
	must(i->ended_s == 0);
	i->ended_s = now_s;
	id->live_count--;
}

void
identity_instance_forget(struct identity *id, struct instance *i)
{
	struct instance **at = &i->workload->instances;

	must(i->ended_s != 0 && i->placeholders == NULL);
	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	serial_remove(id, &i->current);
	serial_remove(id, &i->previous);
	(void)table_remove(&id->instances, id_key(i->id));
	free(i);
}

struct instance
identity_renewed(
    const struct instance *i, const struct certificate *by, const struct certificate *c)
{
	struct instance next = *i;

	next.previous = *by;
	next.current = *c;
	next.current.instance = next.previous.instance;
	return next;
}

enum err
identity_renew(struct identity *id, struct instance *i, const struct certificate *by,
    const struct certificate *c)
{
	struct instance next = identity_renewed(i, by, c);

	serial_remove(id, &i->current);
	serial_remove(id, &i->previous);
	i->current = next.current;
	i->previous = next.previous;
	return serials_add(id, i);
}

uint32_t
identity_live(const struct workload *w)
{
	uint32_t n = 0;

	for (const struct instance *i = w->instances; i != NULL; i = i->next)
		n += i->ended_s == 0 && w->state != WORKLOAD_REVOKED;
	return n;
}

struct instance *
identity_superseded(const struct enrollment *e)
{
	struct instance *oldest = NULL;
	uint32_t n = 0;

	for (struct instance *i = e->workload->instances; i != NULL; i = i->next) {
		if (i->ended_s != 0 || memcmp(i->enrollment_id, e->id, IDENTITY_ID_LEN) != 0)
			continue;
		if (oldest == NULL ||
		    i->created_s <= oldest->created_s) /* new ones stand in front */
			oldest = i;
		n++;
	}
	return n >= e->cap ? oldest : NULL;
}

struct instance *
identity_forgettable(const struct workload *w)
{
	struct instance *oldest = NULL;
	uint32_t n = 0;

	for (struct instance *i = w->instances; i != NULL; i = i->next) {
		if (i->ended_s == 0)
			continue;
		if (oldest == NULL || i->ended_s <= oldest->ended_s)
			oldest = i;
		n++;
	}
	return n > WORKLOAD_ENDED_MAX ? oldest : NULL;
}
