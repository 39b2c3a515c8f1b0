#include "broker/keeper/table.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN 64 /* slots; always a power of two, at most three quarters full */

struct table_slot {
	struct table_key key;
	void *value; /* NULL: free */
};

struct table_key
table_hash(const struct secret *key, const struct span *parts, size_t count)
{
	uint8_t hash[HASH_LEN];
	struct table_key k;

	crypto_digest(key, parts, count, hash);
	memcpy(&k, hash, sizeof k);
	return k;
}

struct table_key
table_hash_str(const struct secret *key, const char *s)
{
	struct span part = span_str(s);

	return table_hash(key, &part, 1);
}

struct table_key
table_number(uint64_t a, uint64_t b)
{
	return (struct table_key){ a, b };
}

/* Multiplication spreads the keeper's own counters; keyed hashes are spread already. */
static size_t
home(const struct table *t, struct table_key k)
{
	uint64_t h = (k.a ^ (k.b << 32 | k.b >> 32)) * 0x9e3779b97f4a7c15u;

	return (size_t)(h >> 20) & (t->cap - 1);
}

static bool
same(struct table_key x, struct table_key y)
{
	return x.a == y.a && x.b == y.b;
}

/* The slot that holds k, or the free one where it belongs. The table is never full. */
static struct table_slot *
find(const struct table *t, struct table_key k)
{
	size_t i = home(t, k);

	while (t->slots[i].value != NULL && !same(t->slots[i].key, k))
		i = (i + 1) & (t->cap - 1);
	return &t->slots[i];
}

void *
table_get(const struct table *t, struct table_key k)
{
	return t->cap == 0 ? NULL : find(t, k)->value;
}

static enum err
grow(struct table *t)
{
	struct table fresh = { .cap = t->cap == 0 ? CAP_MIN : t->cap * 2, .max = t->max };
	size_t cursor = 0;

	fresh.slots = calloc(fresh.cap, sizeof *fresh.slots);
	if (fresh.slots == NULL)
		return ERR_NOMEM;
	while (cursor < t->cap) {
		const struct table_slot *s = &t->slots[cursor++];

		if (s->value != NULL)
			*find(&fresh, s->key) = *s;
	}
	fresh.count = t->count;
	free(t->slots);
	*t = fresh;
	return ERR_OK;
}

enum err
table_put(struct table *t, struct table_key k, void *value)
{
	struct table_slot *s;
	enum err e;

	must(value != NULL);
	if (table_get(t, k) != NULL)
		return ERR_EXISTS;
	if (t->count >= t->max)
		return ERR_LIMIT;
	if ((t->count + 1) * 4 > t->cap * 3) {
		e = grow(t);
		if (e != ERR_OK)
			return e;
	}
	s = find(t, k);
	s->key = k;
	s->value = value;
	t->count++;
	return ERR_OK;
}

/* Closes the gap at i: an entry moves back when its home does not lie between the gap and itself.
 */
static void
shift_back(struct table *t, size_t i)
{
	size_t mask = t->cap - 1;

	for (size_t j = (i + 1) & mask; t->slots[j].value != NULL; j = (j + 1) & mask) {
		size_t from_home = (j - home(t, t->slots[j].key)) & mask;

		if (from_home < ((j - i) & mask))
			continue;
		t->slots[i] = t->slots[j];
		i = j;
	}
	t->slots[i].value = NULL;
}

void *
table_remove(struct table *t, struct table_key k)
{
	struct table_slot *s = t->cap == 0 ? NULL : find(t, k);
	void *value = s == NULL ? NULL : s->value;

	if (value == NULL)
		return NULL;
	shift_back(t, (size_t)(s - t->slots));
	t->count--;
	return value;
}

void *
table_next(const struct table *t, size_t *cursor)
{
	while (*cursor < t->cap) {
		void *value = t->slots[(*cursor)++].value;

		if (value != NULL)
			return value;
	}
	return NULL;
}

void
table_close(struct table *t)
{
	free(t->slots);
	t->slots = NULL;
	t->cap = t->count = 0;
}
