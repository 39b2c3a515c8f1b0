/* GK_DECIDE against a whole keeper: what is allowed, what is refused and why, what is counted, what
 * is written down. */
#include "tests/lib/keeper_rig.h"
#include "tests/lib/tap.h"

static char any[] = "/**", v1[] = "/v1/**", hidden[] = "/v1/secret/**", empty[] = "",
	    header[] = "authorization", value[] = "Bearer {credential}",
	    placeholder[] = "tst_{random}", other_placeholder[] = "oth_{random}";
static char agent_name[] = "agent", friend_name[] = "friend";
static char *agents[] = { agent_name }, *friends[] = { friend_name };
static struct pattern allow_v1[] = { { "GET", v1 }, { "POST", v1 } },
		      deny_hidden[] = { { "*", hidden } }, allow_any[] = { { "*", any } };
static struct upstream upstreams[] = {
	{ .name = "api",
	    .host = "api.test",
	    .port = 443,
	    .base_path = empty,
	    .secret = "api-key",
	    .inject = INJECT_HEADER,
	    .inject_name = header,
	    .inject_value = value,
	    .placeholder = placeholder },
	{ .name = "other",
	    .host = "other.test",
	    .port = 443,
	    .base_path = empty,
	    .secret = "api-key",
	    .inject = INJECT_HEADER,
	    .inject_name = header,
	    .inject_value = value,
	    .placeholder = other_placeholder },
	{ .name = "plain",
	    .host = "plain.test",
	    .port = 443,
	    .base_path = empty,
	    .inject = INJECT_NONE },
};
static struct use agent_uses[] = {
	{ .upstream = 0,
	    .allow = allow_v1,
	    .allow_count = 2,
	    .deny = deny_hidden,
	    .deny_count = 1 },
	{ .upstream = 1,
	    .allow = allow_any,
	    .allow_count = 1,
	    .limit_requests = 3,
	    .limit_window_s = 60 },
	{ .upstream = 2, .allow = allow_any, .allow_count = 1, .limit_concurrent = 2 },
};
static struct use friend_uses[] = { { .upstream = 0, .allow = allow_any, .allow_count = 1 } };
static struct policy policies[] = {
	{ .name = "agent",
	    .workloads = agents,
	    .workload_count = 1,
	    .uses = agent_uses,
	    .use_count = 3 },
	{ .name = "friend",
	    .workloads = friends,
	    .workload_count = 1,
	    .uses = friend_uses,
	    .use_count = 1,
	    .revoke_on_misuse = true },
};
static struct rules rules = {
	.upstreams = upstreams, .upstream_count = 3, .policies = policies, .policy_count = 2
};
static uint8_t agent[SERIAL_LEN], friendly[SERIAL_LEN];

static struct decide
question(const uint8_t *serial, const char *upstream, const char *method, const char *target)
{
	struct decide d = { .upstream = span_str(upstream),
		.method = span_str(method),
		.target = span_str(target) };

	memcpy(d.serial, serial, SERIAL_LEN);
	return d;
}

static void
is_denied(struct decide d, uint16_t status, const char *code)
{
	struct rig_answer a = rig_decide(d);

	if (!ok(!a.allowed && strcmp(a.deny.code, code) == 0 && a.deny.status == status,
		"refused: %s", code))
		printf("# got %s %u\n", a.allowed ? "allowed" : a.deny.code, a.deny.status);
}

static bool
is_allowed(struct decide d)
{
	struct rig_answer a = rig_decide(d);

	if (a.allowed)
		rig_finish(a.allow.seq);
	return a.allowed;
}

static void
test_before_rules(void)
{
	is_denied(question(agent, "api", "GET", "/v1/x"), 503, "no_rules");
}

static void
test_rules(void)
{
	static const uint8_t nobody[SERIAL_LEN] = { 1 };
	struct rig_answer a = rig_decide(question(agent, "api", "GET", "/v1/x?key=q-secret"));

	ok(a.allowed && strcmp(a.value, "the-real-key") == 0, "allowed, with the key");
	ok(a.allow.seq > 0 && a.allow.version == 1 && a.allow.secret_id > 0,
	    "by sequence and version");
	ok(rig_audit_count("q-secret") == 0, "the query is not written down");
	rig_finish(a.allow.seq);
	is_denied(question(nobody, "api", "GET", "/v1/x"), 403, "certificate_unknown");
	is_denied(question(agent, "api", "GET", "/v2/x"), 403, "not_allowed");
	is_denied(question(agent, "api", "get", "/v1/x"), 403, "not_allowed");
	is_denied(question(agent, "api", "HEAD", "/v1/x"), 403, "not_allowed");
	is_denied(question(agent, "api", "GET", "/v1/%73ecret/x"), 403, "bad_target");
	is_denied(question(agent, "api", "GET", "/v1/SECRET/x"), 403, "denied_by_rule");
	is_denied(question(agent, "api", "GET", "/v1/../x"), 403, "bad_target");
	is_denied(question(agent, "ap", "GET", "/v1/x"), 403, "no_upstream");
	is_denied(question(agent, "apix", "GET", "/v1/x"), 403, "no_upstream");
	is_denied(question(friendly, "other", "GET", "/x"), 403, "no_policy");
	a = rig_decide(question(agent, "plain", "GET", "/x"));
	ok(a.allowed && a.allow.value.len == 0 && a.allow.secret_id == 0,
	    "an upstream without a key gets none");
	rig_finish(a.allow.seq);
}

static void
test_browser(void)
{
	struct decide d = question(agent, "api", "GET", "/v1/x");

	d.browser = true;
	is_denied(d, 403, "browser");
}

static void
test_sentence(void)
{
	struct rig_answer a = rig_decide(question(agent, "api", "DELETE", "/v1/site?x=1"));
	char want[256];

	(void)snprintf(want, sizeof want,
	    "sidekey: DELETE /v1/site is not allowed for agent; ask the operator to allow it in "
	    "policies/agent.yaml (audit %s)",
	    a.deny.audit);
	ok(a.deny.audit[0] != '\0' && strcmp(a.deny.hint, want) == 0, "%s", a.deny.hint);
	a = rig_decide(question(agent, "api", "GET", "/v1/secret/x"));
	ok(strcmp(a.deny.rule, "agent: deny * /v1/secret/**") == 0, "the rule: %s", a.deny.rule);
	a = rig_decide(question(agent, "api", "GET", "/v1/\x01\"\n"));
	ok(!a.allowed && strchr(a.deny.hint, '\n') == NULL && strchr(a.deny.hint, '\x01') == NULL,
	    "what a client sent is shown without controls");
}

static void
test_generation(void)
{
	struct decide d = question(agent, "api", "GET", "/v1/x");

	d.generation = policies_generation(&rig.k->policies) - 1;
	is_denied(d, 409, CODE_STALE_GENERATION);
	d = question(agent, "api", "GET", "/v1/x");
	d.generation = policies_generation(&rig.k->policies) + 1;
	is_denied(d, 409, CODE_STALE_GENERATION);
}

static void
test_limits(void)
{
	struct rig_answer a, b, c;

	for (int i = 0; i < 3; i++) {
		a = rig_decide(question(agent, "other", "GET", "/x"));
		ok(a.allowed, "within the rate");
		rig_finish(a.allow.seq);
	}
	a = rig_decide(question(agent, "other", "GET", "/x"));
	ok(!a.allowed && a.deny.status == 429 && strcmp(a.deny.code, "rate_limited") == 0 &&
		a.deny.retry_after_s >= 1 && a.deny.retry_after_s <= 65,
	    "the fourth is refused and told when (%u s): %s", a.deny.retry_after_s, a.deny.hint);
	a = rig_decide(question(agent, "plain", "GET", "/x"));
	b = rig_decide(question(agent, "plain", "GET", "/x"));
	ok(a.allowed && b.allowed, "two open at once");
	is_denied(question(agent, "plain", "GET", "/x"), 429, "too_many_open");
	rig_finish(b.allow.seq);
	c = rig_decide(question(agent, "plain", "GET", "/x"));
	ok(c.allowed, "one finished, one more fits");
	rig_finish(c.allow.seq);
	rig_finish(c.allow.seq); /* twice: the second finds nothing */
	rig_finish(a.allow.seq);
	ok(rig.k->flights.by_seq.count == 0, "nothing is in flight");
}

static void
test_other_gateway(void)
{
	struct rig_answer a = rig_decide(question(agent, "plain", "GET", "/x"));
	struct wire_writer w;
	struct finish f = { .seq = a.allow.seq, .outcome = "ok" };

	rig_join(&rig.gateway2, ROLE_GATEWAY, 1);
	w = channel_begin(rig.gateway2.channel, GK_HELLO);
	wire_put_u16(&w, MSG_PROTOCOL);
	must(channel_end(rig.gateway2.channel, &w) == ERR_OK);
	must(rig_wait(&rig.gateway2, GK_STATE, GK_STATE) != NULL);
	channel_set_ready(rig.gateway2.channel);
	w = channel_begin(rig.gateway2.channel, GK_FINISH);
	finish_put(&w, &f);
	must(channel_end(rig.gateway2.channel, &w) == ERR_OK);
	rig_turn();
	rig_turn();
	ok(rig.k->flights.by_seq.count == 1, "no gateway ends another's request");
	rig_leave(&rig.gateway2);
	rig_finish(a.allow.seq);
	ok(rig.k->flights.by_seq.count == 0, "its own does");
}

static void
test_gateway_death(void)
{
	struct rig_answer a = rig_decide(question(agent, "plain", "GET", "/x"));
	int before = rig_audit_count("outcome_unknown");

	ok(a.allowed, "one in flight");
	rig_leave(&rig.gateway);
	for (int i = 0; i < 20; i++)
		rig_turn();
	ok(rig.k->flights.by_seq.count == 0, "its gateway dies: the slot is free");
	ok(rig_audit_count("outcome_unknown") == before + 1,
	    "and the log says that nobody knows how it ended");
	rig_leave(&rig.edge);
	rig_leave(&rig.admin);
	rig_leave(&rig.cli);
	rig_join_all();
}

static void
placeholder_of(const uint8_t *serial, const char *template, const char *upstream, char dst[128])
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(128);
	const struct certificate *c = identity_certificate(&rig.k->identity, serial);

	must(placeholder_make(&rig.k->placeholders, template, c->instance->id, upstream, &b) ==
	     ERR_OK);
	must(span_copy_str(buf_span(&b), dst, 128));
}

static struct decide
with(struct decide d, const char *presented)
{
	d.presented[d.presented_count++] = span_str(presented);
	return d;
}

static void
test_placeholders(void)
{
	char mine[128], others[128], friends_own[128];
	uint8_t victim[SERIAL_LEN];

	placeholder_of(agent, placeholder, "api", mine);
	placeholder_of(agent, other_placeholder, "other", others);
	placeholder_of(friendly, placeholder, "api", friends_own);
	ok(is_allowed(with(question(agent, "api", "GET", "/v1/x"), mine)), "its own placeholder");
	ok(is_allowed(with(question(agent, "api", "GET", "/v1/x"), "sk-whatever")),
	    "a value that is none of ours is ignored");
	is_denied(with(question(agent, "api", "GET", "/v1/x"), others), 403, "placeholder_misuse");
	is_denied(
	    with(question(agent, "api", "GET", "/v1/x"), friends_own), 403, "placeholder_misuse");
	is_denied(with(with(question(agent, "api", "GET", "/v1/x"), mine), friends_own), 403,
	    "placeholder_misuse");
	is_denied(with(question(agent, "nowhere", "GET", "/v1/x"), friends_own), 403,
	    "placeholder_misuse");
	ok(is_allowed(question(agent, "api", "GET", "/v1/x")),
	    "a policy that says nothing revokes nobody");
	memcpy(victim, friendly, sizeof victim);
	is_denied(with(question(friendly, "api", "GET", "/x"), mine), 403, "placeholder_misuse");
	is_denied(question(friendly, "api", "GET", "/x"), 403, "certificate_revoked");
	ok(is_allowed(question(agent, "api", "GET", "/v1/x")),
	    "on_misuse: revoke ends the one who misused, not the owner");
	rig_enroll("friend", friendly);
	is_denied(
	    with(question(friendly, "api", "GET", "/x"), friends_own), 403, "placeholder_ended");
}

static void
test_secret_gone(void)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);
	struct rig_answer a;

	must(rig_secret("api-key", "the-second-key", 0) == ERR_OK);
	a = rig_decide(question(agent, "api", "GET", "/v1/x"));
	ok(a.allowed && a.allow.version == 2 && strcmp(a.value, "the-second-key") == 0,
	    "rotated: the next request has the new key");
	rig_finish(a.allow.seq);
	wire_put_u32(&w, 0);
	wire_put_str(&w, "api-key");
	wire_put_u8(&w, SECRET_DESTROY);
	wire_put_u32(&w, 2);
	must(rig_ask(&rig.cli, AK_SECRET_SET, buf_span(&args), -1).e == ERR_OK);
	is_denied(question(agent, "api", "GET", "/v1/x"), 403, "secret_missing");
}

static void
test_flood(void)
{
	int before = rig_audit_count("\"no_upstream\"");
	int folded = 0, recorded;

	for (int i = 0; i < 500; i++)
		folded += rig_decide(question(agent, "none", "GET", "/x")).deny.seq == 0;
	recorded = rig_audit_count("\"no_upstream\"") - before;
	ok(folded > 300 && recorded + folded == 500,
	    "a flood is folded (%d of 500), each is answered", folded);
	for (int i = 0; i < 600 && rig_audit_count("denied_folded") == 0; i++)
		rig_turn();
	ok(rig_audit_count("denied_folded") >= 1, "and counted in a record");
}

static void
test_batch(void)
{
	size_t answers = 0;

	rig_forget(&rig.gateway);
	for (int i = 0; i < 32; i++) {
		struct decide d = question(agent, "plain", "GET", "/x");

		rig_decide_send(&rig.gateway, &d);
	}
	for (int i = 0; i < 50 && rig.gateway.count < 32; i++)
		rig_turn();
	for (size_t i = 0; i < rig.gateway.count; i++)
		answers +=
		    rig.gateway.inbox[i].type == GK_ALLOW || rig.gateway.inbox[i].type == GK_DENY;
	ok(answers == 32, "many questions of one turn are each answered");
	ok(rig.k->flights.by_seq.count == 2, "and counted one by one");
	for (size_t i = 0; i < rig.gateway.count; i++)
		if (rig.gateway.inbox[i].type == GK_ALLOW)
			rig_finish(rig_answer_of(&rig.gateway.inbox[i]).allow.seq);
}

/* The log's folder is gone and its descriptor fails: nothing is handed out. */
static void
test_no_log(void)
{
	struct rig_answer a;

	must(rig_secret("api-key", "the-third-key", 0) == ERR_OK);
	rig.k->audit_failing = true;
	a = rig_decide(question(agent, "api", "GET", "/v1/x"));
	ok(!a.allowed && a.deny.status == 503 && strcmp(a.deny.code, "audit_unavailable") == 0 &&
		a.deny.seq == 0,
	    "while the log fails nothing is allowed");
	ok(rig.k->flights.by_seq.count == 0, "nor in flight");
	ok(rig_secret("api-key", "the-fourth-key", 0) == ERR_IO, "nor changed");
	rig.k->audit_failing = false;
	a = rig_decide(question(agent, "api", "GET", "/v1/x"));
	ok(a.allowed && strcmp(a.value, "the-third-key") == 0, "it goes on when the log does");
	rig_finish(a.allow.seq);
}

static void
test_sealed(void)
{
	struct rig_answer a;

	must(rig_ask(&rig.cli, CK_SEAL, SPAN_NONE, -1).e == ERR_OK);
	a = rig_decide((struct decide){ .generation = 1,
	    .upstream = span_str("api"),
	    .method = span_str("GET"),
	    .target = span_str("/") });
	ok(!a.allowed && a.deny.status == 503 && strcmp(a.deny.code, "sealed") == 0,
	    "sealed, everything is refused");
	ok(rig.k->ring == NULL && rig.k->hash_key == NULL && rig.k->ca == NULL,
	    "and no key is left");
	is_err(rig_secret("x", "y", 0), ERR_SEALED, "secrets cannot be put");
	is_err(rig_ask(&rig.cli, AK_STATUS, SPAN_NONE, -1).e, ERR_OK, "status is told");
}

int
main(void)
{
	rig_init();
	must(rig_workload("agent") == ERR_OK && rig_workload("friend") == ERR_OK);
	rig_enroll("agent", agent);
	rig_enroll("friend", friendly);
	test_before_rules();
	is_err(
	    rig_rules(&rules).e, ERR_NOT_FOUND, "rules that need a secret nobody set do not load");
	must(rig_secret("api-key", "the-real-key", SECRET_PUT_NEW) == ERR_OK);
	is_err(rig_rules(&rules).e, ERR_OK, "with it they do");
	test_rules();
	test_browser();
	test_sentence();
	test_generation();
	test_limits();
	test_other_gateway();
	test_gateway_death();
	test_placeholders();
	test_batch();
	test_secret_gone();
	test_flood();
	test_no_log();
	test_sealed();
	rig_done();
	return done();
}
