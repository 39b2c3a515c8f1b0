#include "common/name.h"

#include <string.h>

#define SEGMENTS_MAX 4
#define RESERVED "sidekey"

static bool
name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool
segment_ok(struct span s)
{
	if (s.len == 0 || span_eq_str(s, ".") || span_eq_str(s, ".."))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!name_char(s.p[i]))
			return false;
	return true;
}

/* Cuts the part up to the next separator off the front of *rest; false when nothing is left. */
static bool
next_part(struct span *rest, uint8_t separator, struct span *ret_part)
{
	const uint8_t *end;

	if (rest->p == NULL)
		return false;
	end = memchr(rest->p, separator, rest->len);
	if (end == NULL) {
		*ret_part = *rest;
		*rest = SPAN_NONE;
		return true;
	}
	*ret_part = span_of(rest->p, (size_t)(end - rest->p));
	*rest = span_of(end + 1, rest->len - ret_part->len - 1);
	return true;
}

enum err
name_workload_check(struct span s)
{
	struct span part, rest = s;
	int n = 0;

	if (s.len > NAME_LEN_MAX)
		return ERR_LIMIT;
	if (s.len == 0)
		return ERR_SYNTAX;
	while (next_part(&rest, '/', &part)) {
		if (!segment_ok(part) || ++n > SEGMENTS_MAX)
			return ERR_SYNTAX;
		if (n == 1 &&
		    span_eq_str(part, RESERVED)) /* the broker's own identities live there */
			return ERR_SYNTAX;
	}
	return ERR_OK;
}

enum err
name_object_check(struct span s)
{
	if (s.len > NAME_LEN_MAX)
		return ERR_LIMIT;
	if (!segment_ok(s) || s.p[0] == '.' || s.p[0] == '_' || s.p[0] == '-')
		return ERR_SYNTAX;
	return ERR_OK;
}

enum err
name_trust_domain_check(struct span s)
{
	struct span part, rest = s;

	if (s.len > TRUST_DOMAIN_LEN_MAX)
		return ERR_LIMIT;
	if (s.len == 0)
		return ERR_SYNTAX;
	while (next_part(&rest, '.', &part))
		if (!segment_ok(part))
			return ERR_SYNTAX;
	return ERR_OK;
}

enum err
spiffe_parse(struct span uri, const char *trust_domain, struct span *ret_path)
{
	static const char scheme[] = "spiffe://";
	size_t td_len = strlen(trust_domain), front = sizeof scheme - 1 + td_len + 1;
	struct span path;
	enum err e;

	if (uri.len > SPIFFE_ID_LEN_MAX)
		return ERR_LIMIT;
	if (uri.len <= front || !span_starts(uri, scheme) ||
	    !span_eq_str(span_of(uri.p + sizeof scheme - 1, td_len), trust_domain) ||
	    uri.p[front - 1] != '/')
		return ERR_SYNTAX;
	path = span_of(uri.p + front, uri.len - front);
	if (!span_eq_str(path, SPIFFE_GATEWAY_PATH)) {
		e = name_workload_check(path);
		if (e != ERR_OK)
			return e;
	}
	*ret_path = path;
	return ERR_OK;
}
