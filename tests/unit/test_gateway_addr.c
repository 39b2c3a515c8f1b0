/* Which addresses may be dialled: the border of every range, and every way of writing one
 * differently. */
#include "broker/gateway/addr.h"
#include "tests/lib/tap.h"

static const struct {
	const char *text;
	enum err want;
} addresses[] = {
	{ "0.0.0.0", ERR_DENIED },
	{ "0.255.255.255", ERR_DENIED },
	{ "1.0.0.0", ERR_OK },
	{ "1.1.1.1", ERR_OK },
	{ "9.255.255.255", ERR_OK },
	{ "10.0.0.0", ERR_DENIED },
	{ "10.255.255.255", ERR_DENIED },
	{ "11.0.0.0", ERR_OK },
	{ "100.63.255.255", ERR_OK },
	{ "100.64.0.0", ERR_DENIED },
	{ "100.100.100.200", ERR_DENIED },
	{ "100.127.255.255", ERR_DENIED },
	{ "100.128.0.0", ERR_OK },
	{ "126.255.255.255", ERR_OK },
	{ "127.0.0.0", ERR_DENIED },
	{ "127.0.0.1", ERR_DENIED },
	{ "127.255.255.255", ERR_DENIED },
	{ "128.0.0.0", ERR_OK },
	{ "168.63.129.15", ERR_OK },
	{ "168.63.129.16", ERR_DENIED },
	{ "168.63.129.17", ERR_OK },
	{ "169.253.255.255", ERR_OK },
	{ "169.254.0.0", ERR_DENIED },
	{ "169.254.169.254", ERR_DENIED },
	{ "169.254.170.2", ERR_DENIED },
	{ "169.255.0.0", ERR_OK },
	{ "172.15.255.255", ERR_OK },
	{ "172.16.0.0", ERR_DENIED },
	{ "172.17.0.1", ERR_DENIED },
	{ "172.31.255.255", ERR_DENIED },
	{ "172.32.0.0", ERR_OK },
	{ "192.0.0.0", ERR_DENIED },
	{ "192.0.0.192", ERR_DENIED },
	{ "192.0.1.0", ERR_OK },
	{ "192.0.2.1", ERR_DENIED },
	{ "192.88.99.1", ERR_DENIED },
	{ "192.167.255.255", ERR_OK },
	{ "192.168.0.0", ERR_DENIED },
	{ "192.168.255.255", ERR_DENIED },
	{ "192.169.0.0", ERR_OK },
	{ "198.17.255.255", ERR_OK },
	{ "198.18.0.0", ERR_DENIED },
	{ "198.19.255.255", ERR_DENIED },
	{ "198.20.0.0", ERR_OK },
	{ "198.51.100.7", ERR_DENIED },
	{ "203.0.113.7", ERR_DENIED },
	{ "223.255.255.255", ERR_OK },
	{ "224.0.0.1", ERR_DENIED },
	{ "239.255.255.255", ERR_DENIED },
	{ "240.0.0.1", ERR_DENIED },
	{ "255.255.255.255", ERR_DENIED },
	{ "160.79.104.10", ERR_OK },
	{ "::", ERR_DENIED },
	{ "::1", ERR_DENIED },
	{ "::127.0.0.1", ERR_DENIED },
	{ "::8.8.8.8", ERR_DENIED },
	{ "::ffff:127.0.0.1", ERR_DENIED },
	{ "::ffff:8.8.8.8", ERR_DENIED },
	{ "::ffff:0:8.8.8.8", ERR_DENIED },
	{ "64:ff9b::8.8.8.8", ERR_DENIED },
	{ "64:ff9b::10.0.0.1", ERR_DENIED },
	{ "64:ff9b:1::1", ERR_DENIED },
	{ "100::1", ERR_DENIED },
	{ "1fff::1", ERR_DENIED },
	{ "2001::1", ERR_DENIED },
	{ "2001:1::1", ERR_DENIED },
	{ "2001:1ff:ffff::1", ERR_DENIED },
	{ "2001:200::1", ERR_OK },
	{ "2001:4860:4860::8888", ERR_OK },
	{ "2001:db7::1", ERR_OK },
	{ "2001:db8::1", ERR_DENIED },
	{ "2001:db9::1", ERR_OK },
	{ "2002:7f00:1::", ERR_DENIED },
	{ "2002:808:808::1", ERR_DENIED },
	{ "2003::1", ERR_OK },
	{ "2606:4700:4700::1111", ERR_OK },
	{ "2607:6bc0::10", ERR_OK },
	{ "2620:4f:8000::1", ERR_DENIED },
	{ "3ffe::1", ERR_DENIED },
	{ "3fff::1", ERR_DENIED },
	{ "3fff:fff::1", ERR_DENIED },
	{ "3fff:1000::1", ERR_OK },
	{ "4000::1", ERR_DENIED },
	{ "5f00::1", ERR_DENIED },
	{ "fc00::1", ERR_DENIED },
	{ "fd00:ec2::254", ERR_DENIED },
	{ "fe80::1", ERR_DENIED },
	{ "fec0::1", ERR_DENIED },
	{ "ff02::1", ERR_DENIED },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ERR_DENIED },
};

/* What getaddrinfo(3) or inet_aton(3) would take for an address: names to us, which DNS does not
 * know. */
static const char *const no_addresses[] = { "", "127.1", "127.0.1", "2130706433", "0x7f000001",
	"0x7f.0.0.1", "0177.0.0.1", "127.0.0.1.", "127.0.0.01", " 127.0.0.1", "127.0.0.1 ",
	"256.0.0.1", "1.2.3.4.5", "localhost", "[::1]", "::1%lo", "fe80::1%1", "::1 ", ":::1",
	"12345::", "1.2.3.4:80" };

int
main(void)
{
	struct addr a;

	for (size_t i = 0; i < COUNT(addresses); i++) {
		if (!ok(addr_parse(addresses[i].text, 443, &a) == ERR_OK, "%s is an address",
			addresses[i].text))
			continue;
		is_err(addr_check(&a), addresses[i].want, addresses[i].text);
	}
	for (size_t i = 0; i < COUNT(no_addresses); i++)
		is_err(addr_parse(no_addresses[i], 443, &a), ERR_SYNTAX, no_addresses[i]);
	must(addr_parse("8.8.8.8", 8443, &a) == ERR_OK);
	ok(ntohs(a.in.sin_port) == 8443, "the port of IPv4");
	must(addr_parse("2600::1", 8443, &a) == ERR_OK);
	ok(ntohs(a.in6.sin6_port) == 8443, "the port of IPv6");
	a.sa.sa_family = AF_UNIX;
	is_err(addr_check(&a), ERR_DENIED, "another family");
	a = (struct addr){ .len = 0 };
	is_err(addr_check(&a), ERR_DENIED, "no address at all");
	return done();
}
