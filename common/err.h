/*
 * err - what every fallible function returns, with the attributes that make the house rules hold.
 * Process: all.   Owns: nothing.   Secrets: none.   Limits: none.
 * Failure: none. must() aborts, in every build: it marks a bug of ours, never a bad input.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdbool.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define AUTO(fn) __attribute__((cleanup(fn)))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum err {
	ERR_OK = 0,
	ERR_AGAIN,	 /* would block, or more input is needed */
	ERR_EOF,	 /* the peer is done */
	ERR_NOMEM,	 /* allocation or locked arena exhausted */
	ERR_LIMIT,	 /* a ceiling of ours was reached */
	ERR_SYNTAX,	 /* input is malformed */
	ERR_RANGE,	 /* well-formed, outside of what is allowed */
	ERR_IO,		 /* read, write or sync failed */
	ERR_SYS,	 /* another system or library call failed */
	ERR_DENIED,	 /* policy, permission or identity says no */
	ERR_EXPIRED,	 /* was valid, is no longer */
	ERR_NOT_FOUND,	 /* no such object */
	ERR_EXISTS,	 /* such an object is there already */
	ERR_SEALED,	 /* the keeper has no root key yet */
	ERR_CONFLICT,	 /* the state does not admit this step */
	ERR_AUTH,	 /* a MAC, signature or sealed record does not verify */
	ERR_PROTO,	 /* a peer broke the protocol */
	ERR_TIMEOUT,	 /* a deadline passed */
	ERR_UNREACHABLE, /* no connection could be made */
	ERR_VERSION,	 /* format is newer than this program */
	ERR_COUNT
};

/* A stable lower-case word, for logs and JSON: "denied", "not_found"; "unknown" outside the enum.
 */
const char *err_name(enum err e);

/* Aborts with file and line when cond is false. Never compiled out. */
#define must(cond) ((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))
void must_failed(const char *cond, const char *file, int line) __attribute__((noreturn));

#endif
