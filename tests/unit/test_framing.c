/* The framing tables of tests/attack, as cases_to_corpus.py wrote them, against http1.c and
 * chunked.c. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/gateway/chunked.h"
#include "broker/gateway/http1.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define FILE_MAX (64u << 10)

/* A head that is refused, one whose body is refused or cut, or a whole message. */
enum outcome { HEAD_REFUSED = 0, BODY_REFUSED, BODY_CUT, WHOLE };
static const char *const outcome_names[] = { "head refused", "body refused", "body cut", "whole" };

static enum outcome
chunks(struct span in)
{
	struct chunked c = { 0 };

	while (!c.done) {
		struct span body;
		size_t used;

		if (chunked_decode(&c, in, &used, &body) != ERR_OK)
			return BODY_REFUSED;
		if (used == 0)
			return BODY_CUT;
		in = span_of(in.p + used, in.len - used);
	}
	return WHOLE;
}

static enum outcome
body(const struct http1_head *h, struct span in)
{
	struct span rest = span_of(in.p + h->head_len, in.len - h->head_len);

	if (h->framing == HTTP1_CHUNKED)
		return chunks(rest);
	return h->framing == HTTP1_LENGTH && rest.len < h->content_length ? BODY_CUT : WHOLE;
}

static enum outcome
request(struct span in)
{
	struct http1_head h;
	const char *reason;

	return http1_parse_request(in, &h, &reason) == ERR_OK ? body(&h, in) : HEAD_REFUSED;
}

static enum outcome
response(struct span in)
{
	struct http1_head h;
	const char *reason;
	struct span method = span_str(in.p[0] == 0 ? "GET" : "HEAD");
	enum err e;

	in = span_of(in.p + 1, in.len - 1);
	e = http1_parse_response(in, method, &h, &reason);
	return e == ERR_OK ? body(&h, in) : HEAD_REFUSED;
}

static bool
starts(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What the name of a case promises of these two modules; the rest is for the gateway to notice. */
static bool
keeps_promise(const char *name, enum outcome o)
{
	if (starts(name, "head-refuse-"))
		return o == HEAD_REFUSED;
	if (starts(name, "body-refuse-"))
		return o == BODY_REFUSED || o == BODY_CUT;
	if (starts(name, "route-refuse-") || starts(name, "ok-"))
		return o == WHOLE;
	if (starts(name, "cut-"))
		return o == BODY_REFUSED || o == BODY_CUT || o == WHOLE;
	return true;
}

static void
run_dir(const char *dir, enum outcome (*fn)(struct span))
{
	DIR *d = opendir(dir);
	size_t count = 0;

	for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
		AUTO(buf_wipe) struct buf b = BUF_MAX(FILE_MAX);
		char path[512];
		enum outcome o;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (sys_read_file(path, &b) != ERR_OK || b.len == 0) {
			ok(false, "%s can be read", path);
			continue;
		}
		o = fn(buf_span(&b));
		ok(keeps_promise(e->d_name, o), "%s: %s", e->d_name, outcome_names[o]);
		count++;
	}
	if (d != NULL)
		(void)closedir(d);
	ok(count >= 70, "%s holds the table (%zu)", dir, count);
}

int
main(void)
{
	run_dir("tests/fuzz/corpus/http1_request", request);
	run_dir("tests/fuzz/corpus/http1_response", response);
	return done();
}
