#include "broker/api/policyc/expect.h"

#include <stdio.h>
#include <string.h>

#include "broker/rules/shape.h"

#define FIELDS_MIN 5
#define FIELDS_MAX 6

struct fields {
	struct span field[FIELDS_MAX];
	uint32_t column[FIELDS_MAX];
	size_t count; /* of the line, also over FIELDS_MAX */
};

struct expect_reader
expect_read(const char *file, struct span text)
{
	return (struct expect_reader){ .file = file, .left = text, .line = 0 };
}

static struct span
take_line(struct expect_reader *r)
{
	const uint8_t *end = memchr(r->left.p, '\n', r->left.len);
	struct span line = end == NULL ? r->left : span_of(r->left.p, (size_t)(end - r->left.p));
	size_t taken = line.len + (end != NULL);

	r->left = span_of(r->left.p + taken, r->left.len - taken);
	r->line++;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* Words between spaces, up to a word that starts with '#'. */
static void
split(struct span line, struct fields *ret_f)
{
	size_t i = 0, start;

	ret_f->count = 0;
	while (i < line.len) {
		if (line.p[i] == ' ') {
			i++;
			continue;
		}
		if (line.p[i] == '#')
			return;
		start = i;
		while (i < line.len && line.p[i] != ' ')
			i++;
		if (ret_f->count < FIELDS_MAX) {
			ret_f->field[ret_f->count] = span_of(line.p + start, i - start);
			ret_f->column[ret_f->count] = (uint32_t)start + 1;
		}
		ret_f->count++;
	}
}

static enum err
fail(
    const struct expect_reader *r, uint32_t column, const char *text, struct place_error *ret_error)
{
	const struct yaml_node at = { .line = r->line, .column = column };

	return yaml_error(ret_error, r->file, &at, "%s", text);
}

static bool
known_code(struct span s)
{
	static const char *const codes[] = { "ok", "no_policy", "no_upstream", "bad_target",
		"denied_by_rule", "not_allowed", "browser", "too_long", "not_origin_form",
		"control", "backslash", "bad_escape", "encoded_nul", "encoded_slash",
		"encoded_unreserved", "double_escape", "overlong_utf8", "dot_segment",
		"empty_segment" };

	for (size_t i = 0; i < COUNT(codes); i++) {
		if (span_eq_str(s, codes[i]))
			return true;
	}
	return false;
}

static enum err
judge(const struct expect_reader *r, const struct fields *f, struct place_error *ret_error)
{
	if (f->count < FIELDS_MIN || f->count > FIELDS_MAX)
		return fail(
		    r, 1, "expected: allow|deny WORKLOAD UPSTREAM METHOD TARGET [CODE]", ret_error);
	if (!span_eq_str(f->field[0], "allow") && !span_eq_str(f->field[0], "deny"))
		return fail(r, f->column[0], "expected \"allow\" or \"deny\"", ret_error);
	if (shape_workload_name(f->field[1]) != NULL)
		return fail(r, f->column[1], "expected a workload's name", ret_error);
	if (shape_object_name(f->field[2]) != NULL)
		return fail(r, f->column[2], "expected an upstream's name", ret_error);
	if (f->count == FIELDS_MAX && !known_code(f->field[5]))
		return fail(r, f->column[5],
		    "expected a code such as not_allowed, denied_by_rule, no_policy, no_upstream "
		    "or bad_target",
		    ret_error);
	return ERR_OK; /* method and target may be anything: what is refused can be expected too */
}

enum err
expect_next(struct expect_reader *r, struct expectation *ret_x, struct place_error *ret_error)
{
	struct fields f;
	struct span line;
	enum err e;

	do {
		if (r->left.len == 0)
			return ERR_EOF;
		line = take_line(r);
		if (memchr(line.p, '\t', line.len) != NULL ||
		    memchr(line.p, '\0', line.len) != NULL)
			return fail(r, 1, "a tab or NUL byte; use spaces", ret_error);
		split(line, &f);
	} while (f.count == 0);
	e = judge(r, &f, ret_error);
	if (e != ERR_OK)
		return e;
	*ret_x = (struct expectation){ .allow = span_eq_str(f.field[0], "allow"),
		.workload = f.field[1],
		.upstream = f.field[2],
		.method = f.field[3],
		.target = f.field[4],
		.code = f.count == FIELDS_MAX ? f.field[5] : SPAN_NONE,
		.line = r->line };
	return ERR_OK;
}

bool
expect_holds(const struct rules *r, const struct expectation *x, struct match *ret_m)
{
	struct match m = match_request(r, x->workload, x->upstream, x->method, x->target, false);

	*ret_m = m;
	if ((m.verdict == VERDICT_ALLOW) != x->allow)
		return false;
	return x->code.len == 0 || span_eq_str(x->code, m.code) ||
	       (m.reason != NULL && span_eq_str(x->code, m.reason));
}
