#include "broker/proc/child.h"

#include <linux/close_range.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/proc/drop.h"
#include "broker/proc/inbox.h"
#include "broker/proc/sandbox.h"
#include "broker/proc/signals.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/sys.h"
#include "common/text.h"

#define STATUS_USAGE 2
#define SUPERVISOR_QUEUE_MAX 4096 /* SUP_READY, and a SUP_KILL now and then */
#define MEMLOCK_WANTED (64u << 20)

struct child {
	enum role role;
	char program[32]; /* "sidekey-gateway" */
	struct loop *loop;
	struct channel *supervisor;
	struct inbox inbox;
	bool landlock;
};

static bool
is_supervisor_socket(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
		return false;
	len = sizeof domain;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0)
		return false;
	return type == SOCK_SEQPACKET && domain == AF_UNIX;
}

static enum role
role_wanted(int argc, char **argv, uint32_t roles)
{
	for (enum role r = ROLE_GATEWAY; argc == 2 && r <= ROLE_ADMIN; r++) {
		if ((roles & 1u << r) != 0 && strcmp(argv[1], role_name(r)) == 0)
			return r;
	}
	return ROLE_NONE;
}

static void
by_hand(int argc, char **argv)
{
	const char *program = argc > 0 && argv[0] != NULL ? argv[0] : "sidekey";
	const char *base = strrchr(program, '/');

	base = base == NULL ? program : base + 1;
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("%s %s\n", base, SIDEKEY_VERSION);
		exit(0);
	}
	(void)fprintf(stderr, "%s: sidekeyd starts this program; run sidekeyd instead\n", base);
	exit(STATUS_USAGE);
}

static void
give_up_privileges(const struct child *c)
{
	uint64_t count;

	/* a memory lock may need a capability, so it comes before they go */
	if (c->role == ROLE_KEEPER || c->role == ROLE_GATEWAY)
		(void)drop_memlock_raise(MEMLOCK_WANTED);
	if (drop_capabilities(0) != ERR_OK || drop_inspection() != ERR_OK)
		log_fatal("privileges cannot be given up");
	if (c->role == ROLE_GATEWAY && drop_nofile_raise(&count) != ERR_OK)
		log_warn("the limit of open descriptors cannot be raised");
}

static void
on_supervisor_msg(struct channel *ch, struct msg *m, void *arg)
{
	struct child *c = arg;
	enum err e = inbox_take(&c->inbox, m);

	if (e != ERR_OK)
		log_fatal(
		    "supervisor message %s: %s", msg_row((uint16_t)m->type)->name, err_name(e));
	if (m->type == SUP_GO)
		channel_set_ready(ch);
}

/* Without a supervisor nobody would restart us, hand us links or end us: we end. */
static void
on_supervisor_end(struct channel *ch, enum err e, void *arg)
{
	(void)ch;
	(void)arg;
	if (e == ERR_EOF)
		log_warn("sidekeyd is gone, ending too");
	else
		log_error("supervisor link: %s", err_name(e));
	_exit(1);
}

static void
log_init_from_setting(const struct child *c)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };
	const char *level = child_setting(c, "log_level");

	for (size_t i = 0; level != NULL && i < COUNT(words); i++) {
		if (strcmp(level, words[i]) == 0)
			log_init(c->program, (enum log_level)i);
	}
}

static void
take_until_go(struct child *c)
{
	const struct channel_role role = { .me = c->role,
		.peer = ROLE_SIDEKEYD,
		.queue_max = SUPERVISOR_QUEUE_MAX,
		.on_msg = on_supervisor_msg,
		.on_end = on_supervisor_end,
		.arg = c };

	if (loop_new(&c->loop) != ERR_OK ||
	    channel_new(c->loop, CHILD_SUPERVISOR_FD, &role, &c->supervisor) != ERR_OK)
		log_fatal("no event loop");
	while (!c->inbox.go) {
		if (loop_turn(c->loop, -1) != ERR_OK)
			log_fatal("event loop failed");
	}
}

struct child *
child_start(int argc, char **argv, uint32_t roles)
{
	struct child *c;
	enum role role = role_wanted(argc, argv, roles);

	if (role == ROLE_NONE || !is_supervisor_socket(CHILD_SUPERVISOR_FD))
		by_hand(argc, argv);
	c = calloc(1, sizeof *c);
	if (c == NULL)
		log_fatal("out of memory");
	c->role = role;
	(void)snprintf(c->program, sizeof c->program, "sidekey-%s", role_name(role));
	log_init(c->program, LOG_LEVEL_INFO);
	if (close_range(CHILD_SUPERVISOR_FD + 1, ~0u, 0) != 0)
		log_fatal("inherited descriptors cannot be closed");
	if (chdir("/") != 0)
		log_fatal("chdir /");
	signals_ignore();
	give_up_privileges(c);
	take_until_go(c);
	log_init_from_setting(c);
	return c;
}

void
child_free(struct child *c)
{
	if (c == NULL)
		return;
	inbox_close(&c->inbox);
	channel_close(c->supervisor);
	(void)!loop_turn(c->loop, 0); /* closed objects are freed at the end of a turn */
	loop_free(c->loop);
	free(c);
}

enum role
child_role(const struct child *c)
{
	return c->role;
}

uint8_t
child_index(const struct child *c)
{
	return child_setting(c, "role_index") == NULL
		   ? 0
		   : (uint8_t)child_setting_u64(c, "role_index", UINT8_MAX);
}

struct loop *
child_loop(struct child *c)
{
	return c->loop;
}

const char *
child_setting(const struct child *c, const char *name)
{
	return inbox_setting(&c->inbox, name);
}

const char *
child_setting_need(const struct child *c, const char *name)
{
	const char *value = child_setting(c, name);

	if (value == NULL)
		log_fatal("setting %s was not sent: is this sidekeyd of another release?", name);
	return value;
}

uint64_t
child_setting_u64(const struct child *c, const char *name, uint64_t max)
{
	uint64_t n = 0;

	if (text_u64(span_str(child_setting_need(c, name)), max, &n) != ERR_OK)
		log_fatal("setting %s is not a number up to %llu", name, (unsigned long long)max);
	return n;
}

void
child_secret_arena(const struct child *c, size_t bytes)
{
	bool warn = strcmp(child_setting_need(c, "memlock"), "warn") == 0;

	if (secret_arena_init(bytes) == ERR_OK)
		return;
	if (!warn)
		child_hopeless("memory for secrets cannot be locked: raise the memlock limit to 8 "
			       "MiB, or set memlock: warn in sidekey.yaml");
	log_warn("memory for secrets is not locked: it may be written to swap");
	if (secret_arena_init_unlocked(bytes) != ERR_OK)
		log_fatal("no memory");
}

static size_t
role_paths(const struct child *c, struct sandbox_path *paths)
{
	size_t n = 0;

	if (c->role != ROLE_GATEWAY) /* SQLite and jansson seed themselves */
		paths[n++] = (struct sandbox_path){ "/dev/urandom", SANDBOX_READ };
	if (c->role == ROLE_KEEPER)
		paths[n++] =
		    (struct sandbox_path){ child_setting_need(c, "state_dir"), SANDBOX_WRITE };
	if (c->role == ROLE_ADMIN)
		paths[n++] =
		    (struct sandbox_path){ child_setting_need(c, "config_dir"), SANDBOX_READ };
	return n;
}

void
child_confine(struct child *c)
{
	struct sandbox_path paths[SANDBOX_PATHS_MAX];
	size_t count = role_paths(c, paths);
	int abi;

	if (sandbox_files(c->role, paths, count, &abi) != ERR_OK)
		log_fatal("Landlock refuses the paths of this role");
	c->landlock = abi > 0; /* sidekeyd says loudly, once, when there is none */
	if (sandbox_syscalls(c->role) != ERR_OK)
		log_fatal("the system call filter cannot be set");
}

bool
child_has_landlock(const struct child *c)
{
	return c->landlock;
}

void
child_attach(struct child *c, const struct child_ops *ops, void *arg)
{
	inbox_attach(&c->inbox, ops, arg);
}

void
child_ready(struct child *c)
{
	struct wire_writer w = channel_begin(c->supervisor, SUP_READY);

	wire_put_bool(&w, c->landlock);
	if (channel_end(c->supervisor, &w) != ERR_OK)
		log_fatal("sidekeyd cannot be told that we are ready");
}

void
child_kill_gateway(struct child *c, uint8_t index)
{
	struct wire_writer w = channel_begin(c->supervisor, SUP_KILL);

	wire_put_u8(&w, index);
	if (channel_end(c->supervisor, &w) != ERR_OK)
		log_error("sidekeyd cannot be told to end gateway %u", index);
}

void
child_hopeless(const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_error("%s", text);
	_exit(CHILD_EXIT_HOPELESS);
}
