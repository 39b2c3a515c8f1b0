/* restart: back-off doubles to its ceiling, and a calm life forgets it. */
#include "broker/sidekeyd/restart.h"
#include "common/err.h"
#include "tests/lib/tap.h"

int
main(void)
{
	static const struct {
		const char *what;
		int64_t lived_ms;
		uint32_t want_ms;
	} rows[] = {
		{ "the first end waits the least", 5, 100 },
		{ "then twice that", 5, 200 },
		{ "and again", 0, 400 },
		{ "also when the clock stood still", 0, 800 },
		{ "a life just short of calm does not forget", 29999, 1600 },
		{ "3.2 s", 1, 3200 },
		{ "6.4 s", 1, 6400 },
		{ "the ceiling", 1, 10000 },
		{ "stays the ceiling", 1, 10000 },
		{ "a calm life begins anew", 30000, 100 },
		{ "and doubles anew", 1, 200 },
	};
	struct restart r = { 0 };
	int64_t now_ms = 1000;

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t got;

		restart_started(&r, now_ms);
		now_ms += rows[i].lived_ms;
		got = restart_delay(&r, now_ms);
		ok(got == rows[i].want_ms, "%s: %u ms", rows[i].what, got);
		now_ms += got;
	}
	return done();
}
