/* child: whatever the supervisor's table and order do not admit ends the child. */
#include "tests/lib/child_rig.h"

struct breach {
	const char *what;
	void (*act)(struct child_run *r);
	const char *says;
};

static void
setting_twice(struct child_run *r)
{
	rig_setting(r, "state_dir", "/a");
	rig_setting(r, "state_dir", "/b");
}

static void
setting_too_long(struct child_run *r)
{
	char value[CHILD_SETTING_VALUE_MAX + 2];

	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	rig_setting(r, "state_dir", value);
}

static void
too_many_settings(struct child_run *r)
{
	char name[8];

	for (int i = 0; i <= CHILD_SETTINGS_MAX; i++) {
		(void)snprintf(name, sizeof name, "s%d", i);
		rig_setting(r, name, "");
	}
}

static void
setting_with_more_behind(struct child_run *r)
{
	rig_send(r, SUP_SETTING, "\1\0a\1\0b!", 7, -1);
}

static void
setting_with_nul(struct child_run *r)
{
	rig_send(r, SUP_SETTING, "\2\0a\0\1\0b", 7, -1);
}

static void
setting_after_go(struct child_run *r)
{
	rig_setting(r, "state_dir", "/a");
	rig_send(r, SUP_GO, "", 0, -1);
	rig_setting(r, "gateways", "1");
}

static void
go_twice(struct child_run *r)
{
	rig_setting(r, "state_dir", "/a");
	rig_send(r, SUP_GO, "", 0, -1);
	rig_send(r, SUP_GO, "", 0, -1);
}

static void
link_without_descriptor(struct child_run *r)
{
	rig_send(r, SUP_LINK, "\2\0", 2, -1);
}

static void
link_to_nobody(struct child_run *r)
{
	sys_close(rig_link(r, ROLE_NONE, 0));
}

static void
link_to_cli(struct child_run *r)
{
	sys_close(rig_link(r, ROLE_CLI, 0));
}

static void
listen_of_no_kind(struct child_run *r)
{
	rig_send(r, SUP_LISTEN, "\5", 1, STDOUT_FILENO);
}

static void
drain_before_go(struct child_run *r)
{
	rig_send(r, SUP_DRAIN, drain_ms, sizeof drain_ms, -1);
}

static void
message_of_another_link(struct child_run *r)
{
	rig_send(r, GK_CONFIG_GET, "", 0, -1);
}

static void
torn_frame(struct child_run *r)
{
	(void)!sys_write(r->fd, "\1\0\0\0\377\0\0\0", 8);
}

static void
needed_setting_missing(struct child_run *r)
{
	rig_send(r, SUP_GO, "", 0, -1);
}

static void
number_too_large(struct child_run *r)
{
	rig_setting(r, "state_dir", "/a");
	rig_setting(r, "wants", "101");
	rig_send(r, SUP_GO, "", 0, -1);
}

static void
number_that_is_none(struct child_run *r)
{
	rig_setting(r, "state_dir", "/a");
	rig_setting(r, "wants", "1x");
	rig_send(r, SUP_GO, "", 0, -1);
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
		struct child_run r;
		int status;

		rig_begin(&r, "keeper");
		breaches[i].act(&r);
		status = rig_end(&r);
		if (!ok(status == 1 && strstr(r.said, breaches[i].says) != NULL,
			"%s ends the child", breaches[i].what))
			printf("# status %d: %s\n", status, r.said);
	}
}

int
main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_breaches();
	return done();
}
