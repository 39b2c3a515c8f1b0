#include <string.h>

#include "broker/keeper/audit/fold.h"
#include "tests/lib/tap.h"

static const struct step {
	const char *what, *workload;
	int64_t now_ms;
	bool admitted;
} steps[] = {
	/* two a second, three at once */
	{ "first of a burst", "a", 0, true },
	{ "second", "a", 0, true },
	{ "third", "a", 0, true },
	{ "the burst is used up", "a", 0, false },
	{ "another workload has its own", "b", 0, true },
	{ "not yet", "a", 499, false },
	{ "half a second gives one", "a", 500, true },
	{ "and no more", "a", 500, false },
	{ "a clock that steps back gives none", "a", 100, false },
	{ "a long silence gives a burst", "a", 100000, true },
	{ "two of it", "a", 100000, true },
	{ "three of it", "a", 100000, true },
	{ "and not four", "a", 100000, false },
	{ "nobody's certificate", "", 0, true },
};

static void
test_admit(void)
{
	struct fold *f = NULL;

	must(fold_new(2, 3, &f) == ERR_OK);
	for (size_t i = 0; i < COUNT(steps); i++)
		ok(fold_admit(f, span_str(steps[i].workload), steps[i].now_ms) == steps[i].admitted,
		    "%s", steps[i].what);
	fold_free(f);
}

static void
test_take(void)
{
	struct fold *f = NULL;
	struct folded got;

	must(fold_new(1, 1, &f) == ERR_OK);
	ok(!fold_take(f, 99999, &got) && fold_due_ms(f) == -1, "take: nothing was counted");
	for (int i = 0; i < 1000; i++)
		(void)fold_admit(f, span_str("agent"), 5000);
	for (int i = 0; i < 3; i++)
		(void)fold_admit(f, SPAN_NONE, 5100);
	ok(fold_due_ms(f) == 6000, "take: due a second later");
	ok(!fold_take(f, 5999, &got), "take: not before");
	ok(fold_take(f, 6000, &got) && strcmp(got.workload, "agent") == 0 && got.count == 999 &&
		got.since_ms == 5000,
	    "take: one record says how many and of whom");
	ok(!fold_take(f, 6000, &got) && fold_due_ms(f) == 6100, "take: the next is not due yet");
	ok(fold_take(f, 6100, &got) && got.workload[0] == '\0' && got.count == 2,
	    "take: without a certificate");
	ok(!fold_take(f, 99999, &got) && fold_due_ms(f) == -1, "take: nothing is left");
	(void)fold_admit(f, span_str("agent"), 6200);
	ok(!fold_admit(f, span_str("agent"), 6200) && fold_due_ms(f) == 7200,
	    "take: counting starts again");
	fold_free(f);
}

/* More workloads than slots: nothing is lost, and nothing is admitted without limit. */
static void
test_many(void)
{
	struct fold *f = NULL;
	struct folded got;
	uint64_t admitted = 0, counted = 0;
	char name[32];

	must(fold_new(1, 1, &f) == ERR_OK);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4 * FOLD_SLOTS; i++) {
			(void)snprintf(name, sizeof(name), "workload-%d", i);
			admitted += fold_admit(f, span_str(name), 1000);
		}
	}
	while (fold_take(f, 2000, &got))
		counted += got.count;
	ok(admitted + counted == 12 * FOLD_SLOTS, "many: every denial is written or counted");
	ok(admitted <= FOLD_SLOTS + 1 && admitted > FOLD_SLOTS / 2, "many: %llu are written",
	    (unsigned long long)admitted);
	(void)snprintf(name, sizeof(name), "late");
	ok(fold_admit(f, span_str("late-comer"), 60000), "many: idle slots are used again");
	fold_free(f);
}

int
main(void)
{
	test_admit();
	test_take();
	test_many();
	return done();
}
