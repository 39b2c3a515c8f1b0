#include "broker/keeper/store/journal.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys.h"

#define APPLICATION_ID "1397441881" /* "SKEY": a foreign database is refused before it is read */
#define WHY_MAX 160

enum statement { S_META, S_META_PUT, S_EACH, S_PUT, S_DELETE, S_COUNT };

static const char *const statements[S_COUNT] = {
	[S_META] = "SELECT value FROM meta WHERE name = ?1",
	[S_META_PUT] = "INSERT INTO meta (name, value) VALUES (?1, ?2)"
		       " ON CONFLICT (name) DO UPDATE SET value = ?2",
	[S_EACH] = "SELECT key, version, sealed FROM rows ORDER BY key",
	[S_PUT] = "INSERT INTO rows (key, version, sealed) VALUES (?1, ?2, ?3)"
		  " ON CONFLICT (key) DO UPDATE SET version = ?2, sealed = ?3",
	[S_DELETE] = "DELETE FROM rows WHERE key = ?1",
};

struct journal {
	sqlite3 *db;
	sqlite3_stmt *st[S_COUNT];
	char why[WHY_MAX];
};

static void
journal_closep(struct journal **j)
{
	journal_close(*j);
	*j = NULL;
}

/* SQLite's codes end here. */
static enum err
convert(struct journal *j, int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE)
		return ERR_OK;
	(void)snprintf(j->why, sizeof(j->why), "%s", sqlite3_errstr(rc));
	switch (rc & 0xff) { /* an extended code of success is none that we asked for */
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_FULL:
		return ERR_LIMIT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_CONFLICT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column that is not there */
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT:
		return ERR_AUTH;
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

static enum err
run(struct journal *j, const char *sql)
{
	return convert(j, sqlite3_exec(j->db, sql, NULL, NULL, NULL));
}

/* A hostile file may hold more than our two tables: nothing in it runs code, and no value is huge.
 */
static enum err
harden(struct journal *j)
{
	static const int off[] = { SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
		SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, SQLITE_DBCONFIG_TRUSTED_SCHEMA,
		SQLITE_DBCONFIG_DQS_DDL, SQLITE_DBCONFIG_DQS_DML, SQLITE_DBCONFIG_ENABLE_FKEY };
	int rc = sqlite3_db_config(j->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	enum err e;

	for (size_t i = 0; rc == SQLITE_OK && i < COUNT(off); i++)
		rc = sqlite3_db_config(j->db, off[i], 0, NULL);
	e = convert(j, rc);
	if (e != ERR_OK)
		return e;
	(void)sqlite3_limit(j->db, SQLITE_LIMIT_LENGTH, 1 << 20);
	(void)sqlite3_limit(j->db, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_limit(j->db, SQLITE_LIMIT_WORKER_THREADS, 0);
	/* The lock mode stands before all that reads the file (cache_size does): then WAL needs no
	 * shared memory file. */
	return run(j, "PRAGMA locking_mode = EXCLUSIVE;"
		      "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
		      "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -512;"
		      /* the ciphertext of a destroyed secret does not stay in a free page */
		      "PRAGMA secure_delete = ON;");
}

static enum err
connect_to(const char *path, struct journal **ret_j)
{
	AUTO(journal_closep) struct journal *j = calloc(1, sizeof(*j));
	enum err e;
	int rc;

	if (j == NULL)
		return ERR_NOMEM;
	rc = sqlite3_open_v2(path, &j->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		SQLITE_OPEN_EXRESCODE,
	    NULL);
	e = convert(j, rc);
	if (e == ERR_OK)
		e = harden(j);
	if (e != ERR_OK)
		return e;
	*ret_j = j;
	j = NULL; /* given away */
	return ERR_OK;
}

static enum err
prepare(struct journal *j)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < S_COUNT; i++)
		rc = sqlite3_prepare_v3(
		    j->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &j->st[i], NULL);
	return convert(j, rc);
}

/* The one row of one column that a pragma gives. */
static enum err
pragma_value(struct journal *j, const char *sql, char *dst, size_t size)
{
	sqlite3_stmt *st = NULL;
	const unsigned char *text;
	int rc = sqlite3_prepare_v2(j->db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	text = rc == SQLITE_ROW ? sqlite3_column_text(st, 0) : NULL;
	if (text != NULL)
		(void)snprintf(dst, size, "%s", (const char *)text);
	(void)sqlite3_finalize(st);
	if (rc == SQLITE_ROW)
		return text != NULL ? ERR_OK : ERR_NOMEM;
	return rc == SQLITE_DONE ? ERR_AUTH : convert(j, rc);
}

static enum err
pragma_is(struct journal *j, const char *sql, const char *want, enum err other)
{
	char got[32] = "";
	enum err e = pragma_value(j, sql, got, sizeof(got));

	if (e != ERR_OK)
		return e;
	return strcmp(got, want) == 0 ? ERR_OK : other;
}

enum err
journal_create(const char *path, struct journal **ret_j)
{
	AUTO(journal_closep) struct journal *j = NULL;
	int fd = sys_open(
	    path, O_RDWR | O_CREAT | O_EXCL, 0600); /* SQLite keeps the mode, also for -wal */
	enum err e;

	if (fd < 0)
		return errno == EEXIST ? ERR_EXISTS : ERR_IO;
	sys_close(fd);
	e = connect_to(path, &j);
	if (e == ERR_OK)
		e = run(j, "PRAGMA synchronous = FULL; BEGIN EXCLUSIVE;"
			   "PRAGMA application_id = " APPLICATION_ID ";"
			   "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)"
			   " STRICT, WITHOUT ROWID;"
			   "CREATE TABLE rows (key TEXT PRIMARY KEY, version INTEGER NOT NULL,"
			   " sealed BLOB NOT NULL) STRICT;");
	if (e == ERR_OK)
		e = prepare(j);
	if (e != ERR_OK)
		return e;
	*ret_j = j;
	j = NULL; /* given away */
	return ERR_OK;
}

/*
 * What the page cache holds of the write-ahead log proves nothing: when its last sync failed, the
 * kernel took the pages for clean, and a power cut would take back what the audit log is about to
 * call done. So all of it is written again, and its name synced, which SQLite does unchecked.
 */
static enum err
settle_wal(const char *path)
{
	AUTO(sys_closep) int fd = -1;
	uint8_t block[16 << 10];
	char name[PATH_MAX];
	off_t at = 0;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%s-wal", path);
	fd = sys_open(name, O_RDWR, 0);
	if (fd < 0)
		return errno == ENOENT ? ERR_OK : ERR_IO;
	while ((n = sys_pread(fd, block, sizeof(block), at)) > 0) {
		if (sys_pwrite_all(fd, block, (size_t)n, at) != ERR_OK)
			return ERR_IO;
		at += n;
	}
	return n == 0 && sys_fsync(fd) == 0 ? sys_sync_folder(path) : ERR_IO;
}

enum err
journal_open(const char *path, struct journal **ret_j)
{
	AUTO(journal_closep) struct journal *j = NULL;
	enum err e = connect_to(path, &j);

	if (e == ERR_OK)
		e = pragma_is(j, "PRAGMA application_id", APPLICATION_ID, ERR_AUTH);
	/* Out of memory, or a disk that fails, it keeps the mode that was and does not say why: a
	 * good store is not called damaged for that. */
	if (e == ERR_OK)
		e = pragma_is(j, "PRAGMA journal_mode = WAL", "wal", ERR_IO);
	/* NORMAL lost acknowledged transactions at a power cut: FULL syncs the WAL at every commit
	 */
	if (e == ERR_OK)
		e = run(j, "PRAGMA synchronous = FULL");
	if (e == ERR_OK)
		e = pragma_is(j, "PRAGMA synchronous", "2", ERR_IO);
	if (e == ERR_OK)
		e = settle_wal(path);
	if (e == ERR_OK)
		e = prepare(j);
	if (e != ERR_OK)
		return e;
	*ret_j = j;
	j = NULL; /* given away */
	return ERR_OK;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < S_COUNT; i++)
		(void)sqlite3_finalize(j->st[i]);
	(void)sqlite3_close(j->db);
	free(j);
}

const char *
journal_why(const struct journal *j)
{
	return j->why;
}

/* Spans are bound without a copy: they outlive the step. */
static int
bind_text(sqlite3_stmt *st, int at, struct span s)
{
	return sqlite3_bind_text64(st, at, (const char *)s.p, s.len, SQLITE_STATIC, SQLITE_UTF8);
}

/* Steps a statement that gives no row, and leaves it ready for the next time. */
static enum err
finish(struct journal *j, sqlite3_stmt *st, int rc)
{
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return convert(j, rc);
}

enum err
journal_meta(struct journal *j, const char *name, struct buf *ret)
{
	sqlite3_stmt *st = j->st[S_META];
	int rc = bind_text(st, 1, span_str(name));
	enum err e;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	e = rc == SQLITE_DONE ? ERR_NOT_FOUND : convert(j, rc);
	if (rc == SQLITE_ROW) {
		const void *p = sqlite3_column_blob(st, 0); /* before the length */

		e = buf_append(ret, p, (size_t)sqlite3_column_bytes(st, 0));
	}
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return e;
}

static enum err
give_row(sqlite3_stmt *st, journal_row_fn *fn, void *arg)
{
	const void *key, *sealed;
	sqlite3_int64 version = sqlite3_column_int64(st, 1);
	size_t key_len, sealed_len;

	if (sqlite3_column_type(st, 0) != SQLITE_TEXT ||
	    sqlite3_column_type(st, 1) != SQLITE_INTEGER ||
	    sqlite3_column_type(st, 2) != SQLITE_BLOB || version < 1)
		return ERR_AUTH;
	key = sqlite3_column_text(st, 0);
	key_len = (size_t)sqlite3_column_bytes(st, 0);
	sealed = sqlite3_column_blob(st, 2);
	sealed_len = (size_t)sqlite3_column_bytes(st, 2);
	if (key == NULL || sealed == NULL || sealed_len > JOURNAL_VALUE_MAX)
		return ERR_AUTH;
	return fn(span_of(key, key_len), (uint64_t)version, span_of(sealed, sealed_len), arg);
}

enum err
journal_each(struct journal *j, journal_row_fn *fn, void *arg)
{
	sqlite3_stmt *st = j->st[S_EACH];
	enum err e = ERR_OK;

	while (e == ERR_OK) {
		int rc = sqlite3_step(st);

		if (rc == SQLITE_DONE)
			break;
		e = rc == SQLITE_ROW ? give_row(st, fn, arg) : convert(j, rc);
		if (rc == SQLITE_ROW && e != ERR_OK)
			(void)snprintf(
			    j->why, sizeof(j->why), "a row is not of the form that is written");
	}
	(void)sqlite3_reset(st);
	return e;
}

enum err
journal_begin(struct journal *j)
{
	return run(j, "BEGIN IMMEDIATE");
}

enum err
journal_put(struct journal *j, struct span key, uint64_t version, struct span sealed)
{
	sqlite3_stmt *st = j->st[S_PUT];
	int rc = bind_text(st, 1, key);

	must(version >= 1 && version <= INT64_MAX);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(st, 2, (sqlite3_int64)version);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob64(st, 3, sealed.p, sealed.len, SQLITE_STATIC);
	return finish(j, st, rc);
}

enum err
journal_delete(struct journal *j, struct span key)
{
	sqlite3_stmt *st = j->st[S_DELETE];
	enum err e = finish(j, st, bind_text(st, 1, key));

	return e == ERR_OK && sqlite3_changes(j->db) != 1 ? ERR_IO : e;
}

enum err
journal_meta_put(struct journal *j, const char *name, struct span value)
{
	sqlite3_stmt *st = j->st[S_META_PUT];
	int rc = bind_text(st, 1, span_str(name));

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob64(st, 2, value.p, value.len, SQLITE_STATIC);
	return finish(j, st, rc);
}

enum err
journal_commit(struct journal *j)
{
	return run(j, "COMMIT");
}

enum err
journal_rollback(struct journal *j)
{
	/* A severe failure rolls back by itself: then there is no transaction left to end. */
	return sqlite3_get_autocommit(j->db) ? ERR_OK : run(j, "ROLLBACK");
}
