#include <arpa/inet.h>
#include <string.h>

#include "shim/hosts.h"
#include "tests/lib/tap.h"

static const char text[] = "127.0.0.1\tlocalhost\n"
			   "::1 localhost ip6-localhost\n"
			   "# 10.0.0.9 broker\n"
			   "10.0.0.1 \t Broker broker.internal # old 10.0.0.2 name\r\n"
			   "\n"
			   "fd00::1 broker\n"
			   "10.0.0.300 broker\n"
			   "not-an-address broker\n"
			   "10.0.0.3\n"
			   "10.0.0.4 last";

static const struct {
	const char *name, *want; /* addresses, each with a blank behind it */
} cases[] = {
	{ "localhost", "127.0.0.1 ::1 " },
	{ "broker", "10.0.0.1 fd00::1 " },
	{ "BROKER", "10.0.0.1 fd00::1 " },
	{ "broker.internal", "10.0.0.1 " },
	{ "last", "10.0.0.4 " },
	{ "name", "" },
	{ "10.0.0.3", "" },
	{ "brok", "" },
	{ "", "" },
};

static void
describe(const union shim_sockaddr *sas, size_t count, char *dst, size_t size)
{
	dst[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		char one[INET6_ADDRSTRLEN];
		bool v4 = sas[i].sa.sa_family == AF_INET;

		must(inet_ntop(sas[i].sa.sa_family,
			 v4 ? (const void *)&sas[i].in.sin_addr : &sas[i].in6.sin6_addr, one,
			 sizeof one) != NULL);
		must((v4 ? sas[i].in.sin_port : sas[i].in6.sin6_port) == htons(8443));
		must(strlen(dst) + strlen(one) + 2 < size);
		(void)strcat(strcat(dst, one), " ");
	}
}

int
main(void)
{
	union shim_sockaddr sas[4], one;
	char got[256];

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t count =
		    shim_hosts_find(span_str(text), cases[i].name, 8443, sas, COUNT(sas));

		describe(sas, count, got, sizeof got);
		ok(strcmp(got, cases[i].want) == 0, "\"%s\" is %s", cases[i].name, got);
	}
	ok(shim_hosts_find(span_str(text), "localhost", 1, sas, 1) == 1,
	    "no more than there is room for");
	ok(shim_hosts_find(SPAN_NONE, "localhost", 1, sas, 1) == 0, "an empty file names nobody");
	is_err(shim_hosts_numeric("10.0.0.1", 8443, &one), ERR_OK, "a dotted quad");
	is_err(shim_hosts_numeric("fd00::1", 8443, &one), ERR_OK, "an IPv6 address");
	is_err(shim_hosts_numeric("10.1", 8443, &one), ERR_NOT_FOUND, "short forms are names");
	is_err(shim_hosts_numeric("0x7f.1", 8443, &one), ERR_NOT_FOUND, "and so is hex");
	return done();
}
