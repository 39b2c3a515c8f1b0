#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "tests/lib/tap.h"

static const struct {
	const char *in;
	uint64_t max;
	enum err want;
	uint64_t n;
} numbers[] = {
	{ "0", 0, ERR_OK, 0 },
	{ "1", 1, ERR_OK, 1 },
	{ "2", 1, ERR_RANGE, 0 },
	{ "18446744073709551615", UINT64_MAX, ERR_OK, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, ERR_RANGE, 0 },
	{ "99999999999999999999999", UINT64_MAX, ERR_RANGE, 0 },
	{ "", 9, ERR_SYNTAX, 0 },
	{ "00", 9, ERR_SYNTAX, 0 },
	{ "01", 9, ERR_SYNTAX, 0 },
	{ "+1", 9, ERR_SYNTAX, 0 },
	{ "-1", 9, ERR_SYNTAX, 0 },
	{ " 1", 9, ERR_SYNTAX, 0 },
	{ "1 ", 9, ERR_SYNTAX, 0 },
	{ "0x1", 9, ERR_SYNTAX, 0 },
	{ "1e1", 99, ERR_SYNTAX, 0 },
	{ "1:", 99, ERR_SYNTAX, 0 },
	{ "/", 99, ERR_SYNTAX, 0 },
};

static const struct {
	const char *in;
	uint64_t max;
	enum err want;
	uint64_t n;
} durations[] = {
	{ "90s", 3600, ERR_OK, 90 },
	{ "5m", 3600, ERR_OK, 300 },
	{ "1h", 3600, ERR_OK, 3600 },
	{ "2h", 3600, ERR_RANGE, 0 },
	{ "30d", 2592000, ERR_OK, 2592000 },
	{ "31d", 2592000, ERR_RANGE, 0 },
	{ "213503982334602d", UINT64_MAX, ERR_RANGE, 0 },
	{ "0s", 3600, ERR_RANGE, 0 },
	{ "5", 3600, ERR_SYNTAX, 0 },
	{ "s", 3600, ERR_SYNTAX, 0 },
	{ "", 3600, ERR_SYNTAX, 0 },
	{ "5M", 3600, ERR_SYNTAX, 0 },
	{ "5 m", 3600, ERR_SYNTAX, 0 },
	{ "1h30m", 9999, ERR_SYNTAX, 0 },
	{ "1.5h", 9999, ERR_SYNTAX, 0 },
	{ "-5m", 3600, ERR_SYNTAX, 0 },
	{ "1w", 9999999, ERR_SYNTAX, 0 },
}, sizes[] = {
	{ "512", 1024, ERR_OK, 512 },
	{ "0", 1024, ERR_OK, 0 },
	{ "64KiB", 65536, ERR_OK, 65536 },
	{ "65KiB", 65536, ERR_RANGE, 0 },
	{ "1MiB", 1u << 20, ERR_OK, 1u << 20 },
	{ "2GiB", 1ull << 31, ERR_OK, 1ull << 31 },
	{ "17179869184GiB", UINT64_MAX, ERR_RANGE, 0 },
	{ "1KB", 9999, ERR_SYNTAX, 0 },
	{ "1kib", 9999, ERR_SYNTAX, 0 },
	{ "1K", 9999, ERR_SYNTAX, 0 },
	{ "KiB", 9999, ERR_SYNTAX, 0 },
	{ "1 KiB", 9999, ERR_SYNTAX, 0 },
	{ "", 9999, ERR_SYNTAX, 0 },
};

static const struct {
	const char *bytes, *base64, *base64url;
	size_t len;
} encodings[] = {
	/* RFC 4648 section 10, and what tells the alphabets apart */
	{ "", "", "", 0 },
	{ "f", "Zg==", "Zg", 1 },
	{ "fo", "Zm8=", "Zm8", 2 },
	{ "foo", "Zm9v", "Zm9v", 3 },
	{ "foob", "Zm9vYg==", "Zm9vYg", 4 },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE", 5 },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy", 6 },
	{ "\xfb\xff\xbf", "+/+/", "-_-_", 3 },
	{ "\0\0", "AAA=", "AAA", 2 },
};

static const struct {
	const char *in;
	enum text_alphabet a;
} not_base64[] = {
	{ "Z", TEXT_BASE64 },
	{ "Zg", TEXT_BASE64 },
	{ "Zg=", TEXT_BASE64 },
	{ "Zg===", TEXT_BASE64 },
	{ "Zh==", TEXT_BASE64 },
	{ "Zm9=", TEXT_BASE64 },
	{ "Zm8", TEXT_BASE64 },
	{ "=", TEXT_BASE64 },
	{ "==", TEXT_BASE64 },
	{ "====", TEXT_BASE64 },
	{ "Zg==Zg==", TEXT_BASE64 },
	{ "Zm9v\n", TEXT_BASE64 },
	{ " Zm9v", TEXT_BASE64 },
	{ "Zm 9v", TEXT_BASE64 },
	{ "-_-_", TEXT_BASE64 },
	{ "Zm9v====", TEXT_BASE64 },
	{ "Z===", TEXT_BASE64 },
	{ "+/+/", TEXT_BASE64URL },
	{ "Zg==", TEXT_BASE64URL },
	{ "Z", TEXT_BASE64URL },
	{ "Zh", TEXT_BASE64URL },
	{ "Zm9", TEXT_BASE64URL },
	{ "Zm9v=", TEXT_BASE64URL },
	{ "Zm\xc3\xa9", TEXT_BASE64URL },
};

static const struct {
	const char *text;
	int64_t wall_s;
} times[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2000-02-29T12:00:00Z", 951825600 },
	{ "2026-11-24T03:35:51Z", 1795491351 },
	{ "2038-01-19T03:14:08Z", 2147483648 },
	{ "9999-12-31T23:59:59Z", 253402300799 },
};

static const struct {
	const char *in;
	enum err want;
} not_times[] = {
	{ "", ERR_SYNTAX },
	{ "2026-11-24T03:35:51", ERR_SYNTAX },
	{ "2026-11-24T03:35:51z", ERR_SYNTAX },
	{ "2026-11-24 03:35:51Z", ERR_SYNTAX },
	{ "2026-11-24T03:35:51ZZ", ERR_SYNTAX },
	{ "2026-11-24T03:35:51.5Z", ERR_SYNTAX },
	{ "2026-1-024T03:35:51Z", ERR_SYNTAX },
	{ "-026-11-24T03:35:51Z", ERR_SYNTAX },
	{ "2026-02-29T00:00:00Z", ERR_RANGE },
	{ "2026-13-01T00:00:00Z", ERR_RANGE },
	{ "2026-00-01T00:00:00Z", ERR_RANGE },
	{ "2026-01-00T00:00:00Z", ERR_RANGE },
	{ "2026-01-01T24:00:00Z", ERR_RANGE },
	{ "2026-01-01T00:60:00Z", ERR_RANGE },
	{ "2026-06-30T23:59:60Z", ERR_RANGE },
	{ "1969-12-31T23:59:59Z", ERR_RANGE },
};

static void
numbers_are_strict(void)
{
	for (size_t i = 0; i < COUNT(numbers); i++) {
		uint64_t n = 77;

		is_err(text_u64(span_str(numbers[i].in), numbers[i].max, &n), numbers[i].want,
		    numbers[i].in);
		ok(n == (numbers[i].want == ERR_OK ? numbers[i].n : 77), "%s: the value",
		    numbers[i].in);
	}
	for (size_t i = 0; i < COUNT(durations); i++) {
		uint64_t n = 77;

		is_err(text_duration_s(span_str(durations[i].in), durations[i].max, &n),
		    durations[i].want, durations[i].in);
		ok(n == (durations[i].want == ERR_OK ? durations[i].n : 77), "%s: the value",
		    durations[i].in);
	}
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint64_t n = 77;

		is_err(
		    text_size(span_str(sizes[i].in), sizes[i].max, &n), sizes[i].want, sizes[i].in);
		ok(n == (sizes[i].want == ERR_OK ? sizes[i].n : 77), "%s: the value", sizes[i].in);
	}
}

static void
base64_is_canonical(void)
{
	uint8_t out[16];
	char text[32];
	size_t len;

	for (size_t i = 0; i < COUNT(encodings); i++) {
		struct span want = span_of(encodings[i].bytes, encodings[i].len);

		text_base64(want.p, want.len, TEXT_BASE64, text);
		ok(strcmp(text, encodings[i].base64) == 0 &&
			strlen(text) == text_base64_len(want.len, TEXT_BASE64),
		    "base64 %s", encodings[i].base64);
		text_base64(want.p, want.len, TEXT_BASE64URL, text);
		ok(strcmp(text, encodings[i].base64url) == 0 &&
			strlen(text) == text_base64_len(want.len, TEXT_BASE64URL),
		    "base64url %s", encodings[i].base64url);
		ok(text_unbase64(span_str(encodings[i].base64), TEXT_BASE64, out, want.len, &len) ==
			    ERR_OK &&
			span_eq(span_of(out, len), want),
		    "unbase64 %s, just fits", encodings[i].base64);
		ok(text_unbase64(span_str(encodings[i].base64url), TEXT_BASE64URL, out, sizeof(out),
		       &len) == ERR_OK &&
			span_eq(span_of(out, len), want),
		    "unbase64url %s", encodings[i].base64url);
		if (want.len > 0)
			is_err(text_unbase64(span_str(encodings[i].base64), TEXT_BASE64, out,
				   want.len - 1, &len),
			    ERR_LIMIT, "does not fit");
	}
	for (size_t i = 0; i < COUNT(not_base64); i++) {
		len = 77;
		is_err(text_unbase64(
			   span_str(not_base64[i].in), not_base64[i].a, out, sizeof(out), &len),
		    ERR_SYNTAX, not_base64[i].in);
		ok(len == 77, "%s: no length", not_base64[i].in);
	}
}

static void
hex_is_lower(void)
{
	uint8_t out[3] = { 9, 9, 9 };
	char text[7];

	text_hex("\x00\x7f\xff", 3, text);
	ok(strcmp(text, "007fff") == 0, "hex: %s", text);
	ok(text_unhex(span_str("007fff"), out, 3) == ERR_OK && memcmp(out, "\x00\x7f\xff", 3) == 0,
	    "unhex");
	memset(out, 9, 3);
	is_err(text_unhex(span_str("007FFF"), out, 3), ERR_SYNTAX, "upper case");
	is_err(text_unhex(span_str("007ff"), out, 3), ERR_SYNTAX, "odd");
	is_err(text_unhex(span_str("007fff00"), out, 3), ERR_SYNTAX, "too long");
	is_err(text_unhex(span_str("007ffg"), out, 3), ERR_SYNTAX, "not hex at the end");
	ok(out[0] == 9, "a refusal writes nothing");
	is_err(text_unhex(SPAN_NONE, out, 0), ERR_OK, "nothing");
}

static void
times_are_exact(void)
{
	char text[TEXT_TIME_SIZE];
	int64_t t = 77;

	for (size_t i = 0; i < COUNT(times); i++) {
		text_time(times[i].wall_s, text);
		ok(strcmp(text, times[i].text) == 0, "time %s", text);
		ok(text_untime(span_str(times[i].text), &t) == ERR_OK && t == times[i].wall_s,
		    "untime %s", times[i].text);
	}
	for (size_t i = 0; i < COUNT(not_times); i++) {
		t = 77;
		is_err(
		    text_untime(span_str(not_times[i].in), &t), not_times[i].want, not_times[i].in);
		ok(t == 77, "%s: no value", not_times[i].in);
	}
	text_time(-1, text);
	ok(strlen(text) == 20, "before 1970 is still 20 bytes");
	text_time(INT64_MAX, text);
	ok(strlen(text) == 20, "so is the end of time");
}

static void
what_is_shown_drives_no_terminal(void)
{
	static const struct {
		const char *in, *out;
	} shown[] = { { "plain", "plain" }, { "\x1b[2J\r\n\x7f", "?[2J???" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91" },
		{ "a\xc2\x9b"
		  "2J",
		    "a??2J" },
		{ "\xe2\x80\xae"
		  "gnp",
		    "???gnp" },
		{ "\x9b"
		  "2J\xff\xc0\xaf",
		    "?2J???" },
		{ "\xe2\x82", "??" }, { "\xe2\x80\xa8\xef\xbb\xbf", "??????" } };

	for (size_t i = 0; i < COUNT(shown); i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "%s", shown[i].in);
		text_tame(text);
		ok(strcmp(text, shown[i].out) == 0, "shown %zu", i);
	}
}

int
main(void)
{
	numbers_are_strict();
	hex_is_lower();
	base64_is_canonical();
	times_are_exact();
	what_is_shown_drives_no_terminal();
	return done();
}
