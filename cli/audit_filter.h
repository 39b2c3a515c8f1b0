/*
 * audit_filter - which audit records were asked for, and how one looks to a person.
 * Process: cli.   Owns: nothing.   Secrets: none.   Limits: none.
 * Failure: a line that is no JSON object never passes a filter, and is printed as it is where none
 * was given.
 */
#ifndef CLI_AUDIT_FILTER_H
#define CLI_AUDIT_FILTER_H

#include "cli/cli.h"
#include "common/span.h"

struct audit_filter {
	const char *workload, *upstream, *secret; /* NULL: any */
	int64_t since_s;			  /* 0: any */
};

/* From the options of the command; now_s for an age. */
enum cli_exit audit_filter_read(
    const struct cli *c, int64_t now_s, struct audit_filter *ret_f) NODISCARD;
bool audit_filter_passes(const struct audit_filter *f, struct span line);
/* One line on stdout. */
void audit_print_person(struct span line);
void audit_print_raw(struct span line);

#endif
