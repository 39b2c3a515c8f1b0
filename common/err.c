#include "common/err.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[ERR_COUNT] = {
	[ERR_OK] = "ok",
	[ERR_AGAIN] = "again",
	[ERR_EOF] = "eof",
	[ERR_NOMEM] = "no_memory",
	[ERR_LIMIT] = "limit",
	[ERR_SYNTAX] = "syntax",
	[ERR_RANGE] = "range",
	[ERR_IO] = "io",
	[ERR_SYS] = "system",
	[ERR_DENIED] = "denied",
	[ERR_EXPIRED] = "expired",
	[ERR_NOT_FOUND] = "not_found",
	[ERR_EXISTS] = "exists",
	[ERR_SEALED] = "sealed",
	[ERR_CONFLICT] = "conflict",
	[ERR_AUTH] = "not_authentic",
	[ERR_PROTO] = "protocol",
	[ERR_TIMEOUT] = "timeout",
	[ERR_UNREACHABLE] = "unreachable",
	[ERR_VERSION] = "version",
};

const char *
err_name(enum err e)
{
	return (unsigned)e < ERR_COUNT ? names[e] : "unknown";
}

void
must_failed(const char *cond, const char *file, int line)
{
	(void)fprintf(stderr, "sidekey: bug: %s:%d: %s\n", file, line, cond);
	abort();
}
