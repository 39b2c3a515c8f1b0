#include "broker/keeper/audit/escape.h"

#include <string.h>

#include "common/text.h"

#define MARK "\xe2\x80\xa6" /* U+2026 */
#define MARK_LEN 3
#define UNIT_MAX 6 /* bytes of one escape; a character has 4 */

static bool
is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static size_t
escape_code(char out[UNIT_MAX], uint32_t code)
{
	static const char digits[] = "0123456789abcdef";

	memcpy(out, "\\u", 2);
	for (int i = 0; i < 4; i++)
		out[2 + i] = digits[(code >> (12 - 4 * i)) & 15];
	return UNIT_MAX;
}

/* One unit of output for what stands at p. */
static size_t
unit(const uint8_t *p, size_t left, char out[UNIT_MAX], size_t *ret_used)
{
	uint32_t code = 0;
	size_t len = text_char(span_of(p, left), &code);

	*ret_used = len == 0 ? 1 : len;
	if (len == 0 || code == 0) /* many readers of JSON refuse \u0000, and with it the line */
		return escape_code(out, 0xfffd);
	if (code == '"' || code == '\\') {
		out[0] = '\\';
		out[1] = (char)code;
		return 2;
	}
	if (text_is_treacherous(code))
		return escape_code(out, code);
	memcpy(out, p, len);
	return len;
}

char *
audit_escape(char *dst, size_t max, struct span s)
{
	const uint8_t *p = s.p, *end = s.p + s.len;
	char *limit = dst + max - MARK_LEN;

	while (p < end) {
		char out[UNIT_MAX];
		size_t len, used;

		while (p < end && dst < limit && is_plain(*p)) /* nearly all there is */
			*dst++ = (char)*p++;
		if (p == end)
			break;
		len = unit(p, (size_t)(end - p), out, &used);
		if (dst + len > limit) {
			memcpy(dst, MARK, MARK_LEN);
			return dst + MARK_LEN;
		}
		memcpy(dst, out, len);
		dst += len;
		p += used;
	}
	return dst;
}
