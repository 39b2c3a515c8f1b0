/*
 * Rows of the store, opened: the first byte says which kind. A row that is accepted is written
 * again as it was, so that no state of memory exists that the store cannot hold.
 */
#include <string.h>

#include "broker/keeper/crypto/ca.h"
#include "broker/keeper/identity.h"
#include "broker/keeper/secrets.h"
#include "tests/fuzz/fuzz.h"

static struct secret *key;

static void
once(void)
{
	uint8_t bytes[KEY_LEN] = { 1 };

	if (key != NULL)
		return;
	must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
	must(secret_from(bytes, sizeof bytes, &key) == ERR_OK);
}

static void
try_secret(struct span in)
{
	AUTO(txn_wipe) struct txn t;
	struct secrets s;
	const struct named_secret *n;

	txn_init(&t);
	secrets_init(&s, key);
	if (secrets_load(&s, span_str(KEY_SECRET "name"), in) == ERR_OK) {
		n = secrets_find(&s, "name");
		must(n != NULL && n->version_count <= VERSIONS_MAX);
		must(secrets_active(n) == 0 || secrets_has_version(n, secrets_active(n)));
		secrets_row(&t, n);
		must(t.e == ERR_OK && span_eq(buf_span(&t.values[0]), in));
	}
	secrets_close(&s);
}

/* A workload to hang things on: its number is 1. */
static void
add_workload(struct identity *id)
{
	struct workload *w = NULL;

	must(identity_workload_new(id, "w", 1, &w) == ERR_OK);
	must(identity_workload_add(id, w) == ERR_OK);
}

static void
try_identity(const char *prefix, struct span in)
{
	AUTO(txn_wipe) struct txn t;
	struct identity id;
	size_t at = 0;
	bool orphan = false;
	const struct instance *i;
	const struct enrollment *e;

	txn_init(&t);
	identity_init(&id, key);
	if (prefix[3] != '1')
		add_workload(&id);
	if (identity_load(&id, span_str(prefix), in, &orphan) == ERR_OK && !orphan) {
		if ((e = table_next(&id.enrollments, &at)) != NULL)
			identity_enrollment_row(&t, e);
		at = 0;
		if ((i = table_next(&id.instances, &at)) != NULL)
			identity_instance_row(&t, i);
		at = 0;
		if (t.count == 0)
			identity_workload_row(&t, table_next(&id.ids, &at));
		must(t.e == ERR_OK && span_eq(buf_span(&t.values[0]), in));
	}
	identity_close(&id);
}

static void
try_ca(struct span in)
{
	struct ca *ca = NULL;

	if (ca_load(in, &ca) == ERR_OK)
		must(ca_pem(ca) != NULL);
	ca_free(ca);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in;

	if (size == 0)
		return 0;
	once();
	in = span_of(data + 1, size - 1);
	switch (data[0]) {
	case 'w':
		try_identity(KEY_WORKLOAD "1", in);
		break;
	case 'e':
		try_identity(KEY_ENROLL "1", in);
		break;
	case 'i':
		try_identity(KEY_INSTANCE "1", in);
		break;
	case 's':
		try_secret(in);
		break;
	default:
		try_ca(in);
	}
	return 0;
}
