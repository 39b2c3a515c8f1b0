/*
 * escape - any bytes as the inside of a JSON string that is safe to print.
 * Process: keeper.   Owns: nothing.   Secrets: none may be passed in.
 * Limits: max bytes of output, 16 at least; the rest is cut and marked by U+2026.   Failure: none.
 *
 * Quote, backslash, controls, and what moves a terminal's cursor or turns its text round (C1,
 * bidirectional marks, line separators) become escapes; what is not UTF-8, and NUL, becomes \ufffd.
 */
#ifndef AUDIT_ESCAPE_H
#define AUDIT_ESCAPE_H

#include "common/span.h"

/* Writes at dst, returns the end. No NUL. Nothing is cut within an escape or a character. */
char *audit_escape(char *dst, size_t max, struct span s);

#endif
