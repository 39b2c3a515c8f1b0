/*
 * Input: 'u' or 'p', then an upstream's or a policy's file. What compiles is written to bytes that
 * the reader takes, and writes as the same bytes: the two grammars are one. What does not compile
 * has at least one error, with a text.
 */
#include <string.h>

#include "broker/api/policyc/compile.h"
#include "tests/fuzz/fuzz.h"

static void
check_rules(const struct rules *r)
{
	AUTO(buf_wipe) struct buf first = BUF_MAX(RULES_LEN_MAX), second = BUF_MAX(RULES_LEN_MAX);
	AUTO(rules_freep) struct rules *again = NULL;

	must(rules_write(r, &first) == ERR_OK);
	must(rules_read(buf_span(&first), &again) == ERR_OK);
	must(rules_write(again, &second) == ERR_OK);
	must(span_eq(buf_span(&first), buf_span(&second)));
}

/* A file's contents may not decide which files a fuzzer opens. */
static bool
names_a_file(const uint8_t *data, size_t size)
{
	return memmem(data, size, "ca", 2) != NULL &&
	       (memmem(data, size, "\\", 1) != NULL || memmem(data, size, ":", 1) != NULL) &&
	       memmem(data, size, "/dev", 4) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(rules_freep) struct rules *r = NULL;
	struct policyc_errors errors;
	struct compiler c;
	enum err e;

	if (size < 1 || names_a_file(data, size))
		return 0;
	must(compile_init(&c, "/nonexistent", &errors) == ERR_OK);
	if (data[0] == 'u')
		compile_upstream_bytes(&c, "upstreams/u.yaml", span_of(data + 1, size - 1));
	else
		compile_policy_bytes(&c, "policies/p.yaml", span_of(data + 1, size - 1));
	if (errors.count == 0)
		compile_check_env(&c);
	e = compile_finish(&c, &r);
	if (e == ERR_OK) {
		check_rules(r);
		return 0;
	}
	must(e == ERR_SYNTAX && r == NULL && errors.count > 0);
	for (uint32_t i = 0; i < errors.count && i < POLICYC_ERRORS_MAX; i++)
		must(errors.list[i].text[0] != '\0' && errors.list[i].file[0] != '\0');
	return 0;
}
