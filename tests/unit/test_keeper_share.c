/* A workload's share of the audit log, against a whole keeper: it can use up its own, and that is
 * all. */
#include "tests/lib/keeper_rig.h"
#include "tests/lib/rules_made.h"
#include "tests/lib/tap.h"

#define QUOTA (256u << 10)

static char *workloads[] = { MADE("greedy"), MADE("other") };
static struct upstream upstreams[] = { UPSTREAM("open") };
static struct use uses[] = { USE(0, "GET") };
static struct policy policies[] = { POLICY("p", workloads, uses) };
static struct rules rules = RULES(upstreams, policies);
static uint8_t greedy[SERIAL_LEN], other[SERIAL_LEN];

static uint64_t
log_bytes(void)
{
	return audit_bytes(rig.k->audit);
}

static enum err
renew(uint8_t serial[SERIAL_LEN], struct deny *ret_deny)
{
	uint8_t ticket[TICKET_LEN];
	struct issued issued;
	enum err e = rig_control("POST", "/v1/renew", serial, SPAN_NONE, ticket, ret_deny);

	return e == ERR_OK ? rig_issue(EK_RENEW, ticket, serial, &issued) : e;
}

static void
test_requests(void)
{
	struct rig_answer a = { .allowed = true };
	uint64_t before;
	int n = 0;

	for (; n < 5000 && a.allowed; n++)
		a = rig_request_ended(greedy, "open", "GET");
	ok(!a.allowed && a.deny.status == 429 && strcmp(a.deny.code, "audit_quota") == 0,
	    "after %d requests its share is used up", n);
	ok(a.deny.retry_after_s > 3600 && strstr(a.deny.hint, "share of the audit log") != NULL,
	    "it hears when it may come again, and why: %s", a.deny.hint);
	ok(log_bytes() < QUOTA + 16384, "the log grew by no more than that");
	ok(rig_request_ended(other, "open", "GET").allowed, "another workload does not notice");
	before = log_bytes();
	for (int i = 0; i < 500; i++)
		(void)rig_request_ended(greedy, "open", i % 2 == 0 ? "GET" : "DELETE");
	for (int i = 0; i < RIG_TURNS && rig_audit_count("\"event\":\"audit_quota\"") == 0; i++)
		rig_turn();
	ok(rig_audit_count("\"event\":\"audit_quota\"") == 1 && log_bytes() - before < 8192,
	    "500 more requests, also such that policy denies, are one record");
	ok(rig_status().over_quota == 1, "status knows");
}

static void
test_reports(void)
{
	uint64_t before = log_bytes();

	for (int i = 0; i < 100; i++) {
		struct wire_writer w = channel_begin(rig.gateway.channel, GK_REPORT);
		struct report r = {
			.has_serial = true, .code = "bad_framing", .detail = span_str("x")
		};

		memcpy(r.serial, greedy, SERIAL_LEN);
		report_put(&w, &r);
		must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	}
	for (int i = 0; i < 20; i++)
		rig_turn();
	ok(rig_audit_count("bad_framing") == 0 && log_bytes() - before < 2048,
	    "what the gateway refuses it costs nothing either");
}

static void
test_control(void)
{
	uint8_t key[ENROLL_KEY_LEN], ticket[TICKET_LEN];
	struct deny deny = { .id = 0 };
	enum err e = ERR_OK;
	int n = 0;

	is_err(renew(greedy, &deny), ERR_OK, "it may renew: a rest of its share is kept for that");
	must(rig_enrollment("greedy", true, 4, key) == ERR_OK);
	for (; n < 2000 && e == ERR_OK; n++)
		e = renew(greedy, &deny);
	ok(n > 20 && e == ERR_DENIED && strcmp(deny.code, "audit_quota") == 0 && deny.status == 429,
	    "until that is used up, too (%d)", n);
	e = rig_control("POST", "/v1/enroll", NULL, span_of(key, sizeof key), ticket, &deny);
	ok(e == ERR_DENIED && strcmp(deny.code, "audit_quota") == 0, "nor may it enroll anew");
	is_err(rig_control("GET", "/v1/self", greedy, SPAN_NONE, ticket, &deny), ERR_OK,
	    "what costs no record goes on");
	is_err(rig_control("DELETE", "/v1/self", greedy, SPAN_NONE, ticket, &deny), ERR_OK,
	    "and it may always leave");
	is_err(renew(other, &deny), ERR_OK, "the other one renews");
}

/* A workload that leaves its certificate at home. */
static void
test_strangers(void)
{
	uint8_t ticket[TICKET_LEN];
	struct deny deny = { .id = 0 };
	uint64_t before = log_bytes();

	fold_free(rig.k->denials); /* so that nothing is folded */
	must(fold_new(100000, 100000, &rig.k->denials) == ERR_OK);
	for (int i = 0; i < 1000; i++)
		must(rig_control("GET", "/v1/nothing", NULL, SPAN_NONE, ticket, &deny) ==
		     ERR_DENIED);
	ok(log_bytes() - before < QUOTA / 8 + 16384, "strangers have a small share together");
	ok(strcmp(deny.code, "no_route") == 0, "and hear what they heard");
	ok(rig_request_ended(other, "open", "GET").allowed, "workloads do not notice");
}

static void
test_later(void)
{
	int n = 0;

	rig.k->floor.base_ms += 27 * 3600 * INT64_C(1000);
	rig_enroll("greedy", greedy);
	for (; n < 100; n++)
		must(rig_request_ended(greedy, "open", "GET").allowed);
	ok(rig_status().over_quota == 0, "a day later it may again");
}

int
main(void)
{
	rig.audit_quota = QUOTA;
	rig_init();
	must(rig_workload("greedy") == ERR_OK && rig_workload("other") == ERR_OK);
	must(rig_rules(&rules).e == ERR_OK);
	rig_enroll("greedy", greedy);
	rig_enroll("other", other);
	test_requests();
	test_reports();
	test_control();
	test_strangers();
	test_later();
	rig_done();
	return done();
}
