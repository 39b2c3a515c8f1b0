/* The look at raw bytes before libyaml sees them: it would accept UTF-16, byte order marks and
 * tabs. */
#include "broker/yaml/tree.h"

/* Length of the UTF-8 sequence at p (shortest form, no surrogates), 0 if there is none; the code
 * point goes to *ret_c. */
static size_t
utf8_decode(struct span s, uint32_t *ret_c)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} shapes[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 } };

	for (size_t n = 0; n < COUNT(shapes); n++) {
		uint32_t c = s.p[0] & (uint8_t)~shapes[n].mask;

		if ((s.p[0] & shapes[n].mask) != shapes[n].lead)
			continue;
		if (s.len < n + 1)
			return 0;
		for (size_t i = 1; i <= n; i++) {
			if ((s.p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s.p[i] & 0x3f);
		}
		if (c < shapes[n].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*ret_c = c;
		return n + 1;
	}
	return 0;
}

/* What may not stand in a file that people review: it is invisible, reorders what is seen, or ends
 * a line for YAML only. */
static const char *
char_refused(uint32_t c)
{
	if (c == '\t')
		return "a tab; use spaces";
	if (c == '\0')
		return "a NUL byte";
	if (c < 0x20 && c != '\n' && c != '\r')
		return "a control character";
	if (c >= 0x7f && c <= 0x9f)
		return "a control character";
	if (c == 0xfeff)
		return "a byte order mark; save the file as UTF-8 without one";
	if (c == 0x2028 || c == 0x2029)
		return "a Unicode line separator";
	if ((c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0x061c || c == 0xad)
		return "an invisible or text-reordering character";
	if ((c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef))
		return "a character that Unicode does not define";
	return NULL;
}

enum err
tree_check_bytes(const char *file, struct span in, struct place_error *ret_error)
{
	uint32_t line = 1, column = 1;

	if (in.len > YAML_FILE_MAX) {
		tree_error_at(
		    ret_error, file, 0, 0, "the file is larger than %u bytes", YAML_FILE_MAX);
		return ERR_LIMIT;
	}
	if (in.len >= 2 && (in.p[0] ^ in.p[1]) == (0xfe ^ 0xff) &&
	    (in.p[0] == 0xfe || in.p[0] == 0xff))
		return tree_error_at(ret_error, file, 1, 1, "the file is UTF-16; save it as UTF-8");
	for (size_t i = 0; i < in.len;) {
		uint32_t c = 0;
		size_t n = utf8_decode(span_of(in.p + i, in.len - i), &c);
		const char *refused = n == 0 ? "a byte that is not UTF-8" : char_refused(c);
		bool crlf = c == '\r' && i + 1 < in.len && in.p[i + 1] == '\n';

		if (refused != NULL)
			return tree_error_at(ret_error, file, line, column, "%s", refused);
		if (c == '\r' && !crlf)
			return tree_error_at(
			    ret_error, file, line, column, "a carriage return without a line feed");
		i += n;
		column = c == '\n' ? 1 : column + 1;
		line += c == '\n';
	}
	return ERR_OK;
}
