#include "broker/keeper/audit/chain.h"

#include <string.h>

#include "broker/keeper/audit/record.h"

enum { SUBKEY_ROOT = 0, SUBKEY_SIGN = 0 };

enum err
audit_chain_init(struct audit_chain *c, const struct keyring *k)
{
	AUTO(secret_freep) struct secret *seed = NULL;
	struct audit_chain fresh = { .at = { .interval = 1 } };
	enum err e = keyring_derive(k, "audit", SUBKEY_ROOT, &fresh.root);

	if (e == ERR_OK)
		e = crypto_derive(fresh.root, "sign", SUBKEY_SIGN, &seed);
	if (e == ERR_OK)
		e = crypto_ed25519_from_seed(seed, fresh.public_key, &fresh.sign_key);
	if (e == ERR_OK)
		e = crypto_derive(fresh.root, "interval", fresh.at.interval, &fresh.interval_key);
	if (e != ERR_OK) {
		audit_chain_close(&fresh);
		return e;
	}
	*c = fresh;
	return ERR_OK;
}

void
audit_chain_close(struct audit_chain *c)
{
	secret_free(c->root);
	secret_free(c->sign_key);
	secret_free(c->interval_key);
	secret_free(c->next_key);
	*c = (struct audit_chain){ 0 };
}

enum err
audit_chain_resume(
    struct audit_chain *c, const struct audit_mark *mark, uint64_t revision, int64_t time_ms)
{
	struct secret *key = NULL;
	enum err e = crypto_derive(c->root, "interval", mark->interval, &key);

	if (e != ERR_OK)
		return e;
	secret_free(c->interval_key);
	secret_free(c->next_key);
	c->interval_key = key;
	c->next_key = NULL;
	c->at = *mark;
	c->revision = c->told = revision;
	c->time_ms = time_ms;
	c->interval_records = 0;
	c->interval_bytes = 0;
	c->interval_since_s = time_ms / 1000;
	return ERR_OK;
}

void
audit_chain_accept(struct audit_chain *c, const struct audit_line *l, size_t line_len)
{
	c->at.seq = l->seq;
	memcpy(c->at.mac, l->mac, HASH_LEN);
	if (l->revision > c->revision)
		c->revision = c->told = l->revision;
	if (l->time_ms > c->time_ms || span_eq_str(l->event, AUDIT_CLOCK_ACCEPTED))
		c->time_ms = l->time_ms;
	c->interval_records++;
	c->interval_bytes += line_len;
}

static struct audit_head
next_head(const struct audit_chain *c, const char *event, uint64_t revision, int64_t now_ms)
{
	return (struct audit_head){ .chain = AUDIT_CHAIN_ID,
		.event = event,
		.seq = c->at.seq + 1,
		.revision = revision > c->revision ? revision : c->revision,
		.time_ms = now_ms > c->time_ms ? now_ms : c->time_ms };
}

/* The chain has moved by the line from start to end, of which the mac is done. */
static void
advance(struct audit_chain *c, const struct audit_head *h, const uint8_t mac[HASH_LEN], size_t len)
{
	c->at.seq = h->seq;
	memcpy(c->at.mac, mac, HASH_LEN);
	c->revision = c->told = h->revision;
	c->time_ms = h->time_ms;
	if (c->interval_records == 0)
		c->interval_since_s = h->time_ms / 1000;
	c->interval_records++;
	c->interval_bytes += len;
}

static char *
put_end(char *p)
{
	memcpy(p, "}\n", 2);
	return p + 2;
}

enum err
audit_chain_record(struct audit_chain *c, const struct audit_record *r, uint64_t revision,
    int64_t now_ms, struct buf *out)
{
	struct audit_head h = next_head(c, r->event, revision, now_ms);
	uint8_t mac[HASH_LEN];
	char *start, *p;
	enum err e = buf_reserve(out, AUDIT_LINE_MAX);

	if (e != ERR_OK)
		return e;
	start = (char *)buf_tail(out);
	p = audit_record_write(start, &h, r);
	crypto_chain(
	    secret_span(c->interval_key).p, c->at.mac, span_of(start, (size_t)(p - start)), mac);
	p = put_end(audit_put_hex(p, "mac", mac, HASH_LEN));
	advance(c, &h, mac, (size_t)(p - start));
	buf_added(out, (size_t)(p - start));
	return ERR_OK;
}

enum err
audit_chain_ready(struct audit_chain *c, struct buf *out)
{
	enum err e = buf_reserve(out, AUDIT_LINE_MAX);

	if (e == ERR_OK && c->next_key == NULL)
		e = crypto_derive(c->root, "interval", c->at.interval + 1, &c->next_key);
	return e;
}

enum err
audit_chain_checkpoint(struct audit_chain *c, int64_t now_s, struct buf *out)
{
	struct audit_head h = next_head(c, AUDIT_EVENT_CHECKPOINT, c->revision, now_s * 1000);
	uint8_t mac[HASH_LEN], signature[SIGNATURE_LEN];
	const uint8_t *key = secret_span(c->interval_key).p;
	char *start, *p;
	enum err e = audit_chain_ready(c, out);

	if (e != ERR_OK)
		return e;
	start = (char *)buf_tail(out);
	p = audit_head_write(start, &h);
	p = audit_put_number(p, "interval", c->at.interval);
	p = audit_put_hex(
	    p, "key", key, KEY_LEN); /* published: from here on it proves nothing new */
	crypto_chain(key, c->at.mac, span_of(start, (size_t)(p - start)), mac);
	p = audit_put_hex(p, "mac", mac, HASH_LEN);
	crypto_ed25519_sign(c->sign_key, span_of(start, (size_t)(p - start)), signature);
	p = put_end(audit_put_hex(p, "sig", signature, SIGNATURE_LEN));
	advance(c, &h, mac, 0);
	buf_added(out, (size_t)(p - start));
	secret_free(c->interval_key);
	c->interval_key = c->next_key;
	c->next_key = NULL;
	c->at.interval++;
	c->interval_records = 0;
	c->interval_bytes = 0;
	return ERR_OK;
}

enum err
audit_chain_header(struct audit_chain *c, uint32_t segment, const struct audit_mark *from,
    int64_t now_s, struct buf *out)
{
	struct audit_head h = next_head(c, AUDIT_EVENT_SEGMENT, c->revision, now_s * 1000);
	uint8_t signature[SIGNATURE_LEN];
	char *start, *p;
	enum err e = buf_reserve(out, AUDIT_LINE_MAX);

	if (e != ERR_OK)
		return e;
	h.seq = from->seq;
	start = (char *)buf_tail(out);
	p = audit_head_write(start, &h);
	p = audit_put_number(p, "segment", segment);
	p = audit_put_number(p, "from_seq", from->seq + 1);
	p = audit_put_number(p, "interval", from->interval);
	p = audit_put_hex(p, "prev", from->mac, HASH_LEN);
	crypto_ed25519_sign(c->sign_key, span_of(start, (size_t)(p - start)), signature);
	p = put_end(audit_put_hex(p, "sig", signature, SIGNATURE_LEN));
	buf_added(out, (size_t)(p - start));
	return ERR_OK;
}

void
audit_chain_revision(struct audit_chain *c, uint64_t revision, int64_t now_s)
{
	if (revision <= c->revision)
		return;
	if (c->revision == c->told)
		c->untold_since_s = now_s;
	c->revision = revision;
}

void
audit_chain_hurry(struct audit_chain *c)
{
	c->untold_since_s = INT64_MIN;
}

bool
audit_chain_untold(const struct audit_chain *c)
{
	return c->revision > c->told;
}

bool
audit_chain_due(const struct audit_chain *c, int64_t now_s)
{
	if (audit_chain_untold(c) && now_s > c->untold_since_s)
		return true;
	return c->interval_records > 0 && (c->interval_records >= AUDIT_CHECKPOINT_RECORDS ||
					      c->interval_bytes >= AUDIT_CHECKPOINT_BYTES ||
					      now_s - c->interval_since_s >= AUDIT_CHECKPOINT_S);
}
