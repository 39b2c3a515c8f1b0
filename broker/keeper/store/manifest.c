#include "broker/keeper/store/manifest.h"

#include <string.h>

#include "broker/ipc/wire.h"

#define MANIFEST_PLAIN_MAX 160

enum { SUBKEY_HASH = 0, SUBKEY_SEAL = 1 };

enum err
manifest_keys_init(struct manifest_keys *mk, const struct keyring *k)
{
	struct manifest_keys fresh = { NULL, NULL };
	enum err e = keyring_derive(k, "manifest", SUBKEY_HASH, &fresh.hash);

	if (e == ERR_OK)
		e = keyring_derive(k, "manifest", SUBKEY_SEAL, &fresh.seal);
	if (e != ERR_OK) {
		manifest_keys_close(&fresh);
		return e;
	}
	*mk = fresh;
	return ERR_OK;
}

void
manifest_keys_close(struct manifest_keys *mk)
{
	secret_free(mk->hash);
	secret_free(mk->seal);
	*mk = (struct manifest_keys){ NULL, NULL };
}

void
manifest_row(const struct manifest_keys *mk, struct span key, uint64_t version, struct span sealed,
    uint8_t ret_hash[HASH_LEN])
{
	uint8_t number[8];
	struct span parts[] = { span_str("row"), key, span_of(number, sizeof(number)), sealed };

	for (int i = 0; i < 8; i++)
		number[i] = (uint8_t)(version >> (8 * i));
	crypto_digest(mk->hash, parts, COUNT(parts), ret_hash);
}

void
manifest_meta(const struct manifest_keys *mk, const struct span *parts, size_t count,
    uint8_t ret_hash[HASH_LEN])
{
	struct span all[8] = { span_str("meta") };

	must(count < COUNT(all));
	memcpy(&all[1], parts, count * sizeof(parts[0]));
	crypto_digest(mk->hash, all, count + 1, ret_hash);
}

void
manifest_add(struct manifest *m, const uint8_t hash[HASH_LEN])
{
	unsigned carry = 0;

	for (int i = 0; i < HASH_LEN; i++) { /* little-endian, modulo 2^256 */
		carry += (unsigned)m->sum[i] + hash[i];
		m->sum[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

void
manifest_subtract(struct manifest *m, const uint8_t hash[HASH_LEN])
{
	int borrow = 0;

	for (int i = 0; i < HASH_LEN; i++) {
		int d = m->sum[i] - hash[i] - borrow;

		borrow = d < 0;
		m->sum[i] = (uint8_t)(d & 0xff);
	}
}

static struct span
manifest_ad(uint8_t dst[8 + STORE_ID_LEN], const uint8_t store_id[STORE_ID_LEN])
{
	memcpy(dst, "manifest", 8);
	memcpy(dst + 8, store_id, STORE_ID_LEN);
	return span_of(dst, 8 + STORE_ID_LEN);
}

enum err
manifest_seal(const struct manifest_keys *mk, const uint8_t store_id[STORE_ID_LEN],
    const struct manifest *m, struct buf *out)
{
	AUTO(buf_wipe) struct buf plain = BUF_MAX(MANIFEST_PLAIN_MAX);
	struct wire_writer w = wire_write(&plain);
	uint8_t ad[8 + STORE_ID_LEN];

	wire_put_u64(&w, m->revision);
	wire_put_u64(&w, m->audit_seq);
	wire_put_u64(&w, m->row_count);
	wire_put_fixed(&w, m->sum, HASH_LEN);
	wire_put_fixed(&w, m->meta, HASH_LEN);
	wire_put_u64(&w, m->ended.seq);
	wire_put_u64(&w, m->ended.interval);
	wire_put_fixed(&w, m->ended.mac, HASH_LEN);
	if (w.e != ERR_OK)
		return w.e;
	return crypto_seal(mk->seal, manifest_ad(ad, store_id), buf_span(&plain), out);
}

enum err
manifest_open(const struct manifest_keys *mk, const uint8_t store_id[STORE_ID_LEN],
    struct span sealed, struct manifest *ret_m)
{
	AUTO(buf_wipe) struct buf plain = BUF_MAX(MANIFEST_SEALED_MAX);
	struct wire_reader r;
	struct manifest m = { 0 };
	struct span sum, meta, mac = SPAN_NONE;
	uint8_t ad[8 + STORE_ID_LEN];
	enum err e = crypto_open(mk->seal, manifest_ad(ad, store_id), sealed, &plain);

	if (e != ERR_OK)
		return e == ERR_LIMIT ? ERR_AUTH : e;
	r = wire_read(buf_span(&plain));
	m.revision = wire_u64(&r);
	m.audit_seq = wire_u64(&r);
	m.row_count = wire_u64(&r);
	sum = wire_fixed(&r, HASH_LEN);
	meta = wire_fixed(&r, HASH_LEN);
	if (r.left > 0) { /* one of an earlier program ends here */
		m.ended.seq = wire_u64(&r);
		m.ended.interval = wire_u64(&r);
		mac = wire_fixed(&r, HASH_LEN);
	}
	if (wire_done(&r) != ERR_OK)
		return ERR_AUTH;
	memcpy(m.sum, sum.p, HASH_LEN);
	memcpy(m.meta, meta.p, HASH_LEN);
	if (mac.len > 0)
		memcpy(m.ended.mac, mac.p, HASH_LEN);
	*ret_m = m;
	return ERR_OK;
}
