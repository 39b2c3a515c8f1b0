/*
 * An audit log that anybody may have edited. The first byte is '-' for lines as they come, or '+'
 * for lines whose macs and signatures are made good, so that the rules behind them are reached.
 * Segments are parted by a line "%".
 */
#include <string.h>

#include "broker/keeper/audit/line.h"
#include "broker/keeper/audit/verify.h"
#include "common/sys.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define IN_MAX (1u << 18)
#define SEGMENTS_MAX 8
#define SEQ_MAX 64

static struct secret *sign_key;
static uint8_t public_key[SIGN_PUBLIC_LEN];

static void
once(void)
{
	uint8_t bytes[KEY_LEN] = { 0 };
	struct secret *seed = NULL;

	if (sign_key != NULL)
		return;
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 16) == ERR_OK);
	must(secret_from(bytes, sizeof(bytes), &seed) == ERR_OK);
	must(crypto_ed25519_from_seed(seed, public_key, &sign_key) == ERR_OK);
	secret_free(seed);
}

static void
put_hex(uint8_t *at, const uint8_t *p, size_t len)
{
	char hex[2 * SIGNATURE_LEN + 1];

	text_hex(p, len, hex);
	memcpy(at, hex, 2 * len);
}

/* What was repaired so far: the mac behind each record, so that a header may go back to it. */
struct repaired {
	uint8_t previous[HASH_LEN];
	uint8_t macs[SEQ_MAX][HASH_LEN];
};

/* line is writable and of the right form: its mac continues what is in front, its signature
 * verifies. */
static void
make_good(struct span line, struct audit_line *l, struct repaired *r)
{
	static const uint8_t key[KEY_LEN]; /* of every interval */
	uint8_t *base = (uint8_t *)(uintptr_t)line.p;

	if (l->kind == AUDIT_LINE_SEGMENT) {
		memcpy(l->mac, r->macs[l->seq % SEQ_MAX], HASH_LEN);
		put_hex(base + l->signed_part.len - 1 - 2 * HASH_LEN, l->mac, HASH_LEN);
	} else {
		crypto_chain(
		    l->kind == AUDIT_LINE_CHECKPOINT ? l->key : key, r->previous, l->maced, l->mac);
		put_hex(base + l->maced.len + 8, l->mac, HASH_LEN);
	}
	memcpy(r->previous, l->mac, HASH_LEN);
	memcpy(r->macs[l->seq % SEQ_MAX], l->mac, HASH_LEN);
	if (l->kind == AUDIT_LINE_RECORD)
		return;
	crypto_ed25519_sign(sign_key, l->signed_part, l->signature);
	put_hex(base + l->signed_part.len + 8, l->signature, SIGNATURE_LEN);
}

static void
repair(struct buf *b)
{
	struct repaired r = { 0 };
	size_t at = 0;

	while (at < b->len) {
		const uint8_t *end = memchr(b->data + at, '\n', b->len - at);
		size_t len = end == NULL ? b->len - at : (size_t)(end - b->data) - at;
		struct audit_line l;

		if (audit_line_scan(span_of(b->data + at, len), &l) == ERR_OK)
			make_good(span_of(b->data + at, len), &l, &r);
		at += len + 1;
	}
}

static enum err
give_segment(struct verify *v, uint32_t number, struct span s)
{
	AUTO(sys_closep) int fd = sys_memfd("segment");
	struct verify_result r;
	enum err e;

	must(fd >= 0 && sys_write_all(fd, s.p, s.len) == ERR_OK);
	e = verify_segment(v, number, fd);
	must(e == ERR_OK || e == ERR_AUTH);
	r = verify_end(v);
	must(r.proven_seq <= r.last_seq || r.bad_line != 0);
	must(e != ERR_AUTH || (r.bad_line != 0 && r.why[0] != '\0'));
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(IN_MAX);
	struct verify *v = NULL;
	struct span rest;

	if (size == 0 || size > IN_MAX)
		return 0;
	once();
	must(buf_append(&b, data + 1, size - 1) == ERR_OK && verify_new(public_key, &v) == ERR_OK);
	if (data[0] == '+')
		repair(&b);
	rest = buf_span(&b);
	for (uint32_t n = 1; n <= SEGMENTS_MAX && rest.len > 0; n++) {
		const uint8_t *end = memmem(rest.p, rest.len, "%\n", 2);
		size_t len = end == NULL ? rest.len : (size_t)(end - rest.p);

		if (give_segment(v, n, span_of(rest.p, len)) != ERR_OK)
			break;
		len = end == NULL ? len : len + 2;
		rest = span_of(rest.p + len, rest.len - len);
	}
	verify_free(v);
	return 0;
}
