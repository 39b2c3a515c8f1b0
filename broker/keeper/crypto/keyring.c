#include "broker/keeper/crypto/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "broker/ipc/wire.h"

#define WRAP_MAGIC "SKKR"
#define WRAP_MAGIC_LEN 4
#define WRAP_FORMAT 1
#define KEYS_PLAIN_MAX (4 + 2 + KEYRING_KEYS_MAX * (4 + KEY_LEN))
#define AD_MAX 512

struct data_key {
	uint32_t number;
	struct secret *key;
};

struct keyring {
	uint8_t store_id[STORE_ID_LEN];
	struct secret *root;
	struct data_key keys[KEYRING_KEYS_MAX]; /* rising numbers; the last one is active */
	size_t count;
};

/* The parts of a wrapped keyring; spans point into it. */
struct wrapped {
	uint8_t method;
	uint8_t salt[ARGON2_SALT_LEN];
	struct span head; /* magic, format, method, salt: authenticated with the root key */
	struct span root, keys;
};

static void
keyring_freep(struct keyring **k)
{
	keyring_free(*k);
	*k = NULL;
}

/* Associated data: what a sealed piece is, and of which store. */
static struct span
wrap_ad(
    uint8_t dst[AD_MAX], const char *what, const uint8_t store_id[STORE_ID_LEN], struct span head)
{
	size_t what_len = strlen(what) + 1;

	must(what_len + STORE_ID_LEN + head.len <= AD_MAX);
	memcpy(dst, what, what_len);
	memcpy(dst + what_len, store_id, STORE_ID_LEN);
	if (head.len > 0)
		memcpy(dst + what_len + STORE_ID_LEN, head.p, head.len);
	return span_of(dst, what_len + STORE_ID_LEN + head.len);
}

static enum err
split(struct span wrapped, struct wrapped *ret_w)
{
	struct wire_reader r = wire_read(wrapped);
	struct span magic = wire_fixed(&r, WRAP_MAGIC_LEN);
	uint8_t format = wire_u8(&r);
	struct wrapped w = { 0 };
	struct span salt;

	if (r.e != ERR_OK || !span_eq_str(magic, WRAP_MAGIC))
		return ERR_SYNTAX;
	if (format != WRAP_FORMAT)
		return format > WRAP_FORMAT ? ERR_VERSION : ERR_SYNTAX;
	w.method = wire_u8(&r);
	salt = wire_fixed(&r, ARGON2_SALT_LEN);
	w.root = wire_bytes(&r, KEY_LEN + SEAL_OVERHEAD);
	w.keys = wire_bytes(&r, KEYS_PLAIN_MAX + SEAL_OVERHEAD);
	if (wire_done(&r) != ERR_OK)
		return ERR_SYNTAX;
	if (w.method != UNSEAL_KEY_FILE && w.method != UNSEAL_PASSPHRASE)
		return ERR_SYNTAX;
	memcpy(w.salt, salt.p, ARGON2_SALT_LEN);
	w.head = span_of(wrapped.p, WRAP_MAGIC_LEN + 2 + ARGON2_SALT_LEN);
	*ret_w = w;
	return ERR_OK;
}

/* The data keys under the root key; *out grows by a length-prefixed sealed piece. */
static enum err
put_keys(const struct keyring *k, struct buf *out)
{
	AUTO(buf_wipe) struct buf plain = BUF_MAX(KEYS_PLAIN_MAX);
	AUTO(buf_wipe) struct buf sealed = BUF_MAX(KEYS_PLAIN_MAX + SEAL_OVERHEAD);
	struct wire_writer w = wire_write(&plain);
	uint8_t ad[AD_MAX];
	enum err e;

	wire_put_u32(&w, keyring_active(k));
	wire_put_u16(&w, (uint16_t)k->count);
	for (size_t i = 0; i < k->count; i++) {
		wire_put_u32(&w, k->keys[i].number);
		wire_put_fixed(&w, secret_span(k->keys[i].key).p, KEY_LEN);
	}
	if (w.e != ERR_OK)
		return w.e;
	e = crypto_seal(k->root, wrap_ad(ad, "sidekey data keys", k->store_id, SPAN_NONE),
	    buf_span(&plain), &sealed);
	if (e != ERR_OK)
		return e;
	w = wire_write(out);
	wire_put_bytes(&w, buf_span(&sealed));
	return w.e;
}

static enum err
take_key(struct keyring *k, uint32_t number, const void *bytes)
{
	struct data_key *slot = &k->keys[k->count];
	enum err e;

	if (k->count == KEYRING_KEYS_MAX)
		return ERR_LIMIT;
	e = bytes == NULL ? crypto_random_secret(KEY_LEN, &slot->key)
			  : secret_from(bytes, KEY_LEN, &slot->key);
	if (e != ERR_OK)
		return e;
	slot->number = number;
	k->count++;
	return ERR_OK;
}

static enum err
read_keys(struct keyring *k, struct span sealed)
{
	AUTO(secret_freep) struct secret *plain = NULL;
	uint8_t ad[AD_MAX];
	struct wire_reader r;
	uint32_t active, last = 0;
	uint16_t count;
	enum err e = crypto_open_secret(
	    k->root, wrap_ad(ad, "sidekey data keys", k->store_id, SPAN_NONE), sealed, &plain);

	if (e != ERR_OK)
		return e;
	r = wire_read(secret_span(plain));
	active = wire_u32(&r);
	count = wire_u16(&r);
	for (uint16_t i = 0; i < count && e == ERR_OK; i++) {
		uint32_t number = wire_u32(&r);
		struct span key = wire_fixed(&r, KEY_LEN);

		if (r.e != ERR_OK || number <= last)
			return ERR_SYNTAX;
		last = number;
		e = take_key(k, number, key.p);
	}
	if (e != ERR_OK)
		return e;
	return wire_done(&r) == ERR_OK && count > 0 && active == last ? ERR_OK : ERR_SYNTAX;
}

enum err
keyring_new(const uint8_t store_id[STORE_ID_LEN], struct keyring **ret_k)
{
	AUTO(keyring_freep) struct keyring *k = calloc(1, sizeof(*k));
	enum err e;

	if (k == NULL)
		return ERR_NOMEM;
	memcpy(k->store_id, store_id, STORE_ID_LEN);
	e = crypto_random_secret(KEY_LEN, &k->root);
	if (e == ERR_OK)
		e = take_key(k, 1, NULL);
	if (e != ERR_OK)
		return e;
	*ret_k = k;
	k = NULL; /* given away */
	return ERR_OK;
}

void
keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	secret_free(k->root);
	for (size_t i = 0; i < k->count; i++)
		secret_free(k->keys[i].key);
	secret_wipe(k, sizeof(*k));
	free(k);
}

enum err
keyring_wrap(const struct keyring *k, enum unseal_method m, const uint8_t salt[ARGON2_SALT_LEN],
    const struct secret *kek, struct buf *out)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(KEYRING_WRAPPED_MAX);
	AUTO(buf_wipe) struct buf root = BUF_MAX(KEY_LEN + SEAL_OVERHEAD);
	struct wire_writer w = wire_write(&b);
	uint8_t ad[AD_MAX];
	enum err e;

	must(m == UNSEAL_KEY_FILE || m == UNSEAL_PASSPHRASE);
	wire_put_fixed(&w, WRAP_MAGIC, WRAP_MAGIC_LEN);
	wire_put_u8(&w, WRAP_FORMAT);
	wire_put_u8(&w, (uint8_t)m);
	wire_put_fixed(&w, salt, ARGON2_SALT_LEN);
	if (w.e != ERR_OK)
		return w.e;
	/* Method and salt are authenticated, so that nobody weakens them and waits for the next
	 * passphrase. */
	e = crypto_seal(kek, wrap_ad(ad, "sidekey root key", k->store_id, buf_span(&b)),
	    secret_span(k->root), &root);
	if (e != ERR_OK)
		return e;
	wire_put_bytes(&w, buf_span(&root));
	if (w.e != ERR_OK)
		return w.e;
	e = put_keys(k, &b);
	return e == ERR_OK ? buf_append_span(out, buf_span(&b)) : e;
}

enum err
keyring_rewrap(const struct keyring *k, struct span old_wrapped, struct buf *out)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(KEYRING_WRAPPED_MAX);
	struct wire_writer w = wire_write(&b);
	struct wrapped old;
	enum err e = split(old_wrapped, &old);

	if (e != ERR_OK)
		return e;
	wire_put_fixed(&w, old.head.p, old.head.len);
	wire_put_bytes(&w, old.root);
	if (w.e != ERR_OK)
		return w.e;
	e = put_keys(k, &b);
	return e == ERR_OK ? buf_append_span(out, buf_span(&b)) : e;
}

enum err
keyring_peek(struct span wrapped, enum unseal_method *ret_m, uint8_t ret_salt[ARGON2_SALT_LEN])
{
	struct wrapped w;
	enum err e = split(wrapped, &w);

	if (e != ERR_OK)
		return e;
	*ret_m = (enum unseal_method)w.method;
	memcpy(ret_salt, w.salt, ARGON2_SALT_LEN);
	return ERR_OK;
}

enum err
keyring_unwrap(struct span wrapped, const uint8_t store_id[STORE_ID_LEN], const struct secret *kek,
    struct keyring **ret_k)
{
	AUTO(keyring_freep) struct keyring *k = NULL;
	uint8_t ad[AD_MAX];
	struct wrapped w;
	enum err e = split(wrapped, &w);

	if (e != ERR_OK)
		return e;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return ERR_NOMEM;
	memcpy(k->store_id, store_id, STORE_ID_LEN);
	e = crypto_open_secret(
	    kek, wrap_ad(ad, "sidekey root key", store_id, w.head), w.root, &k->root);
	if (e == ERR_OK && secret_len(k->root) != KEY_LEN)
		return ERR_SYNTAX;
	if (e == ERR_OK)
		e = read_keys(k, w.keys);
	if (e != ERR_OK)
		return e;
	*ret_k = k;
	k = NULL; /* given away */
	return ERR_OK;
}

uint32_t
keyring_active(const struct keyring *k)
{
	return k->keys[k->count - 1].number;
}

enum err
keyring_add(struct keyring *k)
{
	return take_key(k, keyring_active(k) + 1, NULL);
}

void
keyring_undo_add(struct keyring *k)
{
	must(k->count > 1);
	k->count--;
	secret_free(k->keys[k->count].key);
	k->keys[k->count] = (struct data_key){ 0 };
}

bool
keyring_has_older(const struct keyring *k)
{
	return k->count > 1;
}

void
keyring_drop_before(struct keyring *k, uint32_t number)
{
	size_t kept = 0;

	must(number <= keyring_active(k));
	for (size_t i = 0; i < k->count; i++) {
		if (k->keys[i].number < number)
			secret_free(k->keys[i].key);
		else
			k->keys[kept++] = k->keys[i];
	}
	memset(&k->keys[kept], 0, (k->count - kept) * sizeof(k->keys[0]));
	k->count = kept;
}

static const struct secret *
find_key(const struct keyring *k, uint32_t number)
{
	for (size_t i = k->count; i > 0; i--) /* the active one first */
		if (k->keys[i - 1].number == number)
			return k->keys[i - 1].key;
	return NULL;
}

static void
put_le(uint8_t *dst, uint64_t v, int len)
{
	for (int i = 0; i < len; i++)
		dst[i] = (uint8_t)(v >> (8 * i));
}

/* Store, data key, version and record key: so a moved, swapped or renumbered record does not open.
 */
static struct span
record_ad(uint8_t dst[AD_MAX], const struct keyring *k, uint32_t number, struct span record_key,
    uint64_t version)
{
	must(record_key.len <= KEYRING_RECORD_KEY_MAX);
	memcpy(dst, k->store_id, STORE_ID_LEN);
	put_le(dst + STORE_ID_LEN, number, 4);
	put_le(dst + STORE_ID_LEN + 4, version, 8);
	if (record_key.len > 0) /* last, and alone of variable length */
		memcpy(dst + STORE_ID_LEN + 12, record_key.p, record_key.len);
	return span_of(dst, STORE_ID_LEN + 12 + record_key.len);
}

enum err
keyring_seal(const struct keyring *k, struct span record_key, uint64_t version, struct span plain,
    struct buf *out)
{
	uint32_t number = keyring_active(k);
	uint8_t ad[AD_MAX], front[4];
	size_t before = out->len;
	enum err e;

	put_le(front, number, 4);
	e = buf_append(out, front, sizeof(front));
	if (e != ERR_OK)
		return e;
	e = crypto_seal(
	    find_key(k, number), record_ad(ad, k, number, record_key, version), plain, out);
	if (e != ERR_OK)
		buf_truncate(out, before);
	return e;
}

uint32_t
keyring_number(struct span sealed)
{
	struct wire_reader r = wire_read(sealed);
	uint32_t number = wire_u32(&r);

	return r.e == ERR_OK ? number : 0;
}

enum err
keyring_open(const struct keyring *k, struct span record_key, uint64_t version, struct span sealed,
    struct buf *ret_plain)
{
	uint32_t number = keyring_number(sealed);
	const struct secret *key = find_key(k, number);
	uint8_t ad[AD_MAX];

	if (key == NULL || record_key.len > KEYRING_RECORD_KEY_MAX)
		return ERR_AUTH;
	return crypto_open(key, record_ad(ad, k, number, record_key, version),
	    span_of(sealed.p + 4, sealed.len - 4), ret_plain);
}

enum err
keyring_open_secret(const struct keyring *k, struct span record_key, uint64_t version,
    struct span sealed, struct secret **ret_plain)
{
	uint32_t number = keyring_number(sealed);
	const struct secret *key = find_key(k, number);
	uint8_t ad[AD_MAX];

	if (key == NULL || record_key.len > KEYRING_RECORD_KEY_MAX)
		return ERR_AUTH;
	return crypto_open_secret(key, record_ad(ad, k, number, record_key, version),
	    span_of(sealed.p + 4, sealed.len - 4), ret_plain);
}

enum err
keyring_derive(const struct keyring *k, const char *purpose, uint64_t id, struct secret **ret_key)
{
	return crypto_derive(k->root, purpose, id, ret_key);
}
