#include "broker/gateway/http1.h"
#include "broker/gateway/http1_class.h"

static bool
port_valid(const uint8_t *p, size_t len)
{
	unsigned n = 0;

	if (len == 0 || len > 5 || p[0] == '0')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		n = n * 10 + (unsigned)(p[i] - '0');
	}
	return n <= 65535;
}

/* Length of "[...]" at the front of v, 0 if it is none. What the address means is for whoever dials
 * it. */
static size_t
ip_literal_len(struct span v)
{
	for (size_t i = 1; i < v.len; i++) {
		uint8_t c = v.p[i], l = c | 0x20;

		if (c == ']')
			return i > 2 ? i + 1 : 0;
		if (c != ':' && c != '.' && (c < '0' || c > '9') && (l < 'a' || l > 'f'))
			return 0;
	}
	return 0;
}

bool
http1_host_valid(struct span v, bool need_port)
{
	size_t len = 0;

	if (v.len == 0 || v.len > HTTP1_HOST_LEN_MAX)
		return false;
	if (v.p[0] == '[')
		len = ip_literal_len(v);
	else
		while (len < v.len && (http1_class[v.p[len]] & HTTP1_CLASS_HOST) != 0)
			len++;
	if (len == 0)
		return false;
	if (len == v.len)
		return !need_port;
	return v.p[len] == ':' && port_valid(v.p + len + 1, v.len - len - 1);
}
