/*
 * enroll_file - writes enroll.json, by which a workload gets its first certificate.
 * Process: cli.   Owns: nothing.
 * Secrets: the enrollment key, in a struct buf that is wiped; never through the JSON library.
 * Limits: ENROLL_FILE_MAX bytes.
 * Failure: an exit code with the message on stderr; no file, or the old one, is there then.
 */
#ifndef CLI_ENROLL_FILE_H
#define CLI_ENROLL_FILE_H

#include <sys/types.h>

#include "cli/cli.h"
#include "common/span.h"

#define ENROLL_KEY_LEN 32
#define ENROLL_FILE_MAX 32768

struct enroll_facts {
	const char *workload, *trust_domain;
	struct span gateway, ca_pem, key;
};

struct enroll_target {
	const char *path; /* "-": stdout */
	bool replace, has_owner;
	uid_t owner;
};

/* Can it be written there, by this user, without destroying anything? */
enum cli_exit enroll_file_check(const struct enroll_target *t) NODISCARD;
/* Mode 0400 from its first byte on, the owner set before it has its name. */
enum cli_exit enroll_file_write(
    const struct enroll_facts *f, const struct enroll_target *t) NODISCARD;

#endif
