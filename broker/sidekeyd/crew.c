#include "broker/sidekeyd/crew.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "broker/sidekeyd/leave.h"
#include "common/clock.h"
#include "broker/sidekeyd/member.h"
#include "common/log.h"
#include "common/sys.h"

#define MEMBER_QUEUE_MAX 65536 /* bytes that a child may leave unread */
#define IMPATIENCE_MS                                                                              \
	1000 /* timeout(1) and others signal a process and then its group: one wish, not two */
#define LINGER_MS 1000 /* from the end of its link to its exit */

static void start(struct member *m);

static void
on_start_due(struct timer *t)
{
	start(t->arg);
}

static void
start_later(struct member *m, uint32_t delay_ms)
{
	struct loop *l = m->crew->t.loop;

	m->timer.fn = on_start_due;
	m->timer.arg = m;
	if (loop_timer(l, &m->timer, loop_now_ms(l) + delay_ms) != ERR_OK)
		log_fatal("out of memory");
}

static void
note_all_ready(struct crew *c)
{
	for (size_t i = 0; i < c->count; i++) {
		if (!c->members[i].ready)
			return;
	}
	if (!c->all_were_ready)
		log_info("ready in %" PRId64 " ms", clock_mono_ms() - c->t.begun_ms);
	c->all_were_ready = true;
}

static enum err
on_ready(struct member *m, struct wire_reader *r)
{
	(void)wire_bool(r); /* Landlock or not: we know it from our own attempt */
	if (wire_done(r) != ERR_OK || m->ready)
		return ERR_PROTO;
	m->ready = true;
	if (m->starts > 1)
		log_info("%s (pid %d) is ready again", m->name, (int)m->pid);
	note_all_ready(m->crew);
	return ERR_OK;
}

static enum err
on_kill(struct crew *c, struct wire_reader *r)
{
	uint8_t index = wire_u8(r);

	if (wire_done(r) != ERR_OK)
		return ERR_PROTO;
	for (size_t i = 0; i < c->count; i++) {
		struct member *m = &c->members[i];

		if (m->role != ROLE_GATEWAY || m->index != index)
			continue;
		member_kill(m, "the keeper asks for it");
		return ERR_OK;
	}
	return ERR_PROTO;
}

static void
on_member_msg(struct channel *ch, struct msg *msg, void *arg)
{
	struct member *m = arg;
	struct wire_reader r = wire_read(msg->body);
	enum err e = msg->type == SUP_KILL ? on_kill(m->crew, &r) : on_ready(m, &r);

	(void)ch;
	if (e != ERR_OK)
		member_kill(m, "it broke the supervisor protocol");
}

static void
on_lingering(struct timer *t)
{
	member_kill(t->arg, "it closed its supervisor link and does not end");
}

/* It is ending, most likely in order: exit closes descriptors first. If not, it cannot be
 * supervised any more. */
static void
on_member_end(struct channel *ch, enum err e, void *arg)
{
	struct member *m = arg;
	struct loop *l = m->crew->t.loop;

	channel_close(ch);
	m->channel = NULL;
	m->timer.fn = on_lingering;
	m->timer.arg = m;
	if (e != ERR_EOF)
		member_kill(m, "it broke the supervisor protocol");
	else if (loop_timer(l, &m->timer, loop_now_ms(l) + LINGER_MS) != ERR_OK)
		member_kill(m, err_name(ERR_NOMEM));
}

static void
tell_keeper_what_ended(struct crew *c)
{
	struct member *keeper = &c->members[0];

	if (keeper->channel == NULL)
		return;
	for (size_t i = 0; i < c->exit_count && keeper->channel != NULL; i++)
		member_tell_exited(keeper, &c->exits[i]);
	c->exit_count = 0;
}

static void
start(struct member *m)
{
	struct crew *c = m->crew;
	const struct channel_role role = { .me = ROLE_SIDEKEYD,
		.peer = m->role,
		.queue_max = MEMBER_QUEUE_MAX,
		.on_msg = on_member_msg,
		.on_end = on_member_end,
		.arg = m };
	int fd = -1;
	enum err e = spawn_child(c->t.spawn, m->role, &m->pid, &fd);

	restart_started(&m->restart, loop_now_ms(c->t.loop));
	m->starts++;
	if (e != ERR_OK) {
		log_error("%s cannot be started: %s", m->name, strerror(errno));
		start_later(m, restart_delay(&m->restart, loop_now_ms(c->t.loop)));
		return;
	}
	if (channel_new(c->t.loop, fd, &role, &m->channel) != ERR_OK) {
		m->channel = NULL;
		member_kill(m, "out of memory");
		return;
	}
	member_introduce(m);
	if (m->role == ROLE_KEEPER)
		tell_keeper_what_ended(c);
}

static void
remember_exit(struct crew *c, const struct child_exit *x)
{
	if (c->exit_count == CREW_EXITS_MAX) {
		log_warn("the end of %s %u (pid %" PRId64 ") will be missing from the audit log",
		    role_name(c->exits[0].role), (unsigned)c->exits[0].index, c->exits[0].pid);
		memmove(c->exits, c->exits + 1, sizeof c->exits - sizeof c->exits[0]);
		c->exit_count--;
	}
	c->exits[c->exit_count++] = *x;
	tell_keeper_what_ended(c);
}

/* As the wait status has it: "exit 1", "signal 9". */
static struct child_exit
describe_exit(const struct member *m, int status)
{
	struct child_exit x = { .role = m->role, .index = m->index, .pid = m->pid };

	if (WIFSIGNALED(status))
		(void)snprintf(x.how, sizeof x.how, "signal %d", WTERMSIG(status));
	else
		(void)snprintf(x.how, sizeof x.how, "exit %d", WEXITSTATUS(status));
	return x;
}

static bool
is_hopeless(const struct member *m, int status)
{
	return !m->crew->all_were_ready && WIFEXITED(status) &&
	       WEXITSTATUS(status) == CHILD_EXIT_HOPELESS;
}

static void
give_up(struct crew *c, const struct member *m)
{
	log_error("%s cannot start, see above: stopping", m->name);
	c->failed = true;
	leave_begin(c);
	leave_kill_all(c);
}

static void
member_ended(struct member *m, int status)
{
	struct crew *c = m->crew;
	struct child_exit x = describe_exit(m, status);
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	uint32_t delay_ms;

	loop_timer_stop(c->t.loop, &m->timer);
	channel_close(m->channel);
	m->channel = NULL;
	m->ready = false;
	m->pid = 0;
	if (!c->draining || !clean)
		remember_exit(c, &x);
	if (c->draining) {
		if (!clean && !c->failed)
			log_warn("%s (pid %" PRId64 ") ended: %s", m->name, x.pid, x.how);
		leave_step(c);
		return;
	}
	if (is_hopeless(m, status)) {
		give_up(c, m);
		return;
	}
	delay_ms = restart_delay(&m->restart, loop_now_ms(c->t.loop));
	log_warn("%s (pid %" PRId64 ") ended: %s; starting it again in %u ms", m->name, x.pid,
	    x.how, delay_ms);
	start_later(m, delay_ms);
}

void
crew_reap(struct crew *c)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < c->count; i++) {
			if (c->members[i].pid == pid) {
				member_ended(&c->members[i], status);
				break;
			}
		} /* else an orphan of somebody's: we may be PID 1 */
	}
}

static void
add_member(struct crew *c, enum role role, uint8_t index)
{
	struct member *m = &c->members[c->count++];

	m->crew = c;
	m->role = role;
	m->index = index;
	if (role == ROLE_GATEWAY)
		(void)snprintf(m->name, sizeof m->name, "gateway %u", (unsigned)index);
	else
		(void)snprintf(m->name, sizeof m->name, "%s", role_name(role));
}

enum err
crew_new(const struct crew_tools *t, struct crew **ret_c)
{
	struct crew *c = calloc(1, sizeof *c);

	if (c == NULL)
		return ERR_NOMEM;
	c->t = *t;
	add_member(c, ROLE_KEEPER, 0); /* first: it takes longest, and tell_keeper_what_ended() */
	for (uint16_t i = 0; i < t->config->gateways; i++)
		add_member(c, ROLE_GATEWAY, (uint8_t)i);
	add_member(c, ROLE_EDGE, 0);
	add_member(c, ROLE_ADMIN, 0);
	*ret_c = c;
	return ERR_OK;
}

void
crew_free(struct crew *c)
{
	if (c == NULL)
		return;
	loop_timer_stop(c->t.loop, &c->drain_timer);
	for (size_t i = 0; i < c->count; i++) {
		loop_timer_stop(c->t.loop, &c->members[i].timer);
		channel_close(c->members[i].channel);
		member_kill(&c->members[i], NULL);
	}
	free(c);
}

void
crew_start(struct crew *c)
{
	for (size_t i = 0; i < c->count; i++)
		start(&c->members[i]);
}

void
crew_reload(struct crew *c)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->members[i].role == ROLE_KEEPER || c->members[i].role == ROLE_ADMIN)
			member_tell_reload(&c->members[i]);
	}
}

void
crew_drain(struct crew *c)
{
	int64_t now_ms = loop_now_ms(c->t.loop);

	if (!c->draining) {
		c->drain_began_ms = now_ms;
		leave_begin(c);
	} else if (now_ms - c->drain_began_ms >= IMPATIENCE_MS) {
		leave_kill_all(c);
	}
}

int
crew_status(const struct crew *c)
{
	return c->failed ? 1 : 0;
}
