/*
 * text - strict conversions between text and values: numbers, hex, base64, durations.
 * Process: all.   Owns: nothing.
 * Secrets: base64 and hex may carry one; the caller's buffer holds it and wipes it. Table look-ups
 * are by arithmetic, not by index. Limits: the caller's.   Failure: ERR_SYNTAX, ERR_RANGE or
 * ERR_LIMIT (output too small); outputs are unchanged.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

/* Decimal digits only: no sign, space, prefix or leading zero; at most max. */
enum err text_u64(struct span s, uint64_t max, uint64_t *ret_n) NODISCARD;
/* "90s", "5m", "1h", "30d": a positive whole number and one unit. */
enum err text_duration_s(struct span s, uint64_t max_s, uint64_t *ret_s) NODISCARD;
/* "512", "64KiB", "1MiB", "2GiB". */
enum err text_size(struct span s, uint64_t max, uint64_t *ret_bytes) NODISCARD;

int text_hex_value(uint8_t c); /* of a hex digit of either case; -1 for anything else */
void text_hex(const void *p, size_t len, char *dst); /* 2*len+1 bytes, lower case, NUL */
enum err text_unhex(
    struct span s, uint8_t *dst, size_t len) NODISCARD; /* exactly len bytes, lower case only */

enum text_alphabet { TEXT_BASE64 = 0, TEXT_BASE64URL }; /* RFC 4648 sections 4 and 5 */
size_t text_base64_len(
    size_t len, enum text_alphabet a); /* without NUL; BASE64 pads, BASE64URL does not */
void text_base64(
    const void *p, size_t len, enum text_alphabet a, char *dst); /* text_base64_len()+1 bytes */
/* Canonical form only: right padding, no spaces, zero trailing bits. */
enum err text_unbase64(
    struct span s, enum text_alphabet a, uint8_t *dst, size_t size, size_t *ret_len) NODISCARD;

/* RFC 3339 UTC with seconds, "2026-11-24T03:35:51Z", 20 bytes and NUL. */
#define TEXT_TIME_SIZE 21
void text_time(int64_t wall_s, char dst[TEXT_TIME_SIZE]);
enum err text_untime(struct span s, int64_t *ret_wall_s) NODISCARD;

/* RFC 3629: the length of the character that s begins with, 0 if there is none. */
size_t text_char(struct span s, uint32_t *ret_code);
/* Drives a terminal, or hides in a text: C0, C1, line separators, direction and zero width. */
bool text_is_treacherous(uint32_t code);
/* What people are shown: '?' for each byte of such a character, and for what is no UTF-8. */
void text_tame(char *text);

#endif
