#include "broker/keeper/secrets.h"
#include "tests/lib/tap.h"

#include <string.h>

static struct secrets secrets;

/* One change, as ops_secret.c makes it. */
static enum err
put(const char *name, uint8_t flags, int64_t now_s)
{
	AUTO(txn_wipe) struct txn t;
	struct named_secret next;
	enum err e;

	txn_init(&t);
	e = secrets_put(&secrets, secrets_find(&secrets, name), name, flags, now_s, &t, &next);
	return e == ERR_OK ? secrets_replace(&secrets, &next) : e;
}

static enum err
change(const char *name, enum secret_change what, uint32_t version, size_t *ret_ops)
{
	AUTO(txn_wipe) struct txn t;
	struct named_secret next;
	enum err e;

	txn_init(&t);
	e = secrets_change(secrets_find(&secrets, name), what, version, 50, &t, &next);
	*ret_ops = t.count;
	return e == ERR_OK ? secrets_replace(&secrets, &next) : e;
}

/* "1a 2g 3s": version and the first letter of its state. */
static bool
history_is(const char *name, const char *want)
{
	const struct named_secret *n = secrets_find(&secrets, name);
	char got[512] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < n->version_count; i++)
		len += (size_t)snprintf(got + len, sizeof got - len, "%s%u%c", i == 0 ? "" : " ",
		    n->versions[i].version, "nsagrd"[n->versions[i].state]);
	return ok(strcmp(got, want) == 0, "versions: %s", want) ||
	       (printf("# got %s\n", got), false);
}

static void
test_values(void)
{
	static const struct {
		const char *name;
		const char *value;
		size_t len;
		enum err want;
	} cases[] = {
		{ "a key", "sk-ant-api03-x", 14, ERR_OK },
		{ "one byte", "x", 1, ERR_OK },
		{ "a space inside", "a b", 3, ERR_OK },
		{ "UTF-8", "\xc3\xa4", 2, ERR_OK },
		{ "nothing", "", 0, ERR_RANGE },
		{ "a line break at the end", "key\n", 4, ERR_RANGE },
		{ "a header of its own", "key\r\nX-Evil: 1", 14, ERR_RANGE },
		{ "NUL", "a\0b", 3, ERR_RANGE },
		{ "tab", "a\tb", 3, ERR_RANGE },
		{ "DEL", "a\x7f", 2, ERR_RANGE },
		{ "escape", "\x1b[0m", 4, ERR_RANGE },
	};
	static uint8_t big[SECRET_LEN_MAX + 1];
	const char *why;

	for (size_t i = 0; i < COUNT(cases); i++)
		is_err(secrets_value_check(span_of(cases[i].value, cases[i].len), &why),
		    cases[i].want, cases[i].name);
	memset(big, 'k', sizeof big);
	is_err(secrets_value_check(span_of(big, SECRET_LEN_MAX), &why), ERR_OK, "the longest");
	is_err(secrets_value_check(span_of(big, sizeof big), &why), ERR_RANGE, "a byte longer");
}

static void
test_life(void)
{
	size_t ops;

	is_err(put("a", SECRET_PUT_ROTATE, 1), ERR_NOT_FOUND, "rotate needs one that exists");
	is_err(put("a", SECRET_PUT_NEW | SECRET_PUT_EXPOSED, 1), ERR_OK, "a new one");
	history_is("a", "1a");
	ok(secrets.exposed_count == 1, "marked as exposed");
	is_err(put("a", SECRET_PUT_NEW, 2), ERR_EXISTS, "new refuses one that exists");
	is_err(put("a", SECRET_PUT_ROTATE, 2), ERR_OK, "rotated");
	history_is("a", "1g 2a");
	ok(secrets.exposed_count == 0, "which ends the exposure");
	is_err(put("a", 0, 3), ERR_OK, "and again");
	history_is("a", "1r 2g 3a");
	is_err(put("a", SECRET_PUT_STAGED, 4), ERR_OK, "one is staged");
	history_is("a", "1r 2g 3a 4s");
	is_err(change("a", SECRET_ROLLBACK, 4, &ops), ERR_CONFLICT, "a staged one is no way back");
	is_err(change("a", SECRET_PROMOTE, 0, &ops), ERR_OK, "but is promoted");
	history_is("a", "1r 2r 3g 4a");
	is_err(change("a", SECRET_PROMOTE, 0, &ops), ERR_NOT_FOUND, "nothing else is staged");
	is_err(change("a", SECRET_ROLLBACK, 0, &ops), ERR_OK, "rolled back to the previous");
	history_is("a", "1r 2r 3a 4r");
	is_err(change("a", SECRET_ROLLBACK, 1, &ops), ERR_OK, "and to a named one");
	history_is("a", "1a 2r 3r 4r");
	ok(secrets.exposed_count == 1, "which was exposed");
	is_err(
	    change("a", SECRET_ROLLBACK, 0, &ops), ERR_NOT_FOUND, "before the first there is none");
	is_err(change("a", SECRET_ROLLBACK, 9, &ops), ERR_NOT_FOUND, "there is no version 9");
}

static void
test_destroy(void)
{
	size_t ops;

	is_err(change("a", SECRET_DESTROY, 0, &ops), ERR_RANGE, "destroy wants a version");
	is_err(change("a", SECRET_DESTROY, 2, &ops), ERR_OK, "one is destroyed");
	ok(ops == 1, "with its value's row");
	is_err(change("a", SECRET_DESTROY, 2, &ops), ERR_CONFLICT, "once");
	is_err(change("a", SECRET_ROLLBACK, 2, &ops), ERR_CONFLICT, "and never comes back");
	ok(!secrets_has_version(secrets_find(&secrets, "a"), 2), "its value is gone");
	ok(secrets.exposed_count == 1, "another one than the exposed");
	is_err(change("a", SECRET_DESTROY, 1, &ops), ERR_OK, "the active one may be destroyed too");
	ok(secrets.exposed_count == 0, "which ends the exposure");
	ok(secrets_active(secrets_find(&secrets, "a")) == 0, "then none is active");
	is_err(change("a", SECRET_ROLLBACK, 0, &ops), ERR_OK, "until one is put back");
	history_is("a", "1d 2d 3r 4a");
}

/* What was rolled back once is not what the next rollback brings. */
static void
test_rollback_twice(void)
{
	size_t ops;

	is_err(put("twice", SECRET_PUT_NEW, 1), ERR_OK, "a good one");
	is_err(put("twice", SECRET_PUT_ROTATE, 2), ERR_OK, "a bad one");
	is_err(change("twice", SECRET_ROLLBACK, 0, &ops), ERR_OK, "back");
	is_err(put("twice", SECRET_PUT_ROTATE, 3), ERR_OK, "another");
	history_is("twice", "1g 2r 3a");
	is_err(change("twice", SECRET_ROLLBACK, 0, &ops), ERR_OK, "back to the one it replaced");
	history_is("twice", "1a 2r 3r");
}

static void
test_many_versions(void)
{
	bool all = put("b", 0, 1) == ERR_OK;
	const struct named_secret *n;

	for (int i = 0; i < 2 * VERSIONS_MAX; i++)
		all = all && put("b", 0, 2 + i) == ERR_OK;
	n = secrets_find(&secrets, "b");
	ok(all && n->version_count == VERSIONS_MAX, "old versions make room");
	ok(secrets_active(n) == 2 * VERSIONS_MAX + 1, "numbers go on");
	is_err(put("c", SECRET_PUT_STAGED, 1), ERR_OK, "a staged one");
	for (int i = 1; i < VERSIONS_MAX; i++)
		all = all && put("c", SECRET_PUT_STAGED, 1) == ERR_OK;
	ok(all, "as many as there is room");
	is_err(put("c", SECRET_PUT_STAGED, 1), ERR_LIMIT, "none of them makes room");
}

/* What secrets_row() writes is what secrets_load() reads. */
static void
test_rows(void)
{
	AUTO(txn_wipe) struct txn t;
	struct secrets other;
	const struct named_secret *a = secrets_find(&secrets, "a"), *b;

	txn_init(&t);
	secrets_init(&other, secrets.hash_key);
	secrets_row(&t, a);
	is_err(secrets_load(&other, span_str(t.keys[0]), buf_span(&t.values[0])), ERR_OK,
	    "a row is read");
	b = secrets_find(&other, "a");
	ok(b != NULL && memcmp(a, b, sizeof *a) == 0, "as it was written");
	for (size_t len = 0; len < t.values[0].len; len++)
		must(secrets_load(&other, span_str(t.keys[0]), span_of(t.values[0].data, len)) !=
		     ERR_OK);
	ok(true, "a shorter row is never read");
	is_err(secrets_load(&other, span_str("value/a/0000000001"), SPAN_NONE), ERR_NOT_FOUND,
	    "other rows are not its own");
	ok(other.next_id == a->id + 1, "ids go on where they were");
	secrets_close(&other);
}

int
main(void)
{
	struct secret *key = NULL;

	must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &key) == ERR_OK);
	secrets_init(&secrets, key);
	test_values();
	test_life();
	test_destroy();
	test_many_versions();
	test_rows();
	test_rollback_twice();
	secrets_close(&secrets);
	secret_free(key);
	return done();
}
