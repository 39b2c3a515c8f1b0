/* enroll.json: whatever is accepted is complete and within its bounds; whatever is refused leaves
 * nothing behind and does not show the key. */
#include <string.h>

#include "common/text.h"
#include "shim/enrollfile.h"
#include "tests/fuzz/fuzz.h"

static void
check_accepted(const struct shim_enrollment *en)
{
	uint8_t key[SHIM_KEY_LEN];
	size_t len;

	must(secret_len(en->key) == SHIM_KEY_TEXT_LEN);
	must(text_unbase64(secret_span(en->key), TEXT_BASE64URL, key, sizeof key, &len) == ERR_OK &&
	     len == sizeof key);
	must(name_workload_check(span_str(en->workload)) == ERR_OK);
	must(name_trust_domain_check(span_str(en->trust_domain)) == ERR_OK);
	must(en->gateway.is_tcp == (strncmp(en->gateway.text, "tcp:", 4) == 0));
	must(en->gateway.is_tcp ? en->gateway.port != 0 && en->gateway.host[0] != '\0'
				: en->gateway.path.sun_path[0] == '/');
}

static void
check_gateway(struct span in)
{
	struct shim_gateway g, again;

	if (shim_gateway_parse(in, &g) != ERR_OK)
		return;
	must(span_eq_str(in, g.text));
	must(shim_gateway_parse(span_str(g.text), &again) == ERR_OK &&
	     memcmp(&g, &again, sizeof g) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool has_arena;
	struct shim_enrollment en = { 0 };
	char why[SHIM_WHY_SIZE] = "";

	if (!has_arena)
		must(secret_arena_init(4096) == ERR_OK);
	has_arena = true;
	if (size > SHIM_ENROLL_FILE_MAX)
		return 0;
	check_gateway(span_of(data, size));
	if (shim_enrollfile_parse(span_of(data, size), &en, why) == ERR_OK)
		check_accepted(&en);
	else
		must(why[0] != '\0' && en.key == NULL && en.ca.data == NULL);
	shim_enrollfile_wipe(&en);
	return 0;
}
