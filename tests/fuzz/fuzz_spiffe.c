/* Whatever is accepted as a SPIFFE ID is exactly "spiffe://", the trust domain, '/' and a name. */
#include <string.h>

#include "common/buf.h"
#include "common/name.h"
#include "tests/fuzz/fuzz.h"

static const char trust_domain[] = "broker.example";

static void
check_name(struct span s)
{
	size_t slashes = 0;

	must(s.len >= 1 && s.len <= NAME_LEN_MAX && s.p[0] != '/' && s.p[s.len - 1] != '/');
	for (size_t i = 0; i < s.len; i++) {
		must(s.p[i] != 0 &&
		     strchr("abcdefghijklmnopqrstuvwxyz0123456789._-/", s.p[i]) != NULL);
		slashes += s.p[i] == '/';
	}
	must(slashes <= 3 && !span_starts(s, "sidekey/") && !span_eq_str(s, "sidekey"));
	must(memmem(s.p, s.len, "//", 2) == NULL && memmem(s.p, s.len, "/../", 4) == NULL);
	must(!span_starts(s, "../") && !span_starts(s, "./"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(4096);
	struct span in = span_of(data, size), path = SPAN_NONE;

	if (name_workload_check(in) == ERR_OK)
		check_name(in);
	if (name_object_check(in) == ERR_OK)
		must(memchr(in.p, '/', in.len) == NULL && in.p[0] != '.');
	if (name_trust_domain_check(in) == ERR_OK)
		must(in.p[0] != '.' && in.p[in.len - 1] != '.' && in.len <= TRUST_DOMAIN_LEN_MAX);
	if (spiffe_parse(in, trust_domain, &path) != ERR_OK) {
		must(path.p == NULL);
		return 0;
	}
	must(buf_printf(&b, "spiffe://%s/", trust_domain) == ERR_OK);
	must(buf_append_span(&b, path) == ERR_OK && span_eq(buf_span(&b), in));
	if (!span_eq_str(path, SPIFFE_GATEWAY_PATH))
		check_name(path);
	return 0;
}
