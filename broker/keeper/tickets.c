#include "broker/keeper/tickets.h"

#include <stdlib.h>

struct ticket {
	struct table_key key;
	enum ticket_route route;
	struct asker who;
	int64_t end_s;
	struct ticket *older, *newer;
};

void
tickets_init(struct tickets *t, const struct secret *hash_key)
{
	*t = (struct tickets){ .open = TABLE_MAX(TICKETS_MAX), .hash_key = hash_key };
}

static void
end(struct tickets *t, struct ticket *one)
{
	(void)table_remove(&t->open, one->key);
	if (one->older != NULL)
		one->older->newer = one->newer;
	else
		t->oldest = one->newer;
	if (one->newer != NULL)
		one->newer->older = one->older;
	else
		t->newest = one->older;
	free(one);
}

void
tickets_close(struct tickets *t)
{
	while (t->oldest != NULL)
		end(t, t->oldest);
	table_close(&t->open);
}

static struct table_key
key_of(const struct tickets *t, struct span ticket)
{
	return table_hash(t->hash_key, &ticket, 1);
}

static void
link_newest(struct tickets *t, struct ticket *one)
{
	one->older = t->newest;
	if (t->newest != NULL)
		t->newest->newer = one;
	else
		t->oldest = one;
	t->newest = one;
}

enum err
tickets_new(struct tickets *t, enum ticket_route route, const struct asker *who, int64_t now_s,
    uint8_t ret_ticket[TICKET_LEN])
{
	struct ticket *one;
	enum err e;

	while (t->oldest != NULL && t->oldest->end_s <= now_s)
		end(t, t->oldest);
	one = calloc(1, sizeof *one);
	if (one == NULL)
		return ERR_NOMEM;
	crypto_random(ret_ticket, TICKET_LEN);
	one->key = key_of(t, span_of(ret_ticket, TICKET_LEN));
	one->route = route;
	one->who = *who;
	one->end_s = now_s + TICKET_LIFE_S;
	e = table_put(&t->open, one->key, one);
	if (e != ERR_OK) {
		free(one);
		return e;
	}
	link_newest(t, one);
	return ERR_OK;
}

enum err
tickets_use(struct tickets *t, struct span ticket, enum ticket_route route, int64_t now_s,
    struct asker *ret_who)
{
	struct ticket *one = table_get(&t->open, key_of(t, ticket));
	bool good;

	if (one == NULL)
		return ERR_DENIED;
	good = one->route == route && now_s < one->end_s;
	if (good)
		*ret_who = one->who;
	end(t, one); /* also when it was tried on another route: nobody honest does that */
	return good ? ERR_OK : ERR_DENIED;
}
