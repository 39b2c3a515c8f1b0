#include "broker/keeper/limits.h"
#include "tests/lib/tap.h"

static struct limits limits;

static enum err
take(const struct use *use, int64_t now_ms, uint32_t *ret_retry_s)
{
	struct limit_ask a = { .workload_id = 1, .uses = &use, .count = 1, .now_ms = now_ms };
	struct limit_refusal why = { .retry_s = *ret_retry_s };
	struct held h;
	enum err e = limits_take(&limits, &a, &h, &why);

	*ret_retry_s = why.retry_s;
	if (e == ERR_OK)
		held_close(&h);
	return e;
}

static enum err
open_one(uint64_t workload_id, const struct use *use, int64_t now_ms, struct held *ret_held)
{
	struct limit_ask a = {
		.workload_id = workload_id, .uses = &use, .count = 1, .now_ms = now_ms
	};
	struct limit_refusal why;

	return limits_take(&limits, &a, ret_held, &why);
}

/* No window of the given length, wherever it begins, ever holds more than the limit. */
static void
test_every_window(void)
{
	struct use use = { .limit_requests = 10, .limit_window_s = 2 };
	static bool let[20000];
	uint32_t retry = 0, most = 0, in_window = 0, total = 0;

	limits_init(&limits);
	for (int64_t ms = 0; ms < 20000; ms++)
		let[ms] = take(&use, 100000 + ms, &retry) == ERR_OK;
	for (int64_t ms = 0; ms < 20000; ms++) {
		in_window += let[ms];
		total += let[ms];
		if (ms > 2000)
			in_window -= let[ms - 2001];
		most = in_window > most ? in_window : most;
	}
	ok(most == 10, "at most 10 in any 2 s (saw %u)", most);
	ok(total >= 90, "and nearly as many as that over time (saw %u of 100)", total);
	limits_close(&limits);
}

static void
test_retry(void)
{
	struct use use = { .limit_requests = 3, .limit_window_s = 60 };
	uint32_t retry = 0;
	int64_t at = 1000000;

	limits_init(&limits);
	for (int i = 0; i < 3; i++)
		is_err(take(&use, at, &retry), ERR_OK, "within the limit");
	is_err(take(&use, at, &retry), ERR_LIMIT, "the fourth is one too many");
	ok(retry >= 60 && retry <= 65, "it is told to come back in %u s", retry);
	is_err(take(&use, at + (int64_t)retry * 1000 - 5000, &retry), ERR_LIMIT, "not before that");
	ok(retry <= 5, "which it is told again (%u s)", retry);
	is_err(take(&use, at + 65000, &retry), ERR_OK, "then it is let in");
	is_err(take(&use, at + 64000, &retry), ERR_OK, "a clock that steps back does no harm");
	limits_close(&limits);
}

static void
test_reload(void)
{
	struct use use = { .limit_requests = 3, .limit_window_s = 60 };
	uint32_t retry = 0;

	limits_init(&limits);
	for (int i = 0; i < 3; i++)
		(void)!take(&use, 5000, &retry);
	use.limit_window_s = 10;
	is_err(take(&use, 5001, &retry), ERR_LIMIT, "another window does not give a fresh start");
	use.limit_requests = 4;
	is_err(take(&use, 5002, &retry), ERR_OK, "a higher limit counts at once");
	use.limit_requests = 0;
	is_err(take(&use, 5003, &retry), ERR_OK, "without a limit there is none");
	limits_close(&limits);
}

static void
test_open(void)
{
	struct use use = { .limit_concurrent = 2, .counter = 1 };
	struct use elsewhere = { .limit_concurrent = 2, .counter = 2 };
	struct held a, b, c;

	limits_init(&limits);
	is_err(open_one(1, &use, 0, &a), ERR_OK, "one open");
	is_err(open_one(1, &use, 0, &b), ERR_OK, "two open");
	is_err(open_one(1, &use, 0, &c), ERR_CONFLICT, "a third must wait");
	is_err(open_one(1, &elsewhere, 0, &c), ERR_OK, "another rule has its own");
	held_close(&c);
	is_err(open_one(2, &use, 0, &c), ERR_OK, "so has another workload");
	held_close(&c);
	held_close(&a);
	is_err(open_one(1, &use, 0, &a), ERR_OK, "one ended, one more fits");
	limits_sweep(&limits, 1000000);
	ok(limits.all.count == 1, "one with something open is kept");
	held_close(&a);
	held_close(&b);
	held_close(&b);
	limits_sweep(&limits, 1000000);
	ok(limits.all.count == 0, "an idle one is not");
	limits_close(&limits);
}

static void
test_give_back(void)
{
	struct use use = { .limit_requests = 1, .limit_window_s = 10 };
	struct held a;

	limits_init(&limits);
	is_err(open_one(1, &use, 500, &a), ERR_OK, "the only one");
	held_give_back(&a);
	is_err(open_one(1, &use, 501, &a), ERR_OK, "what was never let through does not count");
	held_close(&a);
	limits_sweep(&limits, 600);
	ok(limits.all.count == 1, "what still counts is not forgotten");
	limits_close(&limits);
}

/* Rules of several policies that allow the same request. */
static void
test_several(void)
{
	struct use wide = { .limit_requests = 5, .limit_window_s = 60, .counter = 1 };
	struct use strict = { .limit_requests = 2, .limit_window_s = 10, .counter = 2 };
	struct use narrow = { .limit_concurrent = 1, .counter = 3 };
	const struct use *both[] = { &wide, &strict }, *all[] = { &wide, &strict, &narrow };
	struct limit_ask two = { 1, both, 2, 1000 }, three = { 1, all, 3, 1000 };
	struct limit_refusal why = { .use = NULL };
	struct held a, b;
	uint32_t retry = 0;

	limits_init(&limits);
	is_err(limits_take(&limits, &two, &a, &why), ERR_OK, "both have room");
	is_err(limits_take(&limits, &three, &b, &why), ERR_OK, "all three have");
	is_err(limits_take(&limits, &three, &a, &why), ERR_LIMIT, "the strictest is full");
	ok(why.use == &strict && why.retry_s >= 10 && why.retry_s <= 11, "and it is named");
	held_close(&a);
	two.now_ms = three.now_ms = 12000;
	is_err(limits_take(&limits, &three, &a, &why), ERR_CONFLICT, "one that is open, of one");
	ok(why.use == &narrow, "is named, too");
	is_err(limits_take(&limits, &two, &a, &why), ERR_OK,
	    "what was refused by one was counted by none");
	held_close(&a);
	is_err(take(&strict, 12001, &retry), ERR_OK, "each counts what it allowed");
	is_err(limits_take(&limits, &two, &a, &why), ERR_LIMIT, "that fills the strict one again");
	is_err(take(&wide, 12002, &retry), ERR_OK, "not the wide one: four of five");
	is_err(take(&wide, 12003, &retry), ERR_OK, "five");
	is_err(take(&wide, 12004, &retry), ERR_LIMIT, "no more");
	held_close(&b);
	two.now_ms = 90000;
	is_err(limits_take(&limits, &two, &a, &why), ERR_OK, "later there is room");
	held_give_back(&a);
	is_err(limits_hold(&limits, &three, &a), ERR_OK, "one that was let through before");
	is_err(limits_take(&limits, &three, &b, &why), ERR_CONFLICT, "is open");
	held_close(&a);
	limits_close(&limits);
}

static void
test_uses_of(void)
{
	struct use uses[] = { { .upstream = 1 }, { .upstream = 2 }, { .upstream = 1 } };
	struct policy policies[] = { { .uses = uses, .use_count = 2 },
		{ .uses = uses + 2, .use_count = 1 } };
	struct rules one = { .policies = policies, .policy_count = 1 };
	struct rules both = { .policies = policies, .policy_count = 2 }, none = { 0 };
	struct limit_uses u, again;

	limits_init(&limits);
	is_err(limit_uses_of(&limits, &none, 1, NULL, &u), ERR_OK, "no rules");
	ok(u.count == 0, "nothing counts");
	is_err(limit_uses_of(&limits, &one, 1, NULL, &u), ERR_OK, "one policy");
	ok(u.count == 1 && u.list[0] == &uses[0], "its rule for that upstream");
	is_err(limit_uses_of(&limits, &both, 1, NULL, &u), ERR_OK, "two policies");
	ok(u.count == 2 && u.list[0] == &uses[0] && u.list[1] == &uses[2], "both rules");
	is_err(limit_uses_of(&limits, &both, 2, NULL, &again), ERR_OK, "another upstream");
	ok(again.count == 1 && again.list[0] == &uses[1], "its rule");
	ok(again.list == u.list, "without memory for each request");
	limits_close(&limits);
}

int
main(void)
{
	test_uses_of();
	test_several();
	test_every_window();
	test_retry();
	test_reload();
	test_open();
	test_give_back();
	return done();
}
