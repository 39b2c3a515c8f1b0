/* What a plain scalar means: null, true, false, an integer, or text. Whatever else looks like a
 * number is refused, never guessed. */
#include <string.h>

#include "broker/yaml/tree.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t
digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* -?(0|[1-9][0-9]*) */
static bool
is_integer(const char *s)
{
	size_t n;

	s += *s == '-';
	n = digits(s);
	return n > 0 && s[n] == '\0' && (n == 1 || s[0] != '0');
}

/* What some YAML reader takes for a number: 1.5, 1e400, .5, 0x1f, 0o17, 017, 1_000, +1, .inf, .nan.
 * "1.2.3" and "60/1m" are text. */
static bool
is_numberish(const char *s)
{
	size_t whole;

	s += *s == '-' || *s == '+';
	if (strcmp(s, ".inf") == 0 || strcmp(s, ".Inf") == 0 || strcmp(s, ".INF") == 0 ||
	    strcmp(s, ".nan") == 0 || strcmp(s, ".NaN") == 0 || strcmp(s, ".NAN") == 0)
		return true;
	if (s[0] == '0' && s[1] != '\0' && strchr("xXoObB", s[1]) != NULL)
		return s[2] != '\0' && s[2 + strspn(s + 2, "0123456789abcdefABCDEF_")] == '\0';
	whole = strspn(s, "0123456789_");
	if (!is_digit(s[0]) && !(s[0] == '.' && is_digit(s[1])))
		return false;
	s += whole;
	if (*s == '.')
		s += 1 + strspn(s + 1, "0123456789_");
	if (*s == 'e' || *s == 'E') {
		s += 1 + (s[1] == '-' || s[1] == '+');
		return is_digit(*s) && s[digits(s)] == '\0';
	}
	return *s == '\0';
}

static enum err
parse_integer(struct yaml_node *n, const char *file, struct place_error *ret_error)
{
	const char *s = n->text;
	bool minus = *s == '-';
	int64_t v = 0;

	for (s += minus; *s != '\0'; s++) {
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *s - '0', &v))
			return yaml_error(ret_error, file, n, "the number is too large");
	}
	if (!minus && v == INT64_MIN)
		return yaml_error(ret_error, file, n, "the number is too large");
	n->kind = YAML_INTEGER;
	n->integer = minus ? v : -v; /* counted downwards: the negative range is the larger one */
	return ERR_OK;
}

enum err
tree_resolve_plain(struct yaml_node *n, const char *file, struct place_error *ret_error)
{
	char shown[YAML_SHOW_SIZE];

	n->kind = YAML_STRING;
	if (n->text[0] == '\0' || strcmp(n->text, "null") == 0 || strcmp(n->text, "~") == 0) {
		n->kind = YAML_NULL;
	} else if (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0) {
		n->kind = YAML_BOOL;
		n->boolean = n->text[0] == 't';
	} else if (is_integer(n->text)) {
		return parse_integer(n, file, ret_error);
	} else if (is_numberish(n->text)) {
		return yaml_error(ret_error, file, n,
		    "%s is not a plain whole number; write digits only, or quote it if it is text",
		    yaml_show(n->text, shown));
	}
	return ERR_OK;
}
