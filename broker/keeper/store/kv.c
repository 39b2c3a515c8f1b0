#include "broker/keeper/store/kv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "broker/ipc/wire.h"
#include "broker/keeper/store/kv_state.h"
#include "broker/keeper/store/modes.h"
#include "common/sys.h"

#define STORE_NAME "store.db"
#define STORE_NEW_NAME "store.db.new"
#define LOCK_NAME "lock"

static void
kv_closep(struct kv **kv)
{
	kv_close(*kv);
	*kv = NULL;
}

static void
journal_freep(struct journal **j)
{
	journal_close(*j);
	*j = NULL;
}

static enum err
join(char dst[PATH_MAX], const char *dir, const char *name)
{
	int len = snprintf(dst, PATH_MAX, "%s/%s", dir, name);

	return len > 0 && len < PATH_MAX ? ERR_OK : ERR_LIMIT;
}

void
kv_meta_hash(const struct manifest_keys *mk, const struct kv_meta *m, struct span wrapped,
    uint8_t ret_hash[HASH_LEN])
{
	uint8_t schema[4] = { (uint8_t)m->schema, (uint8_t)(m->schema >> 8),
		(uint8_t)(m->schema >> 16), (uint8_t)(m->schema >> 24) };
	struct span parts[] = { span_of(m->store_id, STORE_ID_LEN), span_of(schema, 4),
		span_str(m->trust_domain), wrapped };

	manifest_meta(mk, parts, COUNT(parts), ret_hash);
}

/* A lock that goes with the process, also when it is killed. */
static enum err
take_lock(int dir_fd, const char *state_dir, int *ret_fd, char *why, size_t why_size)
{
	AUTO(sys_closep) int fd = sys_openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT, 0600);
	enum err e;

	if (fd < 0) {
		(void)snprintf(why, why_size, "%s/%s cannot be opened: %s.", state_dir, LOCK_NAME,
		    errno == ELOOP ? "it is a symbolic link" : strerror(errno));
		return errno == EACCES || errno == EPERM || errno == ELOOP || errno == EISDIR
			   ? ERR_DENIED
			   : ERR_IO;
	}
	e = modes_check_file(dir_fd, state_dir, LOCK_NAME, why, why_size);
	if (e != ERR_OK)
		return e;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)snprintf(why, why_size, "Another Sidekey daemon holds %s/%s; stop it first.",
		    state_dir, LOCK_NAME);
		return errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_IO;
	}
	*ret_fd = fd;
	fd = -1; /* given away */
	return ERR_OK;
}

static enum err
put_metas(struct journal *j, const struct kv_meta *m, struct span manifest)
{
	AUTO(buf_wipe) struct buf schema = BUF_MAX(4);
	struct wire_writer w = wire_write(&schema);
	enum err e;

	wire_put_u32(&w, KV_SCHEMA);
	e = w.e;
	if (e == ERR_OK)
		e = journal_meta_put(j, "schema", buf_span(&schema));
	if (e == ERR_OK)
		e = journal_meta_put(j, "store_id", span_of(m->store_id, STORE_ID_LEN));
	if (e == ERR_OK)
		e = journal_meta_put(j, "trust_domain", span_str(m->trust_domain));
	if (e == ERR_OK)
		e = journal_meta_put(j, "wrapped", buf_span(&m->wrapped));
	if (e == ERR_OK)
		e = journal_meta_put(j, "manifest", manifest);
	return e;
}

static enum err
first_manifest(const struct kv_meta *m, const struct keyring *k, struct buf *out)
{
	struct kv_meta current = *m; /* shares wrapped, owns nothing */
	struct manifest first = { .revision = 1 };
	struct manifest_keys mk;
	enum err e = manifest_keys_init(&mk, k);

	if (e != ERR_OK)
		return e;
	current.schema = KV_SCHEMA;
	kv_meta_hash(&mk, &current, buf_span(&m->wrapped), first.meta);
	e = manifest_seal(&mk, m->store_id, &first, out);
	manifest_keys_close(&mk);
	return e;
}

/* Made beside and renamed: a store that an init began and did not end is never seen. */
static enum err
make_file(const char *path, const char *path_new, const struct kv_meta *m, const struct keyring *k)
{
	AUTO(journal_freep) struct journal *j = NULL;
	AUTO(buf_wipe) struct buf manifest = BUF_MAX(MANIFEST_SEALED_MAX);
	char stale[PATH_MAX + 16];
	enum err e = first_manifest(m, k, &manifest);

	if (e != ERR_OK)
		return e;
	(void)snprintf(stale, sizeof(stale), "%s-journal", path_new);
	(void)sys_unlink(stale);
	(void)sys_unlink(path_new);
	e = journal_create(path_new, &j);
	if (e == ERR_OK)
		e = put_metas(j, m, buf_span(&manifest));
	if (e == ERR_OK)
		e = journal_commit(j);
	if (e != ERR_OK)
		return e;
	journal_freep(&j);
	return sys_rename(path_new, path) == 0 ? ERR_OK : ERR_IO;
}

enum err
kv_create(const char *state_dir, const struct kv_meta *m, const struct keyring *k)
{
	AUTO(sys_closep) int dir_fd = -1;
	AUTO(sys_closep) int lock_fd = -1;
	char why[256], path[PATH_MAX], path_new[PATH_MAX];
	struct stat st;
	enum err e = modes_open_dir(state_dir, &dir_fd, why, sizeof(why));

	if (e == ERR_OK)
		e = take_lock(dir_fd, state_dir, &lock_fd, why, sizeof(why));
	if (e == ERR_OK)
		e = join(path, state_dir, STORE_NAME);
	if (e == ERR_OK)
		e = join(path_new, state_dir, STORE_NEW_NAME);
	if (e != ERR_OK)
		return e;
	if (fstatat(dir_fd, STORE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return ERR_EXISTS; /* under the lock, so nobody makes it in between */
	e = make_file(path, path_new, m, k);
	if (e == ERR_OK && sys_fsync(dir_fd) != 0)
		e = ERR_IO;
	if (e != ERR_OK) { /* the next try begins anew */
		(void)sys_unlink(path_new);
		(void)sys_unlink(path);
		(void)unlinkat(dir_fd, LOCK_NAME, 0);
	}
	return e;
}

static enum err
read_meta(struct journal *j, struct kv_meta *m)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(JOURNAL_VALUE_MAX);
	struct wire_reader r;
	enum err e = journal_meta(j, "schema", &b);

	if (e != ERR_OK)
		return e;
	r = wire_read(buf_span(&b));
	m->schema = wire_u32(&r);
	if (wire_done(&r) != ERR_OK || m->schema == 0)
		return ERR_AUTH;
	if (m->schema > KV_SCHEMA)
		return ERR_VERSION;
	buf_clear(&b);
	e = journal_meta(j, "store_id", &b);
	if (e != ERR_OK || b.len != STORE_ID_LEN)
		return e != ERR_OK ? e : ERR_AUTH;
	memcpy(m->store_id, b.data, STORE_ID_LEN);
	buf_clear(&b);
	e = journal_meta(j, "trust_domain", &b);
	if (e == ERR_OK && !span_copy_str(buf_span(&b), m->trust_domain, sizeof(m->trust_domain)))
		e = ERR_AUTH;
	return e == ERR_OK ? journal_meta(j, "wrapped", &m->wrapped) : e;
}

static void
explain_open(enum err e, const char *path, uint32_t schema, char *why, size_t why_size)
{
	switch (e) {
	case ERR_VERSION:
		(void)snprintf(why, why_size,
		    "%s has schema %u, this program knows %u: install the newer Sidekey.", path,
		    schema, KV_SCHEMA);
		break;
	case ERR_AUTH:
		(void)snprintf(why, why_size,
		    "%s is no Sidekey store or is damaged; restore it from a backup.", path);
		break;
	case ERR_CONFLICT:
		(void)snprintf(why, why_size, "%s is locked by another program.", path);
		break;
	default:
		(void)snprintf(why, why_size, "%s cannot be read: %s.", path, err_name(e));
		break;
	}
}

/* SQLite opens by path; the directory is ours alone, so nobody else can swap what was checked. */
static enum err
check_files(int dir_fd, const char *dir, char *why, size_t why_size)
{
	static const char *const beside[] = { STORE_NAME "-wal", STORE_NAME "-journal",
		STORE_NAME "-shm" };
	enum err e = modes_check_file(dir_fd, dir, STORE_NAME, why, why_size);

	if (e == ERR_NOT_FOUND)
		(void)snprintf(why, why_size, "There is no store in %s: run `sidekey init`.", dir);
	for (size_t i = 0; e == ERR_OK && i < COUNT(beside); i++) {
		e = modes_check_file(dir_fd, dir, beside[i], why, why_size);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
	}
	return e;
}

enum err
kv_open(const char *state_dir, struct kv **ret_kv, char *ret_why, size_t why_size)
{
	AUTO(kv_closep) struct kv *kv = calloc(1, sizeof(*kv));
	AUTO(sys_closep) int dir_fd = -1;
	char path[PATH_MAX];
	enum err e;

	ret_why[0] = '\0';
	if (kv == NULL) {
		(void)snprintf(ret_why, why_size, "There is no memory to open the store in.");
		return ERR_NOMEM;
	}
	kv->lock_fd = -1;
	kv->meta.wrapped = (struct buf)BUF_MAX(KEYRING_WRAPPED_MAX);
	e = join(path, state_dir, STORE_NAME);
	if (e == ERR_OK)
		e = modes_open_dir(state_dir, &dir_fd, ret_why, why_size);
	if (e == ERR_OK)
		e = check_files(dir_fd, state_dir, ret_why, why_size);
	if (e == ERR_OK)
		e = take_lock(dir_fd, state_dir, &kv->lock_fd, ret_why, why_size);
	if (e != ERR_OK)
		return e;
	e = journal_open(path, &kv->journal);
	if (e == ERR_OK)
		e = read_meta(kv->journal, &kv->meta);
	if (e == ERR_NOT_FOUND || e == ERR_LIMIT)
		e = ERR_AUTH; /* a value is missing or longer than any of ours */
	if (e != ERR_OK) {
		explain_open(e, path, kv->meta.schema, ret_why, why_size);
		return e;
	}
	*ret_kv = kv;
	kv = NULL; /* given away */
	return ERR_OK;
}

void
kv_seal(struct kv *kv)
{
	kv->keyring = NULL;
	manifest_keys_close(&kv->keys);
	rows_close(&kv->rows);
	kv->manifest = (struct manifest){ 0 };
	kv->stale = 0;
	kv->dropping = false;
	kv->rekey_at = 0;
}

void
kv_close(struct kv *kv)
{
	if (kv == NULL)
		return;
	kv_seal(kv);
	journal_close(kv->journal);
	buf_wipe(&kv->meta.wrapped);
	sys_close(kv->lock_fd); /* last: it guards all of the above */
	free(kv);
}

const struct kv_meta *
kv_meta(const struct kv *kv)
{
	return &kv->meta;
}

uint64_t
kv_revision(const struct kv *kv)
{
	return kv->manifest.revision;
}

uint64_t
kv_audit_seq(const struct kv *kv)
{
	return kv->manifest.audit_seq;
}

struct audit_mark
kv_interval_ended(const struct kv *kv)
{
	return kv->manifest.ended;
}

enum err
kv_open_row(struct kv *kv, const char *key, struct secret **ret_plain)
{
	const struct row *r;

	if (kv->broken)
		return ERR_IO;
	if (kv->keyring == NULL)
		return ERR_SEALED;
	r = rows_find(&kv->rows, span_str(key));
	if (r == NULL)
		return ERR_NOT_FOUND;
	return keyring_open_secret(kv->keyring, row_key(r), r->version, row_sealed(r), ret_plain);
}
