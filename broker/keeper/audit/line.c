#include "broker/keeper/audit/line.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"

/* Takes a literal off the front. */
static bool
skip(struct span *s, const char *literal)
{
	size_t len = strlen(literal);

	if (!span_starts(*s, literal))
		return false;
	s->p += len;
	s->len -= len;
	return true;
}

/* What stands in front of the next end byte; the byte itself stays. */
static struct span
until(struct span *s, char end, size_t max)
{
	struct span out = { s->p, 0 };

	while (out.len < s->len && out.len <= max && s->p[out.len] != (uint8_t)end)
		out.len++;
	s->p += out.len;
	s->len -= out.len;
	return out;
}

static bool
number(struct span *s, uint64_t *ret)
{
	struct span digits = { s->p, 0 };

	while (digits.len < s->len && s->p[digits.len] >= '0' && s->p[digits.len] <= '9')
		digits.len++;
	s->p += digits.len;
	s->len -= digits.len;
	return text_u64(digits, INT64_MAX, ret) == ERR_OK;
}

static bool
hex(struct span *s, uint8_t *dst, size_t len)
{
	if (s->len < 2 * len || text_unhex(span_of(s->p, 2 * len), dst, len) != ERR_OK)
		return false;
	s->p += 2 * len;
	s->len -= 2 * len;
	return true;
}

static bool
word(struct span s, size_t max, bool hex_only)
{
	if (s.len == 0 || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];
		bool digit = c >= '0' && c <= '9';
		bool letter = c >= 'a' && c <= (hex_only ? 'f' : 'z');

		if (!digit && !letter && (hex_only || c != '_'))
			return false;
	}
	return true;
}

/* "2026-11-24T03:35:51.123Z" */
static bool
timestamp(struct span *s, int64_t *ret_ms)
{
	char seconds[TEXT_TIME_SIZE];
	uint64_t ms = 0;

	if (s->len < AUDIT_TIME_LEN || s->p[19] != '.' || s->p[23] != 'Z')
		return false;
	memcpy(seconds, s->p, 19);
	seconds[19] = 'Z';
	if (text_untime(span_of(seconds, 20), ret_ms) != ERR_OK)
		return false;
	for (int i = 20; i < 23; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		ms = ms * 10 + (uint64_t)(s->p[i] - '0');
	}
	*ret_ms = *ret_ms * 1000 + (int64_t)ms;
	s->p += AUDIT_TIME_LEN;
	s->len -= AUDIT_TIME_LEN;
	return true;
}

static bool
head(struct span *s, struct audit_line *l)
{
	if (!skip(s, "{\"chain\":\""))
		return false;
	l->chain = until(s, '"', AUDIT_CHAIN_MAX);
	if (!word(l->chain, AUDIT_CHAIN_MAX, true) || !skip(s, "\",\"seq\":") ||
	    !number(s, &l->seq) || !skip(s, ",\"rev\":") || !number(s, &l->revision))
		return false;
	if (!skip(s, ",\"time\":\"") || !timestamp(s, &l->time_ms) || !skip(s, "\",\"event\":\""))
		return false;
	l->event = until(s, '"', AUDIT_EVENT_MAX);
	return word(l->event, AUDIT_EVENT_MAX, false) && skip(s, "\"");
}

/* Everything behind the head of a line of ours; whole is the line from its start. */
static bool
checkpoint_rest(struct span s, struct span whole, struct audit_line *l)
{
	if (!skip(&s, ",\"interval\":") || !number(&s, &l->interval) || !skip(&s, ",\"key\":\"") ||
	    !hex(&s, l->key, KEY_LEN) || !skip(&s, "\""))
		return false;
	l->maced = span_of(whole.p, (size_t)(s.p - whole.p));
	if (!skip(&s, ",\"mac\":\"") || !hex(&s, l->mac, HASH_LEN) || !skip(&s, "\""))
		return false;
	l->signed_part = span_of(whole.p, (size_t)(s.p - whole.p));
	return skip(&s, ",\"sig\":\"") && hex(&s, l->signature, SIGNATURE_LEN) && skip(&s, "\"}") &&
	       s.len == 0;
}

static bool
segment_rest(struct span s, struct span whole, struct audit_line *l)
{
	if (!skip(&s, ",\"segment\":") || !number(&s, &l->segment) || !skip(&s, ",\"from_seq\":") ||
	    !number(&s, &l->from_seq) || !skip(&s, ",\"interval\":") || !number(&s, &l->interval))
		return false;
	if (!skip(&s, ",\"prev\":\"") || !hex(&s, l->mac, HASH_LEN) || !skip(&s, "\""))
		return false;
	l->signed_part = span_of(whole.p, (size_t)(s.p - whole.p));
	return skip(&s, ",\"sig\":\"") && hex(&s, l->signature, SIGNATURE_LEN) && skip(&s, "\"}") &&
	       s.len == 0 && l->from_seq == l->seq + 1;
}

static bool
record_rest(struct span s, struct span whole, struct audit_line *l)
{
	static const size_t tail_len = sizeof(",\"mac\":\"") - 1 + 2 * HASH_LEN + 2;
	struct span tail;

	if (s.len < tail_len)
		return false;
	for (size_t i = 0; i < s.len; i++) /* one record is one line, without controls */
		if (s.p[i] < 0x20)
			return false;
	tail = span_of(s.p + s.len - tail_len, tail_len);
	l->maced = span_of(whole.p, whole.len - tail_len);
	return skip(&tail, ",\"mac\":\"") && hex(&tail, l->mac, HASH_LEN) && skip(&tail, "\"}") &&
	       l->seq > 0;
}

enum err
audit_line_scan(struct span line, struct audit_line *ret_l)
{
	struct audit_line l = { 0 };
	struct span s = line;
	bool good;

	if (line.len == 0 || line.len > AUDIT_LINE_MAX || !head(&s, &l))
		return ERR_SYNTAX;
	if (span_eq_str(l.event, AUDIT_EVENT_CHECKPOINT)) {
		l.kind = AUDIT_LINE_CHECKPOINT;
		good = checkpoint_rest(s, line, &l) && l.seq > 0;
	} else if (span_eq_str(l.event, AUDIT_EVENT_SEGMENT)) {
		l.kind = AUDIT_LINE_SEGMENT;
		good = segment_rest(s, line, &l);
	} else {
		good = record_rest(s, line, &l);
	}
	if (!good)
		return ERR_SYNTAX;
	*ret_l = l;
	return ERR_OK;
}

bool
audit_line_follows(
    const struct audit_line *l, const uint8_t key[KEY_LEN], const uint8_t previous[HASH_LEN])
{
	uint8_t mac[HASH_LEN];

	crypto_chain(key, previous, l->maced, mac);
	return secret_equal(mac, HASH_LEN, l->mac, HASH_LEN);
}

/* In a string there is no quote without a backslash in front: this stands in none. */
uint64_t
audit_line_number(const struct audit_line *l, const char *field)
{
	char label[AUDIT_EVENT_MAX];
	int len = snprintf(label, sizeof(label), ",\"%s\":", field);
	const uint8_t *at;
	uint64_t n = 0;
	struct span s;

	must(len > 0 && (size_t)len < sizeof(label));
	at = memmem(l->maced.p, l->maced.len, label, (size_t)len);
	if (at == NULL)
		return 0;
	s.p = at + len;
	s.len = l->maced.len - (size_t)(s.p - l->maced.p);
	return number(&s, &n) ? n : 0;
}
