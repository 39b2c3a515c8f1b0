#include "broker/keeper/tickets.h"
#include "tests/lib/tap.h"

#include <string.h>

static struct tickets tickets;
static struct asker me = { .serial = { 1, 2, 3 } };

static enum err
use(const uint8_t t[TICKET_LEN], enum ticket_route route, int64_t now_s, struct asker *who)
{
	return tickets_use(&tickets, span_of(t, TICKET_LEN), route, now_s, who);
}

static void
test_once(void)
{
	uint8_t t[TICKET_LEN], other[TICKET_LEN] = { 0 };
	struct asker who = { .serial = { 0 } };

	is_err(tickets_new(&tickets, ROUTE_SELF, &me, 100, t), ERR_OK, "a ticket");
	is_err(use(other, ROUTE_SELF, 100, &who), ERR_DENIED, "a made-up one is none");
	is_err(use(t, ROUTE_SELF, 100, &who), ERR_OK, "the right one is");
	ok(memcmp(&who, &me, sizeof me) == 0, "and says who asked");
	is_err(use(t, ROUTE_SELF, 100, &who), ERR_DENIED, "once");
}

static void
test_bound(void)
{
	uint8_t t[TICKET_LEN];
	struct asker who;

	is_err(tickets_new(&tickets, ROUTE_SELF, &me, 100, t), ERR_OK, "a ticket for one route");
	is_err(use(t, ROUTE_RENEW, 100, &who), ERR_DENIED, "is none for another");
	is_err(use(t, ROUTE_SELF, 100, &who), ERR_DENIED, "and trying that ends it");
	is_err(tickets_new(&tickets, ROUTE_SELF, &me, 100, t), ERR_OK, "a ticket");
	is_err(
	    use(t, ROUTE_SELF, 100 + TICKET_LIFE_S - 1, &who), ERR_OK, "works in its last second");
	is_err(tickets_new(&tickets, ROUTE_SELF, &me, 100, t), ERR_OK, "a ticket");
	is_err(use(t, ROUTE_SELF, 100 + TICKET_LIFE_S, &who), ERR_DENIED, "and not behind it");
	is_err(tickets_use(&tickets, span_of(t, 3), ROUTE_SELF, 100, &who), ERR_DENIED,
	    "a short one is none");
}

static void
test_full(void)
{
	uint8_t t[TICKET_LEN];
	bool all = true;

	for (size_t i = 0; i < TICKETS_MAX; i++)
		all = all && tickets_new(&tickets, ROUTE_SELF, &me, 200, t) == ERR_OK;
	ok(all, "%d at once", TICKETS_MAX);
	is_err(tickets_new(&tickets, ROUTE_SELF, &me, 200, t), ERR_LIMIT, "and no more");
	is_err(tickets_new(&tickets, ROUTE_SELF, &me, 200 + TICKET_LIFE_S, t), ERR_OK,
	    "old ones make room");
	ok(tickets.open.count == 1, "all of them");
}

int
main(void)
{
	struct secret *key = NULL;

	must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &key) == ERR_OK);
	tickets_init(&tickets, key);
	test_once();
	test_bound();
	test_full();
	tickets_close(&tickets);
	secret_free(key);
	return done();
}
