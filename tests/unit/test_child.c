/*
 * child: what a child takes from its supervisor and in which order, what ends it, and what it
 * passes on. The child is this program again, forked, with one end of a socket pair as
 * descriptor 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/ipc/frame.h"
#include "broker/ipc/wire.h"
#include "broker/proc/child.h"
#include "common/log.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define WAIT_MS 10000

static int
count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
on_link(enum role peer, uint8_t index, int fd, void *arg)
{
	(void)arg;
	log_info("link %s %u %s", role_name(peer), index,
	    sys_write(fd, "hello", 5) == 5 ? "works" : "is dead");
	sys_close(fd);
}

static void
on_listen(enum listen_kind kind, int fd, void *arg)
{
	(void)arg;
	log_info("listen %d", (int)kind);
	sys_close(fd);
}

static void
on_reload(void *arg)
{
	(void)arg;
	log_info("reload");
}

static void
on_drain(uint32_t ms, void *arg)
{
	log_info("drain %u", ms);
	loop_stop(child_loop(arg));
}

static void
on_exited(const struct child_exit *x, void *arg)
{
	(void)arg;
	log_info("exited %s %u %lld %s", role_name(x->role), x->index, (long long)x->pid, x->how);
}

static int
child_main(int argc, char **argv)
{
	static const struct child_ops ops = { on_link, on_listen, on_reload, on_drain, on_exited };
	struct child *c = child_start(argc, argv, 1u << ROLE_KEEPER | 1u << ROLE_EDGE);
	int descriptors = count_descriptors();

	log_info("started %s %u with %d descriptors, dumpable %d, no_new_privs %d",
	    role_name(child_role(c)), child_index(c), descriptors,
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	log_info("state_dir %s, none %s", child_setting_need(c, "state_dir"),
	    child_setting(c, "none") == NULL ? "NULL" : "?");
	if (child_setting(c, "wants") != NULL)
		log_info("number %llu", (unsigned long long)child_setting_u64(c, "wants", 100));
	if (child_setting(c, "hopeless") != NULL)
		child_hopeless("no store in %s", child_setting(c, "state_dir"));
	child_confine(c);
	if (child_setting(c, "forbidden") != NULL)
		(void)!socket(AF_UNIX, SOCK_STREAM, 0);
	child_attach(c, &ops, c);
	child_ready(c);
	if (loop_run(child_loop(c)) != ERR_OK)
		return 3;
	child_free(c);
	return 0;
}

/* One run of a child: our end of the supervisor socket, and its log. */
struct run {
	pid_t pid;
	int fd, log_fd;
	char said[4096];
	int status;
};

static void
begin(struct run *r, const char *role)
{
	char name[] = "sidekey-test", arg[16];
	char *argv[] = { name, arg, NULL };
	int pair[2], log_pipe[2];

	*r = (struct run){ .fd = -1 };
	(void)snprintf(arg, sizeof arg, "%s", role);
	if (sys_socketpair(SOCK_SEQPACKET, pair) != 0 || pipe(log_pipe) != 0)
		abort();
	(void)fflush(stdout);
	r->pid = fork();
	if (r->pid == 0) {
		(void)dup2(log_pipe[1], STDERR_FILENO);
		(void)dup2(log_pipe[1], 40); /* left open on purpose: the child must close it */
		(void)dup2(pair[1], CHILD_SUPERVISOR_FD);
		exit(child_main(2, argv));
	}
	sys_close(pair[1]);
	sys_close(log_pipe[1]);
	r->fd = pair[0];
	r->log_fd = log_pipe[0];
}

static void
read_log(struct run *r)
{
	size_t len = strlen(r->said);
	ssize_t n = sys_read(r->log_fd, r->said + len, sizeof r->said - len - 1);

	r->said[len + (n > 0 ? (size_t)n : 0)] = '\0';
	if (n <= 0)
		sys_closep(&r->log_fd);
}

static bool
wait_for(struct run *r, const char *text)
{
	while (strstr(r->said, text) == NULL && r->log_fd >= 0) {
		struct pollfd p = { .fd = r->log_fd, .events = POLLIN };

		if (poll(&p, 1, WAIT_MS) != 1)
			return false;
		read_log(r);
	}
	return strstr(r->said, text) != NULL;
}

/* Reads the rest of the log and the exit status: 1000 + signal if it was one. */
static int
end(struct run *r)
{
	while (r->log_fd >= 0) {
		struct pollfd p = { .fd = r->log_fd, .events = POLLIN };

		if (poll(&p, 1, WAIT_MS) != 1) {
			(void)kill(r->pid, SIGKILL);
			sys_closep(&r->log_fd);
		} else {
			read_log(r);
		}
	}
	if (waitpid(r->pid, &r->status, 0) != r->pid)
		abort();
	sys_closep(&r->fd);
	return WIFSIGNALED(r->status) ? 1000 + WTERMSIG(r->status) : WEXITSTATUS(r->status);
}

static void
send_raw(struct run *r, enum msg_type type, const void *body, size_t len, int fd)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	size_t at = 0;

	if (frame_begin(&frame, type, &at) != ERR_OK || buf_append(&frame, body, len) != ERR_OK)
		abort();
	frame_end(&frame, at);
	(void)!frame_send(r->fd, buf_span(&frame), fd);
}

static void
send_setting(struct run *r, const char *name, const char *value)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(FRAME_MAX);
	struct wire_writer w = wire_write(&body);

	wire_put_str(&w, name);
	wire_put_str(&w, value);
	send_raw(r, SUP_SETTING, body.data, body.len, -1);
}

static int
send_link(struct run *r, uint8_t role, uint8_t index)
{
	uint8_t body[] = { role, index };
	int pair[2];

	if (sys_socketpair(SOCK_SEQPACKET, pair) != 0)
		abort();
	send_raw(r, SUP_LINK, body, sizeof body, pair[1]);
	sys_close(pair[1]);
	return pair[0];
}

static void
send_exited(struct run *r)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(FRAME_MAX);
	struct wire_writer w = wire_write(&body);

	wire_put_u8(&w, ROLE_GATEWAY);
	wire_put_u8(&w, 7);
	wire_put_i64(&w, 4711);
	wire_put_str(&w, "signal 9");
	send_raw(r, SUP_EXITED, body.data, body.len, -1);
}

static bool
is_ready(struct run *r)
{
	AUTO(buf_wipe) struct buf frame = BUF_MAX(FRAME_MAX);
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	struct span rest, body;
	uint16_t type;
	int fd = -1;

	if (poll(&p, 1, WAIT_MS) != 1 || frame_receive(r->fd, &frame, &fd) != ERR_OK)
		return false;
	rest = buf_span(&frame);
	return frame_next(&rest, &type, &body) == ERR_OK && type == SUP_READY && body.len == 1;
}

static bool
link_works(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[8] = "";
	bool good = poll(&p, 1, WAIT_MS) == 1 && sys_read(fd, text, sizeof text) == 5;

	sys_close(fd);
	return good;
}

static const uint8_t drain_ms[4] = { 0x10, 0x27, 0, 0 };

static void
test_whole_life(void)
{
	struct run r;
	int before, later;

	begin(&r, "keeper");
	send_setting(&r, "state_dir", "/tmp");
	send_setting(&r, "role_index", "3");
	before = send_link(&r, ROLE_GATEWAY, 0);
	send_raw(&r, SUP_LISTEN, "\4", 1, STDOUT_FILENO);
	send_raw(&r, SUP_GO, "", 0, -1);
	ok(is_ready(&r), "says that it is ready");
	ok(wait_for(&r, "started keeper 3 with 7 descriptors, dumpable 0, no_new_privs 1"),
	    "starts with 0 to 3, its loop and what it was handed, closed to inspection");
	ok(wait_for(&r, "state_dir /tmp, none NULL"), "has its settings");
	ok(wait_for(&r, "link gateway 0 works") && link_works(before), "has its first link");
	ok(wait_for(&r, "listen 4"), "has its listener");
	later = send_link(&r, ROLE_GATEWAY, 0);
	ok(link_works(later), "takes a link after a peer was restarted");
	send_exited(&r);
	ok(wait_for(&r, "exited gateway 7 4711 signal 9"), "hears what ended");
	send_raw(&r, SUP_RELOAD, "", 0, -1);
	ok(wait_for(&r, "reload"), "reloads");
	(void)kill(r.pid, SIGTERM);
	(void)kill(r.pid, SIGINT);
	(void)kill(r.pid, SIGHUP);
	send_raw(&r, SUP_DRAIN, drain_ms, sizeof drain_ms, -1);
	ok(end(&r) == 0, "a terminal's signals are ignored, a drain ends it with 0");
	ok(strstr(r.said, "drain 10000") != NULL, "and it knew how long it had");
}

/* All of it at once, before the child had time to look: nothing is lost between SUP_GO and
 * child_attach(). */
static void
test_early_messages(void)
{
	struct run r;
	int first;

	begin(&r, "keeper");
	send_setting(&r, "state_dir", "/tmp");
	send_raw(&r, SUP_GO, "", 0, -1);
	first = send_link(&r, ROLE_ADMIN, 0);
	send_exited(&r);
	send_raw(&r, SUP_RELOAD, "", 0, -1);
	send_raw(&r, SUP_DRAIN, drain_ms, sizeof drain_ms, -1);
	ok(end(&r) == 0 && link_works(first), "messages right behind SUP_GO wait for the child");
	ok(strstr(r.said, "exited gateway 7") != NULL && strstr(r.said, "reload") != NULL,
	    "none of them is lost");
}

static void
test_ends(void)
{
	struct run r;

	begin(&r, "edge");
	sys_closep(&r.fd);
	ok(end(&r) == 1 && strstr(r.said, "sidekeyd is gone") != NULL,
	    "a supervisor that is gone before SUP_GO");

	begin(&r, "edge");
	send_setting(&r, "state_dir", "/tmp");
	send_raw(&r, SUP_GO, "", 0, -1);
	ok(is_ready(&r), "an edge starts too");
	sys_closep(&r.fd);
	ok(end(&r) == 1 && strstr(r.said, "sidekeyd is gone") != NULL, "... and later");

	begin(&r, "keeper");
	send_setting(&r, "state_dir", "/nowhere");
	send_setting(&r, "hopeless", "1");
	send_raw(&r, SUP_GO, "", 0, -1);
	ok(end(&r) == CHILD_EXIT_HOPELESS && strstr(r.said, "no store in /nowhere") != NULL,
	    "hopeless has its own status");

	begin(&r, "keeper");
	send_setting(&r, "state_dir", "/tmp");
	send_setting(&r, "forbidden", "1");
	send_raw(&r, SUP_GO, "", 0, -1);
	ok(end(&r) == 70 &&
		strstr(r.said, "sidekey-keeper: fatal: forbidden system call 41 (socket)"),
	    "it is confined");
}

struct breach {
	const char *what;
	void (*act)(struct run *r);
	const char *says;
};

static void
setting_twice(struct run *r)
{
	send_setting(r, "state_dir", "/a");
	send_setting(r, "state_dir", "/b");
}

static void
setting_too_long(struct run *r)
{
	char value[CHILD_SETTING_VALUE_MAX + 2];

	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	send_setting(r, "state_dir", value);
}

static void
too_many_settings(struct run *r)
{
	char name[8];

	for (int i = 0; i <= CHILD_SETTINGS_MAX; i++) {
		(void)snprintf(name, sizeof name, "s%d", i);
		send_setting(r, name, "");
	}
}

static void
setting_with_more_behind(struct run *r)
{
	send_raw(r, SUP_SETTING, "\1\0a\1\0b!", 7, -1);
}

static void
setting_with_nul(struct run *r)
{
	send_raw(r, SUP_SETTING, "\2\0a\0\1\0b", 7, -1);
}

static void
setting_after_go(struct run *r)
{
	send_setting(r, "state_dir", "/a");
	send_raw(r, SUP_GO, "", 0, -1);
	send_setting(r, "gateways", "1");
}

static void
go_twice(struct run *r)
{
	send_setting(r, "state_dir", "/a");
	send_raw(r, SUP_GO, "", 0, -1);
	send_raw(r, SUP_GO, "", 0, -1);
}

static void
link_without_descriptor(struct run *r)
{
	send_raw(r, SUP_LINK, "\2\0", 2, -1);
}

static void
link_to_nobody(struct run *r)
{
	sys_close(send_link(r, ROLE_NONE, 0));
}

static void
link_to_cli(struct run *r)
{
	sys_close(send_link(r, ROLE_CLI, 0));
}

static void
listen_of_no_kind(struct run *r)
{
	send_raw(r, SUP_LISTEN, "\5", 1, STDOUT_FILENO);
}

static void
drain_before_go(struct run *r)
{
	send_raw(r, SUP_DRAIN, drain_ms, sizeof drain_ms, -1);
}

static void
message_of_another_link(struct run *r)
{
	send_raw(r, GK_CONFIG_GET, "", 0, -1);
}

static void
torn_frame(struct run *r)
{
	(void)!sys_write(r->fd, "\1\0\0\0\377\0\0\0", 8);
}

static void
needed_setting_missing(struct run *r)
{
	send_raw(r, SUP_GO, "", 0, -1);
}

static void
number_too_large(struct run *r)
{
	send_setting(r, "state_dir", "/a");
	send_setting(r, "wants", "101");
	send_raw(r, SUP_GO, "", 0, -1);
}

static void
number_that_is_none(struct run *r)
{
	send_setting(r, "state_dir", "/a");
	send_setting(r, "wants", "1x");
	send_raw(r, SUP_GO, "", 0, -1);
}

static void
test_breaches(void)
{
	static const struct breach breaches[] = {
		{ "a setting twice", setting_twice, "SUP_SETTING: proto" },
		{ "a setting that is too long", setting_too_long, "SUP_SETTING: " },
		{ "too many settings", too_many_settings, "SUP_SETTING: limit" },
		{ "bytes behind a setting", setting_with_more_behind, "SUP_SETTING: syntax" },
		{ "NUL in a setting", setting_with_nul, "SUP_SETTING: syntax" },
		{ "a setting after SUP_GO", setting_after_go, "link: proto" },
		{ "SUP_GO twice", go_twice, "link: proto" },
		{ "a link without a descriptor", link_without_descriptor, "link: proto" },
		{ "a link to no role", link_to_nobody, "SUP_LINK: proto" },
		{ "a link to the command line", link_to_cli, "SUP_LINK: proto" },
		{ "a listener of no kind", listen_of_no_kind, "SUP_LISTEN: proto" },
		{ "a drain before SUP_GO", drain_before_go, "link: proto" },
		{ "a message of another link", message_of_another_link, "link: proto" },
		{ "a torn frame", torn_frame, "link: proto" },
		{ "a needed setting is missing", needed_setting_missing, "state_dir was not sent" },
		{ "a number over its limit", number_too_large, "not a number up to 100" },
		{ "a number that is none", number_that_is_none, "not a number up to 100" },
	};

	for (size_t i = 0; i < COUNT(breaches); i++) {
		struct run r;
		int status;

		begin(&r, "keeper");
		breaches[i].act(&r);
		status = end(&r);
		if (!ok(status == 1 && strstr(r.said, breaches[i].says) != NULL,
			"%s ends the child", breaches[i].what))
			printf("# status %d: %s\n", status, r.said);
	}
}

static void
test_by_hand(void)
{
	static const char *const roles[] = { "gateway", "cli", "sidekeyd", "", "Keeper" };

	for (size_t i = 0; i < COUNT(roles); i++) {
		struct run r;

		begin(&r, roles[i]);
		ok(end(&r) == 2 && strstr(r.said, "sidekeyd starts this program") != NULL,
		    "role \"%s\" is none of this program's", roles[i]);
	}
}

int
main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_whole_life();
	test_early_messages();
	test_ends();
	test_breaches();
	test_by_hand();
	return done();
}
