/* Where an upstream is: its URL, and the address to dial in its place. Nothing is repaired: what is
 * unusual is refused. */
#include <string.h>

#include "broker/api/policyc/compile.h"
#include "broker/rules/shape.h"
#include "common/text.h"

#define SCHEME "https://"

/* Splits host[:port] or [v6][:port]; false if it is neither. port_part is without the colon, and .p
 * is NULL when there is none. */
static bool
split_host(struct span s, struct span *ret_host, struct span *ret_port)
{
	const uint8_t *colon, *end;

	*ret_port = SPAN_NONE;
	if (s.len > 0 && s.p[0] == '[') {
		end = memchr(s.p, ']', s.len);
		if (end == NULL || memchr(s.p, ':', (size_t)(end - s.p)) == NULL)
			return false;
		*ret_host = span_of(s.p + 1, (size_t)(end - s.p) - 1);
		s = span_of(end + 1, s.len - ret_host->len - 2);
		if (s.len > 0 && s.p[0] != ':')
			return false;
		if (s.len > 0)
			*ret_port = span_of(s.p + 1, s.len - 1);
		return true;
	}
	colon = s.len > 0 ? memchr(s.p, ':', s.len) : NULL;
	*ret_host = colon == NULL ? s : span_of(s.p, (size_t)(colon - s.p));
	if (colon != NULL)
		*ret_port = span_of(colon + 1, s.len - ret_host->len - 1);
	return true;
}

/* Lower-cases host into dst; a phrase if it is none. */
static const char *
take_host(struct span host, char dst[RULES_HOST_LEN_MAX + 1])
{
	char lower[RULES_HOST_LEN_MAX + 1];
	const char *why;

	if (!span_copy_str(host, lower, sizeof(lower)))
		return "has a host that is too long";
	for (size_t i = 0; lower[i] != '\0'; i++) {
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] = (char)(lower[i] - 'A' + 'a');
	}
	why = shape_host(span_str(lower));
	if (why == NULL)
		memcpy(dst, lower, sizeof(lower));
	return why;
}

static bool
take_port(struct span port, uint16_t *ret_port)
{
	uint64_t n;

	if (text_u64(port, UINT16_MAX, &n) != ERR_OK || n == 0)
		return false;
	*ret_port = (uint16_t)n;
	return true;
}

/* What stands in a URL that no upstream may have; NULL if nothing does. */
static const char *
url_refused(struct span s)
{
	if (span_starts(s, "http://"))
		return "must be https: a credential is never sent in the clear";
	if (!span_starts(s, SCHEME))
		return "must start with https://";
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '?')
			return "must not hold a query; write it in the request";
		if (s.p[i] == '#')
			return "must not hold a fragment";
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e || s.p[i] == '\\')
			return "must hold visible ASCII without backslashes";
	}
	return NULL;
}

static const char *
take_authority(struct upstream *u, struct span authority)
{
	struct span host, port;
	const char *why;

	if (authority.len > 0 && memchr(authority.p, '@', authority.len) != NULL)
		return "must not hold a user name or password; use credential:";
	if (!split_host(authority, &host, &port))
		return "has a host in brackets that is not an IPv6 address";
	if (port.p != NULL && !take_port(port, &u->port))
		return "has a port that is not 1 to 65535";
	why = take_host(host, u->host);
	if (why != NULL)
		u->host[0] = '\0';
	return why == NULL ? NULL
			   : "has a host that is no DNS name or IP address (a-z 0-9 - and dots; "
			     "four decimals; [v6])";
}

static const char *
take_url(struct compiler *c, struct upstream *u, struct span s)
{
	const char *why = url_refused(s);
	const uint8_t *slash;
	struct span path = SPAN_NONE;
	char base[RULES_TEMPLATE_LEN_MAX + 1];

	if (why != NULL)
		return why;
	s = span_of(s.p + strlen(SCHEME), s.len - strlen(SCHEME));
	slash = s.len > 0 ? memchr(s.p, '/', s.len) : NULL;
	if (slash != NULL) {
		path = span_of(slash, s.len - (size_t)(slash - s.p));
		s.len = (size_t)(slash - s.p);
	}
	u->port = 443;
	why = take_authority(u, s);
	if (why != NULL)
		return why;
	if (path.len > 0 && path.p[path.len - 1] == '/')
		path.len--;
	why = shape_base_path(path);
	if (why == NULL && span_copy_str(path, base, sizeof(base)))
		compile_keep(c, &u->base_path, base);
	return why;
}

void
compile_url(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	char shown[YAML_SHOW_SIZE];
	const char *why;

	if (!compile_expect(c, n, YAML_STRING))
		return;
	why = take_url(c, u, span_str(n->text));
	if (why != NULL)
		compile_report(c, n, "%s %s", yaml_show(n->text, shown), why);
}

void
compile_connect(struct compiler *c, struct upstream *u, const struct yaml_node *n)
{
	char shown[YAML_SHOW_SIZE];
	struct span host, port;
	const char *why = NULL;

	if (!compile_expect(c, n, YAML_STRING))
		return;
	if (!split_host(span_str(n->text), &host, &port) || port.p == NULL ||
	    !take_port(port, &u->connect_port))
		why = "must be HOST:PORT, the port 1 to 65535";
	else
		why = take_host(host, u->connect_host);
	if (why != NULL)
		compile_report(c, n, "%s %s", yaml_show(n->text, shown), why);
}
