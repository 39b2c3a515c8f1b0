/*
 * intern - a small number for each upstream's name, the same for as long as the keeper is
 * unsealed, across reloads.
 * Process: keeper.   Owns: a copy of each name.
 * Secrets: none.
 * Limits: INTERN_MAX names, those included that a reload removed; beyond it ERR_LIMIT.
 * Failure: ERR_LIMIT or ERR_NOMEM; unchanged.
 */
#ifndef KEEPER_INTERN_H
#define KEEPER_INTERN_H

#include "broker/keeper/table.h"
#include "common/name.h"

#define INTERN_MAX 65536

struct interned {
	uint32_t number; /* from 1 */
	char name[NAME_LEN_MAX + 1];
};

struct intern {
	struct table names; /* of struct interned */
	const struct secret *hash_key;
};

void intern_init(struct intern *in, const struct secret *hash_key); /* the key stays the caller's */
void intern_close(struct intern *in);
/* The same object for the same name, until intern_close(). */
enum err intern_name(struct intern *in, const char *name, const struct interned **ret_i) NODISCARD;

const struct interned *intern_find(const struct intern *in, const char *name); /* NULL: new */

#endif
