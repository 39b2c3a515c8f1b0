#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/gateway/redact.h"
#include "common/text.h"
#include "tests/lib/tap.h"

#define ROOM 4096

/* Texts are made here by plain means, so that a mistake in redact.c is not made twice. */
struct piece {
	const char *what;
	char text[ROOM];
	size_t len, from, to; /* [from, to) is what must be blanked */
};

static const char *const secrets[] = {
	"abcdefgh", "aaaaaaaab", "sk-ant-x01",
	"sk-ant-api03-bDfHjLnPrTvXz_1357-9acegikmoqsuwyACEGIKMOQSUWY",
	"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "p/w+d \"quoted\" \\slash", "%25%41\"percent",
	"a\\b\"c\\\\d\"e", "\xff\xfe\xfb\xef\xbe\xff\xff\xfe\x80", "\"quoted\" first",
	"/slash/first\\", "\\/\"abcde", "?\?>>>>?\?>>>>?\?>>", /* base64 full of '+' and '/' */
};

static void
put(struct piece *p, const char *s, size_t len)
{
	must(p->len + len <= ROOM);
	memcpy(p->text + p->len, s, len);
	p->len += len;
}

enum writer {
	W_PLAIN = 0,
	W_HEX,
	W_HEX_UPPER,
	W_PERCENT,
	W_PERCENT_LOWER,
	W_PERCENT_ALL,
	W_JSON,
	W_JSON_SLASH,
	W_JSON_U,
	W_JSON_U_UPPER,
	W_FORM,
	W_MIXED,
	W_COUNT
};
static const char *const writer_names[] = { "plain", "hex", "HEX", "%XX", "%xx", "%XX all", "JSON",
	"JSON \\/", "\\u00xx", "\\u00XX", "form", "mixed" };

static void
put_byte(struct piece *p, enum writer w, uint8_t c, size_t i)
{
	char s[8];
	bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
	const char *form = "%c";

	if (w == W_HEX)
		form = "%02x";
	if (w == W_HEX_UPPER)
		form = "%02X";
	if ((w == W_PERCENT && !plain) || w == W_PERCENT_ALL || (w == W_FORM && !plain))
		form = "%%%02X";
	if (w == W_PERCENT_LOWER && !plain)
		form = "%%%02x";
	if (w == W_FORM && c == ' ')
		form = "+";
	if ((w == W_JSON || w == W_JSON_SLASH || w == W_MIXED) && (c == '"' || c == '\\'))
		form = "\\%c";
	if (w == W_JSON_SLASH && c == '/')
		form = "\\/";
	if (w == W_JSON_U || (w == W_MIXED && i % 3 == 1))
		form = "\\u00%02x";
	if (w == W_JSON_U_UPPER)
		form = "\\u00%02X";
	if (w == W_MIXED && i % 3 == 2)
		form = "%%%02x";
	put(p, s, (size_t)snprintf(s, sizeof(s), form, c));
}

static void
make_written(
    struct piece *p, enum writer w, const char *secret, const char *before, const char *after)
{
	*p = (struct piece){ .what = writer_names[w] };
	put(p, before, strlen(before));
	p->from = p->len;
	for (size_t i = 0; secret[i] != '\0'; i++)
		put_byte(p, w, (uint8_t)secret[i], i);
	p->to = p->len;
	put(p, after, strlen(after));
}

/* base64 of before + secret + after, as in "Basic" or a log of a whole header. */
static void
make_base64(struct piece *p, enum text_alphabet a, const char *secret, const char *before,
    const char *after)
{
	char whole[ROOM / 2], enc[ROOM];
	size_t skip = strlen(before), len = strlen(secret);

	*p = (struct piece){ .what = a == TEXT_BASE64 ? "base64" : "base64url" };
	(void)snprintf(whole, sizeof(whole), "%s%s%s", before, secret, after);
	text_base64(whole, strlen(whole), a, enc);
	put(p, "<", 1);
	put(p, enc, strlen(enc));
	put(p, ">", 1);
	p->from = 1 + (8 * skip + 5) / 6;
	p->to = 1 + 8 * (skip + len) / 6;
}

static bool found;

/* Runs the stream through a small buffer, as a relay does, cut where cuts says. */
static bool
relay(const struct redact *r, const struct piece *p, size_t first, size_t step, char *out)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(2 * ROOM);
	size_t at = 0, done_len = 0;

	found = false;
	for (size_t n = first;; n = step) {
		bool last;
		size_t go;

		if (n > p->len - at)
			n = p->len - at;
		if (buf_append(&b, p->text + at, n) != ERR_OK)
			return false;
		at += n;
		last = at == p->len;
		go = redact_scan(r, &b, last, &found);
		if (go > b.len || b.len - go > redact_held_max(r) || (last && go != b.len))
			return false;
		if (go > 0)
			memcpy(out + done_len, b.data, go);
		done_len += go;
		buf_consume(&b, go);
		if (last)
			return done_len == p->len && found == (memcmp(out, p->text, done_len) != 0);
	}
}

static bool
is_blanked(const struct piece *p, const char *out)
{
	for (size_t i = 0; i < p->len; i++) {
		bool inside = i >= p->from && i < p->to;

		if (out[i] != (inside ? '*' : p->text[i]))
			return false;
	}
	return true;
}

static void
run_piece(const struct redact *r, const struct piece *p, const char *secret)
{
	char out[ROOM];
	size_t bad = 0;

	for (size_t first = 0; first <= p->len; first++)
		bad += !relay(r, p, first, ROOM, out) || !is_blanked(p, out);
	for (size_t step = 1; step <= 7; step++)
		bad += !relay(r, p, step, step, out) || !is_blanked(p, out);
	memcpy(out, p->text, p->len);
	bad += !redact_found(r, span_of(out, p->len));
	redact_blank(r, (uint8_t *)out, p->len, &found);
	bad += !is_blanked(p, out);
	bad += redact_found(r, span_of(out, p->len));
	ok(bad == 0, "%s of %s: blanked at every split, nothing else touched", p->what, secret);
	if (bad != 0)
		printf("# %zu bad; [%zu,%zu) of %.*s\n# -> %.*s\n", bad, p->from, p->to,
		    (int)p->len, p->text, (int)p->len, out);
}

static void
run_secret(const char *secret)
{
	static const char *const around[] = { "", "x", "yz", "key: \"", "\\", "%", "\\u00", "%2" };
	static const char *const fronts[] = { "", "a", "ab", "abc", "user:" };
	struct redact *r = NULL;
	static struct piece p;

	is_err(redact_new(span_str(secret), &r), ERR_OK, secret);
	if (r == NULL)
		return;
	for (int w = 0; w < W_COUNT; w++)
		for (size_t i = 0; i < COUNT(around); i++) {
			if (around[i][0] == '\\' && strchr("\"/\\", secret[0]) != NULL)
				continue; /* rightly taken for its escape */
			make_written(&p, (enum writer)w, secret, around[i], around[(i + 3) % 4]);
			run_piece(r, &p, secret);
		}
	for (size_t i = 0; i < COUNT(fronts); i++)
		for (size_t k = 0; k < 3; k++)
			for (int a = 0; a < 2; a++) {
				make_base64(
				    &p, (enum text_alphabet)a, secret, fronts[i], fronts[k]);
				run_piece(r, &p, secret);
			}
	redact_free(r);
}

/* base64 with what is not a letter or digit escaped, as JSON or a URL would carry it. */
static void
make_escaped_base64(
    struct piece *p, enum text_alphabet a, const char *secret, const char *front, const char *how)
{
	static struct piece plain;

	make_base64(&plain, a, secret, front, "tail");
	*p = (struct piece){ .what = how };
	for (size_t i = 0; i < plain.len; i++) {
		char c = plain.text[i], s[8];

		if (i == plain.from)
			p->from = p->len;
		if (i == plain.to)
			p->to = p->len;
		if (strchr("+/-_", c) == NULL || (how[0] == '\\' && how[1] != 'u' && c != '/'))
			put(p, &c, 1);
		else
			put(p, s, (size_t)snprintf(s, sizeof(s), how, c));
	}
}

static void
base64_escaped(void)
{
	static const char *const hows[] = { "%%%02X", "%%%02x", "\\u00%02x", "\\%c" };
	static const char *const some[] = { "?\?>>>>?\?>>>>?\?>>",
		"\xff\xfe\xfb\xef\xbe\xff\xfb\xfe\x80" };
	static struct piece p;

	for (size_t i = 0; i < COUNT(some); i++) {
		struct redact *r = NULL;

		is_err(redact_new(span_str(some[i]), &r), ERR_OK, "escaped base64");
		for (size_t k = 0; k < COUNT(hows) * 6; k++) {
			static const char *const fronts[] = { "", "a", "ab" };

			make_escaped_base64(&p, (enum text_alphabet)(k & 1), some[i],
			    fronts[k / 2 % 3], hows[k / 6]);
			run_piece(r, &p, some[i]);
		}
		redact_free(r);
	}
}

/* One byte of the secret replaced by what might pass for it: nothing is blanked. */
static void
near_misses(void)
{
	static const char *const instead[] = { "%", "\\", "*", "", "%7", "%ff", "%zz", "\\u",
		"\\u0", "\\u01", "\\u1073", "\\u007", "\\u00ff", "\\/", "\\\"", "\\\\", "\\n",
		"%%" };
	static const char *const some[] = { "sk-ant-x01", "a\"b/c\\d=e" };
	size_t bad = 0, tried = 0;

	for (size_t k = 0; k < COUNT(some); k++) {
		struct redact *r = NULL;

		is_err(redact_new(span_str(some[k]), &r), ERR_OK, some[k]);
		for (size_t i = 0; i < strlen(some[k]); i++)
			for (size_t n = 0; n < COUNT(instead); n++) {
				char text[64], before[64];
				int len = snprintf(text, sizeof(text), "<%.*s%s%s>", (int)i,
				    some[k], instead[n], some[k] + i + 1);

				if (instead[n][0] == some[k][i] && instead[n][1] == '\0')
					continue; /* itself */
				if (instead[n][0] == '\\' && instead[n][1] == some[k][i])
					continue; /* that is how JSON writes it */
				memcpy(before, text, sizeof(text));
				redact_blank(r, (uint8_t *)text, (size_t)len, &found);
				bad += memcmp(before, text, (size_t)len) != 0;
				if (memcmp(before, text, (size_t)len) != 0)
					printf("# %s -> %s\n", before, text);
				tried++;
			}
		redact_free(r);
	}
	ok(bad == 0, "%zu near misses are left alone", tried);
}

/* A secret that begins again inside its own beginning. */
static void
false_starts(void)
{
	static struct piece p = { .what = "false starts" };
	const char *secret = "abababac";
	struct redact *r = NULL;

	is_err(redact_new(span_str(secret), &r), ERR_OK, "false starts");
	put(&p, "abababababa", 11);
	p.len = p.from = 6;
	put(&p, secret, 8);
	p.to = p.len;
	put(&p, "abababa", 7);
	run_piece(r, &p, secret);
	redact_free(r);
}

static void
many_in_a_row(void)
{
	static struct piece p = { .what = "many in a row" };
	const char *secret = "s3cr3t-value";
	struct redact *r = NULL;

	is_err(redact_new(span_str(secret), &r), ERR_OK, "many in a row");
	p.from = 0;
	for (size_t i = 0; i < 20; i++)
		put(&p, secret, strlen(secret));
	p.to = p.len;
	put(&p, "s3cr3t-valu", 11);
	run_piece(r, &p, secret);
	redact_free(r);
}

static void
short_and_none(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(64);
	struct redact *r = (struct redact *)&b;

	is_err(redact_new(span_str("1234567"), &r), ERR_OK, "a short secret is no error");
	ok(r == NULL, "and gives no patterns");
	is_err(buf_append_str(&b, "1234567"), ERR_OK, "fill");
	ok(redact_scan(NULL, &b, false, &found) == 7 && !redact_found(NULL, buf_span(&b)),
	    "none: all goes");
	redact_blank(NULL, b.data, b.len, &found);
	ok(span_eq_str(buf_span(&b), "1234567") && redact_held_max(NULL) == 0, "none: untouched");
	redact_free(NULL);
	buf_clear(&b);
	is_err(redact_new(span_str("12345678"), &r), ERR_OK, "eight are enough");
	ok(redact_scan(r, &b, false, &found) == 0 && redact_scan(r, &b, true, &found) == 0,
	    "an empty buffer");
	ok(!redact_found(r, SPAN_NONE), "an empty span");
	redact_free(r);
}

static void
holds_a_word(void)
{
	static const struct {
		const char *text;
		size_t held;
	} rows[] = { { "hello", 5 }, { "data: {\"a\":1}\n\n", 0 }, { "hello ", 0 },
		{ "sk-ant-", 7 }, { "x sk-", 3 }, { "sk-ant-y", 8 }, { "say s", 1 }, { "say y", 1 },
		{ "say %", 1 }, { "say %73", 3 }, { "say %74", 3 }, { "a\\u003", 6 },
		{ "sk-ant-x01", 0 }, { "sk-ant-x01a", 1 }, { "\xc3\xa9", 0 } };
	struct redact *r = NULL;

	is_err(redact_new(span_str("sk-ant-x01"), &r), ERR_OK, "holds a word");
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_wipe) struct buf b = BUF_MAX(64);
		enum err e = buf_append_str(&b, rows[i].text);
		size_t go = redact_scan(r, &b, false, &found);

		ok(e == ERR_OK && b.len - go == rows[i].held, "held of %s: %zu (%zu)", rows[i].text,
		    rows[i].held, b.len - go);
		ok(redact_scan(r, &b, true, &found) == b.len, "the end lets all go");
	}
	redact_free(r);
}

static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
is_cheap(void)
{
	static const char line[] =
	    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
	    "{\"type\":\"text_delta\",\"text\":\"the task asks for a base64 key\"}}\n\n";
	AUTO(buf_wipe) struct buf b = BUF_MAX(1 << 21);
	struct redact *r = NULL;
	double a, c;
	int rounds = 200;
	enum err e = ERR_OK;

	a = cpu_ns();
	for (int i = 0; i < rounds && e == ERR_OK; i++) {
		e = redact_new(span_str(secrets[3]), &r);
		redact_free(r);
	}
	c = cpu_ns();
	is_err(e, ERR_OK, "built often");
	printf("# %.1f us to build\n", (c - a) / rounds / 1e3);
	while (b.len < 1 << 20 && e == ERR_OK)
		e = buf_append_str(&b, line);
	if (e == ERR_OK)
		e = redact_new(span_str(secrets[3]), &r);
	is_err(e, ERR_OK, "a megabyte of events");
	a = cpu_ns();
	for (int i = 0; i < 20; i++)
		(void)redact_scan(r, &b, false, &found);
	c = cpu_ns();
	printf("# %.3f ns a byte of events\n", (c - a) / 20 / (double)b.len);
	redact_free(r);
}

int
main(void)
{
	if (!ok(secret_arena_init(1 << 18) == ERR_OK, "arena"))
		return done();
	for (size_t i = 0; i < COUNT(secrets); i++)
		run_secret(secrets[i]);
	base64_escaped();
	near_misses();
	false_starts();
	many_in_a_row();
	short_and_none();
	holds_a_word();
	is_cheap();
	return done();
}
