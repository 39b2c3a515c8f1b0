/*
 * What comes from a store that anybody may have written: wrapped keyrings and sealed records. The
 * first byte says which. A wrapped keyring that opens under the corpus's key (32 bytes of 'k')
 * wraps again to one that opens.
 */
#include <string.h>

#include "broker/keeper/crypto/keyring.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t store_id[STORE_ID_LEN] = "fuzz";
static struct secret *kek;
static struct keyring *ring;

static void
once(void)
{
	uint8_t bytes[KEY_LEN];

	if (kek != NULL)
		return;
	memset(bytes, 'k', sizeof(bytes));
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	must(secret_from(bytes, sizeof(bytes), &kek) == ERR_OK);
	must(keyring_new(store_id, &ring) == ERR_OK);
}

static void
try_wrapped(struct span in)
{
	AUTO(buf_wipe) struct buf again = BUF_MAX(KEYRING_WRAPPED_MAX);
	enum unseal_method m = UNSEAL_NONE;
	uint8_t salt[ARGON2_SALT_LEN];
	struct keyring *k = NULL, *k2 = NULL;
	bool readable = keyring_peek(in, &m, salt) == ERR_OK;
	enum err e = keyring_unwrap(in, store_id, kek, &k);

	must(!readable || m == UNSEAL_KEY_FILE || m == UNSEAL_PASSPHRASE);
	must(e != ERR_OK || (readable && k != NULL));
	if (e != ERR_OK)
		return;
	must(keyring_rewrap(k, in, &again) == ERR_OK);
	must(keyring_unwrap(buf_span(&again), store_id, kek, &k2) == ERR_OK);
	must(keyring_active(k) == keyring_active(k2));
	keyring_free(k);
	keyring_free(k2);
}

static void
try_record(struct span in)
{
	AUTO(buf_wipe) struct buf plain = BUF_MAX(1u << 17);
	struct secret *s = NULL;

	(void)keyring_number(in);
	must(keyring_open(ring, span_str("row"), 1, in, &plain) == ERR_AUTH && plain.len == 0);
	must(keyring_open_secret(ring, span_str("row"), 1, in, &s) != ERR_OK && s == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 65536)
		return 0;
	once();
	if (data[0] == 'w')
		try_wrapped(span_of(data + 1, size - 1));
	else
		try_record(span_of(data + 1, size - 1));
	return 0;
}
