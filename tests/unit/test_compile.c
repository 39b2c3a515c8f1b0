/* What good upstream and policy files become, alone and as folders. The errors are in test_policyc.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/api/policyc/compile.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

/* Keys that make an upstream whole, for cases that are about another key. */
#define URL "url: https://a.example\n"
#define CRED "credential: {secret: s}\n"
#define POL "policy: p\nworkloads: [w]\n"

static char dir[] = "/tmp/test_compile.XXXXXX";

static void
write_file(const char *name, const char *text, size_t len)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(sys_replace_file(path, span_of(text, len), 0600) == ERR_OK);
}

static void
make_files(void)
{
	static const char good[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

	must(mkdtemp(dir) != NULL);
	write_file("good.pem", good, strlen(good));
}

static enum err
compile_two(const char *upstream, const char *policy, struct rules **ret_r,
    struct policyc_errors *ret_errors)
{
	struct compiler c;

	must(compile_init(&c, dir, ret_errors) == ERR_OK);
	if (upstream != NULL)
		compile_upstream_bytes(&c, "upstreams/u.yaml", span_str(upstream));
	if (policy != NULL)
		compile_policy_bytes(&c, "policies/p.yaml", span_str(policy));
	if (ret_errors->count == 0)
		compile_check_env(&c);
	return compile_finish(&c, ret_r);
}

static bool
is(const char *got, const char *want)
{
	bool good = want == NULL ? got == NULL : got != NULL && strcmp(got, want) == 0;

	if (!good)
		printf("# got %s, want %s\n", got == NULL ? "NULL" : got,
		    want == NULL ? "NULL" : want);
	return good;
}

static void
check_upstream(void)
{
	AUTO(rules_freep) struct rules *r = NULL;
	struct policyc_errors errors;
	const struct upstream *u;
	enum err e = compile_two("upstream: u\nurl: https://API.Example:8443/v4/\ncredential: "
				 "{kind: static, secret: tok}\n"
				 "inject: {header: PRIVATE-Token, value: \"tok "
				 "{credential}\"}\nplaceholder: \"gl-{random}\"\n"
				 "env: {A_URL: \"{base_url}/x\", b: \"{placeholder}\", C: "
				 "plain}\nerrors: github\nstrip: [Job-Token]\n"
				 "ca: good.pem\nconnect: "
				 "\"[::1]:9443\"\nallow_private: true\nencoded_slash: true\n",
	    NULL, &r, &errors);

	is_err(e, ERR_OK, "an upstream with every key");
	if (e != ERR_OK) {
		printf("# %u:%u %s\n", errors.list[0].line, errors.list[0].column,
		    errors.list[0].text);
		return;
	}
	u = &r->upstreams[0];
	ok(is(u->name, "u") && is(u->host, "api.example") && u->port == 8443 &&
		is(u->base_path, "/v4"),
	    "where it is");
	ok(is(u->secret, "tok") && u->inject == INJECT_HEADER &&
		is(u->inject_name, "PRIVATE-Token") && is(u->inject_value, "tok {credential}"),
	    "what is put in");
	ok(is(u->placeholder, "gl-{random}") && u->env_count == 3 && is(u->env[0].name, "A_URL") &&
		is(u->env[0].value, "{base_url}/x"),
	    "what the workload gets");
	ok(u->shape == SHAPE_GITHUB && u->strip_count == 1 && is(u->strip[0], "job-token"),
	    "header names are folded");
	ok(u->ca_pem != NULL && strncmp(u->ca_pem, "-----BEGIN", 10) == 0 &&
		is(u->connect_host, "::1") && u->connect_port == 9443,
	    "CA, address");
	ok(u->allow_private && u->encoded_slash, "leaves");
}

static void
check_like(void)
{
	static const struct {
		const char *text, *secret, *name, *value, *host;
		enum inject_kind inject;
	} cases[] = {
		{ "upstream: mine\nlike: anthropic\n", "anthropic-api-key", "x-api-key",
		    "{credential}", "api.anthropic.com", INJECT_HEADER },
		{ "upstream: anthropic\nlike: anthropic\nurl: https://proxy.example\ncredential: "
		  "{secret: other}\n",
		    "other", "x-api-key", "{credential}", "proxy.example", INJECT_HEADER },
		{ "upstream: u\nlike: anthropic\ninject: {basic: me}\n", "anthropic-api-key", "me",
		    NULL, "api.anthropic.com", INJECT_BASIC },
		{ "upstream: u\nlike: query\n" URL CRED, "s", "key", NULL, "a.example",
		    INJECT_QUERY },
		{ "upstream: u\nlike: bearer\n" URL CRED, "s", "Authorization",
		    "Bearer {credential}", "a.example", INJECT_HEADER },
		{ "upstream: u\nlike: header\n" URL CRED
		  "inject: {header: X-T, value: \"t={credential}\"}\n",
		    "s", "X-T", "t={credential}", "a.example", INJECT_HEADER },
		{ "upstream: u\nlike: basic\n" URL CRED, "s", "api", NULL, "a.example",
		    INJECT_BASIC },
		{ "upstream: public\n" URL, "", NULL, NULL, "a.example", INJECT_NONE },
		{ "upstream: u\nurl: https://10.0.0.1/\nallow_private: true\n", "", NULL, NULL,
		    "10.0.0.1", INJECT_NONE },
		{ "upstream: u\nurl: 'https://[FD00::1]:99'\nconnect: 127.0.0.1:9\n", "", NULL,
		    NULL, "fd00::1", INJECT_NONE },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(rules_freep) struct rules *r = NULL;
		struct policyc_errors errors;
		const struct upstream *u;

		if (!is_err(compile_two(cases[i].text, NULL, &r, &errors), ERR_OK, cases[i].text)) {
			printf("# %s\n", errors.list[0].text);
			continue;
		}
		u = &r->upstreams[0];
		ok(is(u->secret, cases[i].secret) && is(u->inject_name, cases[i].name) &&
			is(u->inject_value, cases[i].value) && is(u->host, cases[i].host) &&
			u->inject == cases[i].inject,
		    "  becomes what it says");
	}
}

static void
check_policy(void)
{
	AUTO(rules_freep) struct rules *r = NULL;
	struct policyc_errors errors;
	const struct policy *p;
	const struct use *use;
	enum err e = compile_two("upstream: u\n" URL,
	    "policy: p\nworkloads: [w, team/x.y_z-1]\nuse:\n"
	    "  u:\n    allow: [GET /a/*, \"* /b/**\"]\n    deny: [\"* /**/secrets/**\"]\n    "
	    "limit: {requests: 60/1m, concurrent: 8}\n    browser: true\n"
	    "  brave: {allow: [GET /]}\n  anthropic: {allow: [M-SEARCH /]}\non_misuse: "
	    "revoke\nenroll_readable: accept\n",
	    &r, &errors);

	is_err(e, ERR_OK, "a policy with every key");
	if (e != ERR_OK) {
		printf("# %u:%u %s\n", errors.list[0].line, errors.list[0].column,
		    errors.list[0].text);
		return;
	}
	p = &r->policies[0];
	ok(r->policy_count == 1 && is(p->name, "p") && p->workload_count == 2 &&
		is(p->workloads[1], "team/x.y_z-1"),
	    "name and workloads");
	ok(p->revoke_on_misuse && p->enroll_readable && p->use_count == 3, "words");
	use = &p->uses[0];
	ok(is(r->upstreams[use->upstream].name, "u") && use->allow_count == 2 &&
		is(use->allow[0].method, "GET") && is(use->allow[0].path, "/a/*"),
	    "allow");
	ok(is(use->allow[1].method, "*") && use->deny_count == 1 &&
		is(use->deny[0].path, "/**/secrets/**"),
	    "deny");
	ok(use->limit_requests == 60 && use->limit_window_s == 60 && use->limit_concurrent == 8 &&
		use->browser,
	    "limits");
	ok(r->upstream_count == 3 && is(r->upstreams[p->uses[1].upstream].name, "brave") &&
		p->uses[1].limit_requests == 0 && !p->uses[1].browser,
	    "an upstream of the catalogue needs no file");
}

/* Errors of several files come together, and one lost file does not blame the others. */
static void
check_pile(void)
{
	struct policyc_errors errors;
	struct rules *r = NULL;
	char many[4096] = POL "use:\n  brave:\n    allow:\n";

	(void)compile_two("upstream: u\nurl: http://x\nfoo: 1\n",
	    POL "use:\n  nosuch: {allow: [x]}\nbar: 1\n", &r, &errors);
	ok(errors.count == 5 && r == NULL, "all errors of two files");
	(void)compile_two(
	    "upstream: u\nurl: x: y\n", POL "use:\n  u: {allow: [GET /]}\n", &r, &errors);
	ok(errors.count == 1 && errors.list[0].line == 2,
	    "a file that does not parse is the only error");
	for (int i = 0; i < 25; i++)
		(void)strcat(many, "      - x\n");
	(void)compile_two(NULL, many, &r, &errors);
	ok(errors.count == 25 && strstr(errors.list[POLICYC_ERRORS_MAX - 1].text, "METHOD") != NULL,
	    "all are counted, 20 are kept");
	(void)compile_two("upstream: u\nlike: anthropic\n",
	    POL "use:\n  u: {allow: [GET /]}\n  anthropic: {allow: [GET /]}\n", &r, &errors);
	ok(errors.count == 1 && strstr(errors.list[0].text, "ANTHROPIC_BASE_URL") != NULL,
	    "one variable of two upstreams");
	ok(compile_two("upstream: u\nlike: anthropic\nenv: {OTHER_KEY: \"{placeholder}\"}\n",
	       POL "use:\n  u: {allow: [GET /]}\n  anthropic: {allow: [GET /]}\n", &r,
	       &errors) == ERR_OK,
	    "two upstreams with their own");
	rules_free(r);
}

static void
check_missing_folders(void)
{
	AUTO(rules_freep) struct rules *r = NULL;
	struct policyc_errors errors;
	char path[256];

	is_err(policyc_compile(dir, &r, &errors), ERR_SYNTAX, "no folders at all");
	(void)snprintf(path, sizeof(path), "%s/upstreams", dir);
	ok(errors.count == 2 && is(errors.list[0].file, path) &&
		strstr(errors.list[0].text, "no such folder; make it") != NULL,
	    "both are named");
	must(mkdir(path, 0700) == 0);
	(void)snprintf(path, sizeof(path), "%s/policies", dir);
	is_err(policyc_compile(dir, &r, &errors), ERR_SYNTAX, "no policies");
	ok(errors.count == 1 && is(errors.list[0].file, path), "named");
	must(mkdir(path, 0700) == 0);
	is_err(policyc_compile(dir, &r, &errors), ERR_OK, "two empty folders");
	ok(r->upstream_count == 0 && r->policy_count == 0, "are no rules");
}

static void
check_folders(void)
{
	AUTO(rules_freep) struct rules *r = NULL;
	AUTO(buf_wipe) struct buf first = BUF_MAX(RULES_LEN_MAX), second = BUF_MAX(RULES_LEN_MAX);
	struct policyc_errors errors;
	char path[256];

#define PUT(name, text) write_file(name, text, strlen(text))
	PUT("upstreams/b.yaml", "upstream: b\n" URL);
	PUT("upstreams/a.yaml", "upstream: a\n" URL "ca: good.pem\n");
	PUT("upstreams/.hidden.yaml", "x: [");
	PUT("upstreams/README.md", "x: [");
	PUT("policies/p.yaml", POL "use: {b: {allow: [GET /]}, a: {allow: [GET /]}}\n");
	PUT("policies/p.expect", "allow w a GET /\n");
	is_err(policyc_compile(dir, &r, &errors), ERR_OK, "two folders");
	ok(r->upstream_count == 2 && is(r->upstreams[0].name, "a") && r->policy_count == 1,
	    "in the order of names");
	must(rules_write(r, &first) == ERR_OK);
	rules_freep(&r);
	must(policyc_compile(dir, &r, &errors) == ERR_OK && rules_write(r, &second) == ERR_OK);
	ok(span_eq(buf_span(&first), buf_span(&second)), "the same files give the same bytes");
	rules_freep(&r);

	PUT("upstreams/c.yaml", "upstream: a\n" URL);
	is_err(policyc_compile(dir, &r, &errors), ERR_SYNTAX, "one name in two files");
	(void)snprintf(path, sizeof(path), "%s/upstreams/c.yaml", dir);
	ok(errors.count == 1 && errors.list[0].line == 1 && errors.list[0].column == 11 &&
		is(errors.list[0].file, path),
	    "the second is named");
	PUT("upstreams/c.yaml", "upstream: c\n" URL);
	PUT("policies/q.yml", POL);
	is_err(policyc_compile(dir, &r, &errors), ERR_SYNTAX,
	    "a .yml file is not passed over in silence");
	ok(errors.count == 1 && strstr(errors.list[0].text, "q.yml must end in .yaml") != NULL,
	    "and named");
	(void)snprintf(path, sizeof(path), "%s/policies/q.yml", dir);
	must(sys_unlink(path) == 0);
	(void)snprintf(path, sizeof(path), "%s/policies/l.yaml", dir);
	must(symlink("/etc/passwd", path) == 0);
	is_err(policyc_compile(dir, &r, &errors), ERR_SYNTAX, "a symbolic link is not followed");
	ok(errors.count == 1 && errors.list[0].line == 0 && is(errors.list[0].file, path),
	    "and named");
	must(sys_unlink(path) == 0);
	must(mkfifo(path, 0600) == 0);
	is_err(policyc_compile(dir, &r, &errors), ERR_SYNTAX, "a pipe is not waited for");
	must(sys_unlink(path) == 0 && mkdir(path, 0700) == 0);
	is_err(policyc_compile(dir, &r, &errors), ERR_SYNTAX, "a folder named like a policy");
	ok(errors.count == 1 && strstr(errors.list[0].text, "not a regular file") != NULL,
	    "and named");
	must(rmdir(path) == 0);
	ok(policyc_compile(dir, &r, &errors) == ERR_OK, "good again");
}

static void
remove_files(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)!system(command);
}

int
main(void)
{
	make_files();
	check_upstream();
	check_like();
	check_policy();
	check_pile();
	check_missing_folders();
	check_folders();
	remove_files();
	return done();
}
