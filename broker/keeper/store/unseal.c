#include <stdio.h>
#include <string.h>

#include "broker/keeper/store/kv_state.h"

bool
kv_is_stale(const struct kv *kv, const struct row *r)
{
	return keyring_number(row_sealed(r)) != keyring_active(kv->keyring);
}

/* Everything into memory, summed up on the way. */
struct loading {
	struct kv *kv;
	struct manifest sum; /* counted by us; only sum and row_count are used */
};

static enum err
load_row(struct span key, uint64_t version, struct span sealed, void *arg)
{
	struct loading *l = arg;
	struct kv *kv = l->kv;
	struct row *r = NULL;
	enum err e;

	if (key.len == 0 || key.len > KV_KEY_MAX || sealed.len > KV_SEALED_MAX)
		return ERR_AUTH;
	if (kv->rows.count >= KV_ROWS_MAX || kv->rows.bytes + sealed.len > KV_BYTES_MAX)
		return ERR_LIMIT;
	e = rows_reserve(&kv->rows, 1);
	if (e == ERR_OK)
		e = row_new(key, version, sealed, &r);
	if (e != ERR_OK)
		return e;
	manifest_row(&kv->keys, key, version, sealed, r->hash);
	manifest_add(&l->sum, r->hash);
	l->sum.row_count++;
	rows_put(&kv->rows, r);
	return ERR_OK;
}

static enum err
load(struct kv *kv, struct manifest *ret_sum, char *why, size_t why_size)
{
	struct loading l = { .kv = kv };
	enum err e = journal_each(kv->journal, load_row, &l);

	if (e == ERR_OK && l.sum.row_count != kv->rows.count)
		e = ERR_AUTH; /* an index that gives a row twice */
	if (e == ERR_OK)
		*ret_sum = l.sum;
	else if (e == ERR_LIMIT)
		(void)snprintf(why, why_size, "The store holds more than %u rows or %zu bytes.",
		    KV_ROWS_MAX, KV_BYTES_MAX);
	else if (e == ERR_AUTH)
		(void)snprintf(why, why_size, "The store is damaged: its rows cannot be read (%s).",
		    journal_why(kv->journal));
	return e;
}

static enum err
read_manifest(struct kv *kv, char *why, size_t why_size)
{
	AUTO(buf_wipe) struct buf sealed = BUF_MAX(MANIFEST_SEALED_MAX);
	uint8_t meta[HASH_LEN];
	enum err e = journal_meta(kv->journal, "manifest", &sealed);

	if (e == ERR_OK)
		e = manifest_open(&kv->keys, kv->meta.store_id, buf_span(&sealed), &kv->manifest);
	if (e == ERR_NOT_FOUND || e == ERR_LIMIT)
		e = ERR_AUTH;
	if (e == ERR_AUTH)
		(void)snprintf(why, why_size, "The store's manifest is missing or was changed.");
	if (e != ERR_OK)
		return e;
	kv_meta_hash(&kv->keys, &kv->meta, buf_span(&kv->meta.wrapped), meta);
	if (!secret_equal(meta, HASH_LEN, kv->manifest.meta, HASH_LEN)) {
		(void)snprintf(why, why_size,
		    "The keyring, trust domain or schema in the store is not the one that was "
		    "last written: somebody put back an old one.");
		return ERR_AUTH;
	}
	return ERR_OK;
}

/* A row that does not open is the one that was changed or moved. */
static enum err
name_bad_row(const struct kv *kv, char *why, size_t why_size)
{
	for (size_t i = 0; i < kv->rows.count; i++) {
		AUTO(buf_wipe) struct buf plain = BUF_MAX(KV_SEALED_MAX);
		const struct row *r = kv->rows.at[i];
		enum err e =
		    keyring_open(kv->keyring, row_key(r), r->version, row_sealed(r), &plain);

		if (e == ERR_OK)
			continue;
		(void)snprintf(
		    why, why_size, "The row \"%s\" was changed or moved.", (const char *)r->bytes);
		return e;
	}
	return ERR_OK;
}

static enum err
compare_sums(const struct kv *kv, const struct manifest *sum, char *why, size_t why_size)
{
	bool same = secret_equal(sum->sum, HASH_LEN, kv->manifest.sum, HASH_LEN);
	enum err e;

	if (same && sum->row_count == kv->manifest.row_count)
		return ERR_OK;
	e = name_bad_row(kv, why, why_size);
	if (e != ERR_OK)
		return e;
	if (sum->row_count == kv->manifest.row_count)
		(void)snprintf(why, why_size,
		    "A row of the store is an older one than the manifest says (rolled back).");
	else
		(void)snprintf(why, why_size,
		    "The store holds %llu rows, its manifest says %llu: rows were %s.",
		    (unsigned long long)sum->row_count, (unsigned long long)kv->manifest.row_count,
		    sum->row_count < kv->manifest.row_count ? "removed" : "added");
	return ERR_AUTH;
}

static enum err
give_rows(struct kv *kv, kv_row_fn *fn, void *arg, char *why, size_t why_size)
{
	AUTO(buf_wipe) struct buf plain = BUF_MAX(KV_SEALED_MAX);

	for (size_t i = 0; i < kv->rows.count; i++) {
		const struct row *r = kv->rows.at[i];
		enum err e =
		    keyring_open(kv->keyring, row_key(r), r->version, row_sealed(r), &plain);

		if (e == ERR_OK)
			e = fn(row_key(r), r->version, buf_span(&plain), row_sealed(r), arg);
		if (e != ERR_OK) {
			(void)snprintf(why, why_size, "The row \"%s\" cannot be used: %s.",
			    (const char *)r->bytes, err_name(e));
			return e;
		}
		buf_clear(&plain);
		kv->stale += kv_is_stale(kv, r);
	}
	return ERR_OK;
}

enum err
kv_unseal(
    struct kv *kv, struct keyring *k, kv_row_fn *fn, void *arg, char *ret_why, size_t why_size)
{
	struct manifest sum;
	enum err e;

	ret_why[0] = '\0';
	if (kv->broken)
		return ERR_IO;
	if (kv->keyring != NULL)
		return ERR_CONFLICT;
	kv->keyring = k;
	e = manifest_keys_init(&kv->keys, k);
	if (e == ERR_OK)
		e = read_manifest(kv, ret_why, why_size);
	if (e == ERR_OK)
		e = load(kv, &sum, ret_why, why_size);
	if (e == ERR_OK) /* before any row is believed */
		e = compare_sums(kv, &sum, ret_why, why_size);
	if (e == ERR_OK)
		e = give_rows(kv, fn, arg, ret_why, why_size);
	if (e != ERR_OK && ret_why[0] == '\0')
		(void)snprintf(ret_why, why_size, "The store cannot be read: %s.", err_name(e));
	if (e != ERR_OK)
		kv_seal(kv);
	return e;
}
