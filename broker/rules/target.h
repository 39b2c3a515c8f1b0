/*
 * target - which request targets exist at all, and how a pattern meets one (DESIGN section 5).
 * Process: gateway, keeper, cli.   Owns: nothing.
 * Secrets: a query may hold one of the client's; it is never copied.
 * Limits: TARGET_LEN_MAX (ipc/body.h), TARGET_SEGMENTS_MAX, also in the decoded form; matching
 *         costs at most segments x pattern segments.
 * Failure: ERR_DENIED with a reason; outputs are unchanged.
 */
#ifndef RULES_TARGET_H
#define RULES_TARGET_H

#include "common/err.h"
#include "common/span.h"

#define TARGET_SEGMENTS_MAX 256

/* ERR_OK, or ERR_DENIED with the reason why no rule is even asked: too_long, not_origin_form,
 * control (raw or escaped, and raw bytes over 0x7e), backslash (both forms), bad_escape,
 * encoded_nul, encoded_slash, encoded_unreserved, double_escape ("%252e"), overlong_utf8
 * ("%c0%ae"), dot_segment (also escaped, with ;params, with spaces), empty_segment (also with
 * nothing but ;params; one empty last segment is legal). The query may hold anything visible but
 * '#'. encoded_slash admits "%2f" inside a segment; segments are then judged on the decoded path.
 */
enum err target_check(struct span target, bool encoded_slash, const char **ret_reason) NODISCARD;

struct span target_path(struct span target); /* up to, without, '?' */

/* "*" is one segment that is not empty, "**" any number of them, also none. Both take a path that
 * target_check() accepted, and are safe on any other. */

/* Raw bytes, segment by segment, case-sensitive: for allow. */
bool target_match_allow(const char *pattern, struct span path);
/* Both sides folded: ASCII-lowercased, percent-decoded once, ;params and one trailing slash
 * removed: for deny. A path with "%2f" is denied if either reading of it, as a slash or as part of
 * a segment, matches. */
bool target_match_deny(const char *pattern, struct span path);

/* ERR_SYNTAX with a reason for a pattern that cannot work: too long or not starting with '/', a
 * '*' or "**" glued to text, an empty segment (but a last one), a dot segment, '?', '#', a byte
 * that no target may hold or an escape that target_check() always refuses. */
enum err target_pattern_check(struct span pattern, const char **ret_reason) NODISCARD;

#endif
