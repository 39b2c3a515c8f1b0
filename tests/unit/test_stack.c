/* What a stack's parts say by themselves: commands, inits, URLs, the scan of a Compose file. */
#include <string.h>

#include "cli/recognise.h"
#include "cli/stack.h"
#include "cli/stack_scan.h"
#include "common/secret.h"
#include "tests/lib/tap.h"

static bool
same(const json_t *list, const char *text)
{
	json_t *want = json_loads(text, 0, NULL);
	bool equal = json_equal(list, want) != 0;

	json_decref(want);
	return equal;
}

static void
test_command(void)
{
	static const struct {
		const char *what, *def, *image, *entrypoint, *command, *init;
	} rows[] = {
		{ "the image's own", "{\"entrypoint\":null,\"command\":null}",
		    "{\"Config\":{\"Entrypoint\":[\"a\"],\"Cmd\":[\"b\"]}}", "[\"a\"]", "[\"b\"]",
		    "" },
		{ "a command replaces CMD", "{\"command\":[\"x\"]}",
		    "{\"Config\":{\"Entrypoint\":[\"a\"],\"Cmd\":[\"b\"]}}", "[\"a\"]", "[\"x\"]",
		    "" },
		{ "an entrypoint drops CMD", "{\"entrypoint\":[\"x\"]}",
		    "{\"Config\":{\"Entrypoint\":[\"a\"],\"Cmd\":[\"b\"]}}", "[\"x\"]", "[]", "" },
		{ "an emptied entrypoint does not", "{\"entrypoint\":[]}",
		    "{\"Config\":{\"Entrypoint\":[\"a\"],\"Cmd\":[\"b\"]}}", "[]", "[\"b\"]", "" },
		{ "an empty command replaces none", "{\"command\":[]}",
		    "{\"Config\":{\"Entrypoint\":[\"a\"],\"Cmd\":[\"b\"]}}", "[\"a\"]", "[\"b\"]",
		    "" },
		{ "but behind an entrypoint of its own it does",
		    "{\"entrypoint\":[\"x\"],\"command\":[]}",
		    "{\"Config\":{\"Entrypoint\":[\"a\"],\"Cmd\":[\"b\"]}}", "[\"x\"]", "[]", "" },
		{ "CMD alone", "{}", "{\"Config\":{\"Entrypoint\":null,\"Cmd\":[\"b\",\"c\"]}}",
		    "[]", "[\"b\",\"c\"]", "" },
		{ "tini -- goes", "{}",
		    "{\"Config\":{\"Entrypoint\":[\"/usr/bin/tini\",\"--\",\"claude\"]}}",
		    "[\"claude\"]", "[]", "tini" },
		{ "with options and their words", "{}",
		    "{\"Config\":{\"Entrypoint\":[\"tini\",\"-g\",\"-p\",\"SIGTERM\",\"--\",\"a\","
		    "\"--\"]}}",
		    "[\"a\",\"--\"]", "[]", "tini" },
		{ "tini alone, the program in CMD", "{}",
		    "{\"Config\":{\"Entrypoint\":[\"/tini\",\"--\"],\"Cmd\":[\"node\",\"x\"]}}",
		    "[]", "[\"node\",\"x\"]", "tini" },
		{ "dumb-init in the command", "{\"command\":[\"dumb-init\",\"node\"]}",
		    "{\"Config\":{\"Entrypoint\":null}}", "[]", "[\"node\"]", "dumb-init" },
		{ "what only looks like one stays", "{}",
		    "{\"Config\":{\"Entrypoint\":[\"tinier\",\"--\",\"a\"]}}",
		    "[\"tinier\",\"--\",\"a\"]", "[]", "" },
	};
	struct stack_command k;

	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *def = json_loads(rows[i].def, 0, NULL);
		json_t *image = json_loads(rows[i].image, 0, NULL);

		ok(stack_command(def, image, &k) && same(k.entrypoint, rows[i].entrypoint) &&
			same(k.command, rows[i].command) && strcmp(k.init, rows[i].init) == 0,
		    "%s", rows[i].what);
		stack_command_wipe(&k);
		json_decref(def);
		json_decref(image);
	}
	ok(!stack_command(NULL, NULL, &k), "nothing to run is said");
}

static void
test_urls(void)
{
	static const struct {
		const char *text, *password, *host; /* NULL: none */
	} rows[] = {
		{ "postgres://u:pw@db:5432/x", "pw", "db" },
		{ "https://u:p@ss@h.example/", "p@ss", "h.example" },
		{ "https://h.example/a:b@c", NULL, "h.example" },
		{ "https://u:@h/", NULL, "h" },
		{ "redis://[::1]:6379", NULL, "[::1]" },
		{ "see https://x.example", NULL, "x.example" },
		{ "no url", NULL, NULL },
		{ "://", NULL, NULL },
		{ "a://u:p@", "p", NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span got = SPAN_NONE, host = SPAN_NONE;
		bool has = stack_url_password(span_str(rows[i].text), &got);
		bool at = stack_url_host(span_str(rows[i].text), &host);

		ok(has == (rows[i].password != NULL) &&
			(!has || span_eq_str(got, rows[i].password)),
		    "password of %s", rows[i].text);
		ok(at == (rows[i].host != NULL) && (!at || span_eq_str(host, rows[i].host)),
		    "host of %s", rows[i].text);
	}
}

struct seen {
	uint32_t line;
	const char *word;
	char key[64], top[64];
};

static enum err
look(const struct stack_scalar *v, void *arg)
{
	struct seen *s = arg;

	if (!v->is_key && span_eq_str(v->text, s->word)) {
		s->line = v->line;
		(void)span_copy_str(v->key, s->key, sizeof(s->key));
		(void)span_copy_str(v->top, s->top, sizeof(s->top));
	}
	return ERR_OK;
}

static void
test_scan(void)
{
	static const char text[] = "x-a: &a\n  K: one\nservices:\n  s:\n    <<: *a\n"
				   "    environment:\n      - two\n    list: [{q: three}]\n";
	static const struct {
		const char *word, *key, *top;
		uint32_t line;
	} rows[] = {
		{ "one", "K", "x-a", 2 },
		{ "two", "environment", "services", 7 },
		{ "three", "q", "services", 8 },
	};
	uint32_t line;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct seen s = { .word = rows[i].word };

		ok(stack_scan(span_str(text), look, &s, &line) == ERR_OK &&
			s.line == rows[i].line && strcmp(s.key, rows[i].key) == 0 &&
			strcmp(s.top, rows[i].top) == 0,
		    "%s has its line and its keys", rows[i].word);
	}
	ok(stack_scan(span_str("a: [\n"), look, &(struct seen){ .word = "" }, &line) == ERR_SYNTAX,
	    "a list that does not end");
}

static void
test_controls(void)
{
	json_t *def =
	    json_loads("{\"cap_drop\":[\"ALL\"],\"security_opt\":[\"no-new-privileges:true\"],"
		       "\"read_only\":true,\"user\":\"1000\",\"deploy\":{\"resources\":{"
		       "\"limits\":{\"cpus\":1,\"memory\":\"1\",\"pids\":1}}},\"logging\":{"
		       "\"options\":{\"max-size\":\"1m\"}}}",
		0, NULL);
	json_t *none = json_object();
	json_t *good = stack_missing_controls(def, NULL, true);
	json_t *bad = stack_missing_controls(none, NULL, false);

	ok(json_array_size(good) == 0, "a hardened service lacks none");
	ok(json_array_size(bad) == 9, "a bare one lacks all nine");
	json_decref(good);
	json_decref(bad);
	json_decref(def);
	json_decref(none);
}

static void
test_random(void)
{
	static const struct {
		const char *value;
		bool random;
	} rows[] = {
		{ "q7Zx2LmP0vRt9KcW4sYbN8hJ", true },
		{ "9f86d081884c7d659a2feaa0c55ad015", true },
		{ "q7Zx2LmP0vRt9KcW4sYbN8h", false }, /* a byte too short */
		{ "production-us-east-1-cluster", false },
		{ "/usr/lib/x86_64-linux-gnu/libfoo.so.1.2.3", false },
		{ "aaaaaaaaaaaaaaaaaaaaaaaa1234", false },
		{ "claude-3-5-sonnet-20241022-v2", false },
		{ "0b1e8f52-7c1d-4a2e-9f63-5d8a7b6c4e21", false }, /* a UUID names things */
		{ "please read all of this text 123", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ok(recognise_random(span_str(rows[i].value)) == rows[i].random, "%s",
		    rows[i].value);
}

int
main(void)
{
	test_random();
	test_command();
	test_urls();
	test_scan();
	test_controls();
	return done();
}
