#include "shim/renew.h"
#include "tests/lib/tap.h"

static const struct {
	const char *what;
	int64_t now_s, not_before_s, not_after_s;
	uint32_t jitter;
	int64_t want_s;
} cases[] = {
	{ "half of an hour, no jitter", 1000, 1000, 4600, 500, 2800 },
	{ "a tenth earlier at most", 1000, 1000, 4600, 0, 2800 - 360 },
	{ "a tenth later at most", 1000, 1000, 4600, 999, 2800 + 359 },
	{ "half of what is left, not of the whole", 2800, 1000, 4600, 500, 3700 },
	{ "a backdated certificate", 1000, 700, 4600, 500, 2800 },
	{ "our clock is ahead of its end: its length counts", 9000, 1000, 4600, 500, 10800 },
	{ "two seconds", 0, 0, 2, 500, 1 },
	{ "one second: at once", 0, 0, 1, 999, 0 },
};

int
main(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t got = shim_renew_due_s(
		    cases[i].now_s, cases[i].not_before_s, cases[i].not_after_s, cases[i].jitter);

		if (!ok(got == cases[i].want_s, "%s", cases[i].what))
			printf(
			    "# got %lld, want %lld\n", (long long)got, (long long)cases[i].want_s);
	}
	return done();
}
