#include "broker/keeper/crypto/crypto.h"

#include <sodium.h>
#include <string.h>

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ARGON2_PASSES 3
#define ARGON2_MEMORY_BYTES (64u << 20)

_Static_assert(NONCE_LEN + TAG_LEN == SEAL_OVERHEAD, "crypto.h states the overhead");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == KEY_LEN, "one key length for all");
_Static_assert(crypto_sign_PUBLICKEYBYTES == SIGN_PUBLIC_LEN, "Ed25519");
_Static_assert(crypto_sign_SECRETKEYBYTES == SIGN_SECRET_LEN, "Ed25519");
_Static_assert(crypto_sign_BYTES == SIGNATURE_LEN, "Ed25519");
_Static_assert(crypto_sign_SEEDBYTES == KEY_LEN, "a derived key is a seed");
_Static_assert(crypto_pwhash_SALTBYTES == ARGON2_SALT_LEN, "Argon2id");

static const uint8_t *
key_bytes(const struct secret *key)
{
	struct span s = secret_span(key);

	must(s.len == KEY_LEN);
	return s.p;
}

static void
store_u64(uint8_t dst[8], uint64_t v)
{
	for (int i = 0; i < 8; i++)
		dst[i] = (uint8_t)(v >> (8 * i));
}

/* libsodium takes NULL only together with length 0, memcpy likes neither. */
static void
hash_update(crypto_generichash_state *st, const void *p, size_t len)
{
	if (len > 0)
		must(crypto_generichash_update(st, p, len) == 0);
}

enum err
crypto_init(void)
{
	return sodium_init() < 0 ? ERR_SYS : ERR_OK;
}

enum err
crypto_random_secret(size_t len, struct secret **ret_s)
{
	AUTO(secret_freep) struct secret *s = NULL;
	enum err e = secret_new(len, &s);

	if (e != ERR_OK)
		return e;
	randombytes_buf(secret_bytes(s), len);
	*ret_s = s;
	s = NULL; /* given away */
	return ERR_OK;
}

void
crypto_random(void *p, size_t len)
{
	randombytes_buf(p, len);
}

void
crypto_digest(
    const struct secret *key, const struct span *parts, size_t count, uint8_t ret_hash[HASH_LEN])
{
	crypto_generichash_state st;
	uint8_t len[8];

	must(crypto_generichash_init(&st, key == NULL ? NULL : key_bytes(key),
		 key == NULL ? 0 : KEY_LEN, HASH_LEN) == 0);
	for (size_t i = 0; i < count; i++) {
		store_u64(len, parts[i].len);
		hash_update(&st, len, sizeof(len));
		hash_update(&st, parts[i].p, parts[i].len);
	}
	must(crypto_generichash_final(&st, ret_hash, HASH_LEN) == 0);
	secret_wipe(&st, sizeof(st)); /* it held the key and the tail of the input */
}

void
crypto_chain(const uint8_t key[KEY_LEN], const uint8_t previous[HASH_LEN], struct span line,
    uint8_t ret_mac[HASH_LEN])
{
	crypto_generichash_state st;

	must(crypto_generichash_init(&st, key, KEY_LEN, HASH_LEN) == 0);
	hash_update(&st, previous, HASH_LEN); /* fixed length first: no two pairs collide */
	hash_update(&st, line.p, line.len);
	must(crypto_generichash_final(&st, ret_mac, HASH_LEN) == 0);
	secret_wipe(&st, sizeof(st));
}

enum err
crypto_derive(const struct secret *root, const char *purpose, uint64_t id, struct secret **ret_key)
{
	AUTO(secret_freep) struct secret *key = NULL;
	uint8_t number[8];
	struct span parts[2] = { span_str(purpose), span_of(number, sizeof(number)) };
	enum err e = secret_new(KEY_LEN, &key);

	if (e != ERR_OK)
		return e;
	store_u64(number, id);
	crypto_digest(root, parts, COUNT(parts), secret_bytes(key));
	*ret_key = key;
	key = NULL; /* given away */
	return ERR_OK;
}

enum err
crypto_passphrase(
    struct span passphrase, const uint8_t salt[ARGON2_SALT_LEN], struct secret **ret_key)
{
	AUTO(secret_freep) struct secret *key = NULL;
	enum err e = secret_new(KEY_LEN, &key);

	if (e != ERR_OK)
		return e;
	/* Fails only when 64 MiB cannot be had. libsodium unmaps them without a copy elsewhere. */
	if (crypto_pwhash(secret_bytes(key), KEY_LEN, (const char *)passphrase.p, passphrase.len,
		salt, ARGON2_PASSES, ARGON2_MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return ERR_NOMEM;
	*ret_key = key;
	key = NULL; /* given away */
	return ERR_OK;
}

enum err
crypto_seal(const struct secret *key, struct span ad, struct span plain, struct buf *out)
{
	unsigned long long len;
	uint8_t *p;
	enum err e = buf_reserve(out, plain.len + SEAL_OVERHEAD);

	if (e != ERR_OK)
		return e;
	p = buf_tail(out);
	randombytes_buf(p, NONCE_LEN); /* 192 bits: random nonces do not repeat */
	must(crypto_aead_xchacha20poly1305_ietf_encrypt(p + NONCE_LEN, &len, plain.p, plain.len,
		 ad.p, ad.len, NULL, p, key_bytes(key)) == 0);
	must(len == plain.len + TAG_LEN);
	buf_added(out, NONCE_LEN + (size_t)len);
	return ERR_OK;
}

/* dst has room for sealed.len - SEAL_OVERHEAD bytes. */
static enum err
open_into(const struct secret *key, struct span ad, struct span sealed, uint8_t *dst)
{
	unsigned long long len;
	size_t want = sealed.len - SEAL_OVERHEAD;

	if (crypto_aead_xchacha20poly1305_ietf_decrypt(dst, &len, NULL, sealed.p + NONCE_LEN,
		sealed.len - NONCE_LEN, ad.p, ad.len, sealed.p, key_bytes(key)) != 0) {
		secret_wipe(dst, want);
		return ERR_AUTH;
	}
	must(len == want);
	return ERR_OK;
}

enum err
crypto_open(const struct secret *key, struct span ad, struct span sealed, struct buf *ret_plain)
{
	enum err e;

	if (sealed.len < SEAL_OVERHEAD)
		return ERR_AUTH;
	e = buf_reserve(ret_plain, sealed.len - SEAL_OVERHEAD + 1); /* never a NULL tail */
	if (e == ERR_OK)
		e = open_into(key, ad, sealed, buf_tail(ret_plain));
	if (e != ERR_OK)
		return e;
	buf_added(ret_plain, sealed.len - SEAL_OVERHEAD);
	return ERR_OK;
}

enum err
crypto_open_secret(
    const struct secret *key, struct span ad, struct span sealed, struct secret **ret_plain)
{
	AUTO(secret_freep) struct secret *plain = NULL;
	enum err e;

	if (sealed.len <= SEAL_OVERHEAD)
		return ERR_AUTH; /* an empty secret is never sealed */
	e = secret_new(sealed.len - SEAL_OVERHEAD, &plain);
	if (e == ERR_OK)
		e = open_into(key, ad, sealed, secret_bytes(plain));
	if (e != ERR_OK)
		return e;
	*ret_plain = plain;
	plain = NULL; /* given away */
	return ERR_OK;
}

enum err
crypto_ed25519_keypair(uint8_t ret_public[SIGN_PUBLIC_LEN], struct secret **ret_secret)
{
	AUTO(secret_freep) struct secret *seed = NULL;
	enum err e = crypto_random_secret(KEY_LEN, &seed);

	return e == ERR_OK ? crypto_ed25519_from_seed(seed, ret_public, ret_secret) : e;
}

enum err
crypto_ed25519_from_seed(
    const struct secret *seed, uint8_t ret_public[SIGN_PUBLIC_LEN], struct secret **ret_secret)
{
	AUTO(secret_freep) struct secret *key = NULL;
	enum err e = secret_new(SIGN_SECRET_LEN, &key);

	if (e != ERR_OK)
		return e;
	must(crypto_sign_seed_keypair(ret_public, secret_bytes(key), key_bytes(seed)) == 0);
	*ret_secret = key;
	key = NULL; /* given away */
	return ERR_OK;
}

void
crypto_ed25519_sign(
    const struct secret *secret_key, struct span m, uint8_t ret_signature[SIGNATURE_LEN])
{
	struct span key = secret_span(secret_key);

	must(key.len == SIGN_SECRET_LEN);
	must(crypto_sign_detached(ret_signature, NULL, m.p, m.len, key.p) == 0);
}

enum err
crypto_ed25519_verify(const uint8_t public_key[SIGN_PUBLIC_LEN], struct span m,
    const uint8_t signature[SIGNATURE_LEN])
{
	return crypto_sign_verify_detached(signature, m.p, m.len, public_key) == 0 ? ERR_OK
										   : ERR_AUTH;
}
