/* Our own answers: valid in every shape, whatever a client put into the texts. */
#include <string.h>

#include "broker/gateway/refuse.h"
#include "tests/lib/tap.h"

#define HINT "sidekey: DELETE /x is not allowed for coder (audit 01-000123)"

static const struct {
	enum error_shape shape;
	const char *type, *body;
} shapes[] = {
	{ SHAPE_PROBLEM, "application/problem+json",
	    "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"detail\":\"" HINT
	    "\",\"hint\":\"" HINT "\",\"code\":\"policy_denied\",\"rule\":\"p: deny * /x\","
	    "\"audit\":\"01-000123\"}" },
	{ SHAPE_ANTHROPIC, "application/json",
	    "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"" HINT
	    "\"},\"sidekey\":{\"code\":\"policy_denied\",\"rule\":\"p: deny * /x\","
	    "\"audit\":\"01-000123\"}}" },
	{ SHAPE_OPENAI, "application/json",
	    "{\"error\":{\"message\":\"" HINT
	    "\",\"type\":\"permission_error\",\"param\":null,\"code\":\"policy_denied\"},"
	    "\"sidekey\":{\"code\":\"policy_denied\",\"rule\":\"p: deny * /x\","
	    "\"audit\":\"01-000123\"}}" },
	{ SHAPE_GITHUB, "application/json",
	    "{\"message\":\"" HINT "\",\"status\":\"403\",\"sidekey\":{\"code\":\"policy_denied\","
	    "\"rule\":\"p: deny * /x\",\"audit\":\"01-000123\"}}" },
};

static const char *
write_text(const struct refusal *r, bool close, bool head_only)
{
	static char text[65536];
	AUTO(buf_wipe) struct buf out = BUF_MAX(sizeof text);

	must(refuse_write(r, close, head_only, &out) == ERR_OK);
	must(span_copy_str(buf_span(&out), text, sizeof text));
	return text;
}

static const char *
body_of(const char *response)
{
	const char *end = strstr(response, "\r\n\r\n");

	must(end != NULL);
	return end + 4;
}

static void
test_shapes(void)
{
	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct refusal r = { .status = 403,
			.code = "policy_denied",
			.hint = HINT,
			.rule = "p: deny * /x",
			.audit = "01-000123",
			.shape = shapes[i].shape,
			.deny = true };
		const char *text = write_text(&r, false, false);
		char length[64], type[64];

		(void)snprintf(
		    length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(shapes[i].body));
		(void)snprintf(type, sizeof type, "\r\nContent-Type: %s\r\n", shapes[i].type);
		if (!ok(strcmp(body_of(text), shapes[i].body) == 0, "shape %zu: body", i))
			printf("# got %s\n", body_of(text));
		ok(strncmp(text, "HTTP/1.1 403 Forbidden\r\n", 24) == 0 &&
			strstr(text, length) != NULL && strstr(text, type) != NULL,
		    "shape %zu: status, length, type", i);
		ok(strstr(text, "\r\nx-should-retry: false\r\n") != NULL &&
			strstr(text, "\r\nSidekey-Decision: deny\r\n") != NULL &&
			strstr(text, "\r\nCache-Control: no-store\r\n") != NULL &&
			strstr(text, "Connection:") == NULL,
		    "shape %zu: ends the client, not the connection", i);
		text = write_text(&r, true, true);
		ok(*body_of(text) == '\0' && strstr(text, length) != NULL &&
			strstr(text, "\r\nConnection: close\r\n") != NULL,
		    "shape %zu: to HEAD, closing", i);
	}
}

static void
test_failure(void)
{
	struct refusal r = { .status = 503,
		.code = "keeper_away",
		.hint = "gone",
		.retry_after_s = 7,
		.allow = "GET" };
	const char *text = write_text(&r, false, false);

	ok(strstr(text, "x-should-retry") == NULL && strstr(text, "Sidekey-Decision") == NULL,
	    "a failure is no decision: clients may try again");
	ok(strstr(text, "\r\nRetry-After: 7\r\n") != NULL &&
		strstr(text, "\r\nAllow: GET\r\n") != NULL,
	    "Retry-After and Allow");
	ok(strstr(text, "\"detail\":\"sidekey: gone\"") != NULL, "our own texts say who speaks");
}

static void
test_escapes(void)
{
	struct refusal r = { .status = 403,
		.code = "c",
		.deny = true,
		.hint = "sidekey: a\"b\\c\r\nd\x01\x7f\xc3\xa9</script>",
		.rule = "\"",
		.audit = "\n" };

	for (int shape = SHAPE_PROBLEM; shape <= SHAPE_GITHUB; shape++) {
		const char *body;
		bool plain = true;

		r.shape = (enum error_shape)shape;
		body = body_of(write_text(&r, false, false));
		for (const char *p = body; *p != '\0'; p++)
			plain = plain && *p >= 0x20 && *p < 0x7f;
		ok(plain &&
			strstr(body,
			    "sidekey: "
			    "a\\\"b\\\\c\\u000d\\u000ad\\u0001\\u007f\\u00c3\\u00a9</script>") !=
			    NULL,
		    "shape %d escapes what a client sent", shape);
	}
}

static void
test_json(void)
{
	AUTO(buf_wipe) struct buf out = BUF_MAX(1024);

	must(refuse_write_json(200, "{\"status\":\"ready\"}", false, false, &out) == ERR_OK);
	ok(span_eq_str(buf_span(&out),
	       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n"
	       "Cache-Control: no-store\r\n\r\n{\"status\":\"ready\"}"),
	    "a plain answer");
	out.max = out.len;
	is_err(refuse_write_json(200, "{}", false, false, &out), ERR_LIMIT, "a full buffer");
}

int
main(void)
{
	test_shapes();
	test_failure();
	test_escapes();
	test_json();
	return done();
}
