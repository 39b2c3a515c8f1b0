/*
 * crypto - libsodium's primitives under the names that the design gives them; the only caller of
 *   crypto_* in the tree.
 * Process: keeper (the verifier of audit chains also in the cli).   Owns: nothing.
 * Secrets: keys are given as struct secret; derived keys are written into one.
 * Limits: none.   Failure: ERR_AUTH when something does not open or verify; outputs are wiped.
 */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "common/buf.h"
#include "common/secret.h"

#define KEY_LEN 32
#define HASH_LEN 32
/* nonce, tag: XChaCha20-Poly1305 (libsodium crypto_aead_xchacha20poly1305_ietf) */
#define SEAL_OVERHEAD (24 + 16)
#define SIGN_PUBLIC_LEN 32
#define SIGN_SECRET_LEN 64
#define SIGNATURE_LEN 64
#define ARGON2_SALT_LEN 16

enum err crypto_init(void) NODISCARD; /* sodium_init(); once */

enum err crypto_random_secret(size_t len, struct secret **ret_s) NODISCARD;
void crypto_random(void *p, size_t len);

/* BLAKE2b-256; key may be NULL (unkeyed). parts are hashed each with its length in front, so that
 * no two lists collide. */
void crypto_digest(
    const struct secret *key, const struct span *parts, size_t count, uint8_t ret_hash[HASH_LEN]);
/* One link of a chain: keyed BLAKE2b-256(key, previous || line). The key is plain bytes because the
 * audit log publishes it in the end. */
void crypto_chain(const uint8_t key[KEY_LEN], const uint8_t previous[HASH_LEN], struct span line,
    uint8_t ret_mac[HASH_LEN]);
/* A subkey for one purpose: keyed BLAKE2b(root, purpose, id). */
enum err crypto_derive(
    const struct secret *root, const char *purpose, uint64_t id, struct secret **ret_key) NODISCARD;
/* Argon2id, 64 MiB, 3 passes: 153 ms here. Not for the request path. */
enum err crypto_passphrase(
    struct span passphrase, const uint8_t salt[ARGON2_SALT_LEN], struct secret **ret_key) NODISCARD;

/* Appends nonce and ciphertext to *out. */
enum err crypto_seal(
    const struct secret *key, struct span ad, struct span plain, struct buf *out) NODISCARD;
enum err crypto_open(
    const struct secret *key, struct span ad, struct span sealed, struct buf *ret_plain) NODISCARD;
enum err crypto_open_secret(const struct secret *key, struct span ad, struct span sealed,
    struct secret **ret_plain) NODISCARD;

/* Ed25519. The names keep clear of libsodium's own crypto_hash() and crypto_sign(). */
enum err crypto_ed25519_keypair(
    uint8_t ret_public[SIGN_PUBLIC_LEN], struct secret **ret_secret) NODISCARD;
/* The same pair every time from one seed of KEY_LEN bytes (RFC 8032 section 5.1.5). */
enum err crypto_ed25519_from_seed(const struct secret *seed, uint8_t ret_public[SIGN_PUBLIC_LEN],
    struct secret **ret_secret) NODISCARD;
void crypto_ed25519_sign(
    const struct secret *secret_key, struct span m, uint8_t ret_signature[SIGNATURE_LEN]);
enum err crypto_ed25519_verify(const uint8_t public_key[SIGN_PUBLIC_LEN], struct span m,
    const uint8_t signature[SIGNATURE_LEN]) NODISCARD;

#endif
