/*
 * placeholder - the worthless values that stand where keys stood: made from (instance, upstream),
 * known again when they come back.
 * Process: keeper.
 * Owns: one entry a placeholder that was or may have been handed out, on its instance's list.
 * Secrets: none: a placeholder opens nothing. Known by keyed hash.
 * Limits: PLACEHOLDERS_MAX; beyond it a placeholder is not known, which means ignored.
 * Failure: ERR_LIMIT, ERR_NOMEM; nothing was added.
 */
#ifndef KEEPER_PLACEHOLDER_H
#define KEEPER_PLACEHOLDER_H

#include "broker/keeper/identity.h"
#include "broker/keeper/intern.h"

#define PLACEHOLDERS_MAX 1000000
#define PLACEHOLDER_RANDOM_LEN                                                                     \
	36 /* letters and digits in place of {random}: what a GitHub token has behind its prefix   \
	    */
#define PLACEHOLDER_LEN_MAX PRESENTED_LEN_MAX

struct placeholder {
	struct table_key key;
	struct instance *instance;
	const struct interned *upstream;
	struct placeholder *next; /* of the instance */
};

struct placeholders {
	struct table known; /* of struct placeholder */
	const struct secret *make_key, *hash_key;
};

void placeholders_init(struct placeholders *p, const struct secret *make_key,
    const struct secret *hash_key); /* stay the caller's */
/* After the instances were closed: their lists are this module's. */
void placeholders_close(struct placeholders *p);

/* The same for the same instance, upstream and template, also after a restart. */
enum err placeholder_make(const struct placeholders *p, const char *template,
    const uint8_t instance[IDENTITY_ID_LEN], const char *upstream, struct buf *out) NODISCARD;
enum err placeholders_learn(struct placeholders *p, struct instance *i,
    const struct interned *upstream, const char *template) NODISCARD;
const struct placeholder *placeholders_find(
    const struct placeholders *p, struct span value); /* NULL: not one of ours */
void placeholders_forget(struct placeholders *p, struct instance *i);

#endif
