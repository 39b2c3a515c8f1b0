#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum err
text_u64(struct span s, uint64_t max, uint64_t *ret_n)
{
	uint64_t n = 0;

	if (s.len == 0 || (s.len > 1 && s.p[0] == '0'))
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)s.p[i] - '0';

		if (s.p[i] < '0' || s.p[i] > '9')
			return ERR_SYNTAX;
		if (n > (UINT64_MAX - digit) / 10)
			return ERR_RANGE;
		n = n * 10 + digit;
	}
	if (n > max)
		return ERR_RANGE;
	*ret_n = n;
	return ERR_OK;
}

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* A whole number and one unit of the table, which ends with a NULL suffix. */
static enum err
with_unit(struct span s, const struct unit *units, uint64_t max, uint64_t *ret_n)
{
	for (; units->suffix != NULL; units++) {
		size_t len = strlen(units->suffix);
		uint64_t n;
		enum err e;

		if (s.len <= len || !span_eq_str(span_of(s.p + s.len - len, len), units->suffix))
			continue;
		e = text_u64(span_of(s.p, s.len - len), max / units->factor, &n);
		if (e == ERR_OK)
			*ret_n = n * units->factor;
		if (e != ERR_SYNTAX)
			return e;
	}
	return ERR_SYNTAX;
}

enum err
text_duration_s(struct span s, uint64_t max_s, uint64_t *ret_s)
{
	static const struct unit units[] = {
		{ "s", 1 },
		{ "m", 60 },
		{ "h", 3600 },
		{ "d", 86400 },
		{ NULL, 0 },
	};
	uint64_t n;
	enum err e = with_unit(s, units, max_s, &n);

	if (e != ERR_OK)
		return e;
	if (n == 0)
		return ERR_RANGE;
	*ret_s = n;
	return ERR_OK;
}

enum err
text_size(struct span s, uint64_t max, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "KiB", 1u << 10 },
		{ "MiB", 1u << 20 },
		{ "GiB", 1u << 30 },
		{ "", 1 },
		{ NULL, 0 },
	};

	return with_unit(s, units, max, ret_bytes);
}

/* Arithmetic, so that no table index depends on a secret. */
static char
hex_digit(unsigned n)
{
	return (char)('0' + n + ((n > 9) ? 'a' - '0' - 10 : 0));
}

int
text_hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
text_hex(const void *p, size_t len, char *dst)
{
	const uint8_t *in = p;

	for (size_t i = 0; i < len; i++) {
		*dst++ = hex_digit(in[i] >> 4);
		*dst++ = hex_digit(in[i] & 15u);
	}
	*dst = '\0';
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err
text_unhex(struct span s, uint8_t *dst, size_t len)
{
	if (s.len != 2 * len)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++)
		if (hex_value(s.p[i]) < 0)
			return ERR_SYNTAX;
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)(hex_value(s.p[2 * i]) * 16 + hex_value(s.p[2 * i + 1]));
	return ERR_OK;
}

static char
base64_char(unsigned n, enum text_alphabet a)
{
	if (n < 26)
		return (char)('A' + n);
	if (n < 52)
		return (char)('a' + n - 26);
	if (n < 62)
		return (char)('0' + n - 52);
	if (n == 62)
		return a == TEXT_BASE64 ? '+' : '-';
	return a == TEXT_BASE64 ? '/' : '_';
}

static int
base64_value(uint8_t c, enum text_alphabet a)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (a == TEXT_BASE64 ? '+' : '-'))
		return 62;
	return c == (a == TEXT_BASE64 ? '/' : '_') ? 63 : -1;
}

size_t
text_base64_len(size_t len, enum text_alphabet a)
{
	return a == TEXT_BASE64 ? (len + 2) / 3 * 4 : (len * 4 + 2) / 3;
}

void
text_base64(const void *p, size_t len, enum text_alphabet a, char *dst)
{
	const uint8_t *in = p;
	char *start = dst;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		for (have += 8; have >= 6; have -= 6)
			*dst++ = base64_char(bits >> (have - 6) & 63u, a);
	}
	if (have > 0)
		*dst++ = base64_char(bits << (6 - have) & 63u, a);
	while (a == TEXT_BASE64 && (dst - start) % 4 != 0)
		*dst++ = '=';
	*dst = '\0';
}

/* Length without the padding, which must be exactly what the alphabet wants. */
static enum err
strip_padding(struct span s, enum text_alphabet a, size_t *ret_len)
{
	size_t len = s.len, pads;

	while (len > 0 && s.p[len - 1] == '=' && s.len - len < 2)
		len--;
	pads = a == TEXT_BASE64 ? (4 - len % 4) % 4 : 0;
	if (len % 4 == 1 || s.len - len != pads)
		return ERR_SYNTAX;
	*ret_len = len;
	return ERR_OK;
}

enum err
text_unbase64(struct span s, enum text_alphabet a, uint8_t *dst, size_t size, size_t *ret_len)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t len, n = 0;
	enum err e = strip_padding(s, a, &len);

	if (e != ERR_OK)
		return e;
	if (len * 3 / 4 > size)
		return ERR_LIMIT;
	for (size_t i = 0; i < len; i++)
		if (base64_value(s.p[i], a) < 0)
			return ERR_SYNTAX;
	if (len % 4 !=
		0 && /* bits that nothing carries must be zero, or two texts would mean one value */
	    ((unsigned)base64_value(s.p[len - 1], a) & (len % 4 == 2 ? 15u : 3u)) != 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < len; i++) {
		bits = bits << 6 | (uint32_t)base64_value(s.p[i], a);
		have += 6;
		if (have >= 8) {
			have -= 8;
			dst[n++] = (uint8_t)(bits >> have);
		}
	}
	*ret_len = n;
	return ERR_OK;
}

void
text_time(int64_t wall_s, char dst[TEXT_TIME_SIZE])
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	if (wall_s < 0 || wall_s > 253402300799 || gmtime_r(&t, &tm) == NULL) /* year 9999 */
		memcpy(dst, "0000-00-00T00:00:00Z", TEXT_TIME_SIZE);
	else
		must(
		    strftime(dst, TEXT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == TEXT_TIME_SIZE - 1);
}

static int
two_digits(const uint8_t *p)
{
	return (p[0] - '0') * 10 + p[1] - '0';
}

enum err
text_untime(struct span s, int64_t *ret_wall_s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	char again[TEXT_TIME_SIZE];
	struct tm tm = { 0 };
	time_t t;

	if (s.len != sizeof form - 1)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++)
		if (form[i] == 'd' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != (uint8_t)form[i])
			return ERR_SYNTAX;
	tm.tm_year = two_digits(s.p) * 100 + two_digits(s.p + 2) - 1900;
	tm.tm_mon = two_digits(s.p + 5) - 1;
	tm.tm_mday = two_digits(s.p + 8);
	tm.tm_hour = two_digits(s.p + 11);
	tm.tm_min = two_digits(s.p + 14);
	tm.tm_sec = two_digits(s.p + 17);
	t = timegm(&tm);
	text_time((int64_t)t, again);
	if (!span_eq_str(s, again)) /* 31 February, hour 24 and such come back as something else */
		return ERR_RANGE;
	*ret_wall_s = (int64_t)t;
	return ERR_OK;
}

size_t
text_char(struct span s, uint32_t *ret_code)
{
	const uint8_t *p = s.p;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s.len == 0			    ? 0
		     : p[0] < 0x80		    ? 1
		     : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
		     : p[0] >= 0xe0 && p[0] <= 0xef ? 3
		     : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
						    : 0;
	uint32_t code;

	if (len == 0 || len > s.len)
		return 0;
	code = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return len;
}

bool
text_is_treacherous(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	       code == 0xfeff;
}

void
text_tame(char *text)
{
	uint8_t *p = (uint8_t *)text, *end = p + strlen(text);

	while (p < end) {
		uint32_t code = 0;
		size_t len = text_char(span_of(p, (size_t)(end - p)), &code);

		if (len == 0 || text_is_treacherous(code)) {
			len = len == 0 ? 1 : len;
			for (size_t i = 0; i < len; i++)
				p[i] = '?';
		}
		p += len;
	}
}
