/*
 * keyring - the root key that an unseal method wraps, and the data keys that the root key seals.
 * Process: keeper.   Owns: root and data keys, in the arena.
 * Secrets: all of it; wiped by keyring_free().
 * Limits: KEYRING_KEYS_MAX data keys alive at once (a rekey that is not finished keeps the older
 *   ones).
 * Failure: ERR_AUTH for a wrong key or passphrase, ERR_DENIED for loose file modes; nothing is
 *   opened.
 */
#ifndef CRYPTO_KEYRING_H
#define CRYPTO_KEYRING_H

#include "broker/keeper/crypto/crypto.h"

#define KEYRING_KEYS_MAX 16
#define STORE_ID_LEN 16
#define KEYRING_RECORD_KEY_MAX 255		  /* bytes of a record key */
#define KEYRING_SEAL_OVERHEAD (4 + SEAL_OVERHEAD) /* what keyring_seal() adds */
#define KEYRING_WRAPPED_MAX 2048

enum unseal_method { UNSEAL_NONE = 0, UNSEAL_KEY_FILE, UNSEAL_PASSPHRASE };

struct keyring;

/* A new root key under kek (the key file's 32 bytes, or crypto_passphrase()), with data key 1. */
enum err keyring_new(const uint8_t store_id[STORE_ID_LEN], struct keyring **ret_k) NODISCARD;
/* The sealed form for the store's meta row: data keys under the root key, the root key under kek.
 */
enum err keyring_wrap(const struct keyring *k, enum unseal_method m,
    const uint8_t salt[ARGON2_SALT_LEN], const struct secret *kek, struct buf *out) NODISCARD;
/* What the wrapped form says in clear: which method, which salt. */
enum err keyring_peek(
    struct span wrapped, enum unseal_method *ret_m, uint8_t ret_salt[ARGON2_SALT_LEN]) NODISCARD;
enum err keyring_unwrap(struct span wrapped, const uint8_t store_id[STORE_ID_LEN],
    const struct secret *kek, struct keyring **ret_k) NODISCARD;
void keyring_free(struct keyring *k);

uint32_t keyring_active(const struct keyring *k);
/* a new data key, now active; ERR_LIMIT beyond KEYRING_KEYS_MAX */
enum err keyring_add(struct keyring *k) NODISCARD;
/* when the new key could not be stored: nothing was sealed under it yet */
void keyring_undo_add(struct keyring *k);
/* data keys beside the active one: a rekey is not finished */
bool keyring_has_older(const struct keyring *k);
void keyring_drop_before(struct keyring *k, uint32_t number); /* after a rekey was finished */
/* keyring_wrap() again without the kek: the root key's wrapping is kept, the data keys are sealed
 * anew. */
enum err keyring_rewrap(
    const struct keyring *k, struct span old_wrapped, struct buf *out) NODISCARD;

/* Record sealing: u32 data key number, then crypto_seal(). Associated data: store id, record key,
 * version. */
enum err keyring_seal(const struct keyring *k, struct span record_key, uint64_t version,
    struct span plain, struct buf *out) NODISCARD;
enum err keyring_open(const struct keyring *k, struct span record_key, uint64_t version,
    struct span sealed, struct buf *ret_plain) NODISCARD;
enum err keyring_open_secret(const struct keyring *k, struct span record_key, uint64_t version,
    struct span sealed, struct secret **ret_plain) NODISCARD;
uint32_t keyring_number(struct span sealed); /* which data key sealed it; 0 when too short */
/* A subkey of the root key (not of a data key: it outlives rekeys): "manifest", "audit", "serial",
 * "placeholder", "enroll". */
enum err keyring_derive(
    const struct keyring *k, const char *purpose, uint64_t id, struct secret **ret_key) NODISCARD;

#endif
