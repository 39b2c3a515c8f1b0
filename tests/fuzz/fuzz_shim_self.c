/* What the broker says of the workload in its answer to POST /v1/enroll: only well-named variables
 * get into the child's environment, each once, none of ours. */
#include <string.h>

#include "common/buf.h"
#include "shim/self.h"
#include "tests/fuzz/fuzz.h"

static void
check_variable(const char *entry)
{
	const char *equals = strchr(entry, '=');

	must(equals != NULL);
	must(strncmp(entry, "PATH=", 5) == 0 ||
	     shim_env_name_ok(span_of(entry, (size_t)(equals - entry))));
	must(strncmp(entry, "SIDEKEY_", 8) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "PATH=/bin", *list[] = { path, NULL };
	AUTO(buf_wipe) struct buf answer = BUF_MAX(size + 16);
	AUTO(shim_env_close) struct shim_env env = { 0 };
	struct shim_self self = { 0 };
	char why[512] = "";
	enum err e;

	must(shim_env_take(list, &env) == ERR_OK);
	must(buf_append_str(&answer, "{\"self\":") == ERR_OK &&
	     buf_append(&answer, data, size) == ERR_OK && buf_append_str(&answer, "}") == ERR_OK);
	e = shim_self_take(buf_span(&answer), "http://127.0.0.1:7433", &env, &self, why);
	must((e == ERR_OK) == (why[0] == '\0'));
	for (size_t i = 0; i < env.count; i++)
		check_variable(env.list[i]);
	must(env.list[env.count] == NULL);
	return 0;
}
