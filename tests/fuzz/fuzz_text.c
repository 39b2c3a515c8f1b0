/* One value, one text: whatever is read, written again, is the text that was read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define IN_MAX 4096

static void
check_numbers(struct span in)
{
	char again[64];
	uint64_t n;
	int64_t t;

	if (text_u64(in, UINT64_MAX, &n) == ERR_OK) {
		(void)snprintf(again, sizeof(again), "%" PRIu64, n);
		must(span_eq_str(in, again));
		must(n == 0 || text_u64(in, n - 1, &n) == ERR_RANGE);
	}
	if (text_duration_s(in, 1000000, &n) == ERR_OK)
		must(n > 0 && n <= 1000000);
	if (text_size(in, 1u << 30, &n) == ERR_OK)
		must(n <= 1u << 30);
	if (text_untime(in, &t) == ERR_OK) {
		char time[TEXT_TIME_SIZE];

		text_time(t, time);
		must(span_eq_str(in, time));
	}
}

static void
check_base64(struct span in, enum text_alphabet a)
{
	static uint8_t bytes[IN_MAX];
	static char again[2 * IN_MAX];
	size_t len;

	if (text_unbase64(in, a, bytes, sizeof(bytes), &len) == ERR_OK) {
		text_base64(bytes, len, a, again);
		must(span_eq_str(in, again));
		must(len == 0 || text_unbase64(in, a, bytes, len - 1, &len) == ERR_LIMIT);
	}
	text_base64(in.p, in.len, a, again);
	must(strlen(again) == text_base64_len(in.len, a));
	must(text_unbase64(span_str(again), a, bytes, sizeof(bytes), &len) == ERR_OK);
	must(span_eq(span_of(bytes, len), in));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	static uint8_t bytes[IN_MAX];
	static char hex[2 * IN_MAX + 1];

	if (size > IN_MAX)
		return 0;
	check_numbers(in);
	check_base64(in, TEXT_BASE64);
	check_base64(in, TEXT_BASE64URL);
	if (text_unhex(in, bytes, size / 2) == ERR_OK) {
		text_hex(bytes, size / 2, hex);
		must(span_eq_str(in, hex));
	}
	text_hex(data, size, hex);
	must(text_unhex(span_str(hex), bytes, size) == ERR_OK);
	must(span_eq(span_of(bytes, size), in));
	return 0;
}
