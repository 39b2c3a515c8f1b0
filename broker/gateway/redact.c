#include "broker/gateway/redact.h"

#include <stdlib.h>
#include <string.h>

/*
 * A form of the secret is a row of symbols; a symbol may stand in the text as itself, as its
 * alternative (the other alphabet, the other case), or escaped. Comparing symbol by symbol costs
 * no memory for forms, and meets mixtures that no list of whole forms would hold.
 *
 * So that almost no place is compared at all, a filter holds every pair of bytes with which a form
 * can begin (its bytes 0 and 1, 1 and 2): looking at every second pair of a text is enough to see
 * each start.
 */
enum form {
	FORM_TEXT = 0,
	FORM_TEXT_RAW,
	FORM_HEX,
	FORM_BASE64_0,
	FORM_BASE64_1,
	FORM_BASE64_2,
	FORM_COUNT
};

#define FILTER_LEN 8192	 /* bytes: a bit for each pair */
#define PARTIAL SIZE_MAX /* the text ended inside */
#define PREFIX_LEN 3

struct redact {
	struct secret *text, *filter;
	size_t counts[FORM_COUNT]; /* symbols; 0: the form is not needed */
	bool spaces, wide;	   /* the secret holds blanks, bytes over 0x7e */
};

struct symbol {
	uint8_t c, alt;
	bool escapes; /* may stand escaped */
};

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits that start bit bits into the secret, as base64 writes them. */
static struct symbol
base64_symbol(struct span secret, size_t bit)
{
	unsigned at = (unsigned)secret.p[bit / 8] << 8, c;

	if (bit / 8 + 1 < secret.len)
		at |= secret.p[bit / 8 + 1];
	c = at >> (10 - bit % 8) & 63;
	return (struct symbol){
		.c = (uint8_t)base64_std[c],
		.alt = c == 62	 ? '-'
		       : c == 63 ? '_'
				 : (uint8_t)base64_std[c],
		.escapes = c >= 62,
	};
}

static struct symbol
hex_symbol(struct span secret, size_t i)
{
	uint8_t v = i % 2 == 0 ? secret.p[i / 2] >> 4 : secret.p[i / 2] & 15;

	return (struct symbol){ .c = (uint8_t) "0123456789abcdef"[v],
		.alt = (uint8_t) "0123456789ABCDEF"[v] };
}

static struct symbol
symbol_at(const struct redact *r, enum form f, size_t i)
{
	struct span secret = secret_span(r->text);

	switch (f) {
	case FORM_HEX:
		return hex_symbol(secret, i);
	case FORM_BASE64_0:
		return base64_symbol(secret, 6 * i);
	case FORM_BASE64_1: /* one byte in front: 8 of 12 bits, so the secret's bit 4 starts one */
		return base64_symbol(secret, 6 * i + 4);
	case FORM_BASE64_2:
		return base64_symbol(secret, 6 * i + 2);
	default:
		return (struct symbol){ .c = secret.p[i],
			.alt = secret.p[i] == ' ' ? '+' : secret.p[i],
			.escapes = true };
	}
}

static bool
is_hex_of(uint8_t digit, unsigned v)
{
	return digit == (uint8_t) "0123456789abcdef"[v] || digit == (uint8_t) "0123456789ABCDEF"[v];
}

/* p holds left bytes, of which prefix ones are already known. Used length, 0 or PARTIAL. */
static size_t
take_hex(struct symbol s, const uint8_t *p, size_t left, size_t prefix)
{
	static const char zeros[] = "00";
	size_t at = prefix;

	if (prefix == 2) /* \u00xx */
		for (size_t i = 0; i < 2; i++, at++)
			if (at < left && p[at] != (uint8_t)zeros[i])
				return 0;
	if (at < left && !is_hex_of(p[at], s.c >> 4) && !is_hex_of(p[at], s.alt >> 4))
		return 0;
	if (at + 1 >= left)
		return PARTIAL;
	if ((is_hex_of(p[at], s.c >> 4) && is_hex_of(p[at + 1], s.c & 15)) ||
	    (is_hex_of(p[at], s.alt >> 4) && is_hex_of(p[at + 1], s.alt & 15)))
		return at + 2;
	return 0;
}

/* JSON writes these as a backslash and themselves (RFC 8259 section 7). */
static bool
has_short_escape(uint8_t c)
{
	return c == '"' || c == '\\' || c == '/';
}

static size_t
take_escaped(struct symbol s, const uint8_t *p, size_t left)
{
	if (!s.escapes || (p[0] != '%' && p[0] != '\\'))
		return 0;
	if (p[0] == '%')
		return take_hex(s, p, left, 1);
	if (left == 1)
		return PARTIAL;
	if (p[1] == 'u')
		return take_hex(s, p, left, 2);
	return has_short_escape(p[1]) && (p[1] == s.c || p[1] == s.alt) ? 2 : 0;
}

/* raw_first matters where the secret itself holds '%' or '\\': "%25" may be one byte of it or
 * three. */
static size_t
take(struct symbol s, const uint8_t *p, size_t left, bool raw_first)
{
	bool raw;
	size_t n;

	if (left == 0)
		return PARTIAL;
	raw = p[0] == s.c || p[0] == s.alt;
	if (raw && raw_first)
		return 1;
	n = take_escaped(s, p, left);
	return n == 0 && raw ? 1 : n;
}

static size_t
match_form(const struct redact *r, enum form f, const uint8_t *p, size_t left)
{
	size_t at = 0;

	if (r->counts[f] == 0)
		return 0;
	for (size_t i = 0; i < r->counts[f]; i++) {
		size_t n = take(symbol_at(r, f, i), p + at, left - at, f == FORM_TEXT_RAW);

		if (n == 0 || n == PARTIAL)
			return n;
		at += n;
	}
	return at;
}

/* The longest match at p; PARTIAL as long as a form may yet match, so that splits do not matter. */
static size_t
match_at(const struct redact *r, const uint8_t *p, size_t left, bool last)
{
	size_t best = 0;

	for (int f = 0; f < FORM_COUNT; f++) {
		size_t n = match_form(r, (enum form)f, p, left);

		if (n == PARTIAL && !last)
			return PARTIAL;
		if (n != PARTIAL && n > best)
			best = n;
	}
	return best;
}

static bool
filter_has(const uint8_t *filter, const uint8_t *p)
{
	unsigned pair = p[0] | (unsigned)p[1] << 8;

	return (filter[pair >> 3] >> (pair & 7) & 1) != 0;
}

/* The first place at or behind at where a match may start: len if there is none. */
static size_t
next_candidate(const uint8_t *filter, const uint8_t *p, size_t at, size_t len)
{
	/* the pair at at+1 stands in a match that starts at at, and in one that starts at at+1 */
	while (at + 2 < len && !filter_has(filter, p + at + 1))
		at += 2;
	return at < len ? at : len;
}

/* Blanks; how far it is sure, and where the last match ended (0: there was none). */
static size_t
scan(const struct redact *r, uint8_t *p, size_t len, bool last, size_t *ret_behind)
{
	const uint8_t *filter = secret_bytes(r->filter);
	size_t at = 0;

	*ret_behind = 0;
	while ((at = next_candidate(filter, p, at, len)) < len) {
		size_t n = match_at(r, p + at, len - at, last);

		if (n == PARTIAL)
			return at;
		if (n > 0) {
			memset(p + at, '*', n);
			*ret_behind = at + n;
		}
		at += n > 0 ? n : 1;
	}
	return len;
}

/* Whether a form of some secret may hold c. */
static bool
may_stand(const struct redact *r, uint8_t c)
{
	return (c > 0x20 && c < 0x7f) || (c == 0x20 && r->spaces) || (c >= 0x80 && r->wide);
}

/* Where the last word begins, from behind on. */
static size_t
last_word(const struct redact *r, struct span s, size_t behind)
{
	size_t most = redact_held_max(r), at = s.len;

	while (at > behind && s.len - at < most && may_stand(r, s.p[at - 1]))
		at--;
	return at;
}

/* A whole word waits, whatever it is: if only the beginning of the secret waited, whoever makes an
 * upstream echo a guess and then pause could read the secret off the clock, byte by byte. */
size_t
redact_scan(const struct redact *r, struct buf *b, bool last, bool *found)
{
	size_t sure, word, behind;

	if (r == NULL)
		return b->len;
	sure = scan(r, b->data, b->len, last, &behind);
	if (behind > 0)
		*found = true;
	if (last)
		return sure;
	word = last_word(r, buf_span(b), behind);
	return word < sure ? word : sure;
}

void
redact_blank(const struct redact *r, uint8_t *p, size_t len, bool *found)
{
	size_t behind;

	if (r == NULL)
		return;
	(void)scan(r, p, len, true, &behind);
	if (behind > 0)
		*found = true;
}

bool
redact_found(const struct redact *r, struct span s)
{
	const uint8_t *filter;
	size_t at = 0;

	if (r == NULL)
		return false;
	filter = secret_bytes(r->filter);
	while ((at = next_candidate(filter, s.p, at, s.len)) < s.len) {
		if (match_at(r, s.p + at, s.len - at, true) > 0)
			return true;
		at++;
	}
	return false;
}

size_t
redact_held_max(const struct redact *r)
{
	/* base64 of nothing but '+' and '/', each as "\u00xx": 6 bytes for 6 bits */
	return r == NULL ? 0 : 8 * secret_len(r->text);
}

struct prefix {
	uint8_t b[PREFIX_LEN];
	size_t len;
};

static struct prefix
longer(struct prefix p, const char *add, size_t len)
{
	for (size_t i = 0; i < len && p.len < PREFIX_LEN; i++)
		p.b[p.len++] = (uint8_t)add[i];
	return p;
}

static void
mark(struct redact *r, struct prefix p)
{
	uint8_t *filter = secret_bytes(r->filter);

	for (size_t i = 0; i + 1 < PREFIX_LEN; i++) {
		unsigned pair = p.b[i] | (unsigned)p.b[i + 1] << 8;

		filter[pair >> 3] |= (uint8_t)(1u << (pair & 7));
	}
}

static void mark_from(struct redact *r, enum form f, size_t i, struct prefix p);

/* Every way in which c may stand escaped behind p. */
static void
mark_escapes(struct redact *r, enum form f, size_t i, struct prefix p, uint8_t c)
{
	static const char *const digits[] = { "0123456789abcdef", "0123456789ABCDEF" };

	for (size_t k = 0; k < 4; k++) {
		char high = digits[k & 1][c >> 4], low = digits[k >> 1][c & 15];

		mark_from(r, f, i + 1, longer(p, (char[]){ '%', high, low }, 3));
	}
	mark_from(r, f, i + 1, longer(p, "\\u0", 3));
	if (has_short_escape(c))
		mark_from(r, f, i + 1, longer(p, (char[]){ '\\', (char)c }, 2));
}

/* Puts every beginning of the form into the filter, p being what symbols 0 to i-1 wrote. */
static void
mark_from(struct redact *r, enum form f, size_t i, struct prefix p)
{
	struct symbol s;

	if (p.len == PREFIX_LEN) {
		mark(r, p);
		return;
	}
	s = symbol_at(r, f, i);
	mark_from(r, f, i + 1, longer(p, (char[]){ (char)s.c }, 1));
	if (s.alt != s.c)
		mark_from(r, f, i + 1, longer(p, (char[]){ (char)s.alt }, 1));
	if (!s.escapes)
		return;
	mark_escapes(r, f, i, p, s.c);
	if (s.alt != s.c)
		mark_escapes(r, f, i, p, s.alt);
}

static void
count_symbols(struct redact *r)
{
	struct span s = secret_span(r->text);
	bool ambiguous = memchr(s.p, '%', s.len) != NULL || memchr(s.p, '\\', s.len) != NULL;

	for (size_t i = 0; i < s.len; i++) {
		r->spaces = r->spaces || s.p[i] == 0x20;
		r->wide = r->wide || s.p[i] >= 0x80;
	}
	r->counts[FORM_TEXT] = s.len;
	r->counts[FORM_TEXT_RAW] = ambiguous ? s.len : 0;
	r->counts[FORM_HEX] = 2 * s.len;
	r->counts[FORM_BASE64_0] = 8 * s.len / 6;
	r->counts[FORM_BASE64_1] = (8 * s.len - 4) / 6;
	r->counts[FORM_BASE64_2] = (8 * s.len - 2) / 6;
}

enum err
redact_new(struct span secret, struct redact **ret_r)
{
	struct redact *r;
	enum err e;

	*ret_r = NULL;
	if (secret.len < REDACT_MIN)
		return ERR_OK;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return ERR_NOMEM;
	e = secret_from(secret.p, secret.len, &r->text);
	if (e == ERR_OK)
		e = secret_new(FILTER_LEN, &r->filter);
	if (e != ERR_OK) {
		redact_free(r);
		return e;
	}
	count_symbols(r);
	for (int f = 0; f < FORM_COUNT; f++)
		if (r->counts[f] > 0)
			mark_from(r, (enum form)f, 0, (struct prefix){ .len = 0 });
	*ret_r = r;
	return ERR_OK;
}

void
redact_free(struct redact *r)
{
	if (r == NULL)
		return;
	secret_free(r->text);
	secret_free(r->filter);
	free(r);
}
