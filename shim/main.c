/*
 * sidekey-shim - the entrypoint of an agent's container: gets an identity, starts the agent, and
 * carries what it sends. The table at the end is the program: its steps, in order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sys.h"
#include "shim/args.h"
#include "shim/child.h"
#include "shim/enroll.h"
#include "shim/forward.h"
#include "shim/hide.h"
#include "shim/init.h"
#include "shim/sandbox.h"

#define GO_ON (-1) /* what a step returns; else the exit status */
#define URL_SIZE (INET6_ADDRSTRLEN + 32)

struct shim {
	int argc;
	char **argv;
	struct shim_args args;
	struct shim_inherited inherited;
	struct shim_env env;
	struct shim_enrollment enrollment;
	struct loop *loop;
	struct shim_init init;
	int listen_fd;
	char url[URL_SIZE];
	struct shim_tls_ctx *ctx;
	struct shim_uplinks uplinks;
	struct shim_identity identity;
	struct shim_self self;
	struct shim_child child;
	pid_t pid;
	struct shim_renew renew;
	struct shim_forward forward;
	bool given_back, swept;
	enum err hidden;
	char why_hidden[SHIM_WHY_SIZE], why[SHIM_WHY_SIZE];
};

static int
fail(const char *what, const char *why)
{
	log_error("%s: %s", what, why);
	return SHIM_EXIT_FAILED;
}

/* What the start needs of the heap, at once: where each page is a fault of its own, those cost a
 * tenth of the start in a virtual machine. Only speed. */
static void
warm_heap(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from;
	char *p;

	(void)mallopt(M_TOP_PAD, SHIM_HEAP_LEN); /* else free() gives it back */
	(void)mallopt(M_MMAP_THRESHOLD, 2 * SHIM_HEAP_LEN);
	p = malloc(SHIM_HEAP_LEN);
	if (p == NULL)
		return;
	from = ((uintptr_t)p + page - 1) & ~(page - 1);
	(void)madvise((void *)from, SHIM_HEAP_LEN - (from - (uintptr_t)p), MADV_POPULATE_WRITE);
	free(p);
	(void)mallopt(M_MMAP_THRESHOLD, SHIM_MMAP_LEN);
}

static int
init_openssl(struct shim *s)
{
	(void)s;
	warm_heap();
	return shim_tls_init() == ERR_OK
		   ? GO_ON
		   : fail("OpenSSL", "no locked memory for keys (see RLIMIT_MEMLOCK)");
}

static int
block_signals(struct shim *s)
{
	return shim_harden_signals(&s->inherited) == ERR_OK ? GO_ON
							    : fail("signals", strerror(errno));
}

static int
harden_self(struct shim *s)
{
	return shim_harden_self(&s->inherited) == ERR_OK
		   ? GO_ON
		   : fail("protecting this process", strerror(errno));
}

static int
read_arguments(struct shim *s)
{
	if (shim_args_parse(s->argc, s->argv, &s->args, s->why) != ERR_OK) {
		log_error("%s; see sidekey-shim --help", s->why);
		return SHIM_EXIT_FAILED;
	}
	if (s->args.verb == SHIM_RUN)
		return GO_ON;
	(void)fputs(
	    s->args.verb == SHIM_HELP ? shim_args_help() : "sidekey-shim " SIDEKEY_VERSION "\n",
	    stdout);
	return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAILED;
}

static int
scrub_environment(struct shim *s)
{
	enum err e = shim_env_take(environ, &s->env);

	return e == ERR_OK
		   ? GO_ON
		   : fail("the environment", e == ERR_LIMIT ? "too many variables" : "no memory");
}

/* Before the enrollment, which may work only once. */
static int
find_command(struct shim *s)
{
	int status = shim_child_find(
	    s->args.command[0], shim_env_get(&s->env, "PATH"), s->child.path, s->why);

	if (status == 0)
		return GO_ON;
	log_error("%s", s->why);
	return status;
}

static int
read_enrollment(struct shim *s)
{
	if (secret_arena_init(SHIM_ARENA_LEN) != ERR_OK)
		return fail("locked memory", "refused by the kernel (see RLIMIT_MEMLOCK)");
	if (shim_enrollfile_read(s->args.enroll_path, &s->enrollment, s->why) != ERR_OK)
		return fail(s->args.enroll_path, s->why);
	if (shim_tls_ctx_new(buf_span(&s->enrollment.ca), s->enrollment.trust_domain, &s->ctx) !=
	    ERR_OK)
		return fail(s->args.enroll_path, "\"ca\" is not a CA certificate in PEM");
	return GO_ON;
}

static int
make_loop(struct shim *s)
{
	if (loop_new(&s->loop) != ERR_OK || shim_init_start(&s->init, s->loop) != ERR_OK)
		return fail("the event loop", strerror(errno));
	if (shim_uplinks_init(&s->uplinks, s->loop, &s->enrollment.gateway, s->ctx) != ERR_OK)
		return fail(s->enrollment.gateway.text, "looking up names is not possible here");
	return GO_ON;
}

static int
listen_on_loopback(struct shim *s)
{
	char host[INET6_ADDRSTRLEN];
	bool is_v6 = s->args.listen.sa.sa_family == AF_INET6;
	uint16_t port = 0;

	(void)inet_ntop(s->args.listen.sa.sa_family,
	    is_v6 ? (const void *)&s->args.listen.in6.sin6_addr
		  : (const void *)&s->args.listen.in.sin_addr,
	    host, sizeof host);
	if (shim_forward_listen(&s->args.listen, &s->listen_fd, &port) != ERR_OK) {
		(void)snprintf(s->why, sizeof s->why, "%s (port %u)", strerror(errno),
		    ntohs(is_v6 ? s->args.listen.in6.sin6_port : s->args.listen.in.sin_port));
		return fail(host, s->why);
	}
	(void)snprintf(
	    s->url, sizeof s->url, is_v6 ? "http://[%s]:%u" : "http://%s:%u", host, port);
	return GO_ON;
}

/* What the child's start needs, while the broker makes the certificate. Again with each attempt: by
 * then other files may lie beside the enrollment. */
static void
prepare_child(void *arg)
{
	struct shim *s = arg;

	sys_closep(&s->child.ruleset_fd);
	s->hidden = shim_hide_prepare(s->args.enroll_path, &s->child.ruleset_fd, s->why_hidden);
	/* without it nothing starts: start_child() says so */
	if (s->child.filter.len == 0 && shim_sandbox_prepare(&s->child.filter) != ERR_OK)
		buf_wipe(&s->child.filter);
}

static int
enroll(struct shim *s)
{
	struct shim_enroll en = {
		.all = &s->uplinks,
		.enrollment = &s->enrollment,
		.url = s->url,
		.wait_s = s->args.wait_s,
		.identity = &s->identity,
		.env = &s->env,
		.self = &s->self,
		.meanwhile = prepare_child,
		.arg = s,
	};
	enum err e;

	s->identity.enrollment = &s->enrollment;
	s->identity.ctx = s->ctx;
	e = shim_enroll_run(&en, s->why);
	if (shim_init_stopped(&s->init) != 0)
		return shim_init_stopped(&s->init);
	return e == ERR_OK ? GO_ON : fail("no identity for this container", s->why);
}

/* An enrollment that works again in the child's hands would be an identity of its own. */
static int
hide_enrollment(struct shim *s)
{
	if (s->hidden == ERR_OK || !s->self.reusable || s->self.readable_ok)
		return GO_ON;
	log_error("the enrollment is reusable and cannot be hidden from the command: %s; use a "
		  "single-use enrollment, "
		  "or set \"enroll_readable: accept\" in the workload's policy",
	    s->why_hidden);
	return SHIM_EXIT_FAILED;
}

static void
on_renewed(void *arg)
{
	struct shim *s = arg;

	shim_forward_renewed(&s->forward);
}

/* What a confined process could not begin any more. */
static int
start_forwarding(struct shim *s)
{
	s->renew.on_renewed = on_renewed;
	s->renew.arg = s;
	s->forward.uplinks = &s->uplinks;
	s->forward.identity = &s->identity;
	s->forward.renew = &s->renew;
	if (shim_renew_start(&s->renew) != ERR_OK ||
	    shim_forward_start(&s->forward, s->listen_fd) != ERR_OK)
		return fail("forwarding", "no memory");
	return GO_ON;
}

static int
start_child(struct shim *s)
{
	enum err e = shim_env_set(&s->env, "SIDEKEY_URL", span_str(s->url));
	int status;

	if (e == ERR_OK)
		e = shim_env_no_proxy(&s->env);
	if (e != ERR_OK)
		return fail("the command's environment", err_name(e));
	s->child.argv = s->args.command;
	s->child.envp = s->env.list;
	s->child.inherited = &s->inherited;
	s->child.confine = shim_sandbox_enter;
	status = shim_child_start(&s->child, &s->pid, s->why);
	if (status != 0) {
		log_error("%s", s->why);
		return status;
	}
	sys_closep(&s->child.ruleset_fd);
	buf_wipe(&s->child.filter);
	shim_env_close(&s->env);
	return GO_ON;
}

static void
leave_when_done(struct shim *s)
{
	if (s->given_back && s->swept)
		loop_stop(s->loop);
}

static void
on_given_back(struct shim_control *c, enum err e)
{
	struct shim *s = c->arg;

	(void)e; /* it ends by itself soon enough */
	shim_control_close(c);
	s->given_back = true;
	leave_when_done(s);
}

static void
give_back(struct shim *s)
{
	if (s->identity.generation == 0 ||
	    shim_renew_give_back(&s->renew, on_given_back, s) != ERR_OK)
		s->given_back = true;
}

static void
on_child_end(void *arg)
{
	give_back(arg);
	leave_when_done(arg);
}

static void
on_swept(void *arg)
{
	struct shim *s = arg;

	s->swept = true;
	leave_when_done(s);
}

/* From here on PID 1 may not end before its child: what fails is logged and tried again. */
static int
serve(struct shim *s)
{
	s->init.on_end = on_child_end;
	s->init.on_swept = on_swept;
	s->init.arg = s;
	shim_init_adopt(&s->init, s->pid);
	if (loop_run(s->loop) != ERR_OK)
		return fail("the event loop", strerror(errno));
	return s->init.status;
}

static int (*const steps[])(struct shim *s) = {
	init_openssl,
	block_signals,
	harden_self,
	read_arguments,
	scrub_environment,
	find_command,
	read_enrollment,
	make_loop,
	listen_on_loopback,
	enroll,
	hide_enrollment,
	start_forwarding,
	start_child,
	serve,
};

/* A start that failed after enrolling gives its certificate back: the next one may count against a
 * cap. */
static void
leave(struct shim *s)
{
	s->swept = true;
	if (s->loop != NULL && s->pid == 0 && s->identity.generation > 0) {
		give_back(s);
		while (!s->given_back && loop_turn(s->loop, SHIM_GIVE_BACK_MS) == ERR_OK)
			continue;
	}
	shim_enrollfile_wipe(&s->enrollment);
	shim_env_close(&s->env);
}

int
main(int argc, char **argv)
{
	static struct shim s = { .listen_fd = -1,
		.child = { .ruleset_fd = -1, .filter = BUF_MAX(SHIM_FILTER_MAX) } };
	int status = GO_ON;

	s.argc = argc;
	s.argv = argv;
	s.renew.all = &s.uplinks;
	s.renew.identity = &s.identity;
	log_init("sidekey-shim", LOG_LEVEL_INFO);
	for (size_t i = 0; i < COUNT(steps) && status == GO_ON; i++)
		status = steps[i](&s);
	leave(&s);
	return status;
}
