/*
 * hide - a Landlock domain in which every file can be read but one.
 * Process: shim makes it, its child enters it.   Owns: nothing; the descriptor is the caller's.
 * Secrets: the file holds one.
 * Limits: SHIM_SIBLINGS_MAX entries in all folders above the file.
 * Failure: the file cannot be hidden; why says what stands against it.
 */
#ifndef SHIM_HIDE_H
#define SHIM_HIDE_H

#include "common/err.h"
#include "shim/limits.h"

/* Landlock only grants. So everything beside the path is granted, folder by folder from the root to
 * the file's own, and the file is not: what appears later in one of these folders cannot be read
 * either, which is why the file should lie in a folder of its own (/run/secrets is). Only reading
 * files and moving them between folders are handled, the second so that the file cannot be moved or
 * linked to where reading is granted. */
enum err shim_hide_prepare(
    const char *path, int *ret_ruleset_fd, char why[SHIM_WHY_SIZE]) NODISCARD;

/* In the child, after no_new_privs, before exec: this process and what it starts. ERR_SYS with
 * errno. */
enum err shim_hide_enter(int ruleset_fd) NODISCARD;

#endif
