#include "broker/rules/target.h"

#include <string.h>

#include "broker/ipc/body.h"
#include "broker/rules/path.h"

/* A path percent-decoded once. */
struct decoded {
	uint8_t data[TARGET_LEN_MAX];
	size_t len;
};

static bool
is_unreserved(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != 0 && strchr("-._~", c) != NULL);
}

/* Forms of UTF-8 that say a byte longer than needed: some decoders read "%c0%ae" as a dot. */
static bool
is_overlong(struct span path, size_t i, int c)
{
	int next = i + 3 < path.len ? path_escape_at(path, i + 3) : -1;

	return c == 0xc0 || c == 0xc1 || (c == 0xe0 && next >= 0x80 && next < 0xa0) ||
	       (c == 0xf0 && next >= 0x80 && next < 0x90);
}

static const char *
judge_escape(struct span path, size_t i, bool encoded_slash)
{
	int c = path_escape_at(path, i);

	if (c < 0)
		return "bad_escape";
	if (c == 0)
		return "encoded_nul";
	if (c < 0x20 || c == 0x7f)
		return "control";
	if (c == '\\')
		return "backslash";
	if (c == '/' && !encoded_slash)
		return "encoded_slash";
	if (is_unreserved(c) && c != '.')
		return "encoded_unreserved";
	return is_overlong(path, i, c) ? "overlong_utf8" : NULL;
}

/* NULL, or why. An escaped dot is left to judge_segments(), which tells a dot segment from it. */
static const char *
judge_bytes(struct span target, size_t path_len, bool encoded_slash)
{
	for (size_t i = 0; i < target.len; i++) {
		uint8_t c = target.p[i];
		const char *reason = NULL;

		if (c < 0x21 || c > 0x7e)
			return "control";
		if (c == '#')
			return "not_origin_form";
		if (i < path_len && c == '\\')
			return "backslash";
		if (i < path_len && c == '%')
			reason = judge_escape(span_of(target.p, path_len), i, encoded_slash);
		if (reason != NULL)
			return reason;
	}
	return NULL;
}

static void
decode(struct span path, struct decoded *d)
{
	d->len = 0;
	for (size_t i = 0; i < path.len; i++) {
		int c = path.p[i] == '%' ? path_escape_at(path, i) : -1;

		d->data[d->len++] = c < 0 ? path.p[i] : (uint8_t)c;
		if (c >= 0)
			i += 2;
	}
}

/* One or two dots, and spaces: Windows takes ".. " for "..". */
static bool
is_dots(struct span s)
{
	size_t dots = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != '.' && s.p[i] != ' ')
			return false;
		dots += s.p[i] == '.';
	}
	return dots == 1 || dots == 2;
}

static const char *
judge_segment(struct span s, bool last)
{
	const uint8_t *params = s.len > 0 ? memchr(s.p, ';', s.len) : NULL;
	size_t len = params != NULL ? (size_t)(params - s.p) : s.len;

	if (len == 0 && !(last && s.len == 0))
		return "empty_segment";
	if (is_dots(span_of(s.p, len)))
		return "dot_segment";
	for (size_t i = 0; i < s.len; i++)
		if (path_escape_at(s, i) >= 0)
			return "double_escape"; /* s is decoded: this '%' was "%25" */
	return NULL;
}

/* path is decoded, so that what an upstream may make of it is judged, too. */
static const char *
judge_segments(struct span path)
{
	size_t count = 0;

	while (path.len > 0) {
		struct span s = path_take_segment(&path);
		const char *reason = judge_segment(s, path.len == 0);

		if (reason != NULL)
			return reason;
		if (++count > TARGET_SEGMENTS_MAX)
			return "too_long";
	}
	return NULL;
}

static bool
has_escaped_dot(struct span path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.p[i] == '%' && path_escape_at(path, i) == '.')
			return true;
	return false;
}

static const char *
judge(struct span target, bool encoded_slash)
{
	struct span path = target_path(target);
	struct decoded d;
	const char *reason;

	if (target.len > TARGET_LEN_MAX)
		return "too_long";
	if (path.len == 0 || path.p[0] != '/')
		return "not_origin_form";
	reason = judge_bytes(target, path.len, encoded_slash);
	if (reason != NULL)
		return reason;
	if (memchr(path.p, '%', path.len) == NULL)
		return judge_segments(path);
	decode(path, &d);
	reason = judge_segments(span_of(d.data, d.len));
	if (reason == NULL && has_escaped_dot(path))
		reason = "encoded_unreserved";
	return reason;
}

enum err
target_check(struct span target, bool encoded_slash, const char **ret_reason)
{
	const char *reason = judge(target, encoded_slash);

	if (reason == NULL)
		return ERR_OK;
	*ret_reason = reason;
	return ERR_DENIED;
}

struct span
target_path(struct span target)
{
	const uint8_t *query = target.len > 0 ? memchr(target.p, '?', target.len) : NULL;

	return query == NULL ? target : span_of(target.p, (size_t)(query - target.p));
}
