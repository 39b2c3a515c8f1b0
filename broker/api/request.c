/* What a handler asks of a request, and how it answers. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "broker/api/server.h"

#define JSON_DEPTH_MAX 8

/* jansson reads a text for which it has no memory as a bad one, and writes an object without what
 * it has no memory for: so what it asks for is asked for here. */
static bool memory_short;

static void *
json_memory(size_t len)
{
	void *p = malloc(len);

	memory_short |= p == NULL;
	return p;
}

void
request_begin(void)
{
	json_set_alloc_funcs(json_memory, free);
	memory_short = false;
}

struct header_search {
	const char *name, *value;
	size_t count;
};

static enum MHD_Result
on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct header_search *h = cls;

	(void)kind;
	if (!span_eq_nocase(span_str(name), h->name))
		return MHD_YES;
	if (h->count++ == 0)
		h->value = value == NULL ? "" : value;
	return MHD_YES;
}

size_t
request_header(const struct request *q, const char *name, const char **ret_value)
{
	struct header_search h = { .name = name };

	(void)MHD_get_connection_values(q->connection, MHD_HEADER_KIND, on_header, &h);
	*ret_value = h.value;
	return h.count;
}

enum err
request_peer_uid(const struct request *q, uid_t *ret_uid)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (info == NULL ||
	    getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    len != sizeof(peer))
		return ERR_SYS;
	*ret_uid = peer.uid;
	return ERR_OK;
}

static void
send_response(
    struct request *q, unsigned status, struct MHD_Response *r, const char *type, const char *allow)
{
	bool good =
	    r != NULL &&
	    (type == NULL ||
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES) &&
	    (allow == NULL ||
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow) == MHD_YES) &&
	    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
	    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") == MHD_YES &&
	    MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;

	q->answered = good && MHD_queue_response(q->connection, status, r) == MHD_YES;
	if (r != NULL)
		MHD_destroy_response(r);
}

static void
send_json(struct request *q, unsigned status, json_t *o, const struct problem *p)
{
	char *text = json_dumps(o, JSON_COMPACT);

	if (text != NULL && !memory_short)
		send_response(q, status,
		    MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY),
		    p == NULL ? "application/json" : "application/problem+json",
		    p == NULL ? NULL : p->allow);
	free(text);
}

void
request_answer(struct request *q, unsigned status, json_t *o)
{
	if (o == NULL)
		return;
	send_json(q, status, o, NULL);
	json_decref(o);
}

void
request_answer_empty(struct request *q)
{
	send_response(
	    q, 204, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), NULL, NULL);
}

static const char *
status_title(unsigned status)
{
	const char *title = MHD_get_reason_phrase_for(status);

	return title == NULL ? "Refused" : title;
}

void
request_refuse(struct request *q, const struct problem *p)
{
	char type[96] = "urn:sidekey:";
	json_t *o;

	(void)strncat(type, p->code, sizeof(type) - strlen(type) - 1);
	o = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", type, "title", status_title(p->status),
	    "status", (int)p->status, "detail", p->detail, "code", p->code);
	if (o != NULL && p->hint[0] != '\0')
		(void)json_object_set_new(o, "hint", json_string(p->hint));
	if (o != NULL && p->extra != NULL)
		(void)json_object_update(o, p->extra);
	json_decref(p->extra);
	if (o != NULL)
		send_json(q, p->status, o, p);
	json_decref(o);
}

/* Levels of brackets outside of strings: jansson recurses, and its own limit is 2048. */
static bool
too_deep(struct span s)
{
	size_t depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return true;
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		}
	}
	return false;
}

static void
refuse_body(struct request *q, unsigned status, const char *detail)
{
	const struct problem p = { .status = status,
		.code = status == 415 ? "unsupported_type" : "bad_json",
		.detail = detail,
		.hint = "" };

	request_refuse(q, &p);
}

static bool
is_json_type(const char *type)
{
	size_t n = strcspn(type, "; ");

	return span_eq_nocase(span_of(type, n), "application/json");
}

static bool
known_key(const char *key, const char *const *keys)
{
	for (size_t i = 0; keys[i] != NULL; i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

static bool
only_known(struct request *q, json_t *o, const char *const *keys)
{
	char detail[160];
	const char *key;
	json_t *value;

	json_object_foreach(o, key, value)
	{
		if (known_key(key, keys))
			continue;
		(void)snprintf(
		    detail, sizeof(detail), "the member \"%.64s\" is not known here", key);
		refuse_body(q, 400, detail);
		return false;
	}
	return true;
}

json_t *
request_object(struct request *q, const char *const *keys)
{
	const char *type;
	json_error_t error;
	char detail[160];
	json_t *o = NULL;

	if (request_header(q, "Content-Type", &type) != 1 || !is_json_type(type)) {
		refuse_body(q, 415, "the body must be sent as Content-Type: application/json");
		return NULL;
	}
	if (too_deep(q->body)) {
		refuse_body(q, 400, "the body is nested too deep");
		return NULL;
	}
	o = json_loadb((const char *)q->body.p, q->body.len, JSON_REJECT_DUPLICATES, &error);
	if (memory_short) {
		json_decref(o);
		return NULL;
	}
	if (o == NULL) {
		(void)snprintf(detail, sizeof(detail),
		    "the body is not JSON: line %d, column %d: %.100s", error.line, error.column,
		    error.text);
		refuse_body(q, 400, detail);
		return NULL;
	}
	if (!json_is_object(o))
		refuse_body(q, 400, "the body must be a JSON object");
	else if (only_known(q, o, keys))
		return o;
	json_decref(o);
	return NULL;
}
