#include "broker/api/pem.h"

#include <string.h>

#include "common/text.h"

#define PEM_LEN_MAX 16384

static struct span
trim_line_ends(struct span s)
{
	while (s.len > 0 && (s.p[0] == '\n' || s.p[0] == '\r'))
		s = span_of(s.p + 1, s.len - 1);
	while (s.len > 0 && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* Cuts begin off the front and end off the back of s; false if it has not both. */
static bool
cut_armour(struct span *s, const char *begin, const char *end)
{
	size_t b = strlen(begin), e = strlen(end);

	if (s->len < b + e || !span_starts(*s, begin) || memcmp(s->p + s->len - e, end, e) != 0)
		return false;
	*s = span_of(s->p + b, s->len - b - e);
	return true;
}

enum err
pem_request_der(struct span pem, uint8_t *dst, size_t *ret_len)
{
	uint8_t base64[PEM_LEN_MAX];
	size_t n = 0;

	if (pem.len > sizeof(base64))
		return ERR_LIMIT;
	pem = trim_line_ends(pem);
	if (!cut_armour(
		&pem, "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----") &&
	    !cut_armour(&pem, "-----BEGIN NEW CERTIFICATE REQUEST-----",
		"-----END NEW CERTIFICATE REQUEST-----"))
		return ERR_SYNTAX;
	for (size_t i = 0; i < pem.len; i++) {
		if (pem.p[i] != '\n' && pem.p[i] != '\r')
			base64[n++] = pem.p[i];
	}
	if (n == 0)
		return ERR_SYNTAX;
	return text_unbase64(span_of(base64, n), TEXT_BASE64, dst, PEM_DER_MAX, ret_len);
}
