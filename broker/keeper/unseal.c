#include "broker/keeper/unseal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/keeper/keeper.h"
#include "broker/keeper/seal.h"
#include "common/log.h"
#include "common/sys.h"

const char *
unseal_method_name(enum unseal_method m)
{
	static const char *const names[] = { "none", "key-file", "passphrase" };

	return (unsigned)m < COUNT(names) ? names[m] : "unknown";
}

static enum err
key_file_check(int fd, const char *path, char *why, size_t why_size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return ERR_IO;
	if (!S_ISREG(st.st_mode)) {
		(void)snprintf(why, why_size,
		    "The key file %s is no regular file; name the file that sidekey init made.",
		    path);
		return ERR_DENIED;
	}
	if ((st.st_uid != getuid() && st.st_uid != 0) || (st.st_mode & 077) != 0) {
		(void)snprintf(why, why_size,
		    "The key file %s is open to others; it must be a file of ours with mode 0400.",
		    path);
		return ERR_DENIED;
	}
	if (st.st_size != KEY_LEN) {
		(void)snprintf(why, why_size, "The key file %s does not hold exactly %d bytes.",
		    path, KEY_LEN);
		return ERR_SYNTAX;
	}
	return ERR_OK;
}

enum err
unseal_key_file(const char *path, struct secret **ret_kek, char *why, size_t why_size)
{
	/* who opens a pipe otherwise waits until somebody fills it */
	AUTO(sys_closep) int fd = sys_open(path, O_RDONLY | O_NONBLOCK, 0);
	AUTO(secret_freep) struct secret *kek = NULL;
	enum err e;

	if (fd < 0) {
		(void)snprintf(
		    why, why_size, "The key file %s cannot be opened: %s.", path, strerror(errno));
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	}
	e = key_file_check(fd, path, why, why_size);
	if (e == ERR_OK)
		e = secret_new(KEY_LEN, &kek);
	if (e != ERR_OK)
		return e;
	if (sys_read(fd, secret_bytes(kek), KEY_LEN) != KEY_LEN)
		return ERR_IO;
	*ret_kek = kek;
	kek = NULL; /* given away */
	return ERR_OK;
}

enum err
unseal_with_kek(struct keeper *k, const struct secret *kek, char *why, size_t why_size)
{
	const struct kv_meta *meta = kv_meta(k->kv);
	struct keyring *ring = NULL;
	enum err e = keyring_unwrap(buf_span(&meta->wrapped), meta->store_id, kek, &ring);

	k->unseal.key_fits = e != ERR_AUTH; /* no memory is not a wrong passphrase */
	if (e == ERR_OK)
		e = keeper_open(k, ring, why, why_size);
	else if (k->unseal.key_fits)
		(void)snprintf(why, why_size, "The keyring cannot be opened: %s.", err_name(e));
	else
		(void)snprintf(why, why_size, "%s",
		    k->unseal.method == UNSEAL_PASSPHRASE
			? "The passphrase is wrong."
			: "The key file does not belong to this store.");
	if (e == ERR_OK)
		seal_opened(k);
	return e;
}

static void
slow_down(struct unseal *u, int64_t now_ms)
{
	int64_t wait_s = u->failures >= 5 ? UNSEAL_WAIT_S_MAX : INT64_C(1) << u->failures;

	u->failures++;
	u->not_before_ms = now_ms + wait_s * 1000;
	log_warn("unsealing failed %u times", u->failures);
}

enum err
unseal_with_passphrase(
    struct keeper *k, struct span passphrase, uint32_t *ret_wait_s, char *why, size_t why_size)
{
	AUTO(secret_freep) struct secret *kek = NULL;
	const struct kv_meta *meta = kv_meta(k->kv);
	uint8_t salt[ARGON2_SALT_LEN];
	enum unseal_method m;
	int64_t now_ms = loop_now_ms(k->loop);
	enum err e = keyring_peek(buf_span(&meta->wrapped), &m, salt);

	if (e != ERR_OK || m != UNSEAL_PASSPHRASE) {
		(void)snprintf(
		    why, why_size, "this store is opened by its key file, not by a passphrase");
		return ERR_CONFLICT;
	}
	if (now_ms < k->unseal.not_before_ms) {
		*ret_wait_s = (uint32_t)((k->unseal.not_before_ms - now_ms + 999) / 1000);
		return ERR_AGAIN;
	}
	e = crypto_passphrase(passphrase, salt, &kek);
	if (e != ERR_OK) {
		(void)snprintf(why, why_size, "The key cannot be derived: %s.", err_name(e));
		return e;
	}
	e = unseal_with_kek(k, kek, why, why_size);
	if (!k->unseal.key_fits)
		slow_down(&k->unseal, now_ms);
	return e;
}
