/* /etc/hosts in the gateway: whatever stands there, what is found is an address with our port, and
 * no more of them than asked for. */
#include "broker/gateway/hosts.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addr found[3];
	struct hosts *h;
	size_t count;

	if (hosts_parse(span_of(data, size), &h) != ERR_OK)
		return 0;
	count = hosts_find(h, "broker", 8443, found, COUNT(found));
	must(count <= COUNT(found));
	for (size_t i = 0; i < count; i++)
		must((found[i].sa.sa_family == AF_INET && found[i].in.sin_port == htons(8443)) ||
		     (found[i].sa.sa_family == AF_INET6 && found[i].in6.sin6_port == htons(8443)));
	hosts_free(h);
	return 0;
}
