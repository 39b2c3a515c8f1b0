#include "broker/sidekeyd/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "common/text.h"

#define HOST_LEN_MAX 253

static enum err
parse_port(const char *text, in_port_t *ret_port)
{
	uint64_t port = 0;

	if (text_u64(span_str(text), 65535, &port) != ERR_OK || port == 0)
		return ERR_SYNTAX;
	*ret_port = htons((uint16_t)port);
	return ERR_OK;
}

static bool
parse_v4(const char *host, in_port_t port, struct sockaddr_storage *ret_sa, socklen_t *ret_len)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	memcpy(ret_sa, &in, sizeof in);
	*ret_len = sizeof in;
	return true;
}

static bool
parse_v6(char *host, in_port_t port, struct sockaddr_storage *ret_sa, socklen_t *ret_len)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = port };
	size_t len = strlen(host);

	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return false;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &in.sin6_addr) != 1)
		return false;
	memcpy(ret_sa, &in, sizeof in);
	*ret_len = sizeof in;
	return true;
}

enum err
address_parse(const char *text, struct sockaddr_storage *ret_sa, socklen_t *ret_len)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len;
	in_port_t port;

	if (colon == NULL || (size_t)(colon - text) >= sizeof host)
		return ERR_SYNTAX;
	if (parse_port(colon + 1, &port) != ERR_OK ||
	    !span_copy_str(span_of(text, (size_t)(colon - text)), host, sizeof host))
		return ERR_SYNTAX;
	if (!parse_v4(host, port, &sa, &len) && !parse_v6(host, port, &sa, &len))
		return ERR_SYNTAX;
	*ret_sa = sa;
	*ret_len = len;
	return ERR_OK;
}

static bool
is_every_address(const struct sockaddr_storage *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memcpy(&in, sa, sizeof in);
	memcpy(&in6, sa, sizeof in6);
	return sa->ss_family == AF_INET ? in.sin_addr.s_addr == INADDR_ANY
					: IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr);
}

/* As the shim reads it (shim/gateway.c). */
static enum err
check_host_port(const char *text)
{
	static const char of_names[] = "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	struct sockaddr_storage sa;
	socklen_t sa_len;
	in_port_t port;
	size_t len = strspn(text, of_names);

	if (address_parse(text, &sa, &sa_len) == ERR_OK)
		return is_every_address(&sa) ? ERR_SYNTAX : ERR_OK;
	if (len == 0 || len > HOST_LEN_MAX || strchr(".-", text[0]) != NULL || text[len] != ':')
		return ERR_SYNTAX;
	return parse_port(text + len + 1, &port);
}

enum err
address_check_gateway(const char *text)
{
	struct sockaddr_un un;

	if (strncmp(text, "unix:/", 6) == 0)
		return strlen(text + 5) < sizeof un.sun_path ? ERR_OK : ERR_LIMIT;
	return strncmp(text, "tcp:", 4) == 0 ? check_host_port(text + 4) : ERR_SYNTAX;
}
