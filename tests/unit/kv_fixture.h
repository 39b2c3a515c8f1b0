/*
 * kv_fixture - a small store in a directory of its own, with what a test wants to know about it.
 * Process: tests.   Owns: directory, keyring, wrapping key.   Secrets: test values only.   Limits:
 * none.   Failure: must() aborts.
 */
#ifndef TESTS_KV_FIXTURE_H
#define TESTS_KV_FIXTURE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/keeper/store/kv.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

struct fixture {
	char dir[64], why[256];
	uint8_t store_id[STORE_ID_LEN];
	struct secret *kek;
	struct keyring *keyring;
	struct kv *kv;
};

/* All rows that kv_unseal() gave, as "key@version=value\n". */
static struct buf seen = BUF_MAX(1u << 24);

static inline enum err
see_row(struct span key, uint64_t version, struct span plain, struct span sealed, void *arg)
{
	(void)sealed;
	(void)arg;
	must(buf_append_span(&seen, key) == ERR_OK);
	must(buf_printf(&seen, "@%llu=", (unsigned long long)version) == ERR_OK);
	must(buf_append_span(&seen, plain) == ERR_OK);
	return buf_append_byte(&seen, '\n');
}

static inline bool
seen_is(const char *want)
{
	return span_eq_str(buf_span(&seen), want);
}

static inline void
fixture_dir(char dir[64])
{
	const char *tmp =
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* thousands of opens */

	(void)snprintf(dir, 64, "%s/sidekey-kv-XXXXXX", tmp);
	must(mkdtemp(dir) != NULL);
}

static inline void
fixture_path(const struct fixture *f, const char *name, char path[128])
{
	(void)snprintf(path, 128, "%s/%s", f->dir, name);
}

static inline void
fixture_init(struct fixture *f)
{
	static const uint8_t salt[ARGON2_SALT_LEN];
	struct kv_meta m = { .trust_domain = "example.org",
		.wrapped = BUF_MAX(KEYRING_WRAPPED_MAX) };

	memset(f, 0, sizeof(*f));
	fixture_dir(f->dir);
	crypto_random(f->store_id, sizeof(f->store_id));
	memcpy(m.store_id, f->store_id, sizeof(f->store_id));
	must(crypto_random_secret(KEY_LEN, &f->kek) == ERR_OK);
	must(keyring_new(f->store_id, &f->keyring) == ERR_OK);
	must(keyring_wrap(f->keyring, UNSEAL_KEY_FILE, salt, f->kek, &m.wrapped) == ERR_OK);
	must(kv_create(f->dir, &m, f->keyring) == ERR_OK);
	buf_wipe(&m.wrapped);
}

/* Open and unseal with the keyring as it is in the store. */
static inline enum err
fixture_open(struct fixture *f)
{
	enum err e;

	keyring_free(f->keyring);
	f->keyring = NULL;
	buf_clear(&seen);
	e = kv_open(f->dir, &f->kv, f->why, sizeof(f->why));
	if (e != ERR_OK) {
		f->kv = NULL;
		return e;
	}
	e = keyring_unwrap(
	    buf_span(&kv_meta(f->kv)->wrapped), kv_meta(f->kv)->store_id, f->kek, &f->keyring);
	if (e != ERR_OK)
		return e;
	return kv_unseal(f->kv, f->keyring, see_row, NULL, f->why, sizeof(f->why));
}

static inline void
fixture_shut(struct fixture *f)
{
	kv_close(f->kv);
	f->kv = NULL;
}

static inline void
fixture_close(struct fixture *f)
{
	DIR *d = opendir(f->dir);
	struct dirent *entry;
	char path[512];

	fixture_shut(f);
	keyring_free(f->keyring);
	secret_free(f->kek);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
		if (entry->d_name[0] != '.')
			(void)sys_unlink(path);
	}
	(void)closedir(d);
	(void)rmdir(f->dir);
}

static inline enum err
put(struct kv *kv, const char *key, const char *value)
{
	struct kv_op op = { .plain = value == NULL ? SPAN_NONE : span_str(value) };

	(void)snprintf(op.key, sizeof(op.key), "%s", key);
	return kv_commit(kv, &op, 1, 0);
}

static inline void
file_load(const struct fixture *f, const char *name, struct buf *b)
{
	char path[128];

	fixture_path(f, name, path);
	buf_clear(b);
	must(sys_read_file(path, b) == ERR_OK);
}

static inline void
file_store(const struct fixture *f, const char *name, struct span s)
{
	char path[128];
	int fd;

	fixture_path(f, name, path);
	(void)sys_unlink(path);
	fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	must(fd >= 0 && sys_write_all(fd, s.p, s.len) == ERR_OK);
	sys_close(fd);
}

#endif
