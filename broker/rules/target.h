/*
 * target - which request targets exist at all, and how a pattern meets one.
 * Process: gateway, keeper, cli.   Owns: nothing.   Secrets: a query may hold one of the client's; it is never copied.
 * Limits: TARGET_LEN_MAX (ipc/body.h), TARGET_SEGMENTS_MAX; matching costs at most segments x pattern segments.
 * Failure: ERR_DENIED with a reason; outputs are unchanged.
 */
#ifndef RULES_TARGET_H
#define RULES_TARGET_H

#include "common/err.h"
#include "common/span.h"

#define TARGET_SEGMENTS_MAX 256

/* Why a target is refused before policy sees it; NULL-terminated words for codes: "dot_segment", "empty_segment", "encoded_slash",
 * "bad_escape", "encoded_unreserved", "backslash", "encoded_nul", "control", "not_origin_form", "too_long". */
enum err target_check(struct span target, bool encoded_slash, const char **ret_reason) NODISCARD;

struct span target_path(struct span target); /* up to, without, '?' */

/* Raw bytes, segment by segment, case-sensitive: for allow. */
bool target_match_allow(const char *pattern, struct span path);
/* Against the folded copy: ASCII-lowercased, percent-decoded once, ;params and one trailing slash removed: for deny. */
bool target_match_deny(const char *pattern, struct span path);

/* ERR_SYNTAX with a reason for a pattern that cannot work: not starting with '/', "**" glued to text, empty segments, a dot segment, '?'. */
enum err target_pattern_check(struct span pattern, const char **ret_reason) NODISCARD;

#endif
