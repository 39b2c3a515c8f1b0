/* Gateways that do not do as they are told, and what the keeper has done with them. */
#include <sys/resource.h>

#include "tests/lib/keeper_rig.h"
#include "tests/lib/rules_made.h"
#include "tests/lib/tap.h"

static int kills;
static uint8_t killed;
static bool dies; /* as a real one does */

static void
kill_gateway(uint8_t index, void *arg)
{
	kills++;
	killed = index;
	if (dies)
		rig_leave(arg);
}

static void
expect_kill(struct rig_peer *victim, bool it_dies)
{
	kills = 0;
	dies = it_dies;
	rig.k->kill_gateway = kill_gateway;
	rig.k->kill_arg = victim;
}

/* The audit log says why, once for each that was killed. */
static int
killed_in_log(void)
{
	for (int i = 0; i < 20; i++)
		rig_turn();
	return rig_audit_count("gateway_killed");
}

static void
come_back(struct rig_peer *p, uint8_t index)
{
	struct wire_writer w;

	rig_leave(p);
	rig_join(p, ROLE_GATEWAY, index);
	w = channel_begin(p->channel, GK_HELLO);
	wire_put_u16(&w, MSG_PROTOCOL);
	must(channel_end(p->channel, &w) == ERR_OK);
	must(rig_wait(p, GK_STATE, GK_STATE) != NULL);
	channel_set_ready(p->channel);
}

/* Two gateways; the first confirms, the second does not. */
static void
test_silent(void)
{
	uint8_t serial[SERIAL_LEN];
	struct wire_reader r;
	struct wire_writer w;
	struct rig_msg *m;
	int64_t before;

	come_back(&rig.gateway2, 1);
	rig_enroll("b", serial);
	expect_kill(&rig.gateway2, true);
	rig_forget(&rig.gateway);
	rig_forget(&rig.admin);
	before = clock_mono_ms();
	w = channel_begin(rig.admin.channel, AK_WORKLOAD_SET);
	wire_put_u64(&w, ++rig.next_id);
	wire_put_u32(&w, 7);
	wire_put_str(&w, "b");
	wire_put_u8(&w, WORKLOAD_REVOKE);
	must(channel_end(rig.admin.channel, &w) == ERR_OK);
	m = rig_wait(&rig.gateway, GK_REVOKED, GK_REVOKED);
	must(m != NULL);
	r = wire_read(buf_span(&m->body));
	w = channel_begin(rig.gateway.channel, GK_REVOKED_ACK);
	wire_put_u64(&w, wire_u64(&r));
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	ok(rig_wait(&rig.admin, AK_OK, AK_FAIL) != NULL, "the revocation is answered");
	ok(kills == 1 && killed == 1, "when the one that said nothing is dead, and only that one");
	ok(clock_mono_ms() - before >= REVOKE_WAIT_MS - 50 && clock_mono_ms() - before < 2000,
	    "in time");
	ok(killed_in_log() == 1, "the log says so");
}

/* Two revocations wait for it. */
static void
test_killed_once(void)
{
	uint8_t first[SERIAL_LEN], second[SERIAL_LEN];
	int before = killed_in_log();

	must(rig_workload("c") == ERR_OK && rig_workload("d") == ERR_OK);
	rig_enroll("c", first);
	rig_enroll("d", second);
	come_back(&rig.gateway2, 1);
	expect_kill(&rig.gateway2, false);
	revoke_instance(rig.k, identity_certificate(&rig.k->identity, first)->instance);
	revoke_instance(rig.k, identity_certificate(&rig.k->identity, second)->instance);
	for (int i = 0; i < 400 && kills < 2; i++)
		rig_turn();
	ok(kills == 2 && killed_in_log() == before + 2, "each of two gateways is killed once");
	come_back(&rig.gateway, 0);
	rig_leave(&rig.gateway2);
}

/* The keeper was away itself: what the gateways said meanwhile may be unread. */
static void
test_late_keeper(void)
{
	uint8_t serial[SERIAL_LEN];
	int64_t end_ms;

	must(rig_workload("e") == ERR_OK);
	rig_enroll("e", serial);
	expect_kill(&rig.gateway, false);
	rig_turn();
	revoke_instance(rig.k, identity_certificate(&rig.k->identity, serial)->instance);
	(void)usleep((REVOKE_WAIT_MS + 2 * REVOKE_LATE_MS) * 1000);
	end_ms = clock_mono_ms() + REVOKE_WAIT_MS / 2;
	while (clock_mono_ms() < end_ms)
		rig_turn();
	ok(kills == 0, "a keeper that comes late waits once more");
	for (int i = 0; i < 400 && kills == 0; i++)
		rig_turn();
	ok(kills == 1, "and then no more");
	come_back(&rig.gateway, 0);
}

static void
test_protocol(void)
{
	struct wire_writer w;
	int before = killed_in_log();

	expect_kill(&rig.gateway, false);
	w = channel_begin(rig.gateway.channel, GK_FINISH);
	wire_put_fixed(
	    &w, "\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", 32);
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	for (int i = 0; i < 400 && !rig.gateway.ended; i++)
		rig_turn();
	ok(rig.gateway.ended && kills == 1 && killed == 0,
	    "one that breaks the protocol is killed");
	ok(killed_in_log() == before + 1, "the log says so");
	come_back(&rig.gateway, 0);
}

static void
test_does_not_read(void)
{
	int before = killed_in_log();
	int64_t end_ms;
	int fds[2];

	rig_leave(&rig.gateway);
	expect_kill(NULL, false);
	must(sys_socketpair(SOCK_SEQPACKET | SOCK_NONBLOCK, fds) == 0);
	peer_add(rig.k, ROLE_GATEWAY, 5, fds[1]);
	end_ms = clock_mono_ms() + 5000;
	while (kills == 0 && clock_mono_ms() < end_ms) {
		keeper_tell_peer(rig.k, rig.k->peers.first);
		rig_turn();
	}
	ok(kills == 1 && killed == 5 && killed_in_log() == before + 1,
	    "one that does not read its link is killed");
	sys_close(fds[0]);
}

/* The keeper may open so many descriptors more. */
static void
leave_free(rlim_t count)
{
	int lowest = dup(STDIN_FILENO);
	struct rlimit r;

	must(lowest >= 0 && getrlimit(RLIMIT_NOFILE, &r) == 0);
	sys_close(lowest);
	r.rlim_cur = (rlim_t)lowest + count;
	must(setrlimit(RLIMIT_NOFILE, &r) == 0);
}

/* A message with a descriptor cannot be sent: whoever waits for it hears that, or gets it later. */
static struct upstream upstreams[] = { UPSTREAM("plain") };

static void
test_no_descriptors(void)
{
	struct rules rules = { upstreams, 1, NULL, 0 };
	uint8_t newest[4] = { 0 };
	struct rlimit was;
	struct wire_writer w;

	must(getrlimit(RLIMIT_NOFILE, &was) == 0);
	is_err(rig_rules(&rules).e, ERR_OK, "rules");
	leave_free(1);
	is_err(rig_ask(&rig.cli, CK_AUDIT_OPEN, span_of(newest, 4), -1).e, ERR_SYS,
	    "a segment of the log is open and cannot be handed over: that is the answer");
	rig_forget(&rig.gateway);
	leave_free(0);
	w = channel_begin(rig.gateway.channel, GK_CONFIG_GET);
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	for (int i = 0; i < 20; i++)
		rig_turn();
	ok(rig.gateway.count == 0, "nor can the configuration");
	must(setrlimit(RLIMIT_NOFILE, &was) == 0);
	ok(rig_wait(&rig.gateway, GK_CONFIG, GK_CONFIG) != NULL,
	    "which comes when a descriptor is free");
}

int
main(void)
{
	rig_init();
	must(rig_workload("b") == ERR_OK);
	test_silent();
	test_killed_once();
	test_late_keeper();
	test_protocol();
	test_no_descriptors();
	test_does_not_read();
	rig_done();
	return done();
}
