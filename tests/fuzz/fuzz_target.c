/*
 * Input: a byte of flags, a pattern, LF, a target. A target that is accepted has one reading; a
 * pattern that allows a path also denies it, and denies every other spelling of it, too.
 */
#include <string.h>
#include <strings.h>

#include "broker/ipc/body.h"
#include "broker/rules/rules.h"
#include "broker/rules/target.h"
#include "common/buf.h"
#include "tests/fuzz/fuzz.h"

static int
hex(uint8_t c)
{
	const char *digits = "0123456789abcdef", *at = c == 0 ? NULL : strchr(digits, c | 0x20);

	return at == NULL ? -1 : (int)(at - digits);
}

/* Decodes once, by other means than target.c, and looks for what must not be there. */
static void
check_decoded(struct span path)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(TARGET_LEN_MAX + 16);
	const char *bad[] = { "//", "/./", "/../", "/.;", "/..;", "/;", "\\", "\r", "\n" };

	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.p[i];

		if (c == '%') {
			must(
			    i + 2 < path.len && hex(path.p[i + 1]) >= 0 && hex(path.p[i + 2]) >= 0);
			c = (uint8_t)(hex(path.p[i + 1]) << 4 | hex(path.p[i + 2]));
			i += 2;
		}
		must(c != 0 && buf_append_byte(&b, c) == ERR_OK);
	}
	must(buf_append(&b, "/", 2) == ERR_OK); /* so that "/.." at the end is seen; and a NUL */
	if (b.len > 2 && b.data[b.len - 3] == '/')
		b.data[b.len - 2] = 0;
	for (size_t i = 0; i < COUNT(bad); i++)
		must(strstr((char *)b.data, bad[i]) == NULL);
}

static bool
is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* What is behind it is a segment of its own: nothing, or ";v=1" alone, would be refused. */
static bool
ends_in_slash(struct span path)
{
	return path.p[path.len - 1] == '/' ||
	       (path.len > 3 && strncasecmp((const char *)path.p + path.len - 3, "%2f", 3) == 0);
}

/* The same path as an upstream may read it: other case, needless escapes, ;params. */
static void
respell(struct span path, uint8_t flags, struct buf *out)
{
	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.p[i];
		bool end = i + 1 == path.len || path.p[i + 1] == '/';
		bool escaped = (i >= 1 && path.p[i - 1] == '%') || (i >= 2 && path.p[i - 2] == '%');

		if (is_letter(c) && !escaped && (flags & 2) != 0)
			must(buf_printf(out, "%%%02X", c ^ (flags & 8 ? 0x20 : 0)) == ERR_OK);
		else if (is_letter(c) && (flags & 4) != 0)
			must(buf_append_byte(out, c ^ 0x20) == ERR_OK);
		else
			must(buf_append_byte(out, c) == ERR_OK);
		if (end && !ends_in_slash(span_of(path.p, i + 1)) && (flags & 16) != 0)
			must(buf_append_str(out, ";v=1") == ERR_OK);
	}
	if ((flags & 32) != 0 && !ends_in_slash(path))
		must(buf_append_byte(out, '/') == ERR_OK);
}

static void
check_pattern(const char *pattern, struct span path, uint8_t flags)
{
	AUTO(buf_wipe) struct buf other = BUF_MAX(1 << 20);
	bool allow = target_match_allow(pattern, path), deny = target_match_deny(pattern, path);

	must(!allow || deny);
	respell(path, flags, &other);
	must(!deny || target_match_deny(pattern, buf_span(&other)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char pattern[RULES_PATTERN_LEN_MAX + 2];
	const uint8_t *lf = size < 2 ? NULL : memchr(data + 1, '\n', size - 1);
	struct span target, path;
	const char *reason = NULL;
	enum err e;

	if (lf == NULL ||
	    !span_copy_str(span_of(data + 1, (size_t)(lf - data - 1)), pattern, sizeof(pattern)))
		return 0;
	target = span_of(lf + 1, (size_t)(data + size - lf - 1));
	path = target_path(target);
	(void)target_match_allow(pattern, path); /* any bytes at all are safe */
	(void)target_match_deny(pattern, path);
	e = target_check(target, (data[0] & 1) != 0, &reason);
	must((e == ERR_OK && reason == NULL) || (e == ERR_DENIED && reason != NULL));
	if (e != ERR_OK)
		return 0;
	must(target.len <= TARGET_LEN_MAX && target.p[0] == '/');
	check_decoded(path);
	if (target_pattern_check(span_str(pattern), &reason) == ERR_OK)
		check_pattern(pattern, path, data[0]);
	return 0;
}
