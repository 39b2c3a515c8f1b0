#include <sqlite3.h>

#include "tests/unit/kv_fixture.h"

/* What an attacker with the file and without the keys can do. */
static void
sql(const struct fixture *f, const char *text)
{
	char path[128], *why = NULL;
	sqlite3 *db = NULL;

	fixture_path(f, "store.db", path);
	must(sqlite3_open(path, &db) == SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		printf("# %s\n", why);
	must(why == NULL && sqlite3_close(db) == SQLITE_OK);
}

static void
fill(struct fixture *f)
{
	fixture_init(f);
	must(fixture_open(f) == ERR_OK);
	must(put(f->kv, "secret/a", "value of a") == ERR_OK &&
	     put(f->kv, "secret/b", "value of b") == ERR_OK);
	must(put(f->kv, "secret/c", "value of c") == ERR_OK);
	fixture_shut(f);
}

#define FILLED "secret/a@1=value of a\nsecret/b@1=value of b\nsecret/c@1=value of c\n"

static const struct edit {
	const char *what, *sql, *why;
	enum err want;
} edits[] = {
	{ "nothing", "SELECT 1", NULL, ERR_OK },
	{ "swapped rows",
	    "UPDATE rows SET key = 'x' WHERE key = 'secret/a';"
	    "UPDATE rows SET key = 'secret/a' WHERE key = 'secret/b';"
	    "UPDATE rows SET key = 'secret/b' WHERE key = 'x'",
	    "secret/a", ERR_AUTH },
	{ "renamed row", "UPDATE rows SET key = 'secret/z' WHERE key = 'secret/c'", "secret/z",
	    ERR_AUTH },
	{ "copied row",
	    "INSERT INTO rows SELECT 'secret/d', version, sealed FROM rows WHERE key = 'secret/a'",
	    "secret/d", ERR_AUTH },
	{ "missing row", "DELETE FROM rows WHERE key = 'secret/b'", "removed", ERR_AUTH },
	{ "no row at all", "DELETE FROM rows", "removed", ERR_AUTH },
	{ "another version", "UPDATE rows SET version = 2 WHERE key = 'secret/b'", "secret/b",
	    ERR_AUTH },
	{ "version 0", "UPDATE rows SET version = 0 WHERE key = 'secret/b'", "damaged", ERR_AUTH },
	{ "version below 0", "UPDATE rows SET version = -1 WHERE key = 'secret/b'", "damaged",
	    ERR_AUTH },
	{ "empty value", "UPDATE rows SET sealed = x'' WHERE key = 'secret/b'", NULL, ERR_AUTH },
	{ "huge value", "UPDATE rows SET sealed = zeroblob(200000) WHERE key = 'secret/b'", NULL,
	    ERR_AUTH },
	{ "empty key", "UPDATE rows SET key = '' WHERE key = 'secret/b'", NULL, ERR_AUTH },
	{ "NUL in a key",
	    "UPDATE rows SET key = CAST(x'7365630072' AS TEXT) WHERE key = 'secret/b'", NULL,
	    ERR_AUTH },
	{ "random row", "INSERT INTO rows VALUES ('q', 1, randomblob(80))", "\"q\"", ERR_AUTH },
	{ "no manifest", "DELETE FROM meta WHERE name = 'manifest'", "manifest", ERR_AUTH },
	{ "random manifest", "UPDATE meta SET value = randomblob(160) WHERE name = 'manifest'",
	    "manifest", ERR_AUTH },
	{ "empty manifest", "UPDATE meta SET value = x'' WHERE name = 'manifest'", "manifest",
	    ERR_AUTH },
	{ "other trust domain",
	    "UPDATE meta SET value = CAST('evil.org' AS BLOB) WHERE name = 'trust_domain'",
	    "trust domain", ERR_AUTH },
	{ "long trust domain", "UPDATE meta SET value = zeroblob(300) WHERE name = 'trust_domain'",
	    "damaged", ERR_AUTH },
	{ "no store id", "DELETE FROM meta WHERE name = 'store_id'", "damaged", ERR_AUTH },
	{ "other store id", "UPDATE meta SET value = zeroblob(16) WHERE name = 'store_id'", NULL,
	    ERR_AUTH },
	{ "no keyring", "DELETE FROM meta WHERE name = 'wrapped'", "damaged", ERR_AUTH },
	{ "huge keyring", "UPDATE meta SET value = zeroblob(100000) WHERE name = 'wrapped'",
	    "damaged", ERR_AUTH },
	{ "newer schema", "UPDATE meta SET value = x'02000000' WHERE name = 'schema'", "newer",
	    ERR_VERSION },
	{ "no schema", "DELETE FROM meta WHERE name = 'schema'", "damaged", ERR_AUTH },
	{ "schema 0", "UPDATE meta SET value = x'00000000' WHERE name = 'schema'", "damaged",
	    ERR_AUTH },
	{ "no rows table", "DROP TABLE rows", "damaged", ERR_AUTH },
	{ "rows is a view", "ALTER TABLE rows RENAME TO r; CREATE VIEW rows AS SELECT * FROM r",
	    "damaged", ERR_AUTH },
	{ "a trigger", "CREATE TRIGGER t AFTER INSERT ON rows BEGIN DELETE FROM rows; END", NULL,
	    ERR_OK },
	{ "another application", "PRAGMA application_id = 7", "no Sidekey store", ERR_AUTH },
};

static void
test_edits(void)
{
	for (size_t i = 0; i < COUNT(edits); i++) {
		AUTO(fixture_close) struct fixture f;
		enum err e;

		fill(&f);
		sql(&f, edits[i].sql);
		e = fixture_open(&f);
		is_err(e, edits[i].want, edits[i].what);
		if (edits[i].why != NULL)
			ok(strstr(f.why, edits[i].why) != NULL, "%s: says so: %s", edits[i].what,
			    f.why);
		if (e == ERR_OK)
			ok(seen_is(FILLED) && put(f.kv, "secret/d", "x") == ERR_OK, "%s: works",
			    edits[i].what);
	}
}

/* Yesterday's row, keyring or manifest in today's store. The old value is kept by the file itself.
 */
static void
test_replay(void)
{
	static const struct {
		const char *what, *keep, *restore;
	} table[] = {
		{ "old row", "CREATE TABLE old AS SELECT * FROM rows WHERE key = 'secret/a'",
		    "REPLACE INTO rows SELECT * FROM old; DROP TABLE old" },
		{ "deleted row", "CREATE TABLE old AS SELECT * FROM rows WHERE key = 'secret/b'",
		    "REPLACE INTO rows SELECT * FROM old; DROP TABLE old" },
		{ "old keyring", "CREATE TABLE old AS SELECT * FROM meta WHERE name = 'wrapped'",
		    "REPLACE INTO meta SELECT * FROM old; DROP TABLE old" },
		{ "old manifest", "CREATE TABLE old AS SELECT * FROM meta WHERE name = 'manifest'",
		    "REPLACE INTO meta SELECT * FROM old; DROP TABLE old" },
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		AUTO(fixture_close) struct fixture f;

		fill(&f);
		sql(&f, table[i].keep);
		must(fixture_open(&f) == ERR_OK && put(f.kv, "secret/a", "newer") == ERR_OK);
		must(put(f.kv, "secret/b", NULL) == ERR_OK && kv_rekey_start(f.kv) == ERR_OK);
		fixture_shut(&f);
		sql(&f, table[i].restore);
		is_err(fixture_open(&f), ERR_AUTH, table[i].what);
		ok(f.why[0] != '\0', "%s: says so: %s", table[i].what, f.why);
	}
}

/* Every byte of the file, one after the other: an error, or the same rows. In a sealed row: an
 * error. */
static void
test_flips(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf db = BUF_MAX(1u << 20);
	size_t refused = 0, same = 0, wrong = 0;

	fill(&f);
	file_load(&f, "store.db", &db);
	for (size_t i = 0; i < db.len; i++) {
		bool used = db.data[i] != 0;
		enum err e;

		if (!used && i % 16 != 0)
			continue; /* free space: a sample of it */
		db.data[i] ^= 0x10;
		file_store(&f, "store.db", buf_span(&db));
		e = fixture_open(&f);
		db.data[i] ^= 0x10;
		refused += e != ERR_OK;
		same += e == ERR_OK && seen_is(FILLED);
		wrong += e == ERR_OK && !seen_is(FILLED);
		fixture_shut(&f);
	}
	ok(wrong == 0, "flips: no flipped byte gives other rows (%zu refused, %zu harmless)",
	    refused, same);
}

/* The sealed bytes themselves: found by their place, so that none is left out. */
static void
test_cells(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf db = BUF_MAX(1u << 20);
	static const char *const keys[] = { "secret/a", "secret/b", "secret/c" };
	size_t len = 10 + KEYRING_SEAL_OVERHEAD, all = 0, noticed = 0;

	fill(&f);
	file_load(&f, "store.db", &db);
	for (size_t k = 0; k < COUNT(keys); k++) {
		/* a cell holds key, version (1 is kept in the type), sealed; an index cell the key
		 * alone */
		for (size_t at = 0; at + 8 + len < db.len; at++) {
			if (!span_eq_str(span_of(db.data + at, 8), keys[k]) ||
			    db.data[at + 8] != 1 || db.data[at + 9] != 0 || db.data[at + 10] != 0)
				continue;
			for (size_t i = 0; i < 8 * len; i++) {
				db.data[at + 8 + i / 8] ^= (uint8_t)(1u << i % 8);
				file_store(&f, "store.db", buf_span(&db));
				noticed += fixture_open(&f) == ERR_AUTH;
				all++;
				fixture_shut(&f);
				db.data[at + 8 + i / 8] ^= (uint8_t)(1u << i % 8);
			}
		}
	}
	ok(all == 3 * 8 * len && noticed == all,
	    "cells: every bit of every sealed row (%zu of %zu)", noticed, all);
}

static void
test_truncated(void)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf db = BUF_MAX(1u << 20);
	bool refused = true;

	fill(&f);
	file_load(&f, "store.db", &db);
	for (size_t len = 0; len < db.len; len += 512) {
		file_store(&f, "store.db", span_of(db.data, len));
		refused = refused && fixture_open(&f) != ERR_OK;
		fixture_shut(&f);
	}
	ok(refused, "truncated: anywhere, refused");
	file_store(&f, "store.db",
	    span_str("this is a text file, longer than a header of SQLite, which has "
		     "one hundred bytes in front of its first page"));
	is_err(fixture_open(&f), ERR_AUTH, "a text file");
	ok(strstr(f.why, "no Sidekey store") != NULL, "a text file: says so: %s", f.why);
}

static void
test_wrong_key(void)
{
	AUTO(fixture_close) struct fixture f, other;

	fill(&f);
	fixture_init(&other);
	must(kv_open(f.dir, &f.kv, f.why, sizeof(f.why)) == ERR_OK);
	is_err(kv_unseal(f.kv, other.keyring, see_row, NULL, f.why, sizeof(f.why)), ERR_AUTH,
	    "another store's keyring");
	is_err(put(f.kv, "a", "x"), ERR_SEALED, "another store's keyring: still sealed");
}

static void
test_modes(void)
{
	static const struct {
		const char *what, *name;
		mode_t mode;
	} table[] = { { "open directory", "", 0750 }, { "world's directory", "", 0701 },
		{ "open store", "store.db", 0640 }, { "world's store", "store.db", 0602 },
		{ "open lock", "lock", 0644 } };

	for (size_t i = 0; i < COUNT(table); i++) {
		AUTO(fixture_close) struct fixture f;
		char path[128];

		fill(&f);
		fixture_path(&f, table[i].name, path);
		must(chmod(path, table[i].mode) == 0);
		is_err(fixture_open(&f), ERR_DENIED, table[i].what);
		ok(strstr(f.why, "chmod") != NULL, "%s: says what to do: %s", table[i].what, f.why);
	}
}

static void
test_links(void)
{
	static const char *const names[] = { "store.db", "lock", "store.db-wal",
		"store.db-journal" };
	AUTO(fixture_close) struct fixture f;
	char path[128], away[128], why[256];
	struct kv *kv = NULL;

	fill(&f);
	for (size_t i = 0; i < COUNT(names); i++) {
		fixture_path(&f, names[i], path);
		fixture_path(&f, "away", away);
		(void)sys_rename(path, away);
		must(symlink(away, path) == 0);
		is_err(fixture_open(&f), ERR_DENIED, names[i]);
		ok(strstr(f.why, "link") != NULL, "%s: says that it is a link: %s", names[i],
		    f.why);
		must(sys_unlink(path) == 0);
		(void)sys_rename(away, path);
	}
	fixture_path(&f, "store.db", path);
	must(link(path, away) == 0);
	is_err(fixture_open(&f), ERR_DENIED, "a second hard link");
	(void)snprintf(path, sizeof(path), "%s-link", f.dir);
	must(symlink(f.dir, path) == 0);
	is_err(kv_open(path, &kv, why, sizeof(why)), ERR_DENIED, "a linked directory");
	must(sys_unlink(path) == 0);
}

static void
test_create(void)
{
	AUTO(fixture_close) struct fixture f, empty;
	struct kv_meta m = { .trust_domain = "x", .wrapped = BUF_MAX(16) };
	char path[128], why[256];
	struct kv *kv = NULL;

	fill(&f);
	is_err(kv_create(f.dir, &m, f.keyring), ERR_EXISTS, "create: twice");
	must(fixture_open(&f) == ERR_OK);
	is_err(kv_open(f.dir, &kv, why, sizeof(why)), ERR_CONFLICT, "open: twice");
	ok(strstr(why, "Another Sidekey") != NULL, "open: twice: says so: %s", why);
	is_err(kv_create(f.dir, &m, f.keyring), ERR_CONFLICT, "create: under a running daemon");
	fixture_shut(&f);
	fixture_init(&empty);
	fixture_path(&empty, "store.db", path);
	must(sys_unlink(path) == 0);
	is_err(kv_open(empty.dir, &kv, why, sizeof(why)), ERR_NOT_FOUND, "open: no store");
	ok(strstr(why, "sidekey init") != NULL, "open: no store: says what to do: %s", why);
	is_err(kv_open("/nonexistent/dir", &kv, why, sizeof(why)), ERR_NOT_FOUND,
	    "open: no directory");
	file_store(&empty, "store.db.new", span_str("what a killed init left"));
	file_store(&empty, "store.db.new-journal", span_str("the same"));
	memcpy(m.store_id, empty.store_id, STORE_ID_LEN);
	must(buf_append_str(&m.wrapped, "wrapped") == ERR_OK);
	is_err(kv_create(empty.dir, &m, empty.keyring), ERR_OK,
	    "create: over what a killed init left");
	fixture_path(&empty, "store.db.new", path);
	ok(access(path, F_OK) != 0, "create: nothing is left beside it");
	buf_wipe(&m.wrapped);
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	test_edits();
	test_replay();
	test_flips();
	test_cells();
	test_truncated();
	test_wrong_key();
	test_modes();
	test_links();
	test_create();
	buf_wipe(&seen);
	return done();
}
