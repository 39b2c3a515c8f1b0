/* Streams that outlive the keeper: they count again, and their end is recorded. */
#include "tests/lib/keeper_rig.h"
#include "tests/lib/rules_made.h"
#include "tests/lib/tap.h"

static char *names[] = { MADE("agent") };
static struct upstream upstreams[] = { UPSTREAM("open") };
static struct use uses[] = { { USE_FIELDS(0, "GET"), .limit_concurrent = 2 } };
static struct policy policies[] = { POLICY("p", names, uses) };
static struct rules rules = RULES(upstreams, policies);
static uint8_t serial[SERIAL_LEN];

static void
live(uint64_t seq, const uint8_t *whose, const char *what)
{
	struct wire_writer w = channel_begin(rig.gateway.channel, GK_LIVE);
	struct live l = { .seq = seq };

	memcpy(l.serial, whose, SERIAL_LEN);
	(void)span_copy_str(span_str(what), l.upstream, sizeof l.upstream);
	live_put(&w, &l);
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	rig_turn();
	rig_turn();
}

static size_t
flights(void)
{
	return rig.k->flights.by_seq.count;
}

/* The last end that the keeper confirms. */
static uint64_t
confirmed(void)
{
	struct rig_msg *m = rig_wait(&rig.gateway, GK_FINISHED, GK_FINISHED);
	uint64_t seq = 0;

	if (m != NULL)
		memcpy(&seq, m->body.data, sizeof seq);
	return seq;
}

static void
test_adopted(void)
{
	uint64_t one = rig_request(serial, "open", "GET").allow.seq,
		 two = rig_request(serial, "open", "GET").allow.seq;
	struct rig_answer a;
	char finish[64];

	rig_stop();
	rig_start();
	live(one, serial, "open");
	ok(flights() == 1, "one is adopted before rules are in force");
	is_err(rig_rules(&rules).e, ERR_OK, "then they are");
	live(two, serial, "open");
	live(two, serial, "open");
	ok(flights() == 2, "and another, once");
	a = rig_request(serial, "open", "GET");
	ok(!a.allowed && strcmp(a.deny.code, "too_many_open") == 0, "both count under the limit");
	rig_finish(one);
	ok(confirmed() == one, "its record is durable: the gateway is told");
	(void)snprintf(finish, sizeof finish, "\"code\":\"ok\",\"of\":%llu,\"status\":200",
	    (unsigned long long)one);
	ok(rig_audit_count(finish) == 1, "one's end is recorded");
	ok(rig_audit_count("\"event\":\"finish\",\"workload\":\"agent\"") >= 1,
	    "with whose it was");
	a = rig_request(serial, "open", "GET");
	ok(a.allowed, "and makes room");
	rig_finish(a.allow.seq);
	rig_finish(two);
	ok(flights() == 0, "nothing is left");
}

static void
test_not_adopted(void)
{
	uint8_t unknown[SERIAL_LEN] = { 1, 2, 3 };
	uint64_t seq = rig_request(serial, "open", "GET").allow.seq;
	struct rig_msg *m;

	rig_finish(seq);
	live(seq, serial, "open");
	live(UINT64_MAX, serial, "open");
	live(0, serial, "open");
	ok(flights() == 0, "not what this life decided, nor what nobody did");
	live(1, serial, "nowhere");
	ok(flights() == 0, "nor to an upstream that is not known");
	rig_forget(&rig.gateway);
	live(1, unknown, "open");
	m = rig_wait(&rig.gateway, GK_REVOKED, GK_REVOKED);
	ok(flights() == 0 && m != NULL && m->body.len == 10 + SERIAL_LEN &&
		memcmp(m->body.data + 10, unknown, SERIAL_LEN) == 0,
	    "one whose certificate is not known is to be cut");
	must(rig_workload_set("agent", WORKLOAD_SUSPEND).e == ERR_OK);
	rig_forget(&rig.gateway);
	live(1, serial, "open");
	ok(rig_wait(&rig.gateway, GK_REVOKED, GK_REVOKED) != NULL,
	    "and one whose workload was suspended meanwhile");
	ok(flights() == 1, "which counts until it ends");
	rig_finish(1);
	must(rig_workload_set("agent", WORKLOAD_RESUME).e == ERR_OK);
}

static void
test_sealed(void)
{
	must(rig_ask(&rig.cli, CK_SEAL, SPAN_NONE, -1).e == ERR_OK);
	live(1, serial, "open");
	rig_forget(&rig.gateway);
	rig_finish(7);
	ok(confirmed() == 7, "what ends behind a seal was recorded by that");
	ok(rig.k->sealed && !rig.gateway.ended, "a sealed keeper does not know whose it is");
}

int
main(void)
{
	rig_init();
	must(rig_workload("agent") == ERR_OK && rig_rules(&rules).e == ERR_OK);
	rig_enroll("agent", serial);
	test_adopted();
	test_not_adopted();
	test_sealed();
	rig_done();
	return done();
}
