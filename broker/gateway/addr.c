#include "broker/gateway/addr.h"

#include <arpa/inet.h>
#include <string.h>

struct range {
	uint8_t prefix[16];
	uint8_t bits;
};

/* IANA IPv4 Special-Purpose Address Registry, with multicast and the reserved class E. */
static const struct range refused4[] = {
	{ { 0 }, 8 },		      /* "this network" */
	{ { 10 }, 8 },		      /* private */
	{ { 100, 64 }, 10 },	      /* shared, and Alibaba's metadata service */
	{ { 127 }, 8 },		      /* loopback */
	{ { 168, 63, 129, 16 }, 32 }, /* Azure's platform service */
	{ { 169, 254 }, 16 },	      /* link-local, with the metadata services */
	{ { 172, 16 }, 12 },	      /* private */
	{ { 192, 0, 0 }, 24 },	      /* protocol assignments, and Oracle's metadata service */
	{ { 192, 0, 2 }, 24 },	      /* documentation */
	{ { 192, 31, 196 }, 24 },     /* AS112 */
	{ { 192, 52, 193 }, 24 },     /* AMT */
	{ { 192, 88, 99 }, 24 },      /* 6to4 relays */
	{ { 192, 168 }, 16 },	      /* private */
	{ { 192, 175, 48 }, 24 },     /* AS112 */
	{ { 198, 18 }, 15 },	      /* benchmarking */
	{ { 198, 51, 100 }, 24 },     /* documentation */
	{ { 203, 0, 113 }, 24 },      /* documentation */
	{ { 224 }, 4 },		      /* multicast */
	{ { 240 }, 4 },		      /* reserved, broadcast */
};

/* Inside 2000::/3, which alone is allocated for global unicast: the rest is refused without a row.
 */
static const struct range refused6[] = {
	{ { 0x20, 0x01, 0x00 }, 23 },	    /* protocol assignments: Teredo, ORCHID, benchmarking */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x20, 0x02 }, 16 },		    /* 6to4: an IPv4 address inside */
	{ { 0x26, 0x20, 0x00, 0x4f, 0x80 }, 48 }, /* AS112 */
	{ { 0x3f, 0xff, 0x00 }, 20 },		  /* documentation */
	{ { 0x3f, 0xfe }, 16 },			  /* the old 6bone */
};

static bool
in_range(const uint8_t *bytes, const struct range *r)
{
	size_t whole = r->bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> (r->bits % 8));

	for (size_t i = 0; i < whole; i++)
		if (bytes[i] != r->prefix[i])
			return false;
	return r->bits % 8 == 0 || ((bytes[whole] ^ r->prefix[whole]) & mask) == 0;
}

static bool
in_any(const uint8_t *bytes, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (in_range(bytes, &ranges[i]))
			return true;
	return false;
}

enum err
addr_parse(const char *text, uint16_t port, struct addr *ret_a)
{
	struct addr a = { .len = 0 };

	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
		a.len = sizeof a.in;
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1) {
		a.len = sizeof a.in6;
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
	} else {
		return ERR_SYNTAX;
	}
	*ret_a = a;
	return ERR_OK;
}

enum err
addr_check(const struct addr *a)
{
	static const struct range global6 = { { 0x20 }, 3 };
	bool refused = true;

	if (a->len == sizeof a->in && a->sa.sa_family == AF_INET)
		refused = in_any((const uint8_t *)&a->in.sin_addr, refused4, COUNT(refused4));
	else if (a->len == sizeof a->in6 && a->sa.sa_family == AF_INET6)
		refused = !in_range(a->in6.sin6_addr.s6_addr, &global6) ||
			  in_any(a->in6.sin6_addr.s6_addr, refused6, COUNT(refused6));
	return refused ? ERR_DENIED : ERR_OK;
}
