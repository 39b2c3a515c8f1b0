/*
 * tap - TAP for unit tests: ok(), is_err(), done().
 * Process: tests.   Owns: the counters.   Secrets: none.   Limits: none.
 * Failure: "not ok"; the program exits 1.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/err.h"

static int tap_count, tap_failed;

static inline bool PRINTF(2, 3) ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	tap_failed += !good;
	return good;
}

static inline bool
is_err(enum err got, enum err want, const char *what)
{
	bool good = ok(got == want, "%s", what);

	if (!good)
		printf("# got %s, want %s\n", err_name(got), err_name(want));
	return good;
}

/* For a case whose part this machine has not: skipped, but failed where all must run (CI). */
static inline void
lacks(const char *what, const char *part)
{
	if (getenv("SIDEKEY_TEST_ALL") != NULL)
		ok(false, "%s: this machine lacks %s", what, part);
	else
		ok(true, "%s # SKIP needs %s", what, part);
}

static inline int
done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif
