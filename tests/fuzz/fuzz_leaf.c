/* Whatever certificate is taken names a workload by the grammar, and no other reading of its names
 * is possible. */
#include <openssl/x509v3.h>
#include <string.h>

#include "broker/gateway/identity.h"
#include "tests/fuzz/fuzz.h"

static void
check(X509 *leaf, const struct identity *id)
{
	char uri[SPIFFE_ID_LEN_MAX + 1];
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const GENERAL_NAME *name;
	int len = snprintf(uri, sizeof uri, "spiffe://test.example/%s", id->workload);

	must(len > 0 && (size_t)len < sizeof uri);
	must(name_workload_check(span_str(id->workload)) == ERR_OK);
	must(names != NULL && sk_GENERAL_NAME_num(names) == 1);
	name = sk_GENERAL_NAME_value(names, 0);
	must(name->type == GEN_URI && ASN1_STRING_length(name->d.ia5) == len);
	must(strncmp((const char *)ASN1_STRING_get0_data(name->d.ia5), uri, (size_t)len) == 0);
	GENERAL_NAMES_free(names);
	must(X509_check_ca(leaf) == 0);
	must((id->serial[0] & 0x80) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data;
	X509 *leaf = d2i_X509(NULL, &p, (long)size);
	struct identity id = { .workload = "" };
	const char *reason = NULL;

	if (leaf == NULL)
		return 0;
	if (identity_from_leaf(leaf, "test.example", &id, &reason) == ERR_OK) {
		must(reason == NULL);
		check(leaf, &id);
	} else {
		must(reason != NULL && id.workload[0] == '\0');
	}
	X509_free(leaf);
	return 0;
}
