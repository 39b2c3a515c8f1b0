#include "broker/keeper/placeholder.h"
#include "tests/lib/tap.h"

#include <ctype.h>
#include <string.h>

static struct placeholders places;
static struct intern names;

static void
make(const char *template, const struct instance *i, const char *upstream, char dst[256])
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(PLACEHOLDER_LEN_MAX);

	must(placeholder_make(&places, template, i->id, upstream, &b) == ERR_OK);
	must(span_copy_str(buf_span(&b), dst, 256));
}

static void
test_shape(void)
{
	struct instance one = { .id = { 1 } }, two = { .id = { 2 } };
	char a[256], b[256];
	bool plain = true;

	make("ghp_{random}", &one, "github", a);
	ok(strncmp(a, "ghp_", 4) == 0 && strlen(a) == 40, "a GitHub token's shape: %s", a);
	for (const char *p = a + 4; *p != '\0'; p++)
		plain = plain && isalnum((unsigned char)*p);
	ok(plain, "letters and digits");
	make("ghp_{random}", &one, "github", b);
	ok(strcmp(a, b) == 0, "the same every time");
	make("ghp_{random}", &two, "github", b);
	ok(strcmp(a, b) != 0, "another for another instance");
	make("ghp_{random}", &one, "githuc", b);
	ok(strcmp(a, b) != 0, "and for another upstream");
	make("<{random}>", &one, "github", b);
	ok(b[0] == '<' && b[strlen(b) - 1] == '>' && strncmp(a + 4, b + 1, 36) == 0,
	    "text on both sides");
}

static void
test_known(void)
{
	struct instance one = { .id = { 1 } };
	const struct interned *github = NULL, *brave = NULL;
	const struct placeholder *p;
	char a[256], b[256];

	must(intern_name(&names, "github", &github) == ERR_OK);
	must(intern_name(&names, "brave", &brave) == ERR_OK);
	make("ghp_{random}", &one, "github", a);
	ok(placeholders_find(&places, span_str(a)) == NULL, "not known before it was handed out");
	is_err(placeholders_learn(&places, &one, github, "ghp_{random}"), ERR_OK, "learned");
	is_err(placeholders_learn(&places, &one, github, "ghp_{random}"), ERR_OK,
	    "learning twice is no error");
	is_err(placeholders_learn(&places, &one, brave, "BSA{random}"), ERR_OK, "another");
	p = placeholders_find(&places, span_str(a));
	ok(p != NULL && p->instance == &one && p->upstream == github, "known again");
	make("BSA{random}", &one, "brave", b);
	p = placeholders_find(&places, span_str(b));
	ok(p != NULL && p->upstream == brave, "each for its upstream");
	b[0] = 'b';
	ok(placeholders_find(&places, span_str(b)) == NULL, "case counts");
	ok(placeholders_find(&places, span_of(a, strlen(a) - 1)) == NULL, "every byte counts");
	ok(placeholders_find(&places, SPAN_NONE) == NULL, "nothing is none");
	placeholders_forget(&places, &one);
	ok(placeholders_find(&places, span_str(a)) == NULL && places.known.count == 0 &&
		one.placeholders == NULL,
	    "all of an instance are forgotten together");
}

static void
test_intern(void)
{
	const struct interned *a = NULL, *b = NULL;

	must(intern_name(&names, "github", &a) == ERR_OK);
	must(intern_name(&names, "github", &b) == ERR_OK);
	ok(a == b, "a name keeps its number");
	must(intern_name(&names, "other", &b) == ERR_OK);
	ok(b->number != a->number, "another has another");
}

int
main(void)
{
	struct secret *make_key = NULL, *hash_key = NULL;

	must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &make_key) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &hash_key) == ERR_OK);
	placeholders_init(&places, make_key, hash_key);
	intern_init(&names, hash_key);
	test_shape();
	test_known();
	test_intern();
	placeholders_close(&places);
	intern_close(&names);
	secret_free(make_key);
	secret_free(hash_key);
	return done();
}
