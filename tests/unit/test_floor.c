#include "broker/keeper/floor.h"
#include "tests/lib/tap.h"

static void
test_start(void)
{
	static const struct {
		const char *name;
		int64_t audit_ms, wall_ms;
		bool ahead;
		int64_t now_ms;
	} cases[] = {
		{ "a new log", 0, 1000000, false, 1000000 },
		{ "a log of yesterday", 500000, 1000000, false, 1000000 },
		{ "a log a little ahead: its time counts", 1100000, 1000000, false, 1100000 },
		{ "by less than a second, too", 1000999, 1000000, false, 1000999 },
		{ "ten minutes ahead is still that", 1600000, 1000000, false, 1600000 },
		{ "a second more needs the operator", 1601000, 1000000, true, 1601000 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct floor f;
		bool ahead = floor_init(&f, cases[i].audit_ms, cases[i].wall_ms, 77);

		ok(ahead == cases[i].ahead &&
			floor_now_ms(&f, cases[i].wall_ms, 77) == cases[i].now_ms,
		    "%s", cases[i].name);
	}
}

static void
test_jumps(void)
{
	struct floor f;

	(void)floor_init(&f, 0, 1000000, 0);
	ok(floor_now_ms(&f, 1005000, 5000) == 1005000, "time follows the wall clock");
	ok(floor_now_ms(&f, 905000, 6000) == 1006000, "set back, it goes on at its own pace");
	ok(floor_now_ms(&f, 906000, 16000) == 1016000, "for as long as it takes");
	ok(floor_now_ms(&f, 1016000, 16000) == 1016000, "it never goes back");
	ok(floor_now_ms(&f, 9000000, 17000) == 9000000, "set forward, it follows at once");
	ok(floor_now_ms(&f, 1017000, 18000) == 9001000, "and does not come back from there");
	floor_accept(&f, 1018000, 19000);
	ok(floor_now_ms(&f, 1018500, 19500) == 1018500, "but by the operator's word");
}

int
main(void)
{
	test_start();
	test_jumps();
	return done();
}
