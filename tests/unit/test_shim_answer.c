#include <jansson.h>
#include <string.h>

#include "broker/gateway/http1.h"
#include "shim/answer.h"
#include "tests/lib/tap.h"

static void
check(unsigned status, const char *detail, bool is_head)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(8192);
	struct http1_head h;
	const char *reason = "";
	json_t *body;
	size_t left;

	is_err(shim_answer_write(&b, status, "a_code", detail, is_head), ERR_OK,
	    "an answer is written");
	is_err(http1_parse_response(buf_span(&b), span_str(is_head ? "HEAD" : "GET"), &h, &reason),
	    ERR_OK, "our own parser reads it");
	ok(h.status == status && !h.keep_alive, "it says %u and ends the connection", status);
	ok((http1_find(&h, "x-should-retry", 0) != NULL) == (status == 403),
	    "only a refusal asks not to be tried again");
	left = b.len - h.head_len;
	if (is_head) {
		ok(left == 0, "and has no body for HEAD");
		return;
	}
	ok(h.framing == HTTP1_LENGTH && h.content_length == left, "its length is right");
	body = json_loadb((const char *)b.data + h.head_len, left, 0, NULL);
	ok(json_integer_value(json_object_get(body, "status")) == (json_int_t)status &&
		strcmp(json_string_value(json_object_get(body, "code")), "a_code") == 0,
	    "the body is a problem");
	json_decref(body);
}

int
main(void)
{
	AUTO(buf_wipe) struct buf small = BUF_MAX(100);

	check(502, "sidekey: the gateway cannot be reached", false);
	check(502, "a \"quoted\" \\ and \n line", true);
	check(403, "refused", false);
	check(503, "\xff\xfe is not UTF-8", false);
	is_err(shim_answer_write(&small, 502, "c", "d", false), ERR_LIMIT,
	    "a buffer that is too small");
	return done();
}
