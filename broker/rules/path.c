#include "broker/rules/path.h"

#include <string.h>

#include "common/text.h"

struct span
path_take_segment(struct span *rest)
{
	struct span s = span_of(rest->p + 1, rest->len - 1);
	const uint8_t *slash = s.len == 0 ? NULL : memchr(s.p, '/', s.len);

	if (slash != NULL)
		s.len = (size_t)(slash - s.p);
	*rest = span_of(s.p + s.len, rest->len - 1 - s.len);
	return s;
}

int
path_escape_at(struct span s, size_t i)
{
	int high, low;

	if (s.len - i < 3 || s.p[i] != '%')
		return -1;
	high = text_hex_value(s.p[i + 1]);
	low = text_hex_value(s.p[i + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}
