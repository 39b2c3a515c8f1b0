#include <jansson.h>

#include "broker/keeper/audit/escape.h"
#include "tests/unit/audit_fixture.h"

static const struct {
	const char *what, *in;
	size_t len, max;
	const char *out;
} escapes[] = {
	{ "plain", "GET /a b~", 9, 64, "GET /a b~" },
	{ "quote and backslash", "a\"b\\c", 5, 64, "a\\\"b\\\\c" },
	{ "line ends", "a\r\nb\tc", 6, 64, "a\\u000d\\u000ab\\u0009c" },
	{ "NUL and DEL", "\0\x7f", 2, 64, "\\ufffd\\u007f" },
	{ "terminal escape", "\x1b[2J", 4, 64, "\\u001b[2J" },
	{ "C1 control", "\xc2\x9b", 2, 64, "\\u009b" },
	{ "UTF-8 passes", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91", 9, 64,
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91" },
	{ "text turned round", "\xe2\x80\xae", 3, 64, "\\u202e" },
	{ "zero width", "\xe2\x80\x8b\xef\xbb\xbf", 6, 64, "\\u200b\\ufeff" },
	{ "line separators", "\xe2\x80\xa8\xe2\x80\xa9", 6, 64, "\\u2028\\u2029" },
	{ "stray continuation", "a\x80z", 3, 64, "a\\ufffdz" },
	{ "overlong slash", "\xc0\xaf", 2, 64, "\\ufffd\\ufffd" },
	{ "overlong in three", "\xe0\x80\xaf", 3, 64, "\\ufffd\\ufffd\\ufffd" },
	{ "surrogate", "\xed\xa0\x80", 3, 64, "\\ufffd\\ufffd\\ufffd" },
	{ "beyond the last", "\xf4\x90\x80\x80", 4, 64, "\\ufffd\\ufffd\\ufffd\\ufffd" },
	{ "cut character", "ab\xe2\x82", 4, 64, "ab\\ufffd\\ufffd" },
	{ "cut at the ceiling", "0123456789abcdefgh", 18, 16, "0123456789abc\xe2\x80\xa6" },
	{ "no escape is cut", "0123456789ab\x01z", 14, 16, "0123456789ab\xe2\x80\xa6" },
	{ "no character is cut", "0123456789ab\xc3\xa4zz", 16, 16, "0123456789ab\xe2\x80\xa6" },
	{ "exactly as long", "0123456789abc", 13, 16, "0123456789abc" },
	{ "empty", "", 0, 16, "" },
};

static void
test_escape(void)
{
	for (size_t i = 0; i < COUNT(escapes); i++) {
		char out[128];
		char *end =
		    audit_escape(out, escapes[i].max, span_of(escapes[i].in, escapes[i].len));
		struct span got = span_of(out, (size_t)(end - out));

		ok(span_eq_str(got, escapes[i].out), "escape: %s: %.*s", escapes[i].what,
		    (int)got.len, out);
	}
}

/* The record with text in each field that a client controls; one line must come out, and it must be
 * JSON. */
static json_t *
written(const struct audit_record *r)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_wipe) struct buf b = BUF_MAX(MIB);
	struct verify_result v;
	struct span line;
	uint64_t seq;

	fixture_init(&f, 64 * MIB);
	must(audit_append(f.audit, r, 3, NOW * INT64_C(1000), &seq) == ERR_OK);
	must(audit_sync(f.audit, f.now_s) == ERR_OK);
	fixture_shut(&f);
	segment_load(&f, 1, &b);
	v = verify_all(&f, NULL);
	if (count_lines(buf_span(&b)) != 3 || v.bad_line != 0 || v.proven_seq != 2)
		return NULL;
	line = line_at(buf_span(&b), 1);
	if (line.len > AUDIT_LINE_MAX)
		return NULL;
	return json_loadb((const char *)line.p, line.len, JSON_REJECT_DUPLICATES, NULL);
}

static struct audit_record
record_of(struct span text)
{
	static const uint8_t digest[HASH_LEN] = { 1 }, trace[TRACE_ID_LEN] = { 2 };

	return (struct audit_record){ .event = "decide",
		.workload = text,
		.instance = text,
		.upstream = text,
		.secret = text,
		.method = text,
		.target = text,
		.code = text,
		.rule = text,
		.detail = text,
		.decision = "deny",
		.rules_digest = digest,
		.trace_id = trace,
		.secret_version = UINT32_MAX,
		.of = UINT64_MAX,
		.status = 65535,
		.bytes_up = UINT64_MAX,
		.bytes_down = UINT64_MAX,
		.duration_ms = UINT32_MAX,
		.count = UINT32_MAX,
		.has_uid = true,
		.uid = UINT32_MAX };
}

static void
test_every_byte_value(void)
{
	bool good = true;

	for (int c = 0; c < 256; c++) {
		char text[3] = { 'a', (char)c, 'b' };
		struct audit_record r = record_of(span_of(text, 3));
		json_t *j = written(&r);
		const char *workload = json_string_value(json_object_get(j, "workload"));

		good = good && j != NULL;
		if (c >= 0x20 && c < 0x7f)
			good =
			    good && workload != NULL && strlen(workload) == 3 && workload[1] == c;
		json_decref(j);
	}
	ok(good, "bytes: each of 256 in every field is one line of JSON");
}

static void
test_long_fields(void)
{
	static const uint8_t fills[] = { 'a', '"', '\\', '\n', 0, 0x80, 0xff, 0xc3 };
	uint8_t *text = malloc(65536);

	must(text != NULL);
	for (size_t i = 0; i < COUNT(fills); i++) {
		struct audit_record r = record_of(span_of(text, 65536));
		json_t *j;

		memset(text, fills[i], 65536);
		j = written(&r);
		ok(j != NULL, "long: 64 KiB of %02x in every field is one line of JSON", fills[i]);
		json_decref(j);
	}
	free(text);
}

static void
test_fields(void)
{
	static const char *const names[] = { "chain", "seq", "rev", "time", "event", "workload",
		"instance", "upstream", "secret", "version", "method", "target", "query",
		"decision", "code", "rule", "policy", "detail", "of", "trace", "status", "bytes_up",
		"bytes_down", "duration_ms", "count", "uid", "mac" };
	struct audit_record r = record_of(span_str("x?y")), least = { .event = "start" };
	json_t *j = written(&r);
	const char *name;
	json_t *value;
	size_t n = 0;

	json_object_foreach(j, name, value)
	{
		ok(n < COUNT(names) && strcmp(name, names[n]) == 0, "fields: %zu is %s", n, name);
		n++;
	}
	ok(n == COUNT(names), "fields: all of them, in this order");
	ok(strcmp(json_string_value(json_object_get(j, "target")), "x") == 0,
	    "fields: the target without query");
	ok(json_is_true(json_object_get(j, "query")), "fields: there was one");
	json_decref(j);
	j = written(&least);
	ok(json_object_size(j) == 6, "fields: empty ones are left out");
	json_decref(j);
}

static const struct {
	const char *what, *line;
	enum err want;
} lines[] = {
#define HEAD                                                                                       \
	"{\"chain\":\"01\",\"seq\":7,\"rev\":3,\"time\":\"2026-11-24T03:35:51.123Z\",\"event\":"   \
	"\"decide\""
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	{ "least", HEAD ",\"mac\":\"" HEX64 "\"}", ERR_OK },
	{ "with a field", HEAD ",\"x\":1,\"mac\":\"" HEX64 "\"}", ERR_OK },
	{ "nothing", "", ERR_SYNTAX },
	{ "a space more", HEAD ",\"mac\":\"" HEX64 "\"} ", ERR_SYNTAX },
	{ "upper-case mac",
	    HEAD ",\"mac\":\"A123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}",
	    ERR_SYNTAX },
	{ "short mac", HEAD ",\"mac\":\"0123\"}", ERR_SYNTAX },
	{ "no mac", HEAD "}", ERR_SYNTAX },
	{ "a control inside", HEAD ",\"x\":\"\r\",\"mac\":\"" HEX64 "\"}", ERR_SYNTAX },
	{ "leading zero",
	    "{\"chain\":\"01\",\"seq\":07,\"rev\":3,\"time\":\"2026-11-24T03:35:51.123Z\","
	    "\"event\":"
	    "\"decide\",\"mac\":\"" HEX64 "\"}",
	    ERR_SYNTAX },
	{ "huge number",
	    "{\"chain\":\"01\",\"seq\":99999999999999999999,\"rev\":3,\"time\":"
	    "\"2026-11-24T03:35:51.123Z\",\"event\":\"decide\",\"mac\":\"" HEX64 "\"}",
	    ERR_SYNTAX },
	{ "record 0",
	    "{\"chain\":\"01\",\"seq\":0,\"rev\":3,\"time\":\"2026-11-24T03:35:51.123Z\",\"event\":"
	    "\"decide\",\"mac\":\"" HEX64 "\"}",
	    ERR_SYNTAX },
	{ "bad month",
	    "{\"chain\":\"01\",\"seq\":7,\"rev\":3,\"time\":\"2026-13-24T03:35:51.123Z\",\"event\":"
	    "\"decide\",\"mac\":\"" HEX64 "\"}",
	    ERR_SYNTAX },
	{ "bad event",
	    "{\"chain\":\"01\",\"seq\":7,\"rev\":3,\"time\":\"2026-11-24T03:35:51.123Z\",\"event\":"
	    "\"De\",\"mac\":\"" HEX64 "\"}",
	    ERR_SYNTAX },
	{ "checkpoint without a signature",
	    "{\"chain\":\"01\",\"seq\":7,\"rev\":3,\"time\":"
	    "\"2026-11-24T03:35:51.123Z\",\"event\":\"checkpoint\",\"mac\":\"" HEX64 "\"}",
	    ERR_SYNTAX },
};

static void
test_lines(void)
{
	struct audit_line l;

	for (size_t i = 0; i < COUNT(lines); i++)
		is_err(audit_line_scan(span_str(lines[i].line), &l), lines[i].want, lines[i].what);
	must(audit_line_scan(span_str(lines[1].line), &l) == ERR_OK);
	ok(l.seq == 7 && l.revision == 3 && l.time_ms == NOW * INT64_C(1000) + 123,
	    "scan: numbers");
	ok(span_eq_str(l.event, "decide") && span_eq_str(l.chain, "01"), "scan: words");
	ok(span_eq_str(l.maced, HEAD ",\"x\":1"), "scan: what the mac covers");
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	test_escape();
	test_every_byte_value();
	test_long_fields();
	test_fields();
	test_lines();
	return done();
}
