#include "shim/answer.h"

#include <string.h>

#include "shim/json.h"

static const char *
title_of(unsigned status)
{
	switch (status) {
	case 403:
		return "Forbidden";
	case 503:
		return "Service Unavailable";
	default:
		return "Bad Gateway";
	}
}

enum err
shim_answer_write(
    struct buf *ret, unsigned status, const char *code, const char *detail, bool without_body)
{
	AUTO(shim_json_freep) json_t *root = NULL;
	AUTO(shim_json_text_freep) char *text = NULL;
	enum err e;

	root = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
	    title_of(status), "status", (int)status, "detail", detail, "code", code);
	if (root == NULL) /* a reason that is not UTF-8 must not cost the answer */
		root = json_pack("{s:i, s:s}", "status", (int)status, "code", code);
	text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
	if (text == NULL)
		return ERR_NOMEM;
	e = buf_printf(ret,
	    "HTTP/1.1 %u %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
	    status, title_of(status), strlen(text),
	    status == 403 ? "x-should-retry: false\r\n" : "");
	return e == ERR_OK && !without_body ? buf_append_str(ret, text) : e;
}
