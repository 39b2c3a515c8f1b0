#include "common/span.h"

#include <string.h>

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

struct span
span_of(const void *p, size_t len)
{
	return (struct span){ p, len };
}

struct span
span_str(const char *s)
{
	return s == NULL ? SPAN_NONE : span_of(s, strlen(s));
}

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool
span_eq_str(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

bool
span_same_nocase(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool
span_eq_nocase(struct span a, const char *s)
{
	return span_same_nocase(a, span_str(s));
}

bool
span_starts(struct span a, const char *prefix)
{
	struct span b = span_str(prefix);

	return a.len >= b.len && span_eq(span_of(a.p, b.len), b);
}

bool
span_copy_str(struct span a, char *dst, size_t size)
{
	if (size == 0)
		return false;
	dst[0] = '\0';
	if (a.len >= size || (a.len > 0 && memchr(a.p, 0, a.len) != NULL))
		return false;
	if (a.len > 0)
		memcpy(dst, a.p, a.len);
	dst[a.len] = '\0';
	return true;
}
