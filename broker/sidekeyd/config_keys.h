/*
 * config_keys - the keys of sidekey.yaml, one reader each.
 * Process: sidekeyd.   Owns: nothing.   Secrets: none.
 * Limits: those of daemon_config.h.
 * Failure: ERR_SYNTAX, with the place in the source's error.
 */
#ifndef SIDEKEYD_CONFIG_KEYS_H
#define SIDEKEYD_CONFIG_KEYS_H

#include "broker/sidekeyd/daemon_config.h"

/* What the readers share. */
struct config_source {
	const char *file;
	struct daemon_config *c;
	struct place_error *error;
};

struct config_key {
	const char *name; /* NULL ends the table */
	enum err (*read)(const struct config_source *s, const struct yaml_node *n);
};
#define CONFIG_KEYS_MAX 16
extern const struct config_key config_keys[];

#endif
