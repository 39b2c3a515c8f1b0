/* The operator's requests through libmicrohttpd and the link to the keeper: an answer with a name,
 * or the end of the connection; success only when the whole question went to the keeper. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "broker/api/admin/admin.h"
#include "broker/ipc/body.h"
#include "broker/ipc/frame.h"
#include "common/log.h"
#include "common/sys.h"
#include "tests/torture/torture.h"

#define HEAD "Host: sidekey\r\nConnection: close\r\nContent-Type: application/json\r\n"
#define QUIET_TURNS 50 /* of a millisecond, in which nothing comes: then time passes */
#define TURNS_MAX 400

static char dir[] = "/tmp/sidekey-torture-XXXXXX";
static struct admin admin;
static int keeper_fd = -1, client_fd = -1, server_fd = -1;
static const char *request;
static enum msg_type asked;
static struct buf reply = BUF_MAX(1u << 20);
static bool closed;

/* ---- time: libmicrohttpd's, too ---- */

static time_t pushed_s;
int torture_clock_gettime(clockid_t clock, struct timespec *ret) __asm__("clock_gettime");

int
torture_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock != CLOCK_REALTIME)
		ret->tv_sec += pushed_s;
	return rc;
}

static void
first(void)
{
	log_init("torture", LOG_LEVEL_ERROR);
}

/* What the keeper will say lies in its socket before it is asked. */
static void
answer(uint8_t number, struct span body)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	const uint8_t id[8] = { number };
	size_t at;

	must(frame_begin(&frame, AK_OK, &at) == ERR_OK);
	must(buf_append(&frame, id, sizeof id) == ERR_OK);
	must(buf_append_span(&frame, body) == ERR_OK);
	frame_end(&frame, at);
	must(frame_send(keeper_fd, buf_span(&frame), -1) == ERR_OK);
}

static void
set_up(enum msg_type question, const char *text)
{
	int link[2], http[2];

	request = text;
	asked = question;
	closed = false;
	admin = (struct admin){ .own_uid = geteuid() };
	must(loop_new(&admin.loop) == ERR_OK);
	load_init(&admin.load, dir);
	asker_init(&admin.asker, ROLE_ADMIN);
	must(sys_socketpair(SOCK_SEQPACKET, link) == 0);
	asker_link(&admin.asker, link[0]);
	admin.asker.link.timeout_ms = 50; /* of which none is pushed */
	keeper_fd = link[1];
	must(fcntl(keeper_fd, F_SETFL, O_NONBLOCK) == 0);
	must(server_new(admin.loop, admin_request, &admin, &admin.server) == ERR_OK);
	must(sys_socketpair(SOCK_STREAM | SOCK_NONBLOCK, http) == 0);
	client_fd = http[0];
	server_fd = http[1];
	must(sys_write_all(client_fd, text, strlen(text)) == ERR_OK);
}

static void
set_up_add(void)
{
	set_up(AK_WORKLOAD_ADD,
	    "POST /v1/admin/workloads HTTP/1.1\r\n" HEAD "Content-Length: 15\r\n\r\n"
	    "{\"name\":\"team\"}");
	answer(1, SPAN_NONE);
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
	answer(1, buf_span(&body));
}

static void
set_up_reload(void)
{
	static const uint8_t generation_and_digest[8 + 32] = { 9 };

	set_up(
	    AK_RULES_LOAD, "POST /v1/admin/reload HTTP/1.1\r\n" HEAD "Content-Length: 0\r\n\r\n");
	answer(1, span_of(generation_and_digest, sizeof generation_and_digest));
}

/* Reads what is there; whether anything was. */
static bool
listen_to_it(void)
{
	uint8_t block[4096];
	ssize_t n = sys_read(client_fd, block, sizeof block);

	closed = n == 0 || (n < 0 && errno != EAGAIN);
	if (n > 0)
		must(buf_append(&reply, block, (size_t)n) == ERR_OK);
	return n > 0;
}

static enum err
run(void)
{
	server_add(admin.server, server_fd);
	server_fd = -1; /* taken */
	for (int quiet = 0; !closed && quiet < TURNS_MAX;) {
		enum err e = loop_turn(admin.loop, quiet > 0);

		torture_disarm();
		if (e != ERR_OK)
			torture_wrong("the loop says %s", err_name(e));
		quiet = listen_to_it() ? 0 : quiet + 1;
		pushed_s += quiet > QUIET_TURNS;
		torture_resume();
	}
	torture_disarm();
	if (!closed)
		torture_wrong("neither an answer nor an end");
	if (reply.len == 0)
		return ERR_EOF;
	return memmem(reply.data, reply.len, "HTTP/1.1 2", 10) != NULL ? ERR_OK : ERR_DENIED;
}

static bool
has(const char *text)
{
	return memmem(reply.data, reply.len, text, strlen(text)) != NULL;
}

static void
check(enum err e)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	AUTO(sys_closep) int fd = -1;
	struct span in, body;
	uint16_t type = 0;
	bool whole;

	if (e == ERR_DENIED && !has("\"code\":\"") && !has(" 500 "))
		torture_wrong("a refusal without a name: %.*s", (int)reply.len, reply.data);
	if (frame_receive(keeper_fd, &frame, &fd) != ERR_OK) {
		if (e == ERR_OK)
			torture_wrong("done, and the keeper was not asked");
		return;
	}
	in = buf_span(&frame);
	whole = frame_next(&in, &type, &body) == ERR_OK && in.len == 0;
	if (!whole || (type != asked && type != AK_RULES_BAD))
		torture_wrong("half a question, or another one: %u", type);
	if (e == ERR_OK && type == AK_RULES_BAD)
		torture_wrong("good files were called bad, and that is a success");
}

static void
tear_down(void)
{
	server_free(admin.server);
	must(loop_turn(admin.loop, 0) == ERR_OK);
	asker_close(&admin.asker);
	loop_free(admin.loop);
	sys_closep(&keeper_fd);
	sys_closep(&client_fd);
	sys_closep(&server_fd);
	buf_wipe(&reply);
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
	{ "admin: add a workload", NULL, set_up_add, run, check, tear_down, false },
	{ "admin: status", NULL, set_up_status, run, check, tear_down, false },
	{ "admin: reload", NULL, set_up_reload, run, check, tear_down, false },
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
