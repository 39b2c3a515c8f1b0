#include <stdlib.h>

#include "broker/keeper/store/kv_state.h"

/* A crash behind the last row, or a full disk, leaves the older keys. */
static bool
has_older(const struct kv *kv)
{
	return kv->dropping || keyring_has_older(kv->keyring);
}

uint64_t
kv_rekey_left(const struct kv *kv)
{
	if (kv->keyring == NULL)
		return 0;
	return kv->stale == 0 && has_older(kv) ? 1 : kv->stale; /* to drop them is one more step */
}

static enum err
store_keyring(struct kv *kv, uint64_t audit_seq)
{
	AUTO(buf_wipe) struct buf wrapped = BUF_MAX(KEYRING_WRAPPED_MAX);
	enum err e = keyring_rewrap(kv->keyring, buf_span(&kv->meta.wrapped), &wrapped);

	return e == ERR_OK ? kv_write(kv, NULL, 0, audit_seq, buf_span(&wrapped)) : e;
}

enum err
kv_rekey_start(struct kv *kv)
{
	enum err e;

	if (kv->broken)
		return ERR_IO;
	if (kv->keyring == NULL)
		return ERR_SEALED;
	e = keyring_add(kv->keyring);
	if (e != ERR_OK)
		return e;
	/* The new key is on disk before anything is sealed under it. */
	e = store_keyring(kv, 0);
	if (e != ERR_OK) {
		keyring_undo_add(kv->keyring);
		return e;
	}
	kv->stale = kv->rows.count;
	kv->rekey_at = 0;
	return ERR_OK;
}

static enum err
stage_again(const struct kv *kv, struct change *c, const struct row *r)
{
	AUTO(buf_wipe) struct buf plain = BUF_MAX(KV_SEALED_MAX);
	enum err e = keyring_open(kv->keyring, row_key(r), r->version, row_sealed(r), &plain);

	if (e != ERR_OK)
		return e;
	e = kv_stage(kv, c, row_key(r), buf_span(&plain));
	if (e == ERR_OK)
		c->key =
		    row_key(c->row); /* the old row's memory goes when the new one is applied */
	return e;
}

/* Up to max stale rows, from where the last step ended, round the end once: a row that was inserted
 * in front of it is not missed. */
static enum err
stage_stale(struct kv *kv, struct change *changes, size_t max, size_t *ret_count)
{
	size_t count = 0, rows = kv->rows.count;
	enum err e = ERR_OK;

	for (size_t seen = 0; e == ERR_OK && seen < rows && count < max; seen++) {
		const struct row *r = kv->rows.at[kv->rekey_at++ % rows];

		if (!kv_is_stale(kv, r))
			continue;
		e = stage_again(kv, &changes[count], r);
		count++;
	}
	*ret_count = count;
	return e;
}

static enum err
finish(struct kv *kv, uint64_t audit_seq)
{
	enum err e;

	keyring_drop_before(kv->keyring, keyring_active(kv->keyring)); /* no row needs them */
	kv->dropping = true;
	e = store_keyring(kv, audit_seq);
	if (e == ERR_OK)
		kv->dropping = false;
	return e;
}

enum err
kv_rekey_step(struct kv *kv, size_t max, uint64_t audit_seq, uint64_t *ret_left)
{
	struct change *changes;
	size_t count;
	enum err e;

	if (kv->broken)
		return ERR_IO;
	if (kv->keyring == NULL)
		return ERR_SEALED;
	if (max == 0 || max > KV_OPS_MAX)
		return ERR_LIMIT;
	changes = calloc(max, sizeof(*changes));
	if (changes == NULL)
		return ERR_NOMEM;
	e = stage_stale(kv, changes, max, &count);
	if (e == ERR_OK && count > 0)
		e = kv_write(kv, changes, count, audit_seq, SPAN_NONE);
	kv_changes_free(changes, max);
	if (e == ERR_OK && kv->stale == 0 && has_older(kv))
		e = finish(kv, audit_seq);
	if (e == ERR_OK)
		*ret_left = kv->stale;
	return e;
}
