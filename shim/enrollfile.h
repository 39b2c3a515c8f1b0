/*
 * enrollfile - enroll.json: what lets this workload get its first certificate.
 * Process: shim.   Owns: the key, in the locked arena.
 * Secrets: the key. The file's bytes and what jansson held of them are wiped before return.
 * Limits: SHIM_ENROLL_FILE_MAX bytes; a key of 32 bytes, no more, no less.
 * Failure: nothing is kept; why says in words what is wrong, without quoting the key.
 */
#ifndef SHIM_ENROLLFILE_H
#define SHIM_ENROLLFILE_H

#include "shim/limits.h"
#include "common/buf.h"
#include "common/name.h"
#include "common/secret.h"
#include "shim/gateway.h"

#define SHIM_KEY_LEN 32
#define SHIM_KEY_TEXT_LEN 43 /* base64url, unpadded */

struct shim_enrollment {
	struct shim_gateway gateway;
	char workload[NAME_LEN_MAX + 1];
	char trust_domain[TRUST_DOMAIN_LEN_MAX + 1];
	struct buf ca;	    /* PEM text; not parsed here */
	struct secret *key; /* SHIM_KEY_TEXT_LEN bytes: the text that goes into Authorization */
};

/* Exactly the five members, each once, each a string; else ERR_SYNTAX. Needs the arena. */
enum err shim_enrollfile_parse(
    struct span json, struct shim_enrollment *ret_en, char why[SHIM_WHY_SIZE]) NODISCARD;

/* Reads and parses. *ret_en is zero or wiped before. */
enum err shim_enrollfile_read(
    const char *path, struct shim_enrollment *ret_en, char why[SHIM_WHY_SIZE]) NODISCARD;

void shim_enrollfile_wipe(struct shim_enrollment *en); /* safe on zero */

#endif
