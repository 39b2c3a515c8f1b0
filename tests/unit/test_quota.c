/* A workload's bytes in the audit log, over a day. */
#include "broker/keeper/audit/quota.h"

#include "tests/lib/tap.h"

#define HOUR (3600 * INT64_C(1000))
#define START (1000 * HOUR)

static void
test_day(void)
{
	struct quota q = { .total = 0 };
	int64_t now = START;

	ok(quota_left(&q, 1, now), "nothing was written: there is room");
	ok(!quota_left(&q, 0, now), "unless nothing may be");
	quota_add(&q, 600, now);
	quota_add(&q, 399, now + 5 * HOUR);
	ok(quota_left(&q, 1000, now + 5 * HOUR), "one byte below");
	quota_add(&q, 1, now + 5 * HOUR);
	ok(!quota_left(&q, 1000, now + 5 * HOUR), "used up");
	ok(!quota_left(&q, 1000, now + 24 * HOUR - 1), "a day holds");
	ok(quota_left(&q, 1000, now + 26 * HOUR), "what is older than a day and a slice is gone");
	ok(q.total == 400, "and only that");
	ok(quota_left(&q, 1, now + 300 * HOUR) && q.total == 0, "after a long time all of it");
}

static void
test_clock(void)
{
	struct quota q = { .total = 0 };

	quota_add(&q, 1000, START);
	ok(!quota_left(&q, 1000, START - 500 * HOUR), "a clock that went back frees nothing");
	quota_add(&q, 1, START - 500 * HOUR);
	ok(q.total == 1001, "and what comes is counted");
	ok(!quota_left(&q, 1000, START + HOUR), "as if it were now");
}

static void
test_retry(void)
{
	struct quota q = { .total = 0 };
	uint32_t wait;

	quota_add(&q, 700, START);
	quota_add(&q, 700, START + 10 * HOUR);
	wait = quota_retry_s(&q, 1000, START + 10 * HOUR);
	ok(!quota_left(&q, 1000, START + 10 * HOUR + (wait - 1) * INT64_C(1000)),
	    "a second before: not yet");
	ok(quota_left(&q, 1000, START + 10 * HOUR + wait * INT64_C(1000)), "then: room");
	ok(wait > 13 * 3600 && wait <= 16 * 3600, "in a day less what has passed (%u s)", wait);
}

/* Whatever the rhythm, no 24 hours hold more than the quota and one addition. */
static void
test_any_rhythm(void)
{
	static uint64_t added[24 * 10];
	struct quota q = { .total = 0 };
	uint64_t worst = 0;

	for (int h = 0; h < 24 * 10; h++) {
		int wanted = (h * 7919) % 13;

		for (int i = 0; i < wanted; i++)
			if (quota_left(&q, 50, START + h * HOUR)) {
				quota_add(&q, 1, START + h * HOUR);
				added[h]++;
			}
	}
	for (int h = 0; h + 24 <= 24 * 10; h++) {
		uint64_t sum = 0;

		for (int i = 0; i < 24; i++)
			sum += added[h + i];
		worst = sum > worst ? sum : worst;
	}
	ok(worst == 50, "no day had more than 50: %llu", (unsigned long long)worst);
}

int
main(void)
{
	test_day();
	test_clock();
	test_retry();
	test_any_rhythm();
	return done();
}
