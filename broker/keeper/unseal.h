/*
 * unseal - from a passphrase or a key file to an open keyring; one attempt at a time, slower after
 * each failure.
 * Process: keeper.   Owns: the kek of a key file between its reading and its use.
 * Secrets: kek and passphrase, in the arena or in buffers that wipe.
 * Limits: UNSEAL_WAIT_S_MAX between attempts.
 * Failure: ERR_AUTH (wrong passphrase or key file, or the store or log does not verify: key_fits),
 * ERR_AGAIN (too soon), ERR_DENIED (loose modes), ERR_CONFLICT (the store wants the other method).
 */
#ifndef KEEPER_UNSEAL_H
#define KEEPER_UNSEAL_H

#include "broker/keeper/crypto/keyring.h"

#define UNSEAL_WAIT_S_MAX 30

struct keeper;

struct unseal {
	enum unseal_method method; /* the store's */
	uint32_t failures;
	int64_t not_before_ms; /* monotonic */
	bool key_fits;	       /* the last one opened the keyring; what failed came behind it */
};

const char *unseal_method_name(enum unseal_method m); /* "key-file", "passphrase" */
/* The key file: KEY_LEN bytes, mode 0400 or 0600, ours. Waits for nobody. */
enum err unseal_key_file(
    const char *path, struct secret **ret_kek, char *why, size_t why_size) NODISCARD;
/* *ret_wait_s: seconds until the next attempt, with ERR_AGAIN. */
enum err unseal_with_passphrase(struct keeper *k, struct span passphrase, uint32_t *ret_wait_s,
    char *why, size_t why_size) NODISCARD;
enum err unseal_with_kek(
    struct keeper *k, const struct secret *kek, char *why, size_t why_size) NODISCARD;

#endif
