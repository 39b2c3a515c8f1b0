/* The operator's routes: who is let in, names in paths, lists over pages, and how rules get into
 * force. */
#include <fcntl.h>
#include <sys/mman.h>

#include "broker/api/admin/admin.h"
#include "broker/ipc/body.h"
#include "broker/keeper/policy_fd.h"
#include "tests/lib/tap.h"
#include "tests/lib/talk.h"

#define HEAD "Host: sidekey\r\n"
#define BODY(length) HEAD "Content-Type: application/json\r\nContent-Length: " length "\r\n\r\n"

static struct admin admin;
static char dir[] = "/tmp/test_admin.XXXXXX";

/* The fake keeper. It keeps the last first error it was told, and says it as status.rules_error. */
static char told[HINT_LEN_MAX + 1];
static uint64_t generation;
static int upstreams_fd = -1; /* in force there */

static void
fail(struct wire_writer *w, enum err e, const char *code)
{
	wire_put_u16(w, (uint16_t)e);
	wire_put_str(w, code);
	wire_put_str(w, "no such thing");
	wire_put_str(w, "");
}

static void
put_workloads(struct wire_writer *w, struct wire_reader *r)
{
	struct workload_row v = { .state = 1,
		.live_certificates = 2,
		.open_enrollments = 3,
		.created_s = 4,
		.last_seen_s = 5 };
	char after[NAME_LEN_MAX + 1];

	wire_str(r, after, sizeof(after));
	wire_put_bool(w, after[0] == '\0'); /* two pages */
	wire_put_u16(w, 1);
	(void)snprintf(v.name, sizeof(v.name), "%s", after[0] == '\0' ? "a" : "b");
	must(after[0] == '\0' || strcmp(after, "a") == 0);
	workload_row_put(w, &v);
}

static void
put_secrets(struct wire_writer *w)
{
	static const struct secret_row v = { .name = "tok",
		.active_version = 7,
		.version_count = 9,
		.exposed = true,
		.changed_s = 4 };

	wire_put_bool(w, false);
	wire_put_u16(w, 1);
	secret_row_put(w, &v);
}

static void
put_history(struct wire_writer *w)
{
	static const struct version_row v = {
		.version = 7, .state = VERSION_ACTIVE, .created_s = 3, .changed_s = 4
	};

	wire_put_u16(w, 1);
	version_row_put(w, &v);
}

static void
put_status(struct wire_writer *w)
{
	struct status v = { .ready = READY_YES,
		.landlock = true,
		.generation = 12,
		.trust_domain = "t.example",
		.workloads = 3 };

	memcpy(v.rules_error, told, sizeof(told));
	status_put(w, &v);
}

/* AK_RULES_LOAD: the memfd must be sealed, and hold rules. */
static void
take_rules(struct wire_writer *w, struct msg *m)
{
	struct rules *rules = NULL;
	off_t len = lseek(m->fd, 0, SEEK_END);
	void *p = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, m->fd, 0);
	uint8_t digest[32] = { 0xab };

	must(fcntl(m->fd, F_GET_SEALS) ==
	     (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	must(p != MAP_FAILED && rules_read(span_of(p, (size_t)len), &rules) == ERR_OK);
	generation = 40 + rules->upstream_count;
	sys_close(upstreams_fd);
	must(policy_fd_make(rules, &upstreams_fd) == ERR_OK);
	wire_put_u64(w, generation);
	wire_put_fixed(w, digest, sizeof(digest));
	rules_free(rules);
}

static void
put_answer(struct wire_writer *w, struct msg *m, struct wire_reader *r)
{
	switch (m->type) {
	case AK_STATUS:
		put_status(w);
		break;
	case AK_WORKLOAD_LIST:
		put_workloads(w, r);
		break;
	case AK_SECRET_LIST:
		put_secrets(w);
		break;
	case AK_SECRET_HISTORY:
		put_history(w);
		break;
	case AK_RULES_LOAD:
		take_rules(w, m);
		break;
	case AK_UPSTREAMS:
		wire_put_u64(w, generation);
		break;
	case AK_RULES_BAD:
		wire_str(r, told, sizeof(told));
		break;
	default:
		break;
	}
}

static void
answer(struct channel *ch, struct msg *m, void *arg)
{
	struct wire_reader r = wire_read(m->body);
	uint64_t id = wire_u64(&r);
	bool change = m->type == AK_WORKLOAD_SET || m->type == AK_SECRET_SET,
	     add = m->type == AK_WORKLOAD_ADD;
	uint32_t uid = change || add || m->type == AK_RULES_LOAD ? wire_u32(&r) : geteuid();
	char name[NAME_LEN_MAX + 1] = "";
	struct wire_writer w;

	(void)arg;
	must(uid == geteuid());
	if (change || add)
		wire_str(&r, name, sizeof(name));
	w = channel_begin(ch, strcmp(name, "absent") == 0 ? AK_FAIL : AK_OK);
	wire_put_u64(&w, id);
	if (strcmp(name, "absent") == 0)
		fail(&w, ERR_NOT_FOUND, "not_found");
	else if (change)
		wire_put_u32(
		    &w, 100u * wire_u8(&r) +
			    (uint32_t)strlen(name)); /* what was asked comes back as a number */
	else
		put_answer(&w, m, &r);
	must((m->type == AK_UPSTREAMS && generation != 0 ? channel_end_fd(ch, &w, upstreams_fd)
							 : channel_end(ch, &w)) == ERR_OK);
}

static const struct {
	const char *what, *request;
	int status;
	const char *part;
} cases[] = {
	{ "status", "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n", 200, "\"ready\":\"yes\"" },
	{ "status has the trust domain", "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n", 200,
	    "\"trust_domain\":\"t.example\"" },
	{ "localhost", "GET /v1/admin/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 200,
	    "\"generation\":12" },
	{ "a rebound name", "GET /v1/admin/status HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403,
	    "\"code\":\"browser\"" },
	{ "a name that begins well",
	    "GET /v1/admin/status HTTP/1.1\r\nHost: sidekey.evil.example\r\n\r\n", 403, "browser" },
	{ "a page's Origin",
	    "POST /v1/admin/reload HTTP/1.1\r\n" HEAD
	    "Origin: http://sidekey\r\nContent-Length: 0\r\n\r\n",
	    403, "browser" },
	{ "Origin: null",
	    "POST /v1/admin/reload HTTP/1.1\r\n" HEAD "Origin: null\r\nContent-Length: 0\r\n\r\n",
	    403, "browser" },
	{ "Sec-Fetch-Site", "GET /v1/admin/status HTTP/1.1\r\n" HEAD "Sec-Fetch-Site: none\r\n\r\n",
	    403, "browser" },
	{ "no such path", "GET /v1/admin/nosuch HTTP/1.1\r\n" HEAD "\r\n", 404, "not_found" },
	{ "the root", "GET / HTTP/1.1\r\n" HEAD "\r\n", 404, "not_found" },
	{ "an edge path", "POST /v1/enroll HTTP/1.1\r\n" HEAD "Content-Length: 0\r\n\r\n", 404,
	    "not_found" },
	{ "a slash at the end", "GET /v1/admin/status/ HTTP/1.1\r\n" HEAD "\r\n", 404,
	    "not_found" },
	{ "four parts", "GET /v1/admin/secrets/a/history/x HTTP/1.1\r\n" HEAD "\r\n", 404,
	    "not_found" },
	{ "another method", "DELETE /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n", 405, "Allow: GET" },
	{ "a method of two",
	    "PUT /v1/admin/workloads HTTP/1.1\r\n" HEAD "Content-Length: 0\r\n\r\n", 405,
	    "Allow: GET, POST" },
	{ "workloads, two pages", "GET /v1/admin/workloads HTTP/1.1\r\n" HEAD "\r\n", 200,
	    "{\"workloads\":[{\"name\":\"a\",\"state\":\"suspended\",\"live_certificates\":2,"
	    "\"open_enrollments\":3,\"created_s\":4,\"last_seen_s\":5},"
	    "{\"name\":\"b\"," },
	{ "secrets", "GET /v1/admin/secrets HTTP/1.1\r\n" HEAD "\r\n", 200,
	    "{\"secrets\":[{\"name\":\"tok\",\"active_version\":7,\"version_count\":9,\"exposed\":"
	    "true,\"created_s\":0,\"changed_s\":4,\"last_used_s\":0}]}" },
	{ "history", "GET /v1/admin/secrets/tok/history HTTP/1.1\r\n" HEAD "\r\n", 200,
	    "{\"name\":\"tok\",\"versions\":[{\"version\":7,\"state\":\"active\",\"exposed\":false,"
	    "\"created_s\":3,\"changed_s\":4}]}" },
	{ "add", "POST /v1/admin/workloads HTTP/1.1\r\n" BODY("14") "{\"name\":\"team\"}", 0,
	    NULL },
	{ "add, with its length right",
	    "POST /v1/admin/workloads HTTP/1.1\r\n" BODY("15") "{\"name\":\"team\"}", 201,
	    "{\"name\":\"team\"}" },
	{ "add, bad name", "POST /v1/admin/workloads HTTP/1.1\r\n" BODY("15") "{\"name\":\"T/..\"}",
	    400, "bad_name" },
	{ "add, no name", "POST /v1/admin/workloads HTTP/1.1\r\n" BODY("2") "{}", 400, "bad_name" },
	{ "add, a form",
	    "POST /v1/admin/workloads HTTP/1.1\r\n" HEAD
	    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\nname=x",
	    415, "unsupported_type" },
	{ "suspend", "POST /v1/admin/workloads/coder/suspend HTTP/1.1\r\n" BODY("2") "{}", 200,
	    "{\"name\":\"coder\",\"certificates_ended\":105}" },
	{ "resume", "POST /v1/admin/workloads/coder/resume HTTP/1.1\r\n" BODY("0"), 200, "205" },
	{ "revoke, a name with a slash",
	    "POST /v1/admin/workloads/team%2fcoder/revoke HTTP/1.1\r\n" BODY("0"), 200,
	    "{\"name\":\"team/coder\",\"certificates_ended\":310}" },
	{ "a slash that is not escaped",
	    "POST /v1/admin/workloads/team/coder/revoke HTTP/1.1\r\n" BODY("0"), 404, "not_found" },
	{ "escaped twice", "POST /v1/admin/workloads/team%252Fcoder/revoke HTTP/1.1\r\n" BODY("0"),
	    400, "bad_name" },
	{ "dots in a name", "POST /v1/admin/workloads/%2E%2e/revoke HTTP/1.1\r\n" BODY("0"), 400,
	    "bad_name" },
	{ "NUL in a name", "POST /v1/admin/workloads/a%00b/revoke HTTP/1.1\r\n" BODY("0"), 400,
	    "bad_name" },
	{ "a bad escape", "POST /v1/admin/workloads/a%zz/revoke HTTP/1.1\r\n" BODY("0"), 400,
	    "bad_name" },
	{ "an escape cut off", "POST /v1/admin/workloads/a%2/revoke HTTP/1.1\r\n" BODY("0"), 400,
	    "bad_name" },
	{ "no name", "POST /v1/admin/workloads//revoke HTTP/1.1\r\n" BODY("0"), 400, "bad_name" },
	{ "the gateway's name",
	    "POST /v1/admin/workloads/sidekey%2Fgateway/revoke HTTP/1.1\r\n" BODY("0"), 400,
	    "bad_name" },
	{ "unknown to the keeper", "POST /v1/admin/workloads/absent/revoke HTTP/1.1\r\n" BODY("0"),
	    404, "no such thing" },
	{ "another verb", "POST /v1/admin/workloads/coder/delete HTTP/1.1\r\n" BODY("0"), 404,
	    "not_found" },
	{ "rollback",
	    "POST /v1/admin/secrets/tok/rollback HTTP/1.1\r\n" BODY("13") "{\"version\":0}", 200,
	    "{\"name\":\"tok\",\"active_version\":103}" },
	{ "rollback without version",
	    "POST /v1/admin/secrets/tok/rollback HTTP/1.1\r\n" BODY("2") "{}", 200, "103" },
	{ "destroy", "POST /v1/admin/secrets/tok/destroy HTTP/1.1\r\n" BODY("13") "{\"version\":2}",
	    200, "203" },
	{ "promote", "POST /v1/admin/secrets/tok/promote HTTP/1.1\r\n" BODY("13") "{\"version\":2}",
	    200, "303" },
	{ "a negative version",
	    "POST /v1/admin/secrets/tok/promote HTTP/1.1\r\n" BODY("14") "{\"version\":-1}", 400,
	    "bad_version" },
	{ "a version that is text",
	    "POST /v1/admin/secrets/tok/promote HTTP/1.1\r\n" BODY("15") "{\"version\":\"2\"}", 400,
	    "bad_version" },
	{ "a version over 32 bits",
	    "POST /v1/admin/secrets/tok/promote HTTP/1.1\r\n" BODY("22") "{\"version\":4294967296}",
	    400, "bad_version" },
	{ "a secret's name with a slash",
	    "POST /v1/admin/secrets/a%2Fb/promote HTTP/1.1\r\n" BODY("2") "{}", 400, "bad_name" },
	{ "a value where none belongs",
	    "POST /v1/admin/secrets/tok/promote HTTP/1.1\r\n" BODY("13") "{\"value\":\"xx\"}", 0,
	    NULL },
	{ "no rules yet", "GET /v1/admin/upstreams HTTP/1.1\r\n" HEAD "\r\n", 200,
	    "{\"generation\":0,\"upstreams\":[]}" },
};

static void
say_unless(bool good, const char *what, const char *reply)
{
	if (!ok(good, "%s", what))
		printf("# %.*s\n# %s\n", (int)strcspn(reply, "\r"), reply,
		    strstr(reply, "\r\n\r\n") == NULL ? "" : strstr(reply, "\r\n\r\n") + 4);
}

static void
check_cases(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *reply = talk_str(admin.loop, admin.server, cases[i].request);
		int status = talk_status(reply);

		say_unless((cases[i].status == 0 ? status != 200 && status != 201
						 : status == cases[i].status) &&
			       (cases[i].part == NULL || strstr(reply, cases[i].part) != NULL),
		    cases[i].what, reply);
	}
}

static void
put(const char *name, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(sys_replace_file(path, span_str(text), 0600) == ERR_OK);
}

static const char *
reload(void)
{
	return talk_str(
	    admin.loop, admin.server, "POST /v1/admin/reload HTTP/1.1\r\n" BODY("2") "{}");
}

static void
check_reload(void)
{
	const char *reply;

	put("upstreams/u.yaml",
	    "upstream: u\nurl: https://a.example:99/v1\nconnect: 127.0.0.1:9\n");
	put("policies/p.yaml",
	    "policy: p\nworkloads: [w]\nuse: {u: {allow: [GET /]}, brave: {allow: [GET /]}}\n");
	reply = reload();
	say_unless(talk_status(reply) == 200 &&
		       strstr(reply, "{\"generation\":42,\"digest\":\"ab000000") != NULL &&
		       strstr(reply, "\"upstreams\":2,\"policies\":1}") != NULL,
	    "reload", reply);
	reply =
	    talk_str(admin.loop, admin.server, "GET /v1/admin/upstreams HTTP/1.1\r\n" HEAD "\r\n");
	say_unless(
	    strstr(reply, "{\"generation\":42,\"upstreams\":[{\"name\":\"u\",\"host\":\"a."
			  "example\",\"port\":99,\"base_path\":\"/v1\",\"secret\":\"\","
			  "\"inject\":\"none\",\"inject_name\":null,") != NULL &&
		strstr(reply, "\"connect_host\":\"127.0.0.1\",\"connect_port\":9}") != NULL &&
		strstr(reply, "\"env\":{\"BRAVE_API_KEY\":\"{placeholder}\"}") != NULL,
	    "upstreams in force", reply);

	put("policies/p.yaml", "policy: p\nworkloads: [w]\nuse: {u: {alow: [GET /]}}\nfoo: 1\n");
	reply = reload();
	say_unless(
	    talk_status(reply) == 422 && strstr(reply, "\"code\":\"bad_rules\"") != NULL &&
		strstr(reply, "\"errors\":[{\"file\":\"") != NULL &&
		strstr(reply, "/policies/p.yaml\",\"line\":4,\"column\":1,\"text\":\"unknown key "
			      "\\\"foo\\\"") != NULL &&
		strstr(reply, "\"line\":3,\"column\":11") != NULL,
	    "reload of what does not compile: every error", reply);
	reply =
	    talk_str(admin.loop, admin.server, "GET /v1/admin/upstreams HTTP/1.1\r\n" HEAD "\r\n");
	say_unless(strstr(reply, "{\"generation\":42,") != NULL, "the rules before stay", reply);
	reply = talk_str(admin.loop, admin.server, "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n");
	say_unless(strstr(reply, "policies/p.yaml:3:11: unknown key \\\"alow\\\"") != NULL,
	    "and status says so", reply);
}

static void
check_strangers(void)
{
	const char *reply;

	admin.own_uid = geteuid() + 1;
	reply = talk_str(admin.loop, admin.server, "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n");
	if (geteuid() == 0)
		say_unless(talk_status(reply) == 200, "root may", reply);
	else
		say_unless(talk_status(reply) == 403 && strstr(reply, "not_admin") != NULL,
		    "another user may not", reply);
	if (geteuid() != 0)
		return;
	must(seteuid(65534) == 0);
	admin.own_uid = 65533;
	reply = talk_str(admin.loop, admin.server, "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n");
	must(seteuid(0) == 0);
	say_unless(talk_status(reply) == 403 && strstr(reply, "not_admin") != NULL,
	    "another user may not", reply);
}

static void
make_dir(void)
{
	static const char *const parts[] = { "upstreams", "policies" };
	char path[256];

	must(mkdtemp(dir) != NULL);
	for (size_t i = 0; i < COUNT(parts); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, parts[i]);
		must(mkdir(path, 0700) == 0);
	}
}

int
main(void)
{
	char command[128];
	pid_t keeper;
	int fd;

	make_dir();
	keeper = talk_keeper(ROLE_ADMIN, answer, &fd);
	admin.own_uid = geteuid();
	load_init(&admin.load, dir);
	must(loop_new(&admin.loop) == ERR_OK &&
	     server_new(admin.loop, admin_request, &admin, &admin.server) == ERR_OK);
	asker_init(&admin.asker, ROLE_ADMIN);
	asker_link(&admin.asker, fd);
	check_cases();
	check_reload();
	check_strangers();
	asker_close(&admin.asker);
	talk_keeper_wait(keeper);
	ok(talk_status(talk_str(
	       admin.loop, admin.server, "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n")) != 200,
	    "no keeper, no answer");
	server_free(admin.server);
	sys_close(upstreams_fd);
	loop_free(admin.loop);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)!system(command);
	return done();
}
