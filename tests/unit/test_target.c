#include <string.h>

#include "broker/ipc/body.h"
#include "broker/rules/target.h"
#include "tests/lib/tap.h"

#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *in;
	size_t len;
	const char *reason; /* NULL: fine */
	const char *slash;  /* the same where "%2f" is admitted */
} checks[] = {
	{ BYTES("/"), NULL, NULL },
	{ BYTES("/a"), NULL, NULL },
	{ BYTES("/a/"), NULL, NULL },
	{ BYTES("/a/b-._~!$&'()*+,;=:@%20%C3%A9"), NULL, NULL },
	{ BYTES("/a?"), NULL, NULL },
	{ BYTES("/a?b=%zz&c=/../%2f//%00\\"), NULL, NULL },
	{ BYTES("/?/../"), NULL, NULL },
	{ BYTES("/..."), NULL, NULL },
	{ BYTES("/.a"), NULL, NULL },
	{ BYTES("/a.."), NULL, NULL },
	{ BYTES("/a;b=c/d"), NULL, NULL },
	{ BYTES("/%25"), NULL, NULL },
	{ BYTES("/100%25zz"), NULL, NULL },
	{ BYTES(""), "not_origin_form", "not_origin_form" },
	{ BYTES("a"), "not_origin_form", "not_origin_form" },
	{ BYTES("*"), "not_origin_form", "not_origin_form" },
	{ BYTES("?a"), "not_origin_form", "not_origin_form" },
	{ BYTES("http://h/"), "not_origin_form", "not_origin_form" },
	{ BYTES("/a#b"), "not_origin_form", "not_origin_form" },
	{ BYTES("/a?b#c"), "not_origin_form", "not_origin_form" },
	{ BYTES("//"), "empty_segment", "empty_segment" },
	{ BYTES("//h/a"), "empty_segment", "empty_segment" },
	{ BYTES("/a//b"), "empty_segment", "empty_segment" },
	{ BYTES("/a//"), "empty_segment", "empty_segment" },
	{ BYTES("/a/;b/c"), "empty_segment", "empty_segment" },
	{ BYTES("/a/;"), "empty_segment", "empty_segment" },
	{ BYTES("/a/%3bb/c"), "empty_segment", "empty_segment" },
	{ BYTES("/."), "dot_segment", "dot_segment" },
	{ BYTES("/.."), "dot_segment", "dot_segment" },
	{ BYTES("/a/./b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/../b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/..?b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/..;x/b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/..%3bx/b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/%2e/b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/..%20/b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/%20./b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/.%20.;x"), "dot_segment", "dot_segment" },
	{ BYTES("/a/%20/b"), NULL, NULL },
	{ BYTES("/a/..%20b"), NULL, NULL },
	{ BYTES("/a/%2E%2e/b"), "dot_segment", "dot_segment" },
	{ BYTES("/a/.%2e"), "dot_segment", "dot_segment" },
	{ BYTES("/a/%2e.;/b"), "dot_segment", "dot_segment" },
	{ BYTES("/a%2eb"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%41"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%73ecrets"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%30"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%39"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%5A"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%61"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%7a"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%2f%40%5B%60%7B%3A"), "encoded_slash", "empty_segment" },
	{ BYTES("/a%40%5B%60%7B%3A"), NULL, NULL },
	{ BYTES("/%7e"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%5F"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%2D"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/a%2fb"), "encoded_slash", NULL },
	{ BYTES("/a%2Fb"), "encoded_slash", NULL },
	{ BYTES("/@scope%2fname"), "encoded_slash", NULL },
	{ BYTES("/a%2f..%2fb"), "encoded_slash", "dot_segment" },
	{ BYTES("/a%2f%2e%2e"), "encoded_slash", "dot_segment" },
	{ BYTES("/%2fb"), "encoded_slash", "empty_segment" },
	{ BYTES("/a%2f/b"), "encoded_slash", "empty_segment" },
	{ BYTES("/a%2f%2fb"), "encoded_slash", "empty_segment" },
	{ BYTES("/a%2f"), "encoded_slash", NULL },
	{ BYTES("/a\\b"), "backslash", "backslash" },
	{ BYTES("/a%5cb"), "backslash", "backslash" },
	{ BYTES("/a%5C..%5Cb"), "backslash", "backslash" },
	{ BYTES("/a%00"), "encoded_nul", "encoded_nul" },
	{ BYTES("/a%0d%0aX:%20y"), "control", "control" },
	{ BYTES("/a%1f"), "control", "control" },
	{ BYTES("/a%7f"), "control", "control" },
	{ BYTES("/a\0b"), "control", "control" },
	{ BYTES("/a b"), "control", "control" },
	{ BYTES("/a\x7f"), "control", "control" },
	{ BYTES("/a\xc3\xa9"), "control", "control" },
	{ BYTES("/a?b\tc"), "control", "control" },
	{ BYTES("/a?b\r\nc"), "control", "control" },
	{ BYTES("/a%"), "bad_escape", "bad_escape" },
	{ BYTES("/a%2"), "bad_escape", "bad_escape" },
	{ BYTES("/a%2?2"), "bad_escape", "bad_escape" },
	{ BYTES("/a%?41"), "bad_escape", "bad_escape" },
	{ BYTES("/a%zz"), "bad_escape", "bad_escape" },
	{ BYTES("/a%2g"), "bad_escape", "bad_escape" },
	{ BYTES("/a%u002f"), "bad_escape", "bad_escape" },
	{ BYTES("/a%%32f"), "bad_escape", "bad_escape" },
	{ BYTES("/%252e%252e/a"), "double_escape", "double_escape" },
	{ BYTES("/a%252fb"), "double_escape", "double_escape" },
	{ BYTES("/a%25%32f"), "encoded_unreserved", "encoded_unreserved" },
	{ BYTES("/%c0%ae%c0%ae/a"), "overlong_utf8", "overlong_utf8" },
	{ BYTES("/%C1%9c"), "overlong_utf8", "overlong_utf8" },
	{ BYTES("/%e0%80%af"), "overlong_utf8", "overlong_utf8" },
	{ BYTES("/%f0%80%80%af"), "overlong_utf8", "overlong_utf8" },
	{ BYTES("/%e0%a0%80%f0%90%80%80"), NULL, NULL },
};

static void
check_row(const char *in, size_t len, bool slash, const char *want)
{
	const char *reason = NULL;
	enum err e = target_check(span_of(in, len), slash, &reason);

	if (want == NULL)
		ok(e == ERR_OK && reason == NULL, "%s is fine%s (%s)", in, slash ? " with %2f" : "",
		    reason != NULL ? reason : "no reason");
	else
		ok(e == ERR_DENIED && reason != NULL && strcmp(reason, want) == 0, "%s: %s (%s)",
		    in, want, reason != NULL ? reason : "no reason");
}

static const struct {
	const char *pattern, *path;
	bool allow, deny;
} matches[] = {
	{ "/", "/", true, true },
	{ "/a", "/a", true, true },
	{ "/a", "/b", false, false },
	{ "/a", "/ab", false, false },
	{ "/ab", "/a", false, false },
	{ "/a", "/a/b", false, false },
	{ "/a/b", "/a", false, false },
	{ "/a", "/", false, false },
	{ "/a", "/a/", false, true },
	{ "/a/", "/a/", true, true },
	{ "/a/", "/a", false, true },
	{ "/a", "/A", false, true },
	{ "/A", "/a", false, true },
	{ "/A", "/A", true, true },
	{ "/secrets", "/%73ecrets", false, true },
	{ "/secrets", "/%53EcReTs", false, true },
	{ "/secrets", "/%2573ecrets", false, false },
	{ "/secrets", "/secrets;v=1", false, true },
	{ "/secrets", "/secrets;v=1/", false, true },
	{ "/secrets", "/secrets%3bv=1", false, true },
	{ "/secrets/x", "/secrets;v=1/x", false, true },
	{ "/secrets;v=1", "/secrets", false, true },
	{ "/%73ecrets", "/secrets", false, true },
	{ "/a%20b", "/a%20b", true, true },
	{ "/a%C3%A9", "/a%c3%a9", false, true },
	{ "/*", "/a", true, true },
	{ "/*", "/", false, false },
	{ "/*", "/a/b", false, false },
	{ "/*", "/a/", false, true },
	{ "/*/b", "/a/b", true, true },
	{ "/a/*/c", "/a/b/c", true, true },
	{ "/a/*/c", "/a/c", false, false },
	{ "/a/*/c", "/a/b/b/c", false, false },
	{ "/**", "/", true, true },
	{ "/**", "/a/b/c", true, true },
	{ "/**", "/a/b/c/", true, true },
	{ "/a/**", "/a", true, true },
	{ "/a/**", "/a/", true, true },
	{ "/a/**", "/a/b/c", true, true },
	{ "/a/**", "/ab", false, false },
	{ "/**/secrets/**", "/secrets", true, true },
	{ "/**/secrets/**", "/repos/acme/site/actions/secrets/KEY", true, true },
	{ "/**/secrets/**", "/repos/acme/site/actions/SECRETS/KEY", false, true },
	{ "/**/secrets/**", "/repos/acme/xsecrets", false, false },
	{ "/**/a/b", "/a/a/b", true, true },
	{ "/**/a/**/b", "/x/a/y/a/z/b", true, true },
	{ "/**/a/*/b", "/a/a/a/c/b", true, true },
	{ "/**/a/*/b", "/a/a/a/c/d/b", false, false },
	{ "/repos/acme/*/issues", "/repos/acme/site/issues", true, true },
	{ "/a/%2a", "/a/b", false, false },
	{ "/a/%2a", "/a/%2a", true, true },
	{ "/x/a/b", "/x/a%2fb", false, true },
	{ "/x/*/s", "/x/a%2fb/s", true, true },
	{ "/x/*/s", "/x/a%2Fb/S", false, true },
	{ "/x/*", "/x/a%2fb", true, true },
	{ "/secrets", "/secrets%2f", false, true },
	{ "/z", "/Z", false, true },
	{ "/a@", "/a`", false, false },
	{ "/a[", "/a{", false, false },
	{ "/x/b", "/x/a%2fc", false, false },
	{ "a", "/a", false, false },
	{ "a", "a", false, false },
	{ "/a", "", false, false },
	{ "/a", "a", false, false },
	{ "/%zz", "/%zz", true, true },
};

static const struct {
	const char *pattern;
	bool good;
} patterns[] = {
	{ "/", true },
	{ "/a", true },
	{ "/a/", true },
	{ "/*", true },
	{ "/**", true },
	{ "/**/a/*/b/**", true },
	{ "/a;b", true },
	{ "/a%20b", true },
	{ "/a%2fb", true },
	{ "", false },
	{ "a", false },
	{ "*", false },
	{ "**", false },
	{ "/a*", false },
	{ "/*a", false },
	{ "/a**", false },
	{ "/***", false },
	{ "/**a/b", false },
	{ "//", false },
	{ "/a//b", false },
	{ "/a/./b", false },
	{ "/..", false },
	{ "/a?b", false },
	{ "/a#b", false },
	{ "/a b", false },
	{ "/%41", false },
	{ "/%2e%2e", false },
	{ "/a%", false },
	{ "/a\\b", false },
	{ "/a%252fb", false },
	{ "/a\xc3\xa9", false },
};

/* "/a" count times, or one segment of count bytes. */
static enum err
check_long(size_t count, bool segments)
{
	static char big[3 * TARGET_LEN_MAX];
	const char *reason;

	for (size_t i = 0; i < count; i++) {
		if (segments)
			memcpy(big + 2 * i, "/a", 2);
		else
			big[i] = i == 0 ? '/' : 'a';
	}
	return target_check(span_of(big, segments ? 2 * count : count), false, &reason);
}

/* The dearest question that fits: it must end soon, too. */
static void
matching_is_bounded(void)
{
	static char pattern[1024], path[2 * TARGET_SEGMENTS_MAX + 1];
	size_t n = 0;

	while (n + 6 < sizeof(pattern)) {
		memcpy(pattern + n, "/**/a", 5);
		n += 5;
	}
	memcpy(pattern + n, "/b", 3);
	for (size_t i = 0; i < TARGET_SEGMENTS_MAX; i++)
		memcpy(path + 2 * i, "/a", 3);
	ok(!target_match_allow(pattern, span_str(path)), "200 times ** against 256 segments");
	ok(!target_match_deny(pattern, span_str(path)), "the same folded");
}

int
main(void)
{
	const char *reason;

	for (size_t i = 0; i < COUNT(checks); i++) {
		check_row(checks[i].in, checks[i].len, false, checks[i].reason);
		check_row(checks[i].in, checks[i].len, true, checks[i].slash);
	}
	for (size_t i = 0; i < COUNT(matches); i++) {
		struct span path = span_str(matches[i].path);

		ok(target_match_allow(matches[i].pattern, path) == matches[i].allow,
		    "allow %s %s %s", matches[i].pattern, matches[i].allow ? "meets" : "misses",
		    matches[i].path);
		ok(target_match_deny(matches[i].pattern, path) == matches[i].deny, "deny %s %s %s",
		    matches[i].pattern, matches[i].deny ? "meets" : "misses", matches[i].path);
	}
	for (size_t i = 0; i < COUNT(patterns); i++)
		ok((target_pattern_check(span_str(patterns[i].pattern), &reason) == ERR_OK) ==
			patterns[i].good,
		    "pattern \"%s\" is %s", patterns[i].pattern, patterns[i].good ? "good" : "bad");
	is_err(check_long(TARGET_LEN_MAX, false), ERR_OK, "target of the maximum");
	is_err(check_long(TARGET_LEN_MAX + 1, false), ERR_DENIED, "one byte more");
	is_err(check_long(TARGET_SEGMENTS_MAX, true), ERR_OK, "256 segments");
	is_err(check_long(TARGET_SEGMENTS_MAX + 1, true), ERR_DENIED, "257 segments");
	matching_is_bounded();
	ok(span_eq_str(target_path(span_str("/a/b?c?d")), "/a/b"), "the path ends at the first ?");
	ok(span_eq_str(target_path(span_str("/a")), "/a"), "or with the target");
	return done();
}
