/*
 * log - one line an event on stderr, controls escaped, never a secret.
 * Process: all.   Owns: nothing.   Secrets: none may be passed in.
 * Limits: LOG_LINE_MAX bytes a line; the rest is cut and marked "...".   Failure: a line that
 * cannot be written is lost.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/err.h"

#define LOG_LINE_MAX 1024

enum log_level { LOG_LEVEL_ERROR = 0, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* program is printed in front of each line and is not copied. */
void log_init(const char *program, enum log_level level);
void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);
void log_fatal(const char *fmt, ...) PRINTF(1, 2)
    __attribute__((noreturn)); /* logs, then _exit(1): the world broke */

#endif
