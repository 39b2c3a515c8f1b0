/*
 * journal - the SQLite file behind the store: named meta values, versioned rows, one transaction at
 *   a time.
 * Process: keeper. The only caller of sqlite3_*.   Owns: the connection and its statements.
 * Secrets: none: all values are sealed before they get here, so what SQLite copies, caches or
 *   spills is ciphertext.
 * Limits: JOURNAL_VALUE_MAX bytes a value.
 * Failure: ERR_LIMIT when the disk is full: the transaction was rolled back. ERR_AUTH: not a file
 *   of ours, or damaged. ERR_IO: the state on disk is not known.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "common/buf.h"

#define JOURNAL_VALUE_MAX (128u << 10)

struct journal;

/* Makes the file at path, which does not exist (mode 0600), with the tables in one transaction. It
 * stays open in that transaction. */
enum err journal_create(const char *path, struct journal **ret_j) NODISCARD;
/* Opens it exclusively: WAL, synchronous=FULL, no shared memory file. */
enum err journal_open(const char *path, struct journal **ret_j) NODISCARD;
void journal_close(struct journal *j);
const char *journal_why(const struct journal *j); /* SQLite's words on the last failure */

/* ERR_NOT_FOUND: there is none. */
enum err journal_meta(struct journal *j, const char *name, struct buf *ret) NODISCARD;
/* Every row, in the order of keys (bytewise). What is not of the right type or range is ERR_AUTH.
 */
typedef enum err journal_row_fn(struct span key, uint64_t version, struct span sealed, void *arg);
enum err journal_each(struct journal *j, journal_row_fn *fn, void *arg) NODISCARD;

enum err journal_begin(struct journal *j) NODISCARD;
enum err journal_put(
    struct journal *j, struct span key, uint64_t version, struct span sealed) NODISCARD;
/* ERR_IO if there was no such row: disk and memory disagree */
enum err journal_delete(struct journal *j, struct span key) NODISCARD;
enum err journal_meta_put(struct journal *j, const char *name, struct span value) NODISCARD;
enum err journal_commit(struct journal *j) NODISCARD; /* durable when ERR_OK */
/* ERR_OK: the disk is as it was before journal_begin() */
enum err journal_rollback(struct journal *j) NODISCARD;

#endif
