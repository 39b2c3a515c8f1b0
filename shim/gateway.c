#include "shim/gateway.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/text.h"

static enum err
parse_unix(struct span path, struct shim_gateway *g)
{
	g->path.sun_family = AF_UNIX;
	if (path.len == 0 || path.p[0] != '/')
		return ERR_SYNTAX; /* relative to which folder? and '@' would be an abstract name */
	return span_copy_str(path, g->path.sun_path, sizeof g->path.sun_path) ? ERR_OK : ERR_LIMIT;
}

static bool
is_host(struct span s)
{
	if (s.len == 0 || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.'))
			return false;
	}
	return true;
}

static enum err
parse_host(struct span s, struct shim_gateway *g)
{
	struct in6_addr unused;

	if (s.len > 2 && s.p[0] == '[' && s.p[s.len - 1] == ']') {
		if (!span_copy_str(span_of(s.p + 1, s.len - 2), g->host, sizeof g->host))
			return ERR_LIMIT;
		return inet_pton(AF_INET6, g->host, &unused) == 1 ? ERR_OK : ERR_SYNTAX;
	}
	if (!is_host(s))
		return ERR_SYNTAX;
	return span_copy_str(s, g->host, sizeof g->host) ? ERR_OK : ERR_LIMIT;
}

static enum err
parse_tcp(struct span s, struct shim_gateway *g)
{
	const uint8_t *colon = s.len == 0 ? NULL : memrchr(s.p, ':', s.len);
	uint64_t port;
	enum err e;

	if (colon == NULL)
		return ERR_SYNTAX;
	e = parse_host(span_of(s.p, (size_t)(colon - s.p)), g);
	if (e == ERR_OK)
		e = text_u64(
		    span_of(colon + 1, s.len - (size_t)(colon - s.p) - 1), UINT16_MAX, &port);
	if (e != ERR_OK)
		return e;
	g->port = (uint16_t)port;
	return port == 0 ? ERR_RANGE : ERR_OK;
}

enum err
shim_gateway_parse(struct span text, struct shim_gateway *ret_g)
{
	struct shim_gateway g = { 0 };
	enum err e = ERR_SYNTAX;

	if (span_starts(text, "unix:"))
		e = parse_unix(span_of(text.p + 5, text.len - 5), &g);
	else if (span_starts(text, "tcp:")) {
		g.is_tcp = true;
		e = parse_tcp(span_of(text.p + 4, text.len - 4), &g);
	}
	if (e == ERR_OK && !span_copy_str(text, g.text, sizeof g.text))
		e = ERR_LIMIT;
	if (e == ERR_OK)
		*ret_g = g;
	return e;
}
