/* Compiled rules: there and back, cut at every byte, every bit flipped, and what a liar could
 * write. */
#include <stdlib.h>
#include <string.h>

#include "broker/rules/rules.h"
#include "tests/lib/tap.h"

/* Two upstreams and a policy that fill every field, made by hand. */
static struct pattern allow[] = { { "GET", (char *)"/a/*" }, { "*", (char *)"/b/**" } };
static struct pattern deny[] = { { "DELETE", (char *)"/**/secrets/**" } };
static char *workloads[] = { (char *)"w", (char *)"team/x" };
static struct use uses[] = {
	{ .upstream = 1,
	    .allow = allow,
	    .deny = deny,
	    .allow_count = 2,
	    .deny_count = 1,
	    .limit_requests = 60,
	    .limit_window_s = 60,
	    .limit_concurrent = 8,
	    .browser = true },
	{ .upstream = 0, .allow = allow, .allow_count = 1 },
};
static struct policy policies[] = {
	{ .name = "p",
	    .workloads = workloads,
	    .workload_count = 2,
	    .uses = uses,
	    .use_count = 2,
	    .revoke_on_misuse = true,
	    .enroll_readable = true },
};
static struct upstream upstreams[] = {
	{ .name = "plain", .host = "a.example", .port = 443, .base_path = (char *)"" },
	{ .name = "full",
	    .host = "b.example",
	    .port = 8443,
	    .base_path = (char *)"/v4",
	    .secret = "tok",
	    .inject = INJECT_HEADER,
	    .inject_name = (char *)"X-Key",
	    .inject_value = (char *)"t {credential}",
	    .placeholder = (char *)"p-{random}",
	    .shape = SHAPE_GITHUB,
	    .env = { { (char *)"A", (char *)"{base_url}" }, { (char *)"B", (char *)"" } },
	    .env_count = 2,
	    .strip = { (char *)"x-old" },
	    .strip_count = 1,
	    .ca_pem = (char *)"PEM\n",
	    .connect_host = "127.0.0.1",
	    .connect_port = 9443,
	    .allow_private = true,
	    .encoded_slash = true },
};
static const struct rules whole = {
	.upstreams = upstreams, .upstream_count = 2, .policies = policies, .policy_count = 1
};

static bool
same_bytes(const struct rules *r, const struct buf *want, bool only_upstreams)
{
	AUTO(buf_wipe) struct buf again = BUF_MAX(RULES_LEN_MAX);

	must(
	    (only_upstreams ? rules_write_upstreams(r, &again) : rules_write(r, &again)) == ERR_OK);
	return span_eq(buf_span(&again), buf_span(want));
}

static void
check_round(const struct buf *b)
{
	AUTO(rules_freep) struct rules *r = NULL;
	AUTO(buf_wipe) struct buf part = BUF_MAX(RULES_LEN_MAX);
	const struct upstream *u;

	is_err(rules_read(buf_span(b), &r), ERR_OK, "reads what was written");
	ok(same_bytes(r, b, false), "and writes it again");
	u = rules_upstream(r, span_str("full"));
	ok(u == &r->upstreams[1] && u->env_count == 2 && u->port == 8443 && u->connect_port == 9443,
	    "look-up by name");
	ok(rules_upstream(r, span_str("ful")) == NULL && rules_upstream(r, SPAN_NONE) == NULL,
	    "a part of a name is no name");
	ok(r->upstreams[0].placeholder == NULL && r->upstreams[0].ca_pem == NULL &&
		r->upstreams[0].base_path[0] == '\0',
	    "what is absent is NULL, but for the base path");
	ok(r->policies[0].uses[0].upstream == 1 && r->policies[0].uses[0].browser &&
		r->policies[0].revoke_on_misuse,
	    "the policy");
	rules_freep(&r);

	must(rules_write_upstreams(&whole, &part) == ERR_OK);
	is_err(rules_read_upstreams(buf_span(&part), &r), ERR_OK, "the part for a gateway");
	ok(r->policy_count == 0 && r->upstream_count == 2 && same_bytes(r, &part, true),
	    "has no policies");
	rules_freep(&r);
	is_err(rules_read(buf_span(&part), &r), ERR_SYNTAX, "the part is not the whole");
	is_err(rules_read_upstreams(buf_span(b), &r), ERR_SYNTAX, "the whole is not the part");
	ok(r == NULL, "and nothing is returned");
}

static void
check_cut(const struct buf *b)
{
	size_t bad = 0;

	for (size_t n = 0; n < b->len; n++) {
		struct rules *r = NULL;
		uint8_t *copy =
		    malloc(n + 1); /* of its own, so that a sanitizer sees a read beyond it */

		memcpy(copy, b->data, n);
		bad += rules_read(span_of(copy, n), &r) == ERR_OK || r != NULL;
		rules_free(r);
		free(copy);
	}
	ok(bad == 0, "cut at each of %zu bytes: refused", b->len);
}

static void
check_longer(const struct buf *b)
{
	AUTO(buf_wipe) struct buf copy = BUF_MAX(RULES_LEN_MAX + 1);
	struct rules *r = NULL;

	must(buf_append_span(&copy, buf_span(b)) == ERR_OK && buf_append_byte(&copy, 0) == ERR_OK);
	is_err(rules_read(buf_span(&copy), &r), ERR_SYNTAX, "one byte more");
}

/* Whatever a flipped bit makes of it, it is refused or is rules that can be written again. */
static void
check_flipped(const struct buf *b)
{
	size_t accepted = 0, bad = 0;
	uint8_t *copy = malloc(b->len);

	for (size_t bit = 0; bit < b->len * 8; bit++) {
		struct rules *r = NULL;
		struct buf view = { .data = copy, .len = b->len };

		memcpy(copy, b->data, b->len);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (rules_read(span_of(copy, b->len), &r) == ERR_OK) {
			accepted++;
			bad += !same_bytes(r, &view, false);
		}
		rules_free(r);
	}
	free(copy);
	ok(bad == 0 && accepted < b->len * 8,
	    "every bit flipped: refused, or read exactly (%zu of %zu)", accepted, b->len * 8);
}

/* 0xffffffff at each place, which makes counts and lengths enormous; a limit may be that large. */
static void
check_counts(const struct buf *b)
{
	uint8_t *copy = malloc(b->len);
	size_t bad = 0, accepted = 0;

	for (size_t i = 0; i < b->len; i++) {
		struct buf view = { .data = copy, .len = b->len };
		struct rules *r = NULL;

		memcpy(copy, b->data, b->len);
		memset(copy + i, 0xff, b->len - i < 4 ? b->len - i : 4);
		if (rules_read(span_of(copy, b->len), &r) == ERR_OK) {
			accepted++;
			bad += !same_bytes(r, &view, false);
		}
		rules_free(r);
	}
	free(copy);
	ok(bad == 0 && accepted < 20, "0xffffffff at every place: refused but for %zu limits",
	    accepted);
}

static void
put_text(char *dst, const char *text)
{
	memcpy(dst, text, strlen(text) + 1);
}

/* What a well-formed but lying compiler could send: the reader has the same grammar. One function a
 * lie. */
#define LIE(number, statement)                                                                     \
	static void lie_##number(struct upstream *u, struct policy *p)                             \
	{                                                                                          \
		struct use *use = &p->uses[0];                                                     \
		(void)u;                                                                           \
		(void)use;                                                                         \
		statement;                                                                         \
	}
LIE(0, put_text(u->name, "UP"))
LIE(1, put_text(u->host, "B.example"))
LIE(2, put_text(u->host, "0177.0.0.1"))
LIE(3, put_text(u->host, ""))
LIE(4, u->port = 0)
LIE(5, u->base_path = (char *)"/a/..")
LIE(6, put_text(u->secret, "a/b"))
LIE(7, u->inject = INJECT_NONE)
LIE(8, put_text(u->secret, ""))
LIE(9, u->inject = (enum inject_kind)4)
LIE(10, u->inject_name = (char *)"X\r\nY")
LIE(11, u->inject_name = (char *)"host")
LIE(12, u->inject_value = (char *)"{credential}\r\nE: 1")
LIE(13, u->inject_value = (char *)"x")
LIE(14, u->inject_value = NULL)
LIE(15, u->placeholder = (char *)"x")
LIE(16, u->shape = (enum error_shape)4)
LIE(17, u->env[0].name = (char *)"A=B")
LIE(18, u->env[0].value = (char *)"x\ny")
LIE(19, u->strip[0] = (char *)"content-length")
LIE(20, u->connect_port = 0)
LIE(21, put_text(u->connect_host, ""))
LIE(22, put_text(u->name, "plain"))
LIE(23, put_text(p->name, ""))
LIE(24, use->upstream = 2)
LIE(25, p->workloads[0] = (char *)"sidekey/gateway")
LIE(26, put_text(use->allow[0].method, "get"))
LIE(27, put_text(use->allow[0].method, ""))
LIE(28, use->allow[0].path = (char *)"/a/../b")
LIE(29, use->allow[0].path = (char *)"")
LIE(30, use->limit_requests = 0)
LIE(31, use->limit_window_s = 0)

static const struct {
	const char *what;
	void (*spoil)(struct upstream *u, struct policy *p);
} lies[] = {
	{ "an upstream's name", lie_0 },
	{ "a host with a capital", lie_1 },
	{ "an octal address as host", lie_2 },
	{ "no host", lie_3 },
	{ "port 0", lie_4 },
	{ "a base path that climbs", lie_5 },
	{ "a secret's name", lie_6 },
	{ "a credential without a place", lie_7 },
	{ "a place without a credential", lie_8 },
	{ "a kind that does not exist", lie_9 },
	{ "a header that splits", lie_10 },
	{ "Host as header", lie_11 },
	{ "a value that splits", lie_12 },
	{ "a value without the credential", lie_13 },
	{ "no value", lie_14 },
	{ "a placeholder without {random}", lie_15 },
	{ "a shape that does not exist", lie_16 },
	{ "a variable with =", lie_17 },
	{ "a variable's value with a line end", lie_18 },
	{ "a removed header that frames", lie_19 },
	{ "an address to dial without port", lie_20 },
	{ "a port without address", lie_21 },
	{ "two upstreams of one name", lie_22 },
	{ "a policy's name", lie_23 },
	{ "an upstream that is not there", lie_24 },
	{ "a workload's name", lie_25 },
	{ "a method in small letters", lie_26 },
	{ "no method", lie_27 },
	{ "a pattern that climbs", lie_28 },
	{ "no pattern", lie_29 },
	{ "a window without requests", lie_30 },
	{ "requests without a window", lie_31 },
};

/* A copy of `whole` that a lie may write into. */
struct copy {
	struct upstream upstreams[2];
	struct policy policy;
	struct use uses[2];
	struct pattern allow[2];
	char *workloads[2];
	struct rules rules;
};

static void
copy_whole(struct copy *c)
{
	memcpy(c->upstreams, upstreams, sizeof(upstreams));
	memcpy(c->uses, uses, sizeof(uses));
	memcpy(c->allow, allow, sizeof(allow));
	memcpy(c->workloads, workloads, sizeof(workloads));
	c->policy = policies[0];
	c->policy.uses = c->uses;
	c->policy.workloads = c->workloads;
	c->uses[0].allow = c->allow;
	c->rules = (struct rules){ .upstreams = c->upstreams,
		.upstream_count = 2,
		.policies = &c->policy,
		.policy_count = 1 };
}

static void
check_lies(void)
{
	for (size_t i = 0; i < COUNT(lies); i++) {
		AUTO(buf_wipe) struct buf b = BUF_MAX(RULES_LEN_MAX);
		struct rules *r = NULL;
		struct copy c;

		copy_whole(&c);
		lies[i].spoil(&c.upstreams[1], &c.policy);
		must(rules_write(&c.rules, &b) == ERR_OK);
		is_err(rules_read(buf_span(&b), &r), ERR_SYNTAX, lies[i].what);
		rules_free(r);
	}
}

/* A list of one more than there may be. */
static void
check_ceiling(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(RULES_LEN_MAX);
	struct rules *r = NULL;
	struct pattern *many = calloc(RULES_PATTERNS_MAX + 1, sizeof(*many));
	struct copy c;

	for (size_t i = 0; i <= RULES_PATTERNS_MAX; i++)
		many[i] = allow[0];
	copy_whole(&c);
	c.uses[0].allow = many;
	c.uses[0].allow_count = RULES_PATTERNS_MAX;
	must(rules_write(&c.rules, &b) == ERR_OK);
	is_err(rules_read(buf_span(&b), &r), ERR_OK, "256 patterns");
	rules_freep(&r);
	buf_clear(&b);
	c.uses[0].allow_count = RULES_PATTERNS_MAX + 1;
	must(rules_write(&c.rules, &b) == ERR_OK);
	is_err(rules_read(buf_span(&b), &r), ERR_LIMIT, "257 patterns");
	free(many);
}

int
main(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(RULES_LEN_MAX);

	is_err(rules_write(&whole, &b), ERR_OK, "writes");
	check_round(&b);
	check_cut(&b);
	check_longer(&b);
	check_flipped(&b);
	check_counts(&b);
	check_lies();
	check_ceiling();
	return done();
}
