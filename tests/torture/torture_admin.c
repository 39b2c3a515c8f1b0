/* The operator's requests through libmicrohttpd and the link to the keeper: an answer with a name,
 * or the end of the connection; success only when the whole question went to the keeper. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/api/admin/admin.h"
#include "broker/ipc/body.h"
#include "common/log.h"
#include "tests/torture/exchange.h"

#define HEAD "Host: sidekey\r\nConnection: close\r\nContent-Type: application/json\r\n"
#define TEAM "a-team-whose-name-is-longer-than-a-buffer" /* jansson's */

static char dir[] = "/tmp/sidekey-torture-XXXXXX";
static struct admin admin;
static enum msg_type asked;

static void
first(void)
{
	log_init("torture", LOG_LEVEL_ERROR);
}

static void
set_up(enum msg_type question, const char *text)
{
	asked = question;
	admin = (struct admin){ .own_uid = geteuid() };
	load_init(&admin.load, dir);
	exchange_link(ROLE_ADMIN, &admin.asker);
	exchange_serve(admin_request, &admin);
	exchange_connect(text);
	admin.loop = x.loop;
	admin.server = x.server;
}

static void
set_up_add(void)
{
	set_up(AK_WORKLOAD_ADD,
	    "POST /v1/admin/workloads HTTP/1.1\r\n" HEAD "Content-Length: 52\r\n\r\n"
	    "{\"name\":\"" TEAM "\"}");
	exchange_answer(1, SPAN_NONE);
}

static void
set_up_status(void)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&body);
	struct status s = { .ready = READY_YES, .trust_domain = "t.example" };

	set_up(AK_STATUS, "GET /v1/admin/status HTTP/1.1\r\n" HEAD "\r\n");
	status_put(&w, &s);
	must(w.e == ERR_OK);
	exchange_answer(1, buf_span(&body));
}

static void
set_up_reload(void)
{
	static const uint8_t generation_and_digest[8 + 32] = { 9 };

	set_up(
	    AK_RULES_LOAD, "POST /v1/admin/reload HTTP/1.1\r\n" HEAD "Content-Length: 0\r\n\r\n");
	exchange_answer(1, span_of(generation_and_digest, sizeof generation_and_digest));
}

static void
check(enum err e)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	struct span body;
	enum msg_type type;

	exchange_check_refusal(e);
	type = exchange_asked(&frame, &body);
	if (type == MSG_NONE && e == ERR_OK)
		torture_wrong("done, and the keeper was not asked");
	if (type != MSG_NONE && type != asked && type != AK_RULES_BAD)
		torture_wrong("another question: %u", type);
	if (type == AK_WORKLOAD_ADD && memmem(body.p, body.len, TEAM, sizeof TEAM - 1) == NULL)
		torture_wrong("another name than was sent");
	if (e == ERR_OK && type == AK_RULES_BAD)
		torture_wrong("good files were called bad, and that is a success");
}

static void
make_files(void)
{
	static const char *const names[] = { "upstreams", "policies" };
	char path[128];

	must(mkdtemp(dir) != NULL);
	for (size_t i = 0; i < COUNT(names); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		must(mkdir(path, 0700) == 0);
	}
	(void)snprintf(path, sizeof path, "%s/upstreams/corp.yaml", dir);
	must(sys_replace_file(path,
		 span_str("upstream: corp\nurl: https://api.corp.example/v1\n"
			  "credential: {secret: corp-key}\n"
			  "inject: {header: X-Key, value: \"{credential}\"}\n"),
		 0600) == ERR_OK);
	(void)snprintf(path, sizeof path, "%s/policies/p.yaml", dir);
	must(sys_replace_file(path,
		 span_str("policy: p\nworkloads: [a]\nuse:\n  corp:\n    allow: [\"GET /x\"]\n"),
		 0600) == ERR_OK);
}

static const struct torture_path paths[] = {
	{ "admin: add a workload", NULL, set_up_add, exchange_run, check, exchange_close, false },
	{ "admin: status", NULL, set_up_status, exchange_run, check, exchange_close, false },
	{ "admin: reload", NULL, set_up_reload, exchange_run, check, exchange_close, false },
};

int
main(int argc, char **argv)
{
	char command[64];
	int code;

	make_files();
	torture_may_end();
	code = torture_main(paths, COUNT(paths), first, argc, argv);
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	must(system(command) == 0);
	return code;
}
