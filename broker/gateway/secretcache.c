#include "broker/gateway/secretcache.h"

#include <stdlib.h>

static struct secret_copy *
find(const struct secretcache *c, uint32_t id, uint32_t version)
{
	struct secret_copy *s = c->first;

	while (s != NULL && (s->id != id || s->version != version))
		s = s->next;
	return s;
}

static void
copy_free(struct secret_copy *s)
{
	redact_free(s->redact);
	secret_free(s->value);
	free(s);
}

static enum err
copy_new(struct span value, struct secret_copy **ret_copy)
{
	struct secret_copy *s = calloc(1, sizeof *s);
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	e = secret_from(value.p, value.len, &s->value);
	if (e == ERR_OK)
		e = redact_new(value, &s->redact);
	if (e != ERR_OK) {
		copy_free(s);
		return e;
	}
	*ret_copy = s;
	return ERR_OK;
}

enum err
secretcache_hold(struct secretcache *c, uint32_t id, uint32_t version, struct span value,
    struct secret_copy **ret_copy)
{
	struct secret_copy *s = find(c, id, version);

	if (s == NULL) {
		enum err e = copy_new(value, &s);

		if (e != ERR_OK)
			return e;
		s->id = id;
		s->version = version;
		s->home = c;
		s->next = c->first;
		c->first = s;
	}
	s->users++;
	*ret_copy = s;
	return ERR_OK;
}

void
secretcache_drop(struct secret_copy *copy)
{
	struct secret_copy **at;

	if (copy == NULL || --copy->users > 0)
		return;
	for (at = &copy->home->first; *at != copy; at = &(*at)->next)
		continue;
	*at = copy->next;
	copy_free(copy);
}
