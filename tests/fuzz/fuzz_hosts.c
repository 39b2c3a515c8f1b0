/* hosts(5): no more addresses than there is room for, each of a family we can dial. */
#include "shim/hosts.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union shim_sockaddr sas[3];
	size_t count = shim_hosts_find(span_of(data, size), "broker", 8443, sas, COUNT(sas));

	must(count <= COUNT(sas));
	for (size_t i = 0; i < count; i++)
		must(sas[i].sa.sa_family == AF_INET || sas[i].sa.sa_family == AF_INET6);
	must(shim_hosts_find(span_of(data, size), "broker", 8443, sas, 0) == 0);
	return 0;
}
