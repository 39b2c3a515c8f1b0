/*
 * Input: length of the secret, the secret, a step, which form goes where, a text. However the
 * stream is cut, the same bytes come out: as many as went in, none changed but to '*', and no plain
 * form of the secret among them.
 */
#include <stdio.h>
#include <string.h>

#include "broker/gateway/redact.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 8192
#define SECRET_MAX 64

enum { FORMS = 9 };

struct forms {
	char text[FORMS][8 * SECRET_MAX];
	size_t len[FORMS];
};

static void
add(struct forms *f, size_t which, const void *p, size_t len)
{
	memcpy(f->text[which], p, len);
	f->len[which] = len;
}

static void
make_forms(struct forms *f, struct span s)
{
	char hex[2 * SECRET_MAX + 1], enc[2 * SECRET_MAX];
	uint8_t padded[SECRET_MAX + 2] = { 0 };
	size_t n = 0;

	add(f, n++, s.p, s.len);
	text_hex(s.p, s.len, hex);
	add(f, n++, hex, 2 * s.len);
	for (size_t i = 0; i < s.len; i++)
		(void)snprintf(f->text[n] + 3 * i, 4, "%%%02X", s.p[i]);
	f->len[n++] = 3 * s.len;
	for (size_t front = 0; front < 3; front++) {
		for (int a = 0; a < 2; a++) {
			size_t from = (8 * front + 5) / 6, to = 8 * (front + s.len) / 6;

			memcpy(padded + front, s.p, s.len);
			text_base64(padded, front + s.len, (enum text_alphabet)a, enc);
			add(f, n++, enc + from, to - from);
		}
	}
	must(n == FORMS);
}

static bool found;

static void
relay(const struct redact *r, struct span in, size_t step, uint8_t *out)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(2 * TEXT_MAX);
	size_t at = 0, sent = 0;

	do {
		size_t n = step < in.len - at ? step : in.len - at, go;

		must(buf_append(&b, in.p + at, n) == ERR_OK);
		at += n;
		go = redact_scan(r, &b, at == in.len, &found);
		must(go <= b.len && b.len - go <= redact_held_max(r));
		must(at < in.len || go == b.len);
		if (go > 0)
			memcpy(out + sent, b.data, go);
		sent += go;
		buf_consume(&b, go);
	} while (at < in.len);
	must(sent == in.len);
}

static void
check(const struct redact *r, const struct forms *f, struct span in, size_t step)
{
	static uint8_t whole[TEXT_MAX], cut[TEXT_MAX];
	bool changed = false;

	memcpy(whole, in.p, in.len);
	redact_blank(r, whole, in.len, &found);
	relay(r, in, step, cut);
	must(span_eq(span_of(whole, in.len), span_of(cut, in.len)));
	for (size_t i = 0; i < in.len; i++) {
		must(whole[i] == in.p[i] || whole[i] == '*');
		changed = changed || whole[i] != in.p[i];
	}
	must(changed == redact_found(r, in));
	must(!redact_found(r, span_of(whole, in.len)));
	for (size_t i = 0; i < FORMS; i++)
		must(memmem(whole, in.len, f->text[i], f->len[i]) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	AUTO(buf_wipe) struct buf text = BUF_MAX(TEXT_MAX);
	struct forms f = { 0 };
	struct redact *r = NULL;
	struct span secret;
	size_t len, at, step, which;

	if (!started)
		must(secret_arena_init(1 << 18) == ERR_OK);
	started = true;
	len = size > 0 ? REDACT_MIN + data[0] % (SECRET_MAX - REDACT_MIN + 1) : 0;
	if (len == 0 || size < len + 4 || size > TEXT_MAX / 2)
		return 0;
	secret = span_of(data + 1, len);
	if (memchr(secret.p, '*', len) != NULL)
		return 0; /* blanking could make one anew */
	make_forms(&f, secret);
	step = 1u + data[len + 1];
	which = data[len + 2] % FORMS;
	data += len + 3;
	size -= len + 3;
	at = data[0] % size;
	must(buf_append(&text, data, at) == ERR_OK);
	must(buf_append(&text, f.text[which], f.len[which]) == ERR_OK);
	must(buf_append(&text, data + at, size - at) == ERR_OK);
	must(redact_new(secret, &r) == ERR_OK && r != NULL);
	must(redact_found(r, buf_span(&text)));
	check(r, &f, buf_span(&text), step);
	check(r, &f, span_of(data, size), step);
	redact_free(r);
	return 0;
}
