/*
 * child: what a child takes from its supervisor and in which order, what ends it, and what it
 * passes on. The child is this program again, forked, with one end of a socket pair as
 * descriptor 3.
 */
#include "tests/lib/child_rig.h"

static void
send_exited(struct child_run *r)
{
	AUTO(buf_wipe) struct buf body = BUF_MAX(FRAME_MAX);
	struct wire_writer w = wire_write(&body);

	wire_put_u8(&w, ROLE_GATEWAY);
	wire_put_u8(&w, 7);
	wire_put_i64(&w, 4711);
	wire_put_str(&w, "signal 9");
	rig_send(r, SUP_EXITED, body.data, body.len, -1);
}

static bool
is_ready(struct child_run *r)
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

static void
test_whole_life(void)
{
	struct child_run r;
	int before, later;

	rig_begin(&r, "keeper");
	rig_setting(&r, "state_dir", "/tmp");
	rig_setting(&r, "role_index", "3");
	before = rig_link(&r, ROLE_GATEWAY, 0);
	rig_send(&r, SUP_LISTEN, "\4", 1, STDOUT_FILENO);
	rig_send(&r, SUP_GO, "", 0, -1);
	ok(is_ready(&r), "says that it is ready");
	ok(rig_wait_for(&r, "started keeper 3 with 7 descriptors, dumpable 0, no_new_privs 1"),
	    "starts with 0 to 3, its loop and what it was handed, closed to inspection");
	ok(rig_wait_for(&r, "state_dir /tmp, none NULL"), "has its settings");
	ok(rig_wait_for(&r, "link gateway 0 works") && link_works(before), "has its first link");
	ok(rig_wait_for(&r, "listen 4"), "has its listener");
	later = rig_link(&r, ROLE_GATEWAY, 0);
	ok(link_works(later), "takes a link after a peer was restarted");
	send_exited(&r);
	ok(rig_wait_for(&r, "exited gateway 7 4711 signal 9"), "hears what ended");
	rig_send(&r, SUP_RELOAD, "", 0, -1);
	ok(rig_wait_for(&r, "reload"), "reloads");
	(void)kill(r.pid, SIGTERM);
	(void)kill(r.pid, SIGINT);
	(void)kill(r.pid, SIGHUP);
	rig_send(&r, SUP_DRAIN, drain_ms, sizeof drain_ms, -1);
	ok(rig_end(&r) == 0, "a terminal's signals are ignored, a drain ends it with 0");
	ok(strstr(r.said, "drain 10000") != NULL, "and it knew how long it had");
}

/* All of it at once, before the child had time to look: nothing is lost between SUP_GO and
 * child_attach(). */
static void
test_early_messages(void)
{
	struct child_run r;
	int first;

	rig_begin(&r, "keeper");
	rig_setting(&r, "state_dir", "/tmp");
	rig_send(&r, SUP_GO, "", 0, -1);
	first = rig_link(&r, ROLE_ADMIN, 0);
	send_exited(&r);
	rig_send(&r, SUP_RELOAD, "", 0, -1);
	rig_send(&r, SUP_DRAIN, drain_ms, sizeof drain_ms, -1);
	ok(rig_end(&r) == 0 && link_works(first),
	    "messages right behind SUP_GO wait for the child");
	ok(strstr(r.said, "exited gateway 7") != NULL && strstr(r.said, "reload") != NULL,
	    "none of them is lost");
}

static void
test_ends(void)
{
	struct child_run r;

	rig_begin(&r, "edge");
	sys_closep(&r.fd);
	ok(rig_end(&r) == 1 && strstr(r.said, "sidekeyd is gone") != NULL,
	    "a supervisor that is gone before SUP_GO");

	rig_begin(&r, "edge");
	rig_setting(&r, "state_dir", "/tmp");
	rig_send(&r, SUP_GO, "", 0, -1);
	ok(is_ready(&r), "an edge starts too");
	sys_closep(&r.fd);
	ok(rig_end(&r) == 1 && strstr(r.said, "sidekeyd is gone") != NULL, "... and later");

	rig_begin(&r, "keeper");
	rig_setting(&r, "state_dir", "/nowhere");
	rig_setting(&r, "hopeless", "1");
	rig_send(&r, SUP_GO, "", 0, -1);
	ok(rig_end(&r) == CHILD_EXIT_HOPELESS && strstr(r.said, "no store in /nowhere") != NULL,
	    "hopeless has its own status");

	rig_begin(&r, "keeper");
	rig_setting(&r, "state_dir", "/tmp");
	rig_setting(&r, "forbidden", "1");
	rig_send(&r, SUP_GO, "", 0, -1);
	ok(rig_end(&r) == 70 &&
		strstr(r.said, "sidekey-keeper: fatal: forbidden system call 41 (socket)"),
	    "it is confined");
}

static void
test_by_hand(void)
{
	static const char *const roles[] = { "gateway", "cli", "sidekeyd", "", "Keeper" };

	for (size_t i = 0; i < COUNT(roles); i++) {
		struct child_run r;

		rig_begin(&r, roles[i]);
		ok(rig_end(&r) == 2 && strstr(r.said, "sidekeyd starts this program") != NULL,
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
	test_by_hand();
	return done();
}
