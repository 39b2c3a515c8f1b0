/*
 * modes - what is ours on disk is owned by us, closed to everybody else, and never a link.
 * Process: keeper.   Owns: nothing.   Secrets: none.   Limits: paths of PATH_MAX bytes.
 * Failure: ERR_NOT_FOUND, ERR_DENIED or ERR_IO, with a sentence for the operator in why.
 */
#ifndef STORE_MODES_H
#define STORE_MODES_H

#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

/* Opens a directory that is a directory, of our uid, without any right for group or others. */
enum err modes_open_dir(const char *path, int *ret_fd, char *why, size_t why_size) NODISCARD;
/* The same demands on a file in it: regular, of our uid, one link, nothing for group or others. dir
 * is its name for the sentence. */
enum err modes_check_file(
    int dir_fd, const char *dir, const char *name, char *why, size_t why_size) NODISCARD;

#endif
