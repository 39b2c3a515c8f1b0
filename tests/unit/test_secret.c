#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "tests/lib/tap.h"

#define ARENA 65536

static void
lives_and_is_wiped(void)
{
	struct secret *s = NULL, *t = NULL;
	uint8_t *bytes;

	is_err(secret_from("hunter2hunter2", 14, &s), ERR_OK, "a secret");
	ok(secret_len(s) == 14 && span_eq_str(secret_span(s), "hunter2hunter2"), "its bytes");
	bytes = secret_bytes(s);
	secret_free(s);
	ok(bytes[0] == 0 && memcmp(bytes, bytes + 1, 13) == 0, "wiped when freed");
	is_err(secret_new(32, &t), ERR_OK, "another");
	bytes = secret_bytes(t);
	for (size_t i = 0; i < 32; i++)
		bytes[0] |= bytes[i];
	ok(bytes[0] == 0, "is zero-filled");
	secret_freep(&t);
	ok(t == NULL, "freep forgets it");
	secret_freep(&t);
	secret_free(NULL);
}

static void
has_limits(void)
{
	struct secret *s = NULL;

	is_err(secret_new(SECRET_LEN_MAX + 1, &s), ERR_LIMIT, "too long");
	is_err(secret_new(SIZE_MAX, &s), ERR_LIMIT, "much too long");
	ok(s == NULL, "gives none");
	is_err(secret_new(SECRET_LEN_MAX, &s), ERR_OK, "the longest");
	memset(secret_bytes(s), 7, secret_len(s));
	secret_free(s);
}

/* Fills the arena, frees every second one, fills again: none may overlap another. */
static void
does_not_overlap(void)
{
	static struct secret *all[2000];
	size_t n = 0, bad = 0, first;

	while (n < COUNT(all) && secret_new(1 + n * 31 % 300, &all[n]) == ERR_OK) {
		memset(secret_bytes(all[n]), (int)(n & 255), secret_len(all[n]));
		n++;
	}
	first = n;
	ok(n > 100 && n < COUNT(all), "the arena ends after %zu", n);
	for (size_t i = 0; i < first; i += 2)
		secret_freep(&all[i]);
	for (size_t i = 0; i < first; i += 2) {
		if (secret_new(1 + i * 31 % 300, &all[i]) != ERR_OK)
			continue;
		memset(secret_bytes(all[i]), (int)(i & 255), secret_len(all[i]));
	}
	for (size_t i = 0; i < first; i++) {
		struct span s = all[i] != NULL ? secret_span(all[i]) : SPAN_NONE;

		for (size_t k = 0; k < s.len; k++)
			bad += s.p[k] != (i & 255);
	}
	ok(bad == 0, "each keeps its bytes");
	for (size_t i = 0; i < first; i++)
		secret_freep(&all[i]);
	is_err(secret_new(SECRET_LEN_MAX, &all[0]), ERR_OK, "and all of it comes back");
	secret_freep(&all[0]);
}

static void
compares(void)
{
	uint8_t a[64] = { 0 }, b[64] = { 0 };
	size_t bad = 0;

	ok(secret_equal("abc", 3, "abc", 3) && secret_equal(NULL, 0, NULL, 0), "equal");
	ok(!secret_equal("abc", 3, "abcd", 4) && !secret_equal("abc", 3, "ab", 2), "lengths");
	for (size_t i = 0; i < sizeof(a) * 8; i++) {
		b[i / 8] ^= (uint8_t)(1 << (i % 8));
		bad += secret_equal(a, sizeof(a), b, sizeof(b));
		b[i / 8] = 0;
	}
	ok(bad == 0, "every single bit counts");
	memset(a, 9, sizeof(a));
	secret_wipe(a, 10);
	ok(memcmp(a, b, 10) == 0 && a[10] == 9, "wipe clears that much");
	secret_wipe(NULL, 0);
	secret_wipe_free(NULL);
}

int
main(void)
{
	is_err(secret_arena_init(SIZE_MAX / 2), ERR_LIMIT, "an arena too large");
	if (!is_err(secret_arena_init(ARENA), ERR_OK, "arena"))
		return done();
	lives_and_is_wiped();
	has_limits();
	does_not_overlap();
	compares();
	return done();
}
