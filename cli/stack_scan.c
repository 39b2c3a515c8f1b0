#include "cli/stack_scan.h"

#include <string.h>
#include <yaml.h>

#include "common/buf.h"
#include "common/secret.h"

#define KEY_MAX 256

struct level {
	bool map, at_value;
	char key[KEY_MAX]; /* the last one; "" in a list */
};

struct scan {
	yaml_parser_t parser;
	struct level levels[STACK_SCAN_DEPTH_MAX];
	uint32_t depth;
	stack_scan_fn *each;
	void *arg;
};

static struct level *
innermost(struct scan *s)
{
	return s->depth > 0 ? &s->levels[s->depth - 1] : NULL;
}

/* A value of any kind has ended: in a map the next is a key. */
static void
value_ended(struct scan *s)
{
	struct level *l = innermost(s);

	if (l != NULL && l->map)
		l->at_value = !l->at_value;
}

static const char *
key_of(const struct scan *s)
{
	for (uint32_t i = s->depth; i > 0; i--)
		if (s->levels[i - 1].map)
			return s->levels[i - 1].key;
	return "";
}

static enum err
on_scalar(struct scan *s, const yaml_event_t *event)
{
	struct level *l = innermost(s);
	struct stack_scalar v = { .line = (uint32_t)event->start_mark.line + 1,
		.depth = s->depth,
		.text = span_of(event->data.scalar.value, event->data.scalar.length) };
	enum err e;

	v.is_key = l != NULL && l->map && !l->at_value;
	v.top = span_str(s->depth > 1 || !v.is_key ? s->levels[0].key : "");
	v.key = span_str(v.is_key ? "" : key_of(s));
	e = s->each(&v, s->arg);
	if (v.is_key && !span_copy_str(v.text, l->key, sizeof(l->key)))
		l->key[0] = '\0'; /* too long to be one that anybody looks for */
	value_ended(s);
	return e;
}

static enum err
on_start(struct scan *s, bool map)
{
	if (s->depth == STACK_SCAN_DEPTH_MAX)
		return ERR_LIMIT;
	s->levels[s->depth++] = (struct level){ .map = map };
	return ERR_OK;
}

static enum err
on_event(struct scan *s, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(s, event);
	case YAML_ALIAS_EVENT:
		value_ended(s);
		return ERR_OK;
	case YAML_MAPPING_START_EVENT:
		return on_start(s, true);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(s, false);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		s->depth--;
		value_ended(s);
		return ERR_OK;
	default:
		return ERR_OK;
	}
}

static enum err
scan_all(struct scan *s, uint32_t *ret_line)
{
	enum err e = ERR_OK;
	bool end = false;

	while (e == ERR_OK && !end) {
		yaml_event_t event;

		*ret_line = (uint32_t)s->parser.mark.line + 1;
		if (yaml_parser_parse(&s->parser, &event) == 0)
			return ERR_SYNTAX;
		end = event.type == YAML_STREAM_END_EVENT;
		e = on_event(s, &event);
		if (event.type == YAML_SCALAR_EVENT)
			secret_wipe(event.data.scalar.value, event.data.scalar.length);
		yaml_event_delete(&event);
	}
	return e;
}

enum err
stack_scan(struct span text, stack_scan_fn *each, void *arg, uint32_t *ret_line)
{
	struct scan s = { .each = each, .arg = arg };
	enum err e;

	if (yaml_parser_initialize(&s.parser) == 0)
		return ERR_NOMEM;
	yaml_parser_set_input_string(
	    &s.parser, text.len > 0 ? text.p : (const uint8_t *)"", text.len);
	e = scan_all(&s, ret_line);
	yaml_parser_delete(&s.parser);
	return e;
}

/* What stands between :// and the path; false: there is no URL. */
static bool
authority(struct span text, struct span *ret)
{
	const uint8_t *start = text.len < 4 ? NULL : memmem(text.p, text.len, "://", 3);
	size_t at, from;

	if (start == NULL)
		return false;
	at = from = (size_t)(start + 3 - text.p);
	while (at < text.len && strchr("/?# \t\"'", text.p[at]) == NULL)
		at++;
	*ret = span_of(text.p + from, at - from);
	return true;
}

bool
stack_url_password(struct span text, struct span *ret_password)
{
	struct span a;
	const uint8_t *at, *colon;

	if (!authority(text, &a) || a.len == 0)
		return false;
	at = memrchr(a.p, '@', a.len);
	colon = at == NULL ? NULL : memchr(a.p, ':', (size_t)(at - a.p));
	if (colon == NULL || colon + 1 == at)
		return false;
	*ret_password = span_of(colon + 1, (size_t)(at - colon) - 1);
	return true;
}

bool
stack_url_host(struct span text, struct span *ret_host)
{
	struct span a;
	const uint8_t *at, *end;

	if (!authority(text, &a) || a.len == 0)
		return false;
	at = memrchr(a.p, '@', a.len);
	if (at != NULL)
		a = span_of(at + 1, a.len - (size_t)(at + 1 - a.p));
	end = a.len == 0 ? NULL : memchr(a.p, a.p[0] == '[' ? ']' : ':', a.len);
	if (end != NULL)
		a.len = (size_t)(end - a.p) + (a.p[0] == '[');
	*ret_host = a;
	return a.len > 0;
}
