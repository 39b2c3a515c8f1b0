/*
 * crew: children are started together, linked pairwise, started again with fresh links, reported to
 * the keeper, drained in order. The children are this program again, found under the names of the
 * real ones; they log what happens to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/proc/child.h"
#include "broker/proc/signals.h"
#include "broker/sidekeyd/crew.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define WAIT_MS 20000

/* ---- the child's side ---- */

struct ear {
	struct watch watch;
	enum role peer;
	uint8_t index;
};

static struct child *self;

static void
on_heard(struct watch *w, uint32_t events)
{
	struct ear *ear = w->arg;
	char text[64] = "";
	ssize_t n = sys_read(w->fd, text, sizeof text - 1);

	(void)events;
	if (n > 0)
		log_info("(%s %u) hears '%s' over its link to %s %u", role_name(child_role(self)),
		    child_index(self), text, role_name(ear->peer), ear->index);
	loop_unwatch(child_loop(self), w);
	sys_close(w->fd);
	free(ear);
}

static void
on_link(enum role peer, uint8_t index, int fd, void *arg)
{
	struct ear *ear = calloc(1, sizeof *ear);
	char text[64];
	int n =
	    snprintf(text, sizeof text, "%s %u", role_name(child_role(self)), child_index(self));

	(void)arg;
	if (ear == NULL || (sys_write(fd, text, (size_t)n) != n && errno != EPIPE)) /* has ended */
		log_fatal("link to %s", role_name(peer));
	ear->peer = peer;
	ear->index = index;
	ear->watch = (struct watch){ .fd = fd, .events = EPOLLIN, .fn = on_heard, .arg = ear };
	if (loop_watch(child_loop(self), &ear->watch) != ERR_OK)
		log_fatal("watch");
}

static void
on_listen(enum listen_kind kind, int fd, void *arg)
{
	(void)arg;
	log_info("(%s %u) listens %d", role_name(child_role(self)), child_index(self), (int)kind);
	sys_close(fd);
}

static bool
mode_is(const char *mode)
{
	return strstr(child_setting_need(self, "gateway_address"), mode) != NULL;
}

static void
on_reload(void *arg)
{
	(void)arg;
	log_info("(%s) reloads", role_name(child_role(self)));
	if (child_role(self) == ROLE_KEEPER && (mode_is("grudge") || mode_is("slander")))
		child_kill_gateway(self, mode_is("grudge") ? 1 : 2);
}

static void
on_drain(uint32_t ms, void *arg)
{
	(void)ms;
	(void)arg;
	log_info("(%s %u) drains", role_name(child_role(self)), child_index(self));
	if (!mode_is("stubborn"))
		loop_stop(child_loop(self));
}

static void
on_exited(const struct child_exit *x, void *arg)
{
	(void)arg;
	log_info("keeper writes down: %s %u %lld %s", role_name(x->role), x->index,
	    (long long)x->pid, x->how);
}

static int
child_main(int argc, char **argv)
{
	static const struct child_ops ops = { on_link, on_listen, on_reload, on_drain, on_exited };
	enum role role;

	self = child_start(argc, argv, ~0u);
	role = child_role(self);
	if (mode_is("hopeless") && role == ROLE_KEEPER)
		child_hopeless("no store in %s", child_setting_need(self, "state_dir"));
	if (mode_is("dying") && role == ROLE_EDGE)
		_exit(1);
	child_confine(self);
	child_attach(self, &ops, NULL);
	child_ready(self);
	if (mode_is("chatty") && role == ROLE_EDGE)
		child_ready(self);
	log_info("(%s %u) is pid %d, key_file %s, accept_clock %s", role_name(role),
	    child_index(self), (int)getpid(),
	    child_setting(self, "key_file") == NULL ? "unknown" : "known",
	    child_setting(self, "accept_clock") == NULL ? "no" : "yes");
	if (loop_run(child_loop(self)) != ERR_OK)
		return 3;
	log_info("(%s %u) is done", role_name(role), child_index(self));
	child_free(self);
	return 0;
}

/* ---- the supervisor's side ---- */

static char dir[] = "/tmp/sidekey-crew-XXXXXX";
static int log_fd = -1, out_fd = -1;
static char text[65536]; /* the log since the last forget() */
static size_t text_len;

struct stage {
	struct loop *loop;
	struct daemon_config config;
	struct listeners listeners;
	struct spawn spawn;
	struct signals signals;
	struct crew *crew;
	bool stopped;
};

static void
read_log(void)
{
	ssize_t n = sys_read(log_fd, text + text_len, sizeof text - text_len - 1);

	if (n > 0)
		text_len += (size_t)n;
	text[text_len] = '\0';
}

static void
forget(void)
{
	read_log();
	text_len = 0;
	text[0] = '\0';
}

static void
on_signal(int signo, void *arg)
{
	if (signo == SIGCHLD)
		crew_reap(((struct stage *)arg)->crew);
}

/* Turns the loop until the log holds all of words (separated by '|'), or 20 s have gone. */
static bool
see(struct stage *s, const char *words)
{
	int64_t end_ms = clock_mono_ms() + WAIT_MS;

	while (clock_mono_ms() < end_ms) {
		const char *w = words;
		bool all = true;

		read_log();
		while (all && *w != '\0') {
			size_t len = strcspn(w, "|");

			all = memmem(text, text_len, w, len) != NULL;
			w += len + (w[len] == '|');
		}
		if (all)
			return true;
		if (loop_turn(s->loop, 20) != ERR_OK)
			return false;
	}
	return false;
}

static void
check(bool good, const char *what)
{
	if (!ok(good, "%s", what))
		printf("# log:\n%s\n", text);
	(void)fflush(stdout);
}

static long
pid_of(const char *who)
{
	char needle[64];
	const char *at;

	(void)snprintf(needle, sizeof needle, "(%s) is pid ", who);
	at = strstr(text, needle);
	return at == NULL ? 0 : atol(at + strlen(needle));
}

static void
begin(struct stage *s, const char *mode, uint16_t gateways)
{
	struct crew_tools tools = { .config = &s->config,
		.listeners = &s->listeners,
		.spawn = &s->spawn,
		.begun_ms = clock_mono_ms() };
	struct users nobody = { .change = false };

	forget();
	*s = (struct stage){ .listeners = { .run.fd = -1, .gateway.fd = -1 } };
	s->config.gateways = gateways;
	s->config.accept_clock = true;
	(void)snprintf(s->config.state_dir, sizeof s->config.state_dir, "%s", dir);
	(void)snprintf(s->config.config_dir, sizeof s->config.config_dir, "%s", dir);
	(void)snprintf(s->config.key_file, sizeof s->config.key_file, "%s/key", dir);
	(void)snprintf(
	    s->config.gateway_address, sizeof s->config.gateway_address, "unix:/%s", mode);
	for (int k = LISTEN_NONE; k < LISTEN_KINDS; k++)
		s->listeners.fds[k] = k == LISTEN_NONE ? -1 : dup(STDIN_FILENO);
	s->spawn.users = nobody;
	(void)snprintf(s->spawn.program_dir, sizeof s->spawn.program_dir, "%s", dir);
	s->spawn.null_fd = sys_open("/dev/null", O_RDWR, 0);
	if (loop_new(&s->loop) != ERR_OK)
		abort();
	tools.loop = s->loop;
	if (crew_new(&tools, &s->crew) != ERR_OK ||
	    signals_watch(&s->signals, s->loop, on_signal, s) != ERR_OK)
		abort();
	crew_start(s->crew);
}

static void
finish(struct stage *s)
{
	signals_close(&s->signals);
	crew_free(s->crew);
	(void)!loop_turn(s->loop, 0);
	loop_free(s->loop);
	sys_close(s->spawn.null_fd);
	for (int k = LISTEN_TLS_TCP; k < LISTEN_KINDS; k++)
		sys_close(s->listeners.fds[k]);
}

static void
drain(struct stage *s)
{
	crew_drain(s->crew);
	check(loop_run(s->loop) == ERR_OK, "the rest drains");
	finish(s);
}

static void
check_start(struct stage *s)
{
	check(see(s,
		  "ready in|(gateway 0) is pid|(gateway 1) is pid|(edge 0) is pid|(admin 0) is pid|"
		  "(keeper 0) is pid"),
	    "all start");
	check(see(s, "(keeper 0) hears 'gateway 0' over its link to gateway 0|"
		     "(keeper 0) hears 'gateway 1' over its link to gateway 1|"
		     "(keeper 0) hears 'edge 0' over its link to edge 0|"
		     "(keeper 0) hears 'admin 0' over its link to admin 0|"
		     "(gateway 1) hears 'keeper 0' over its link to keeper 0|"
		     "(gateway 1) hears 'edge 0' over its link to edge 0|"
		     "(edge 0) hears 'gateway 0' over its link to gateway 0|"
		     "(edge 0) hears 'keeper 0' over its link to keeper 0|"
		     "(admin 0) hears 'keeper 0' over its link to keeper 0"),
	    "each pair of the table is linked, and each end knows whose the other is");
	check(strstr(text, "'admin 0' over its link to gateway") == NULL &&
		  strstr(text, "over its link to gateway 0|(admin") == NULL &&
		  strstr(text, "(admin 0) hears 'edge") == NULL &&
		  strstr(text, "(gateway 0) hears 'gateway") == NULL,
	    "and no other pair");
	check(
	    see(s, "(gateway 0) listens 1|(gateway 0) listens 2|(gateway 1) listens 1|(gateway 1) "
		   "listens 2|(admin 0) listens 3|(keeper 0) listens 4"),
	    "listeners go where they belong");
	check(strstr(text, "(edge 0) listens") == NULL &&
		  strstr(text, "(gateway 0) listens 3") == NULL,
	    "and nowhere else");
	check(see(s, "(keeper 0) is pid") &&
		  strstr(text, "key_file known, accept_clock yes") != NULL &&
		  strstr(text, "key_file known") ==
		      strstr(strstr(text, "(keeper 0) is pid"), "key_file"),
	    "the keeper alone knows the key file");
}

static void
check_gateway_restart(struct stage *s)
{
	long other, gateway = pid_of("gateway 0");
	char words[256];

	forget();
	(void)kill((pid_t)gateway, SIGKILL);
	(void)snprintf(words, sizeof words,
	    "gateway 0 (pid %ld) ended: signal 9; starting it again in 100 ms|"
	    "keeper writes down: gateway 0 %ld signal 9|gateway 0 (pid ",
	    gateway, gateway);
	check(see(s, words), "a gateway that is killed is told to the keeper");
	check(
	    see(s, "is ready again|(keeper 0) hears 'gateway 0'|(edge 0) hears 'gateway 0'|"
		   "(gateway 0) hears 'keeper 0'|(gateway 0) hears 'edge 0'|(gateway 0) listens 2"),
	    "and comes back with fresh links to its peers");
	other = pid_of("gateway 0");
	check(other > 0 && other != gateway && pid_of("keeper 0") == 0 && pid_of("gateway 1") == 0,
	    "and nobody else was restarted");
}

static void
check_keeper_restart(struct stage *s, long keeper)
{
	char words[256];

	forget();
	(void)kill((pid_t)keeper, SIGKILL);
	(void)snprintf(words, sizeof words,
	    "keeper writes down: keeper 0 %ld signal 9|(keeper 0) hears 'admin 0'|(gateway 0) "
	    "hears "
	    "'keeper 0'|(gateway 1) hears 'keeper 0'|key_file known, accept_clock no",
	    keeper);
	check(see(s, words),
	    "a keeper that comes back hears of its own end, and may not take any clock");
	check(pid_of("gateway 0") == 0 && pid_of("gateway 1") == 0, "gateways live through it");
}

static void
check_end(struct stage *s)
{
	forget();
	crew_reload(s->crew);
	check(see(s, "(keeper) reloads|(admin) reloads"), "reload goes to keeper and admin");
	check(see(s, "gateway 1 (pid |is killed: the keeper asks for it|"
		     "keeper writes down: gateway 1|is ready again") &&
		  strstr(text, "gateway 0 (pid") == NULL,
	    "a gateway that the keeper gives up on is killed and started again, not the other one");

	forget();
	crew_drain(s->crew);
	check(loop_run(s->loop) == ERR_OK, "a drain ends the loop");
	read_log();
	check(strstr(text, "(gateway 0) is done") < strstr(text, "(edge 0) drains") &&
		  strstr(text, "(gateway 1) is done") < strstr(text, "(admin 0) drains") &&
		  strstr(text, "(edge 0) is done") < strstr(text, "(keeper 0) drains") &&
		  strstr(text, "(keeper 0) is done") != NULL,
	    "gateways first, then edge and admin, the keeper last");
	check(strstr(text, "starting it again") == NULL && crew_status(s->crew) == 0,
	    "nobody is started again, and all is well");
}

static void
test_life(void)
{
	struct stage s;
	long keeper;

	begin(&s, "grudge", 2);
	check_start(&s);
	keeper = pid_of("keeper 0");
	check_gateway_restart(&s);
	check_keeper_restart(&s, keeper);
	check_end(&s);
	finish(&s);
}

static void
test_hopeless(void)
{
	struct stage s;

	begin(&s, "hopeless", 1);
	check(loop_run(s.loop) == ERR_OK && crew_status(s.crew) == 1,
	    "a keeper without hope stops the first start");
	read_log();
	check(
	    strstr(text, "no store in /tmp") != NULL && strstr(text, "keeper cannot start") != NULL,
	    "and says why");
	finish(&s);
}

static void
test_stubborn(void)
{
	struct stage s;
	int64_t before_ms;

	begin(&s, "stubborn", 1);
	check(see(&s, "ready in"), "stubborn children start");
	before_ms = clock_mono_ms();
	crew_drain(s.crew);
	check(see(&s, "(gateway 0) drains"), "and are told to drain");
	crew_drain(s.crew);
	while (clock_mono_ms() - before_ms < 1050) {
		if (loop_turn(s.loop, 20) != ERR_OK)
			break;
	}
	check(
	    strstr(text, "ended") == NULL, "a second wish right behind the first changes nothing");
	crew_drain(s.crew);
	check(
	    loop_run(s.loop) == ERR_OK && clock_mono_ms() - before_ms < 5000, "a later one kills");
	finish(&s);
}

static void
test_backoff(void)
{
	struct stage s;

	begin(&s, "dying", 1);
	check(
	    see(&s,
		"edge (pid |ended: exit 1; starting it again in 100 ms|starting it again in 200 ms|"
		"starting it again in 400 ms"),
	    "a child that dies at once waits longer each time");
	check(strstr(text, "ready in") == NULL, "and nobody calls that ready");
	drain(&s);
}

static void
test_breach(const char *mode, const char *who)
{
	char words[128];
	struct stage s;

	begin(&s, mode, 1);
	crew_reload(s.crew);
	(void)snprintf(words, sizeof words,
	    "%s (pid |is killed: it broke the supervisor protocol|ended: signal 9", who);
	check(see(&s, words), mode);
	drain(&s);
}

static void
put_programs(void)
{
	static const char *const names[] = { "sidekey-gateway", "sidekey-keeper", "sidekey-api" };
	char exe[512], path[600];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	if (n <= 0 || mkdtemp(dir) == NULL)
		abort();
	exe[n] = '\0';
	for (size_t i = 0; i < COUNT(names); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		if (symlink(exe, path) != 0)
			abort();
	}
}

int
main(int argc, char **argv)
{
	char command[64];
	int fds[2];

	if (strncmp(argv[0], "sidekey-", 8) == 0)
		return child_main(argc, argv);
	signals_block();
	put_programs();
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
		abort();
	log_fd = fds[0];
	out_fd = dup(STDERR_FILENO);
	(void)dup2(fds[1], STDERR_FILENO);
	test_life();
	test_hopeless();
	test_stubborn();
	test_backoff();
	test_breach("chatty", "edge");
	test_breach("slander", "keeper");
	(void)dup2(out_fd, STDERR_FILENO);
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) != 0 ? 1 : done();
}
