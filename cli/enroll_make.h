/*
 * enroll_make - asks the keeper for an enrollment and writes its file.
 * Process: cli.   Owns: nothing.   Secrets: the enrollment key, from the keeper's reply to the
 * file. Limits: those of enroll_file.h. Failure: an exit code with the message on stderr, which
 * also says when earlier ones have ended.
 */
#ifndef CLI_ENROLL_MAKE_H
#define CLI_ENROLL_MAKE_H

#include "broker/ipc/body.h"
#include "cli/enroll_file.h"

/* enroll_file_check() comes first, before a key is made that would get lost. */
enum cli_exit enroll_make(
    const struct cli *c, const struct enroll_new *n, const struct enroll_target *target) NODISCARD;

#endif
