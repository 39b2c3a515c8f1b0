#include "broker/keeper/limits.h"
#include "tests/lib/tap.h"

static struct limits limits;

static enum err
take(const struct use *use, int64_t now_ms, uint32_t *ret_retry_s)
{
	struct limit *l;
	enum err e = limits_take(&limits, 1, 1, use, now_ms, &l, ret_retry_s);

	if (e == ERR_OK)
		limit_close(l);
	return e;
}

/* No window of the given length, wherever it begins, ever holds more than the limit. */
static void
test_every_window(void)
{
	struct use use = { .limit_requests = 10, .limit_window_s = 2 };
	static bool let[20000];
	uint32_t retry, most = 0, in_window = 0, total = 0;

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
	struct use use = { .limit_concurrent = 2 };
	struct limit *a, *b, *c;
	uint32_t retry;

	limits_init(&limits);
	is_err(limits_take(&limits, 1, 1, &use, 0, &a, &retry), ERR_OK, "one open");
	is_err(limits_take(&limits, 1, 1, &use, 0, &b, &retry), ERR_OK, "two open");
	is_err(limits_take(&limits, 1, 1, &use, 0, &c, &retry), ERR_CONFLICT, "a third must wait");
	is_err(limits_take(&limits, 1, 2, &use, 0, &c, &retry), ERR_OK,
	    "another upstream is another pair");
	limit_close(c);
	is_err(limits_take(&limits, 2, 1, &use, 0, &c, &retry), ERR_OK, "so is another workload");
	limit_close(c);
	limit_close(a);
	is_err(limits_take(&limits, 1, 1, &use, 0, &a, &retry), ERR_OK, "one ended, one more fits");
	limits_sweep(&limits, 1000000);
	ok(limits.pairs.count == 1, "a pair with something open is kept");
	limit_close(a);
	limit_close(b);
	limits_sweep(&limits, 1000000);
	ok(limits.pairs.count == 0, "an idle one is not");
	limits_close(&limits);
}

static void
test_give_back(void)
{
	struct use use = { .limit_requests = 1, .limit_window_s = 10 };
	struct limit *a;
	uint32_t retry;

	limits_init(&limits);
	is_err(limits_take(&limits, 1, 1, &use, 500, &a, &retry), ERR_OK, "the only one");
	limit_give_back(a);
	is_err(limits_take(&limits, 1, 1, &use, 501, &a, &retry), ERR_OK,
	    "what was never let through does not count");
	limit_close(a);
	limits_sweep(&limits, 600);
	ok(limits.pairs.count == 1, "what still counts is not forgotten");
	limits_close(&limits);
}

int
main(void)
{
	test_every_window();
	test_retry();
	test_reload();
	test_open();
	test_give_back();
	return done();
}
