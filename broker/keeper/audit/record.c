#include "broker/keeper/audit/record.h"

#include <string.h>

#include "broker/keeper/audit/escape.h"
#include "common/text.h"

/* Ceilings of the written form, in bytes; an escape counts as what it is written as. */
#define SHORT_MAX 64	  /* instance, method, code, decision */
#define NAME_TEXT_MAX 256 /* workload, upstream, secret */
#define TARGET_TEXT_MAX 8192
#define RULE_TEXT_MAX 1024
#define DETAIL_TEXT_MAX 2048
#define LABEL_MAX 24  /* ,"name":"" */
#define NUMBER_MAX 20 /* of 64 bits */
#define FIELDS_MAX 24

_Static_assert(4 * SHORT_MAX + 3 * NAME_TEXT_MAX + TARGET_TEXT_MAX + RULE_TEXT_MAX +
		       DETAIL_TEXT_MAX + 2 * HASH_LEN + 2 * TRACE_ID_LEN +
		       FIELDS_MAX * (LABEL_MAX + NUMBER_MAX) + 256 <
		   AUDIT_LINE_MAX - 512,
    "the longest record fits, with room for head and mac");

static char *
put(char *dst, const char *s)
{
	size_t len = strlen(s);

	memcpy(dst, s, len);
	return dst + len;
}

static char *
put_digits(char *dst, uint64_t v)
{
	char digits[NUMBER_MAX];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	while (len > 0)
		*dst++ = digits[--len];
	return dst;
}

static char *
put_label(char *dst, const char *name)
{
	dst = put(dst, ",\"");
	dst = put(dst, name);
	return put(dst, "\":");
}

char *
audit_put_number(char *dst, const char *name, uint64_t v)
{
	/* JSON parsers read 63 bits and refuse the line beyond them. */
	return put_digits(put_label(dst, name), v > INT64_MAX ? INT64_MAX : v);
}

/* These are public values: a table look-up tells nobody anything. */
char *
audit_put_hex(char *dst, const char *name, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	dst = put_label(dst, name);
	*dst++ = '"';
	for (size_t i = 0; i < len; i++) {
		*dst++ = digits[p[i] >> 4];
		*dst++ = digits[p[i] & 15];
	}
	*dst++ = '"';
	return dst;
}

static char *
put_text(char *dst, const char *name, struct span s, size_t max)
{
	if (s.len == 0)
		return dst;
	dst = put_label(dst, name);
	*dst++ = '"';
	dst = audit_escape(dst, max, s);
	*dst++ = '"';
	return dst;
}

static char *
put_count(char *dst, const char *name, uint64_t v)
{
	return v == 0 ? dst : audit_put_number(dst, name, v);
}

static char *
put_time(char *dst, int64_t time_ms)
{
	/* One second has many records. A process has one clock, so one second is enough to keep. */
	static int64_t kept_s = -1;
	static char kept[TEXT_TIME_SIZE];
	int64_t second = time_ms / 1000;
	unsigned ms = (unsigned)(time_ms % 1000);

	if (second != kept_s) {
		text_time(second, kept);
		kept_s = second;
	}
	memcpy(dst, kept, 19); /* without its Z */
	dst[19] = '.';
	dst[20] = (char)('0' + ms / 100);
	dst[21] = (char)('0' + ms / 10 % 10);
	dst[22] = (char)('0' + ms % 10);
	dst[23] = 'Z';
	return dst + AUDIT_TIME_LEN;
}

char *
audit_head_write(char *dst, const struct audit_head *h)
{
	dst = put(dst, "{\"chain\":\"");
	dst = put(dst, h->chain);
	dst = put(dst, "\"");
	dst = audit_put_number(dst, "seq", h->seq);
	dst = audit_put_number(dst, "rev", h->revision);
	dst = put(dst, ",\"time\":\"");
	dst = put_time(dst, h->time_ms);
	dst = put(dst, "\",\"event\":\"");
	dst = put(dst, h->event);
	return put(dst, "\"");
}

/* Query values may carry keys and personal data: the record says only that there was one. */
static char *
put_target(char *dst, struct span target)
{
	size_t len = 0;

	while (len < target.len && target.p[len] != '?' && target.p[len] != '#')
		len++;
	dst = put_text(dst, "target", span_of(target.p, len), TARGET_TEXT_MAX);
	return len < target.len ? put(dst, ",\"query\":true") : dst;
}

char *
audit_record_write(char *dst, const struct audit_head *h, const struct audit_record *r)
{
	dst = audit_head_write(dst, h);
	dst = put_text(dst, "workload", r->workload, NAME_TEXT_MAX);
	dst = put_text(dst, "instance", r->instance, SHORT_MAX);
	dst = put_text(dst, "upstream", r->upstream, NAME_TEXT_MAX);
	dst = put_text(dst, "secret", r->secret, NAME_TEXT_MAX);
	dst = put_count(dst, "version", r->secret_version);
	dst = put_text(dst, "method", r->method, SHORT_MAX);
	dst = put_target(dst, r->target);
	dst = put_text(dst, "decision", span_str(r->decision), SHORT_MAX);
	dst = put_text(dst, "code", r->code, SHORT_MAX);
	dst = put_text(dst, "rule", r->rule, RULE_TEXT_MAX);
	if (r->rules_digest != NULL)
		dst = audit_put_hex(dst, "policy", r->rules_digest, HASH_LEN);
	dst = put_text(dst, "detail", r->detail, DETAIL_TEXT_MAX);
	dst = put_count(dst, "of", r->of);
	if (r->trace_id != NULL)
		dst = audit_put_hex(dst, "trace", r->trace_id, TRACE_ID_LEN);
	dst = put_count(dst, "status", r->status);
	dst = put_count(dst, "bytes_up", r->bytes_up);
	dst = put_count(dst, "bytes_down", r->bytes_down);
	dst = put_count(dst, "duration_ms", r->duration_ms);
	dst = put_count(dst, "count", r->count);
	return r->has_uid ? audit_put_number(dst, "uid", r->uid) : dst;
}
