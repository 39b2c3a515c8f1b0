/*
 * expect - the decisions that a policy must give, as they stand beside it in <name>.expect.
 * Process: cli (policy test).
 * Owns: nothing: an expectation points into the text.
 * Secrets: none.
 * Limits: EXPECT_FILE_MAX bytes a file, for who reads it.
 * Failure: ERR_SYNTAX with a place.
 *
 * One decision a line: allow|deny WORKLOAD UPSTREAM METHOD TARGET [CODE], separated by spaces; '#'
 * starts a comment. CODE is one of match.h's, or,
 * where that is bad_target, target_check()'s reason.
 *	allow mcp-github github GET /repos/acme/site/issues?state=open
 *	deny  mcp-github github DELETE /repos/acme/site not_allowed
 */
#ifndef POLICYC_EXPECT_H
#define POLICYC_EXPECT_H

#include "broker/rules/match.h"
#include "broker/yaml/yaml.h"

#define EXPECT_FILE_MAX (1u << 20)

struct expect_reader {
	const char *file; /* as errors name it */
	struct span left;
	uint32_t line;
};

struct expectation {
	bool allow;
	struct span workload, upstream, method, target;
	struct span code; /* empty: any */
	uint32_t line;
};

struct expect_reader expect_read(const char *file, struct span text);
/* The next decision. ERR_EOF behind the last; ERR_SYNTAX: that line is none, and the one after it
 * can be asked for. */
enum err expect_next(
    struct expect_reader *r, struct expectation *ret_x, struct place_error *ret_error) NODISCARD;
/* True if the rules decide so; *ret_m is what they say. */
bool expect_holds(const struct rules *r, const struct expectation *x, struct match *ret_m);

#endif
