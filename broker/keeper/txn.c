#include "broker/keeper/txn.h"

#include <string.h>

void
txn_init(struct txn *t)
{
	t->count = t->deed_count = 0;
	t->e = ERR_OK;
}

void
txn_wipe(struct txn *t)
{
	for (size_t i = 0; i < t->count; i++)
		buf_wipe(&t->values[i]);
	t->count = 0;
}

static bool
add(struct txn *t, const char *key, bool delete)
{
	size_t i = t->count;

	if (t->e == ERR_OK && (i == TXN_OPS_MAX || strlen(key) > KV_KEY_MAX))
		t->e = ERR_LIMIT;
	if (t->e != ERR_OK)
		return false;
	(void)span_copy_str(span_str(key), t->keys[i], sizeof t->keys[i]);
	t->values[i] = (struct buf)BUF_MAX(KV_VALUE_MAX);
	t->deletes[i] = delete;
	t->count++;
	return true;
}

struct wire_writer
txn_put(struct txn *t, const char *key)
{
	static struct buf nowhere; /* max 0: takes nothing */
	struct wire_writer w = wire_write(add(t, key, false) ? &t->values[t->count - 1] : &nowhere);

	w.e = t->e;
	return w;
}

void
txn_wrote(struct txn *t, const struct wire_writer *w)
{
	if (t->e == ERR_OK)
		t->e = w->e;
}

void
txn_delete(struct txn *t, const char *key)
{
	(void)add(t, key, true);
}

void
txn_deed(struct txn *t, uint64_t seq)
{
	must(t->deed_count < TXN_DEEDS_MAX);
	t->deeds[t->deed_count++] = seq;
}

enum err
txn_commit(struct txn *t, struct kv *kv, uint64_t audit_seq)
{
	struct kv_op ops[TXN_OPS_MAX];
	static const uint8_t empty;

	if (t->e != ERR_OK)
		return t->e;
	for (size_t i = 0; i < t->count; i++) {
		struct span plain = buf_span(&t->values[i]);

		memcpy(ops[i].key, t->keys[i], sizeof ops[i].key);
		if (plain.p == NULL)
			plain = span_of(&empty, 0); /* p NULL would delete the row */
		ops[i].plain = t->deletes[i] ? SPAN_NONE : plain;
	}
	return kv_commit(kv, ops, t->count, audit_seq);
}
