/*
 * code - what writer and reader of the compiled rules must agree on.
 * Process: admin, cli, keeper, gateway.
 * Owns: nothing.
 * Secrets: none.
 * Limits: those of rules.h.
 * Failure: none.
 */
#ifndef RULES_CODE_H
#define RULES_CODE_H

#include "broker/ipc/wire.h"

/* Name and number of the format. A change of any field changes the number: programs of two releases
 * then say so. */
#define CODE_MAGIC_RULES "SKRULES2"
#define CODE_MAGIC_UPSTREAMS "SKUPSTR2"
#define CODE_MAGIC_LEN 8

/* The least bytes an element takes: a count that promises more than the input holds is refused
 * before anything is allocated. */
#define CODE_UPSTREAM_MIN 34
#define CODE_POLICY_MIN 8
#define CODE_USE_MIN 19
#define CODE_PATTERN_MIN 4
#define CODE_STRING_MIN 2

#endif
