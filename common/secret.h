/*
 * secret - plaintext secrets in one locked arena.
 * Process: keeper, gateway, cli, shim.   Owns: the arena, one mapping per process, mlock()ed and
 * MADV_DONTDUMP. Secrets: all of them; wiped by secret_free() at once. Limits: the arena's size,
 * given at start; SECRET_LEN_MAX a secret. Beyond either secret_new() gives ERR_NOMEM / ERR_LIMIT.
 * Failure: nothing was allocated.
 */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

#define SECRET_LEN_MAX 16384 /* bytes; a longer secret is refused where it enters */

struct secret;

/* Once a process, before the first secret. ERR_SYS if the memory cannot be locked (see mlock(2),
 * RLIMIT_MEMLOCK). */
enum err secret_arena_init(size_t size) NODISCARD;
/* The same without the lock: only where the operator said `memlock: warn`, and with a warning. */
enum err secret_arena_init_unlocked(size_t size) NODISCARD;

enum err secret_new(size_t len, struct secret **ret_s) NODISCARD; /* zero-filled; len >= 1 */
enum err secret_from(const void *p, size_t len, struct secret **ret_s) NODISCARD;
void secret_free(struct secret *s);   /* wipes; NULL is fine */
void secret_freep(struct secret **s); /* for AUTO() */

uint8_t *secret_bytes(struct secret *s);
size_t secret_len(const struct secret *s);
struct span secret_span(const struct secret *s);

/* Constant time in the contents; false at once when the lengths differ. */
bool secret_equal(const void *a, size_t a_len, const void *b, size_t b_len);

/* Clears memory in a way the compiler keeps. The one wipe of the tree (explicit_bzero(3)). */
void secret_wipe(void *p, size_t len);
/* free(3) for a library whose memory may have held a secret: the whole block is wiped first. */
void secret_wipe_free(void *p);

#endif
