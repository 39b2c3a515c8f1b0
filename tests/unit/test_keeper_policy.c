/* Loading rules into force: what is taken, what is refused, and that the old ones stay then. */
#include "broker/keeper/policy_fd.h"

#include <string.h>
#include <unistd.h>

#include "broker/keeper/policy.h"
#include "broker/rules/match.h"
#include "common/sys.h"
#include "tests/lib/rules_made.h"
#include "tests/lib/tap.h"

static char *only_a[] = { MADE("a") }, *both[] = { MADE("a"), MADE("b/c") };
static struct upstream upstreams[] = { UPSTREAM_KEY("api", "key", HELD),
	UPSTREAM_KEY("unused", "nobody-has-it", HELD), UPSTREAM("open") };
static struct use uses[] = { USE(0, "*") }, open_uses[] = { USE(2, "*") };
static struct policy two[] = {
	{ POLICY_FIELDS("first", only_a, uses), .enroll_readable = true },
	POLICY("second", both, open_uses),
};

static struct secrets secrets;
static struct intern names;
static struct policies policies;

static int
memfd_of(struct span bytes, int seals)
{
	int fd = sys_memfd("rules");

	must(fd >= 0 && sys_write_all(fd, bytes.p, bytes.len) == ERR_OK);
	must(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

#define ALL (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* As ruleset.c does it, without the store. */
static enum err
load_fd(int fd, int64_t now_ms)
{
	AUTO(buf_wipe) struct buf bytes = BUF_MAX(RULES_LEN_MAX);
	struct policy_set *s = NULL;
	enum err e = policy_fd_read(fd, &bytes);

	if (e == ERR_OK)
		e = policies_build(&policies, buf_span(&bytes), now_ms, &s);
	if (e == ERR_OK && s != NULL)
		policies_use(&policies, s);
	return e;
}

static enum err
load_bytes(struct span bytes, int seals, int64_t now_ms)
{
	AUTO(sys_closep) int fd = memfd_of(bytes, seals);

	return load_fd(fd, now_ms);
}

static enum err
load(uint32_t policy_count, int64_t now_ms)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(RULES_LEN_MAX);
	struct rules r = { upstreams, 3, two, policy_count };

	must(rules_write(&r, &b) == ERR_OK);
	return load_bytes(buf_span(&b), ALL, now_ms);
}

static void
add_secret(const char *name)
{
	AUTO(txn_wipe) struct txn t;
	struct named_secret n;

	txn_init(&t);
	must(secrets_put(&secrets, NULL, name, 0, 1, &t, &n) == ERR_OK &&
	     secrets_replace(&secrets, &n) == ERR_OK);
}

static bool
allows(const char *workload, const char *upstream)
{
	return match_request(policies_view(&policies, workload), span_str(workload),
		   span_str(upstream), span_str("GET"), span_str("/x"), false)
		   .verdict == VERDICT_ALLOW;
}

static void
test_load(void)
{
	uint64_t first;
	uint8_t digest[HASH_LEN];

	ok(policies_generation(&policies) == 0 && policies_digest(&policies) == NULL &&
		policies_upstreams_fd(&policies) == -1,
	    "at first there is nothing");
	is_err(load(2, 5000), ERR_NOT_FOUND, "a secret that a policy needs is missing");
	ok(strstr(policies.error, "key") != NULL &&
		strstr(policies.error, "sidekey secret set key") != NULL,
	    "it says which: %s", policies.error);
	ok(policies_generation(&policies) == 0, "still nothing");
	add_secret("key");
	is_err(
	    load(2, 5000), ERR_OK, "with it they load; a secret that nobody uses may be missing");
	ok(policies_generation(&policies) == 5000, "the clock gives the generation");
	ok(allows("a", "api") && allows("a", "open"), "one workload in two policies");
	ok(!allows("b/c", "api") && allows("b/c", "open"), "another in one");
	ok(!allows("b", "open") && !allows("c", "open") && !allows("", "open"), "others in none");
	ok(!allows("a", "unused"), "an upstream that no policy names");
	first = policies_generation(&policies);
	memcpy(digest, policies_digest(&policies), HASH_LEN);
	is_err(load(2, 9000), ERR_OK, "the same again");
	ok(policies_generation(&policies) == first, "is the same generation");
	is_err(load(1, 4000), ERR_OK, "others, with a clock that went back");
	ok(policies_generation(&policies) == first + 1, "are a later one all the same");
	ok(memcmp(digest, policies_digest(&policies), HASH_LEN) != 0, "with another digest");
	ok(!allows("a", "open") && allows("a", "api"), "and in force at once");
}

static void
test_refused(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(RULES_LEN_MAX);
	struct rules r = { upstreams, 3, two, 2 };
	uint64_t before = policies_generation(&policies);
	AUTO(sys_closep) int file = sys_open("/proc/self/exe", O_RDONLY, 0);

	must(rules_write(&r, &b) == ERR_OK);
	is_err(
	    load_bytes(buf_span(&b), 0, 1), ERR_PROTO, "a memfd that its sender can still change");
	is_err(load_bytes(buf_span(&b), F_SEAL_SHRINK | F_SEAL_GROW, 1), ERR_PROTO, "or write to");
	is_err(load_bytes(buf_span(&b), F_SEAL_WRITE | F_SEAL_GROW, 1), ERR_PROTO, "or cut");
	is_err(load_fd(file, 1), ERR_PROTO, "a file");
	is_err(load_fd(-1, 1), ERR_PROTO, "nothing");
	is_err(load_bytes(span_of(b.data, b.len - 1), ALL, 1), ERR_SYNTAX, "a byte too few");
	must(buf_append_byte(&b, 0) == ERR_OK);
	is_err(load_bytes(buf_span(&b), ALL, 1), ERR_SYNTAX, "a byte too many");
	is_err(load_bytes(SPAN_NONE, ALL, 1), ERR_SYNTAX, "empty");
	ok(policies.error[0] != '\0', "each has its sentence");
	ok(policies_generation(&policies) == before && allows("a", "api"),
	    "what was in force stays");
}

static void
test_too_long(void)
{
	AUTO(sys_closep) int fd = sys_memfd("rules");

	must(ftruncate(fd, RULES_LEN_MAX + 1) == 0 && fcntl(fd, F_ADD_SEALS, ALL) == 0);
	is_err(load_fd(fd, 1), ERR_LIMIT, "more than there may be");
}

static void
test_upstreams_fd(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(RULES_LEN_MAX);
	AUTO(rules_freep) struct rules *r = NULL;
	int fd = policies_upstreams_fd(&policies);
	uint8_t chunk[65536];
	ssize_t n = sys_pread(fd, chunk, sizeof chunk, 0);

	must(n > 0 && buf_append(&b, chunk, (size_t)n) == ERR_OK);
	is_err(rules_read_upstreams(buf_span(&b), &r), ERR_OK, "a gateway can read what it gets");
	ok(r->upstream_count == 3 && r->policy_count == 0, "upstreams alone");
	ok((fcntl(fd, F_GET_SEALS) & ALL) == ALL, "and cannot change it for others");
}

static void
test_queries(void)
{
	is_err(load(2, 20000), ERR_OK, "two policies");
	ok(!policies_readable_ok(policies_view(&policies, "a")),
	    "one policy that does not accept a readable enrollment is enough");
	ok(strcmp(policies_upstream_name(&policies, 2)->name, "open") == 0,
	    "upstreams keep their names");
	is_err(load(1, 20000), ERR_OK, "one policy");
	ok(policies_readable_ok(policies_view(&policies, "a")), "which accepts it");
	ok(!policies_readable_ok(policies_view(&policies, "b/c")),
	    "nobody accepted it for a workload without policy");
	policies_fail(&policies, "a sentence of admin's");
	ok(strcmp(policies.error, "a sentence of admin's") == 0,
	    "what did not compile is told, too");
}

int
main(void)
{
	struct secret *key = NULL;

	must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &key) == ERR_OK);
	secrets_init(&secrets, key);
	intern_init(&names, key);
	policies_init(&policies, &names, &secrets, key);
	test_load();
	test_refused();
	test_too_long();
	test_upstreams_fd();
	test_queries();
	policies_close(&policies);
	intern_close(&names);
	secrets_close(&secrets);
	secret_free(key);
	return done();
}
