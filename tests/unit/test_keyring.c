#include <stdlib.h>
#include <string.h>

#include "broker/keeper/crypto/keyring.h"
#include "tests/lib/tap.h"

static const uint8_t store_a[STORE_ID_LEN] = "store-a", store_b[STORE_ID_LEN] = "store-b";
static const uint8_t salt[ARGON2_SALT_LEN] = "salt";

static void
keyring_freep(struct keyring **k)
{
	keyring_free(*k);
}

static struct secret *
new_kek(void)
{
	struct secret *s = NULL;

	must(crypto_random_secret(KEY_LEN, &s) == ERR_OK);
	return s;
}

static void
test_wrap(void)
{
	AUTO(secret_freep) struct secret *kek = new_kek(), *wrong = new_kek();
	AUTO(keyring_freep) struct keyring *k = NULL, *back = NULL;
	AUTO(keyring_freep) struct keyring *none = NULL;
	AUTO(buf_wipe) struct buf w = BUF_MAX(KEYRING_WRAPPED_MAX), sealed = BUF_MAX(256);
	AUTO(buf_wipe) struct buf plain = BUF_MAX(256);
	enum unseal_method m = UNSEAL_NONE;
	uint8_t got[ARGON2_SALT_LEN];

	is_err(keyring_new(store_a, &k), ERR_OK, "new");
	is_err(keyring_wrap(k, UNSEAL_PASSPHRASE, salt, kek, &w), ERR_OK, "wrap");
	is_err(keyring_peek(buf_span(&w), &m, got), ERR_OK, "peek");
	ok(m == UNSEAL_PASSPHRASE && secret_equal(got, sizeof(got), salt, sizeof(salt)),
	    "peek: method and salt");
	is_err(keyring_unwrap(buf_span(&w), store_a, kek, &back), ERR_OK, "unwrap");
	is_err(keyring_unwrap(buf_span(&w), store_a, wrong, &none), ERR_AUTH, "unwrap: wrong key");
	is_err(keyring_unwrap(buf_span(&w), store_b, kek, &none), ERR_AUTH, "unwrap: other store");
	must(keyring_seal(k, span_str("secret/a"), 3, span_str("value"), &sealed) == ERR_OK);
	is_err(keyring_open(back, span_str("secret/a"), 3, buf_span(&sealed), &plain), ERR_OK,
	    "unwrapped: opens what the first one sealed");
	ok(span_eq_str(buf_span(&plain), "value"), "unwrapped: the value");
}

/* Whatever byte is changed, nothing opens; and nothing crashes on less than all of it. */
static void
test_wrap_damage(void)
{
	AUTO(secret_freep) struct secret *kek = new_kek();
	AUTO(keyring_freep) struct keyring *k = NULL;
	AUTO(buf_wipe) struct buf w = BUF_MAX(KEYRING_WRAPPED_MAX + 1);
	struct keyring *none = NULL;
	bool refused = true;

	must(keyring_new(store_a, &k) == ERR_OK);
	must(keyring_wrap(k, UNSEAL_KEY_FILE, salt, kek, &w) == ERR_OK);
	for (size_t i = 0; i < w.len; i++) {
		w.data[i] ^= 0x03;
		refused = refused && keyring_unwrap(buf_span(&w), store_a, kek, &none) != ERR_OK;
		w.data[i] ^= 0x03;
	}
	ok(refused, "unwrap: every changed byte is noticed");
	for (size_t i = 0; i < w.len; i++)
		refused = refused &&
			  keyring_unwrap(span_of(w.data, i), store_a, kek, &none) == ERR_SYNTAX;
	ok(refused, "unwrap: every truncation is refused");
	must(buf_append_byte(&w, 0) == ERR_OK);
	is_err(
	    keyring_unwrap(buf_span(&w), store_a, kek, &none), ERR_SYNTAX, "unwrap: a byte more");
	buf_truncate(&w, w.len - 1);
	w.data[4] = 2;
	is_err(
	    keyring_unwrap(buf_span(&w), store_a, kek, &none), ERR_VERSION, "unwrap: newer format");
}

static void
test_records(void)
{
	AUTO(keyring_freep) struct keyring *k = NULL, *other = NULL;
	AUTO(buf_wipe) struct buf s = BUF_MAX(256), plain = BUF_MAX(256);
	AUTO(secret_freep) struct secret *value = NULL;
	struct span key = span_str("secret/a");
	bool refused = true;

	must(keyring_new(store_a, &k) == ERR_OK && keyring_new(store_a, &other) == ERR_OK);
	is_err(keyring_seal(k, key, 3, span_str("value"), &s), ERR_OK, "record: seal");
	ok(s.len == 5 + KEYRING_SEAL_OVERHEAD && keyring_number(buf_span(&s)) == 1,
	    "record: overhead and data key number");
	is_err(keyring_open_secret(k, key, 3, buf_span(&s), &value), ERR_OK, "record: open");
	ok(span_eq_str(secret_span(value), "value"), "record: the value");
	is_err(keyring_open(k, key, 2, buf_span(&s), &plain), ERR_AUTH, "record: another version");
	is_err(keyring_open(k, span_str("secret/b"), 3, buf_span(&s), &plain), ERR_AUTH,
	    "record: moved to another key");
	is_err(
	    keyring_open(other, key, 3, buf_span(&s), &plain), ERR_AUTH, "record: other keyring");
	for (size_t i = 0; i < s.len; i++) {
		s.data[i] ^= 0x40;
		refused = refused && keyring_open(k, key, 3, buf_span(&s), &plain) == ERR_AUTH;
		s.data[i] ^= 0x40;
		refused =
		    refused && keyring_open(k, key, 3, span_of(s.data, i), &plain) == ERR_AUTH;
	}
	ok(refused && plain.len == 0, "record: every changed byte and truncation is noticed");
	ok(keyring_number(span_str("abc")) == 0, "record: too short for a number");
}

static void
test_rotate(void)
{
	AUTO(secret_freep) struct secret *kek = new_kek();
	AUTO(keyring_freep) struct keyring *k = NULL, *back = NULL;
	AUTO(buf_wipe)
	struct buf w = BUF_MAX(KEYRING_WRAPPED_MAX), w2 = BUF_MAX(KEYRING_WRAPPED_MAX);
	AUTO(buf_wipe) struct buf w3 = BUF_MAX(KEYRING_WRAPPED_MAX);
	AUTO(buf_wipe) struct buf s1 = BUF_MAX(256), s2 = BUF_MAX(256);
	AUTO(buf_wipe) struct buf plain = BUF_MAX(256);
	AUTO(secret_freep) struct secret *d1 = NULL, *d2 = NULL;

	must(keyring_new(store_a, &k) == ERR_OK);
	must(keyring_wrap(k, UNSEAL_KEY_FILE, salt, kek, &w) == ERR_OK);
	must(keyring_derive(k, "audit", 1, &d1) == ERR_OK);
	must(keyring_seal(k, span_str("r"), 1, span_str("one"), &s1) == ERR_OK);
	ok(!keyring_has_older(k), "rotate: one key");
	is_err(keyring_add(k), ERR_OK, "rotate: add");
	ok(keyring_active(k) == 2 && keyring_has_older(k), "rotate: two keys");
	must(keyring_seal(k, span_str("r"), 2, span_str("two"), &s2) == ERR_OK);
	ok(keyring_number(buf_span(&s2)) == 2, "rotate: the new one seals");
	is_err(keyring_rewrap(k, buf_span(&w), &w2), ERR_OK, "rotate: rewrap without the kek");
	is_err(keyring_unwrap(buf_span(&w2), store_a, kek, &back), ERR_OK, "rotate: unwrap");
	is_err(keyring_open(back, span_str("r"), 1, buf_span(&s1), &plain), ERR_OK,
	    "rotate: older rows open");
	is_err(keyring_open(back, span_str("r"), 2, buf_span(&s2), &plain), ERR_OK,
	    "rotate: newer rows open");
	must(keyring_derive(back, "audit", 1, &d2) == ERR_OK);
	ok(secret_equal(secret_bytes(d1), KEY_LEN, secret_bytes(d2), KEY_LEN),
	    "rotate: derived keys outlive it");
	keyring_drop_before(k, 2);
	is_err(keyring_open(k, span_str("r"), 1, buf_span(&s1), &plain), ERR_AUTH,
	    "rotate: a dropped key opens nothing");
	is_err(keyring_rewrap(k, buf_span(&w2), &w3), ERR_OK, "rotate: wrapped without it");
	ok(w3.len < w2.len, "rotate: and it is not in there any more");
	must(keyring_add(k) == ERR_OK);
	keyring_undo_add(k);
	ok(keyring_active(k) == 2, "rotate: undone");
}

static void
test_limit(void)
{
	AUTO(secret_freep) struct secret *kek = new_kek();
	AUTO(keyring_freep) struct keyring *k = NULL, *back = NULL;
	AUTO(buf_wipe) struct buf w = BUF_MAX(KEYRING_WRAPPED_MAX);

	must(keyring_new(store_a, &k) == ERR_OK);
	for (int i = 1; i < KEYRING_KEYS_MAX; i++)
		must(keyring_add(k) == ERR_OK);
	is_err(keyring_add(k), ERR_LIMIT, "limit: no key beyond it");
	is_err(keyring_wrap(k, UNSEAL_KEY_FILE, salt, kek, &w), ERR_OK, "limit: all of them wrap");
	is_err(keyring_unwrap(buf_span(&w), store_a, kek, &back), ERR_OK, "limit: and unwrap");
	ok(keyring_active(back) == KEYRING_KEYS_MAX, "limit: the last one is active");
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(262144) == ERR_OK);
	test_wrap();
	test_wrap_damage();
	test_records();
	test_rotate();
	test_limit();
	return done();
}
