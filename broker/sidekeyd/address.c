#include "broker/sidekeyd/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "common/text.h"

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
