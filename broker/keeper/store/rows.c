#include "broker/keeper/store/rows.h"

#include <stdlib.h>
#include <string.h>

enum err
row_new(struct span key, uint64_t version, struct span sealed, struct row **ret_r)
{
	struct row *r = calloc(1, sizeof(*r) + key.len + 1 + sealed.len);

	if (r == NULL)
		return ERR_NOMEM;
	r->version = version;
	r->key_len = key.len;
	r->sealed_len = sealed.len;
	if (key.len > 0)
		memcpy(r->bytes, key.p, key.len);
	if (sealed.len > 0)
		memcpy(r->bytes + key.len + 1, sealed.p, sealed.len);
	*ret_r = r;
	return ERR_OK;
}

void
row_free(struct row *r)
{
	free(r);
}

struct span
row_key(const struct row *r)
{
	return span_of(r->bytes, r->key_len);
}

struct span
row_sealed(const struct row *r)
{
	return span_of(r->bytes + r->key_len + 1, r->sealed_len);
}

/* As SQLite's BINARY collation orders text: bytewise, the shorter one first. */
static int
compare(struct span a, struct span b)
{
	size_t common = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < common; i++)
		if (a.p[i] != b.p[i])
			return a.p[i] < b.p[i] ? -1 : 1;
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

/* Where key stands, or would stand. */
static size_t
position(const struct rows *rs, struct span key, bool *ret_found)
{
	size_t low = 0, high = rs->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(row_key(rs->at[middle]), key);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

struct row *
rows_find(const struct rows *rs, struct span key)
{
	bool found;
	size_t at = position(rs, key, &found);

	return found ? rs->at[at] : NULL;
}

enum err
rows_reserve(struct rows *rs, size_t more)
{
	size_t cap = rs->cap < 64 ? 64 : rs->cap;
	struct row **fresh;

	if (rs->count + more <= rs->cap)
		return ERR_OK;
	while (cap < rs->count + more)
		cap *= 2;
	fresh = calloc(cap, sizeof(struct row *));
	if (fresh == NULL)
		return ERR_NOMEM;
	if (rs->count > 0)
		memcpy(fresh, rs->at, rs->count * sizeof(struct row *));
	free(rs->at);
	rs->at = fresh;
	rs->cap = cap;
	return ERR_OK;
}

void
rows_put(struct rows *rs, struct row *r)
{
	bool found;
	size_t at = position(rs, row_key(r), &found);

	rs->bytes += r->sealed_len;
	if (found) {
		rs->bytes -= rs->at[at]->sealed_len;
		row_free(rs->at[at]);
		rs->at[at] = r;
		return;
	}
	must(rs->count < rs->cap);
	memmove(&rs->at[at + 1], &rs->at[at], (rs->count - at) * sizeof(struct row *));
	rs->at[at] = r;
	rs->count++;
}

void
rows_remove(struct rows *rs, struct span key)
{
	bool found;
	size_t at = position(rs, key, &found);

	if (!found)
		return;
	rs->bytes -= rs->at[at]->sealed_len;
	row_free(rs->at[at]);
	rs->count--;
	memmove(&rs->at[at], &rs->at[at + 1], (rs->count - at) * sizeof(struct row *));
}

void
rows_close(struct rows *rs)
{
	for (size_t i = 0; i < rs->count; i++)
		row_free(rs->at[i]);
	free(rs->at);
	*rs = (struct rows){ 0 };
}
