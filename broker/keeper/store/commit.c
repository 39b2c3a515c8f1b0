#include <stdlib.h>
#include <string.h>

#include "broker/keeper/store/kv_state.h"

enum err
kv_stage(const struct kv *kv, struct change *c, struct span key, struct span plain)
{
	AUTO(buf_wipe) struct buf sealed = BUF_MAX(KV_SEALED_MAX);
	const struct row *old = rows_find(&kv->rows, key);
	uint64_t version = old == NULL ? 1 : old->version + 1;
	enum err e = keyring_seal(kv->keyring, key, version, plain, &sealed);

	if (e == ERR_OK)
		e = row_new(key, version, buf_span(&sealed), &c->row);
	if (e != ERR_OK)
		return e;
	manifest_row(&kv->keys, key, version, buf_span(&sealed), c->row->hash);
	return ERR_OK;
}

void
kv_changes_free(struct change *changes, size_t count)
{
	for (size_t i = 0; changes != NULL && i < count; i++)
		row_free(changes[i].row);
	free(changes);
}

/* What the manifest will say; counts what the limits ask for. */
static enum err
next_manifest(const struct kv *kv, const struct change *changes, size_t count, uint64_t audit_seq,
    struct manifest *ret_m)
{
	struct manifest m = kv->manifest;
	size_t bytes = kv->rows.bytes;

	m.revision++;
	if (audit_seq > m.audit_seq) /* never backwards: a caller without a sequence gives 0 */
		m.audit_seq = audit_seq;
	for (size_t i = 0; i < count; i++) {
		const struct row *old = rows_find(&kv->rows, changes[i].key);

		if (changes[i].dead)
			continue;
		if (old != NULL) {
			manifest_subtract(&m, old->hash);
			m.row_count--;
			bytes -= old->sealed_len;
		}
		if (changes[i].row != NULL) {
			manifest_add(&m, changes[i].row->hash);
			m.row_count++;
			bytes += changes[i].row->sealed_len;
		}
	}
	if (m.row_count > KV_ROWS_MAX || bytes > KV_BYTES_MAX)
		return ERR_LIMIT;
	*ret_m = m;
	return ERR_OK;
}

static enum err
write_changes(struct kv *kv, const struct change *changes, size_t count)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		const struct change *c = &changes[i];

		if (c->dead)
			continue;
		if (c->row != NULL)
			e = journal_put(kv->journal, c->key, c->row->version, row_sealed(c->row));
		else if (rows_find(&kv->rows, c->key) != NULL)
			e = journal_delete(kv->journal, c->key);
	}
	return e;
}

static enum err
write_all(struct kv *kv, const struct change *changes, size_t count, struct span manifest,
    struct span wrapped)
{
	enum err e = journal_begin(kv->journal);

	if (e == ERR_OK)
		e = write_changes(kv, changes, count);
	if (e == ERR_OK && wrapped.len > 0)
		e = journal_meta_put(kv->journal, "wrapped", wrapped);
	if (e == ERR_OK)
		e = journal_meta_put(kv->journal, "manifest", manifest);
	return e == ERR_OK ? journal_commit(kv->journal) : e;
}

/* Behind the COMMIT: cannot fail. */
static void
apply(struct kv *kv, struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct change *c = &changes[i];
		const struct row *old = rows_find(&kv->rows, c->key);

		if (c->dead)
			continue;
		if (old != NULL && kv_is_stale(kv, old))
			kv->stale--;
		if (c->row == NULL) {
			rows_remove(&kv->rows, c->key);
			continue;
		}
		rows_put(&kv->rows, c->row);
		c->row = NULL; /* given away */
	}
}

enum err
kv_write(
    struct kv *kv, struct change *changes, size_t count, uint64_t audit_seq, struct span wrapped)
{
	AUTO(buf_wipe) struct buf sealed = BUF_MAX(MANIFEST_SEALED_MAX);
	AUTO(buf_wipe) struct buf kept = BUF_MAX(KEYRING_WRAPPED_MAX);
	struct manifest m;
	enum err e = next_manifest(kv, changes, count, audit_seq, &m);

	if (e == ERR_OK)
		e = rows_reserve(&kv->rows, count);
	if (e == ERR_OK)
		e = buf_append_span(&kept, wrapped);
	if (e != ERR_OK)
		return e;
	if (wrapped.len > 0)
		kv_meta_hash(&kv->keys, &kv->meta, wrapped, m.meta);
	e = manifest_seal(&kv->keys, kv->meta.store_id, &m, &sealed);
	if (e != ERR_OK)
		return e;
	e = write_all(kv, changes, count, buf_span(&sealed), wrapped);
	if (e != ERR_OK) {
		bool undone = journal_rollback(kv->journal) == ERR_OK;

		if (undone && (e == ERR_LIMIT || e == ERR_NOMEM))
			return e; /* disk or memory full: the transaction never was */
		kv->broken = true;
		return ERR_IO;
	}
	apply(kv, changes, count);
	kv->manifest = m;
	if (wrapped.len > 0) {
		buf_wipe(&kv->meta.wrapped);
		kv->meta.wrapped = kept;
		kept = (struct buf)BUF_MAX(0); /* given away */
	}
	return ERR_OK;
}

static enum err
stage_op(const struct kv *kv, const struct kv_op *op, struct change *changes, size_t at)
{
	struct span key = span_of(op->key, strnlen(op->key, sizeof(op->key)));

	if (key.len == 0 || key.len > KV_KEY_MAX || op->plain.len > KV_VALUE_MAX)
		return ERR_LIMIT;
	changes[at].key = key;
	for (size_t i = 0; i < at; i++)
		if (!changes[i].dead && span_eq(changes[i].key, key))
			changes[i].dead = true;
	return op->plain.p == NULL ? ERR_OK : kv_stage(kv, &changes[at], key, op->plain);
}

enum err
kv_commit(struct kv *kv, const struct kv_op *ops, size_t count, uint64_t audit_seq)
{
	struct change *changes;
	enum err e = ERR_OK;

	if (kv->broken)
		return ERR_IO;
	if (kv->keyring == NULL)
		return ERR_SEALED;
	if (count > KV_OPS_MAX)
		return ERR_LIMIT;
	changes = calloc(count + 1, sizeof(*changes));
	if (changes == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; e == ERR_OK && i < count; i++)
		e = stage_op(kv, &ops[i], changes, i);
	if (e == ERR_OK)
		e = kv_write(kv, changes, count, audit_seq, SPAN_NONE);
	kv_changes_free(changes, count);
	return e;
}

enum err
kv_end_interval(struct kv *kv, const struct audit_mark *mark)
{
	struct manifest before = kv->manifest, with = before;
	enum err e;

	if (kv->broken)
		return ERR_IO;
	if (kv->keyring == NULL)
		return ERR_SEALED;
	with.ended = *mark;
	kv->manifest = with;
	e = kv_write(kv, NULL, 0, mark->seq, SPAN_NONE);
	if (e != ERR_OK)
		kv->manifest = before;
	return e;
}

enum err
kv_rewrap(struct kv *kv, struct span wrapped)
{
	if (kv->broken)
		return ERR_IO;
	if (kv->keyring == NULL)
		return ERR_SEALED;
	if (wrapped.len == 0 || wrapped.len > KEYRING_WRAPPED_MAX)
		return ERR_LIMIT;
	return kv_write(kv, NULL, 0, 0, wrapped);
}
