#include <string.h>

#include "broker/keeper/crypto/crypto.h"
#include "common/text.h"
#include "tests/lib/tap.h"

static struct secret *
key_of(uint8_t fill)
{
	struct secret *s = NULL;
	uint8_t bytes[KEY_LEN];

	memset(bytes, fill, sizeof(bytes));
	must(secret_from(bytes, sizeof(bytes), &s) == ERR_OK);
	return s;
}

static void
test_digest(void)
{
	AUTO(secret_freep) struct secret *k1 = key_of(1), *k2 = key_of(2);
	struct span ab_c[] = { span_str("ab"), span_str("c") };
	struct span a_bc[] = { span_str("a"), span_str("bc") };
	struct span abc[] = { span_str("abc") };
	uint8_t h[6][HASH_LEN];
	bool differ = true;

	crypto_digest(k1, ab_c, 2, h[0]);
	crypto_digest(k1, a_bc, 2, h[1]);
	crypto_digest(k1, abc, 1, h[2]);
	crypto_digest(k2, abc, 1, h[3]);
	crypto_digest(NULL, abc, 1, h[4]);
	crypto_digest(k1, NULL, 0, h[5]);
	for (int i = 0; i < 6; i++)
		for (int j = 0; j < i; j++)
			differ = differ && !secret_equal(h[i], HASH_LEN, h[j], HASH_LEN);
	ok(differ, "digest: where parts end and which key matters");
	crypto_digest(k1, ab_c, 2, h[1]);
	ok(secret_equal(h[0], HASH_LEN, h[1], HASH_LEN), "digest: the same input gives the same");
}

/* BLAKE2b-256 with key 00..1f over 00..3f, made with Python's hashlib.blake2b. */
static void
test_chain_vector(void)
{
	uint8_t key[KEY_LEN], previous[HASH_LEN], line[32], mac[HASH_LEN];
	char text[2 * HASH_LEN + 1];

	for (int i = 0; i < 32; i++) {
		key[i] = (uint8_t)i;
		previous[i] = (uint8_t)i;
		line[i] = (uint8_t)(32 + i);
	}
	crypto_chain(key, previous, span_of(line, sizeof(line)), mac);
	text_hex(mac, sizeof(mac), text);
	ok(strcmp(text, "7f46f043d63dfb3c9b1102c8824b632cae1fce453e3c0e9dc9e7113f3c1acc36") == 0,
	    "chain: keyed BLAKE2b-256 of previous and line (%s)", text);
}

static void
test_derive(void)
{
	AUTO(secret_freep) struct secret *root = key_of(1);
	AUTO(secret_freep) struct secret *a = NULL, *b = NULL;
	AUTO(secret_freep) struct secret *c = NULL, *again = NULL;

	must(crypto_derive(root, "audit", 1, &a) == ERR_OK);
	must(crypto_derive(root, "audit", 2, &b) == ERR_OK);
	must(crypto_derive(root, "serial", 1, &c) == ERR_OK);
	must(crypto_derive(root, "audit", 1, &again) == ERR_OK);
	ok(secret_equal(secret_bytes(a), KEY_LEN, secret_bytes(again), KEY_LEN), "derive: stable");
	ok(!secret_equal(secret_bytes(a), KEY_LEN, secret_bytes(b), KEY_LEN), "derive: id matters");
	ok(!secret_equal(secret_bytes(a), KEY_LEN, secret_bytes(c), KEY_LEN),
	    "derive: purpose matters");
}

static void
test_seal(void)
{
	AUTO(secret_freep) struct secret *key = key_of(7), *other = key_of(8);
	AUTO(secret_freep) struct secret *opened = NULL;
	AUTO(buf_wipe) struct buf sealed = BUF_MAX(256), again = BUF_MAX(256), plain = BUF_MAX(256);
	struct span text = span_str("sk-ant-api03-canary"), ad = span_str("row/1");
	bool all = true;

	is_err(crypto_seal(key, ad, text, &sealed), ERR_OK, "seal");
	must(crypto_seal(key, ad, text, &again) == ERR_OK);
	ok(sealed.len == text.len + SEAL_OVERHEAD, "seal: the overhead is what the header says");
	ok(!span_eq(buf_span(&sealed), buf_span(&again)), "seal: never twice the same");
	is_err(crypto_open(key, ad, buf_span(&sealed), &plain), ERR_OK, "open");
	ok(span_eq(buf_span(&plain), text), "open: gives what was sealed");
	is_err(
	    crypto_open_secret(key, ad, buf_span(&sealed), &opened), ERR_OK, "open into a secret");
	ok(span_eq(secret_span(opened), text), "open into a secret: gives what was sealed");
	buf_clear(&plain);
	is_err(crypto_open(other, ad, buf_span(&sealed), &plain), ERR_AUTH, "open: wrong key");
	is_err(crypto_open(key, span_str("row/2"), buf_span(&sealed), &plain), ERR_AUTH,
	    "open: other associated data");
	for (size_t i = 0; i < sealed.len * 8; i++) {
		sealed.data[i / 8] ^= (uint8_t)(1u << i % 8);
		all = all && crypto_open(key, ad, buf_span(&sealed), &plain) == ERR_AUTH;
		sealed.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	ok(all, "open: every flipped bit is noticed");
	for (size_t i = 0; i < sealed.len; i++)
		all = all && crypto_open(key, ad, span_of(sealed.data, i), &plain) == ERR_AUTH;
	ok(all && plain.len == 0, "open: every truncation is noticed, nothing comes out");
}

static void
test_seal_edges(void)
{
	AUTO(secret_freep) struct secret *key = key_of(7);
	AUTO(secret_freep) struct secret *opened = NULL;
	AUTO(buf_wipe) struct buf sealed = BUF_MAX(256), plain = BUF_MAX(256);
	AUTO(buf_wipe) struct buf small = BUF_MAX(SEAL_OVERHEAD);

	is_err(crypto_seal(key, SPAN_NONE, SPAN_NONE, &sealed), ERR_OK, "seal: nothing");
	is_err(crypto_open(key, SPAN_NONE, buf_span(&sealed), &plain), ERR_OK, "open: nothing");
	ok(plain.len == 0, "open: nothing is nothing");
	is_err(crypto_open_secret(key, SPAN_NONE, buf_span(&sealed), &opened), ERR_AUTH,
	    "open: no empty secret exists");
	is_err(crypto_seal(key, SPAN_NONE, span_str("x"), &small), ERR_LIMIT, "seal: no room");
	ok(small.len == 0, "seal: no room, nothing written");
}

static void
test_passphrase(void)
{
	static const uint8_t salt[ARGON2_SALT_LEN] = "0123456789abcde",
			     salt2[ARGON2_SALT_LEN] = "x";
	AUTO(secret_freep) struct secret *a = NULL, *b = NULL;
	AUTO(secret_freep) struct secret *c = NULL;

	is_err(crypto_passphrase(span_str("correct horse"), salt, &a), ERR_OK, "passphrase");
	must(crypto_passphrase(span_str("correct horse"), salt, &b) == ERR_OK);
	must(crypto_passphrase(span_str("correct horse"), salt2, &c) == ERR_OK);
	ok(secret_equal(secret_bytes(a), KEY_LEN, secret_bytes(b), KEY_LEN), "passphrase: stable");
	ok(!secret_equal(secret_bytes(a), KEY_LEN, secret_bytes(c), KEY_LEN),
	    "passphrase: the salt matters");
}

static void
test_sign(void)
{
	AUTO(secret_freep) struct secret *seed = key_of(3), *key = NULL;
	AUTO(secret_freep) struct secret *same = NULL, *other = NULL;
	uint8_t pub[SIGN_PUBLIC_LEN], pub_same[SIGN_PUBLIC_LEN], pub_other[SIGN_PUBLIC_LEN];
	uint8_t signature[SIGNATURE_LEN];

	is_err(crypto_ed25519_from_seed(seed, pub, &key), ERR_OK, "sign: pair from a seed");
	must(crypto_ed25519_from_seed(seed, pub_same, &same) == ERR_OK);
	must(crypto_ed25519_keypair(pub_other, &other) == ERR_OK);
	ok(span_eq(span_of(pub, 32), span_of(pub_same, 32)), "sign: the seed decides");
	ok(!span_eq(span_of(pub, 32), span_of(pub_other, 32)), "sign: a random pair is another");
	crypto_ed25519_sign(key, span_str("line"), signature);
	is_err(crypto_ed25519_verify(pub, span_str("line"), signature), ERR_OK, "sign: verifies");
	is_err(
	    crypto_ed25519_verify(pub, span_str("lime"), signature), ERR_AUTH, "sign: other text");
	is_err(crypto_ed25519_verify(pub_other, span_str("line"), signature), ERR_AUTH,
	    "sign: other key");
	signature[0] ^= 1;
	is_err(
	    crypto_ed25519_verify(pub, span_str("line"), signature), ERR_AUTH, "sign: flipped bit");
}

int
main(void)
{
	AUTO(secret_freep) struct secret *r1 = NULL, *r2 = NULL;

	is_err(crypto_init(), ERR_OK, "init");
	is_err(crypto_init(), ERR_OK, "init: twice is fine");
	must(secret_arena_init(65536) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &r1) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &r2) == ERR_OK);
	ok(!secret_equal(secret_bytes(r1), KEY_LEN, secret_bytes(r2), KEY_LEN), "random differs");
	test_digest();
	test_chain_vector();
	test_derive();
	test_seal();
	test_seal_edges();
	test_passphrase();
	test_sign();
	return done();
}
