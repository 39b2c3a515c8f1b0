/* The store: what was acknowledged is there, what was refused is not, whatever fails under it. */
#include "tests/torture/torture.h"
#include "tests/unit/kv_fixture.h"

#define CANARY "store-canary-3f9c2b71"
#define WHOLE "a@1=before\nb@1=" CANARY "\nc@1=third\n"

static struct fixture f;
static struct secret *value;
static uint64_t revision;

static void
first(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
}

static void
set_up(void)
{
	fixture_init(&f);
	must(fixture_open(&f) == ERR_OK);
	must(put(f.kv, "a", "before") == ERR_OK && put(f.kv, "b", CANARY) == ERR_OK);
	must(put(f.kv, "c", "third") == ERR_OK);
	revision = kv_revision(f.kv);
	must(buf_reserve(&seen, 4096) == ERR_OK); /* the test's own memory does not fail */
}

static void
set_up_shut(void)
{
	set_up();
	fixture_shut(&f);
}

static void
tear_down(void)
{
	secret_freep(&value);
	fixture_close(&f);
	buf_wipe(&seen);
}

static enum err
run_put(void)
{
	struct kv_op ops[] = { { .key = "a", .plain = span_str(CANARY) },
		{ .key = "c", .plain = SPAN_NONE } };

	return kv_commit(f.kv, ops, COUNT(ops), 7);
}

/* From the disk, as after a crash. */
static void
reopen(void)
{
	fixture_shut(&f);
	if (fixture_open(&f) != ERR_OK)
		torture_wrong("the store does not open again: %s", f.why);
}

static void
check_put(enum err e)
{
	static const char after[] = "a@2=" CANARY "\nb@1=" CANARY "\n";
	bool unchanged = e != ERR_OK && kv_revision(f.kv) == revision;

	reopen();
	if (e == ERR_OK ? !seen_is(after) : !seen_is(WHOLE) && !seen_is(after))
		torture_wrong(
		    "after %s the store holds %.*s", err_name(e), (int)seen.len, seen.data);
	if (e != ERR_OK && e != ERR_IO && (!unchanged || !seen_is(WHOLE)))
		torture_wrong("%s promises that nothing changed", err_name(e));
}

static enum err
run_get(void)
{
	return kv_open_row(f.kv, "b", &value);
}

static void
check_get(enum err e)
{
	if (e != ERR_OK ? value != NULL : !span_eq_str(secret_span(value), CANARY))
		torture_wrong("%s, and the value does not fit that", err_name(e));
}

static enum err
run_open(void)
{
	return fixture_open(&f);
}

static void
check_open(enum err e)
{
	if (e == ERR_OK && !seen_is(WHOLE))
		torture_wrong("opened with other rows");
	if (e == ERR_AUTH || e == ERR_VERSION || e == ERR_NOT_FOUND)
		torture_wrong("a good store is called bad: %s: %s", err_name(e), f.why);
	if (e != ERR_OK && (f.kv == NULL || f.keyring != NULL) && f.why[0] == '\0')
		torture_wrong("%s without a word", err_name(e));
	reopen();
	if (!seen_is(WHOLE))
		torture_wrong("other rows afterwards");
}

static enum err
run_rekey(void)
{
	uint64_t left = 1;
	enum err e = kv_rekey_start(f.kv);

	while (e == ERR_OK && left > 0)
		e = kv_rekey_step(f.kv, 2, 9, &left);
	return e;
}

/* Sealing anew counts. */
static void
forget_versions(void)
{
	size_t len = 0;
	bool skip = false;

	for (size_t i = 0; i < seen.len; i++) {
		skip = seen.data[i] == '@' || (skip && seen.data[i] != '=');
		if (!skip)
			seen.data[len++] = seen.data[i];
	}
	buf_truncate(&seen, len);
}

static void
check_rekey(enum err e)
{
	uint64_t left;

	reopen();
	if (e == ERR_OK && (kv_rekey_left(f.kv) != 0 || keyring_has_older(f.keyring)))
		torture_wrong("the rekey is said to be done");
	while (kv_rekey_left(f.kv) != 0)
		if (kv_rekey_step(f.kv, 2, 9, &left) != ERR_OK)
			torture_wrong("it does not go on after a start");
	forget_versions();
	if (!seen_is("a=before\nb=" CANARY "\nc=third\n"))
		torture_wrong("rows have changed");
}

static enum err
run_rewrap(void)
{
	AUTO(buf_wipe) struct buf wrapped = BUF_MAX(KEYRING_WRAPPED_MAX);
	AUTO(secret_freep) struct secret *kek = NULL;
	static const uint8_t salt[ARGON2_SALT_LEN] = { 1 };
	enum err e = crypto_random_secret(KEY_LEN, &kek);

	if (e == ERR_OK)
		e = keyring_wrap(f.keyring, UNSEAL_KEY_FILE, salt, kek, &wrapped);
	if (e == ERR_OK)
		e = kv_rewrap(f.kv, buf_span(&wrapped));
	if (e != ERR_OK && e != ERR_IO)
		return e;
	value = f.kek; /* what did not answer may have been done */
	f.kek = kek;
	kek = NULL;
	return e;
}

static void
check_rewrap(enum err e)
{
	enum err again;

	fixture_shut(&f);
	again = fixture_open(&f);
	if (again == ERR_AUTH && e == ERR_IO) {
		struct secret *other = f.kek;

		fixture_shut(&f);
		f.kek = value;
		value = other;
		again = fixture_open(&f);
	}
	if (again != ERR_OK)
		torture_wrong(
		    "after %s it does not open: %s: %s", err_name(e), err_name(again), f.why);
}

static enum err
run_seal(void)
{
	AUTO(buf_wipe) struct buf sealed = BUF_MAX(1024);
	enum err e = keyring_seal(f.keyring, span_str("name"), 3, span_str(CANARY), &sealed);

	return e != ERR_OK
		   ? e
		   : keyring_open_secret(f.keyring, span_str("name"), 3, buf_span(&sealed), &value);
}

static enum err
run_create(void)
{
	static const uint8_t salt[ARGON2_SALT_LEN];
	struct kv_meta m = { .trust_domain = "example.org",
		.wrapped = BUF_MAX(KEYRING_WRAPPED_MAX) };
	enum err e = keyring_new(f.store_id, &f.keyring);

	memcpy(m.store_id, f.store_id, sizeof f.store_id);
	if (e == ERR_OK)
		e = keyring_wrap(f.keyring, UNSEAL_KEY_FILE, salt, f.kek, &m.wrapped);
	if (e == ERR_OK)
		e = kv_create(f.dir, &m, f.keyring);
	buf_wipe(&m.wrapped);
	return e;
}

static void
set_up_nothing(void)
{
	memset(&f, 0, sizeof f);
	fixture_dir(f.dir);
	must(crypto_random_secret(KEY_LEN, &f.kek) == ERR_OK);
}

/* Half a store must not stand in the way of the next try. */
static void
check_create(enum err e)
{
	enum err again = ERR_OK;

	struct keyring *made = f.keyring;

	f.keyring = NULL;
	if (e != ERR_OK)
		again = run_create();
	if (again == ERR_EXISTS) /* not even unlink(2) worked: then it is a whole one */
		again = ERR_OK;
	keyring_free(f.keyring);
	f.keyring = made;
	if (again == ERR_OK)
		again = fixture_open(&f);
	if (again != ERR_OK)
		torture_wrong("after %s: %s", err_name(e), err_name(again));
}

static const struct torture_path paths[] = {
	{ "commit", CANARY, set_up, run_put, check_put, tear_down, false },
	{ "read a row", CANARY, set_up, run_get, check_get, tear_down, false },
	{ "open and unseal", CANARY, set_up_shut, run_open, check_open, tear_down, false },
	{ "rekey", CANARY, set_up, run_rekey, check_rekey, tear_down, false },
	{ "rewrap", CANARY, set_up, run_rewrap, check_rewrap, tear_down, false },
	{ "seal and open", CANARY, set_up, run_seal, check_get, tear_down, false },
	{ "create", NULL, set_up_nothing, run_create, check_create, tear_down, false },
};

int
main(int argc, char **argv)
{
	return torture_main(paths, COUNT(paths), first, argc, argv);
}
