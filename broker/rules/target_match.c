/* How a pattern meets a path: the same walk for allow and deny, with two notions of "equal". */
#include <string.h>

#include "broker/ipc/body.h"
#include "broker/rules/path.h"
#include "broker/rules/rules.h"
#include "broker/rules/target.h"

typedef bool same_fn(struct span pattern_segment, struct span segment);

/* Takes one folded byte from the front of s; -1 at its end, which is also where ;params begin. */
static int
take_folded(struct span *s)
{
	int c, escaped;
	size_t used;

	if (s->len == 0)
		return -1;
	escaped = path_escape_at(*s, 0);
	used = escaped >= 0 ? 3 : 1;
	c = escaped >= 0 ? escaped : s->p[0];
	*s = span_of(s->p + used, s->len - used);
	if (c == ';')
		return -1;
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool
same_folded(struct span a, struct span b)
{
	int x, y;

	do {
		x = take_folded(&a);
		y = take_folded(&b);
	} while (x == y && x >= 0);
	return x == y;
}

static bool
meets(struct span pattern_segment, struct span segment, same_fn *same)
{
	return span_eq_str(pattern_segment, "*") ? segment.len > 0 : same(pattern_segment, segment);
}

/* Goes on from the last "**", which takes one more segment: going back further is never needed, as
 * whatever an earlier one could take, the last can take. So the cost is segments x segments. */
static bool
walk(struct span pattern, struct span path, same_fn *same)
{
	struct span retry_pattern = SPAN_NONE, retry_path = SPAN_NONE;
	bool can_retry = false;

	while (pattern.len > 0 || path.len > 0) {
		struct span p = pattern, t = path, segment = SPAN_NONE;
		bool more = p.len > 0;

		if (more)
			segment = path_take_segment(&p);
		if (more && span_eq_str(segment, "**")) {
			pattern = retry_pattern = p;
			retry_path = path;
			can_retry = true;
		} else if (more && t.len > 0 && meets(segment, path_take_segment(&t), same)) {
			pattern = p;
			path = t;
		} else if (can_retry && retry_path.len > 0) {
			(void)path_take_segment(&retry_path);
			pattern = retry_pattern;
			path = retry_path;
		} else {
			return false;
		}
	}
	return true;
}

bool
target_match_allow(const char *pattern, struct span path)
{
	struct span p = span_str(pattern);
	size_t fixed = strcspn(pattern, "*");

	if (!span_starts(p, "/") || !span_starts(path, "/"))
		return false;
	fixed -= pattern[fixed] == '*'; /* the '/' in front of it: a last "**" also takes nothing */
	if (path.len < fixed || !span_eq(span_of(p.p, fixed), span_of(path.p, fixed)))
		return false; /* most patterns end here: the walk takes three times as long */
	return walk(p, path, span_eq);
}

static struct span
without_slash(struct span s)
{
	return s.len > 0 && s.p[s.len - 1] == '/' ? span_of(s.p, s.len - 1) : s;
}

/* The path with "%2f" as '/', len bytes into dst; 0 if there is none, or the path is too long. */
static size_t
decode_slashes(struct span path, uint8_t dst[TARGET_LEN_MAX])
{
	size_t len = 0;

	if (path.len > TARGET_LEN_MAX)
		return 0;
	for (size_t i = 0; i < path.len; i++) {
		bool slash = path_escape_at(path, i) == '/';

		dst[len++] = slash ? '/' : path.p[i];
		i += slash ? 2 : 0;
	}
	return len == path.len ? 0 : len;
}

bool
target_match_deny(const char *pattern, struct span path)
{
	struct span p = without_slash(span_str(pattern));
	uint8_t decoded[TARGET_LEN_MAX];
	size_t len;

	if (pattern[0] != '/' || !span_starts(path, "/"))
		return false;
	if (walk(p, without_slash(path), same_folded))
		return true;
	len = memchr(path.p, '%', path.len) != NULL ? decode_slashes(path, decoded) : 0;
	return len > 0 && walk(p, without_slash(span_of(decoded, len)), same_folded);
}

static const char *
judge_pattern(struct span pattern)
{
	const char *reason = NULL;
	struct span rest = pattern;

	if (pattern.len == 0 || pattern.p[0] != '/')
		return "a path starts with '/'";
	if (pattern.len > RULES_PATTERN_LEN_MAX)
		return "the path is too long";
	if (memchr(pattern.p, '?', pattern.len) != NULL)
		return "the query is not matched, so '?' cannot stand in a path";
	while (rest.len > 0) {
		struct span s = path_take_segment(&rest);

		if (s.len > 0 && memchr(s.p, '*', s.len) != NULL && !span_eq_str(s, "*") &&
		    !span_eq_str(s, "**"))
			return "'*' and \"**\" stand for whole segments, with no text beside them";
	}
	/* what no target may be cannot be meant */
	return target_check(pattern, true, &reason) == ERR_OK ? NULL : reason;
}

enum err
target_pattern_check(struct span pattern, const char **ret_reason)
{
	const char *reason = judge_pattern(pattern);

	if (reason == NULL)
		return ERR_OK;
	*ret_reason = reason;
	return ERR_SYNTAX;
}
