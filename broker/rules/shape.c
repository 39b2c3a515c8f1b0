#include <arpa/inet.h>
#include <string.h>

#include "broker/rules/shape.h"

#define LABEL_LEN_MAX 63 /* RFC 1035 section 2.3.4 */
#define HEADER_NAME_LEN_MAX 128

static bool
is_lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(uint8_t c)
{
	return is_lower(c) || is_upper(c) || is_digit(c);
}

/* One of more, which is not empty, or a letter or digit. */
static bool
is_alnum_or(uint8_t c, const char *more)
{
	return is_alnum(c) || (c != '\0' && strchr(more, c) != NULL);
}

static bool
all_alnum_or(struct span s, const char *more)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_alnum_or(s.p[i], more))
			return false;
	}
	return true;
}

static bool
all_visible(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

const char *
shape_object_name(struct span s)
{
	if (name_object_check(s) == ERR_OK)
		return NULL;
	return "must be 1 to 128 of a-z 0-9 . _ - and start with a letter or digit";
}

const char *
shape_workload_name(struct span s)
{
	if (name_workload_check(s) == ERR_OK)
		return NULL;
	return "must be 1 to 4 segments of a-z 0-9 . _ - joined by '/', and not below sidekey/";
}

static bool
span_ip(struct span s, int family)
{
	uint8_t address[16];
	char text[INET6_ADDRSTRLEN];

	return span_copy_str(s, text, sizeof(text)) && inet_pton(family, text, address) == 1;
}

bool
shape_host_is_ip(struct span s)
{
	return span_ip(s, AF_INET) || span_ip(s, AF_INET6);
}

static const char *
shape_label(struct span s)
{
	if (s.len == 0)
		return "has an empty label (two dots, or a dot at an end)";
	if (s.len > LABEL_LEN_MAX)
		return "has a label of more than 63 bytes";
	if (s.p[0] == '-' || s.p[s.len - 1] == '-')
		return "has a label that starts or ends with '-'";
	for (size_t i = 0; i < s.len; i++) {
		if (!is_lower(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-')
			return "must be a DNS name of a-z 0-9 - and dots, or an IP address";
	}
	return NULL;
}

/* "127.1", "0x7f000001" and "2130706433" are addresses for some resolvers and names for others:
 * none of them is a host. */
static bool
last_label_is_number(struct span s)
{
	size_t at = s.len;

	while (at > 0 && s.p[at - 1] != '.')
		at--;
	s = span_of(s.p + at, s.len - at);
	if (s.len >= 2 && s.p[0] == '0' && s.p[1] == 'x')
		return true;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s.p[i]))
			return false;
	}
	return true;
}

const char *
shape_host(struct span s)
{
	size_t start = 0;

	if (s.len == 0 || s.len > RULES_HOST_LEN_MAX)
		return "must have 1 to 253 bytes";
	if (shape_host_is_ip(s))
		return NULL;
	for (size_t i = 0; i <= s.len; i++) {
		const char *why;

		if (i < s.len && s.p[i] != '.')
			continue;
		why = shape_label(span_of(s.p + start, i - start));
		if (why != NULL)
			return why;
		start = i + 1;
	}
	return last_label_is_number(s)
		   ? "ends in a number but is not an IP address in four decimals"
		   : NULL;
}

const char *
shape_base_path(struct span s)
{
	size_t start = 1;

	if (s.len == 0)
		return NULL;
	if (s.p[0] != '/' || s.len > RULES_TEMPLATE_LEN_MAX)
		return "must start with '/' and have at most 1024 bytes";
	for (size_t i = 1; i <= s.len; i++) {
		struct span segment = span_of(s.p + start, i - start);

		if (i < s.len && s.p[i] != '/')
			continue;
		if (segment.len == 0 || span_eq_str(segment, ".") || span_eq_str(segment, ".."))
			return "must not hold empty or dot segments, nor end in '/'";
		if (!all_alnum_or(segment, "-._~@:+"))
			return "must hold only letters, digits, and - . _ ~ @ : +";
		start = i + 1;
	}
	return NULL;
}

/* Framing, routing, what holds for one connection only (RFC 9110 section 7.6.1), and what the
 * gateway sets itself. */
static const char *const headers_refused[] = { "accept-encoding", "connection", "content-encoding",
	"content-length", "content-type", "expect", "host", "http2-settings", "keep-alive",
	"proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade", "via" };

const char *
shape_header_name(struct span s)
{
	if (s.len == 0 || s.len > HEADER_NAME_LEN_MAX)
		return "must have 1 to 128 bytes";
	if (!all_alnum_or(s, "!#$%&'*+-.^_`|~")) /* tchar, RFC 9110 section 5.6.2 */
		return "must be an HTTP field name: letters, digits and - mostly";
	for (size_t i = 0; i < COUNT(headers_refused); i++) {
		if (span_eq_nocase(s, headers_refused[i]))
			return "belongs to the connection or the message, and cannot carry a "
			       "credential";
	}
	if (s.len >= 8 && span_eq_nocase(span_of(s.p, 8), "sidekey-"))
		return "must not start with Sidekey-";
	return NULL;
}

/* Counts {word} in s; braces that are not one of words give *ret_bad. */
static size_t
count_words(struct span s, const char *const *words, const char *counted, bool *ret_bad)
{
	size_t found = 0;

	*ret_bad = false;
	for (size_t i = 0; i < s.len; i++) {
		struct span rest = span_of(s.p + i, s.len - i);
		const char *word = NULL;

		for (size_t w = 0; words[w] != NULL && word == NULL; w++)
			word = span_starts(rest, words[w]) ? words[w] : NULL;
		if (word == NULL) {
			*ret_bad = *ret_bad || s.p[i] == '{' || s.p[i] == '}';
			continue;
		}
		found += strcmp(word, counted) == 0;
		i += strlen(word) - 1;
	}
	return found;
}

const char *
shape_header_value(struct span s)
{
	static const char *const words[] = { "{credential}", NULL };
	bool bad;

	if (s.len == 0 || s.len > RULES_TEMPLATE_LEN_MAX)
		return "must have 1 to 1024 bytes";
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return "must hold visible ASCII and spaces only";
	}
	if (s.p[0] == ' ' || s.p[s.len - 1] == ' ')
		return "must not start or end with a space";
	if (count_words(s, words, "{credential}", &bad) != 1)
		return "must hold {credential} exactly once";
	return bad ? "holds a brace outside of {credential}" : NULL;
}

const char *
shape_query_name(struct span s)
{
	if (s.len == 0 || s.len > HEADER_NAME_LEN_MAX)
		return "must have 1 to 128 bytes";
	return all_alnum_or(s, "-._~") ? NULL : "must hold letters, digits, and - . _ ~ only";
}

const char *
shape_basic_user(struct span s)
{
	if (s.len == 0 || s.len > HEADER_NAME_LEN_MAX)
		return "must have 1 to 128 bytes";
	if (!all_visible(s) || memchr(s.p, ':', s.len) != NULL) /* RFC 7617 section 2 */
		return "must hold visible ASCII without ':'";
	return NULL;
}

const char *
shape_placeholder(struct span s)
{
	static const char *const words[] = { "{random}", NULL };
	bool bad;

	if (s.len == 0 || s.len > RULES_TEMPLATE_LEN_MAX)
		return "must have 1 to 1024 bytes";
	if (!all_visible(s))
		return "must hold visible ASCII only";
	if (count_words(s, words, "{random}", &bad) != 1)
		return "must hold {random} exactly once";
	return bad ? "holds a brace outside of {random}" : NULL;
}

const char *
shape_env_name(struct span s)
{
	if (s.len == 0 || s.len > HEADER_NAME_LEN_MAX)
		return "must have 1 to 128 bytes";
	if (!all_alnum_or(s, "_") || is_digit(s.p[0]))
		return "must hold letters, digits and _ only, and not start with a digit";
	if (span_starts(s, "SIDEKEY_"))
		return "must not start with SIDEKEY_, which the shim sets itself";
	return NULL;
}

const char *
shape_env_value(struct span s)
{
	static const char *const words[] = { "{base_url}", "{placeholder}", NULL };
	bool bad;

	if (s.len > RULES_TEMPLATE_LEN_MAX)
		return "must have at most 1024 bytes";
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return "must not hold control characters";
	}
	(void)count_words(s, words, "", &bad);
	return bad ? "holds a brace outside of {base_url} and {placeholder}" : NULL;
}

const char *
shape_method(struct span s)
{
	if (s.len == 0 || s.len > 16)
		return "must have 1 to 16 letters";
	for (size_t i = 0; i < s.len; i++) {
		if (!is_upper(s.p[i]) && (i == 0 || s.p[i] != '-'))
			return "must be upper case: methods are case-sensitive";
	}
	return NULL;
}
