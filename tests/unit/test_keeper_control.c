/* Enrollment, renewal and what hangs on them, through gateway and edge, against a whole keeper. */
#include "broker/keeper/control.h"
#include "tests/lib/keeper_rig.h"
#include "tests/lib/tap.h"

static struct deny deny;
static struct issued issued;

static void
is_control_denied(
    const char *method, const char *path, const uint8_t *serial, struct span key, const char *code)
{
	uint8_t ticket[TICKET_LEN];
	enum err e = rig_control(method, path, serial, key, ticket, &deny);

	if (!ok(e == ERR_DENIED && strcmp(deny.code, code) == 0, "%s %s: %s", method, path, code))
		printf("# got %s %s\n", err_name(e), e == ERR_DENIED ? deny.code : "");
}

static struct span
key_span(const uint8_t key[ENROLL_KEY_LEN])
{
	return span_of(key, ENROLL_KEY_LEN);
}

static void
test_routes(void)
{
	uint8_t serial[SERIAL_LEN] = { 1 };

	is_control_denied("GET", "/v1/enroll", NULL, SPAN_NONE, "no_route");
	ok(deny.status == 404, "which is a 404");
	is_control_denied("POST", "/v1/enroll/", NULL, SPAN_NONE, "no_route");
	is_control_denied("POST", "/v1/admin/status", serial, SPAN_NONE, "no_route");
	is_control_denied("POST", "/v1/renew", NULL, SPAN_NONE, "no_certificate");
	is_control_denied("POST", "/v1/renew", serial, SPAN_NONE, "certificate_unknown");
	is_control_denied("GET", "/v1/self", serial, SPAN_NONE, "certificate_unknown");
	is_control_denied("POST", "/v1/enroll", NULL, SPAN_NONE, "enroll_refused");
}

static void
test_single_use(void)
{
	uint8_t key[ENROLL_KEY_LEN], wrong[ENROLL_KEY_LEN], t1[TICKET_LEN], t2[TICKET_LEN],
	    serial[SERIAL_LEN];

	is_err(rig_enrollment("one", false, 0, key), ERR_OK, "a single-use enrollment");
	memcpy(wrong, key, sizeof wrong);
	wrong[31] ^= 1;
	is_control_denied("POST", "/v1/enroll", NULL, key_span(wrong), "enroll_refused");
	is_control_denied("POST", "/v1/enroll", NULL, span_of(key, 31), "enroll_refused");
	is_err(rig_control("POST", "/v1/enroll", NULL, key_span(key), t1, &deny), ERR_OK,
	    "asked twice before it is used:");
	is_err(rig_control("POST", "/v1/enroll", NULL, key_span(key), t2, &deny), ERR_OK,
	    "two tickets");
	is_err(rig_issue(EK_RENEW, t2, serial, &issued), ERR_DENIED,
	    "a ticket works on its own route alone");
	is_err(
	    rig_control("POST", "/v1/enroll", NULL, key_span(key), t2, &deny), ERR_OK, "another");
	is_err(rig_issue(EK_ENROLL, t1, serial, &issued), ERR_OK, "the first gives a certificate");
	ok(strcmp(issued.spiffe_id, "spiffe://example.org/one") == 0 &&
		strcmp(issued.workload, "one") == 0,
	    "of the name in the enrollment");
	ok(issued.not_after_s - issued.not_before_s == 3660, "for an hour, begun a minute ago");
	is_err(rig_issue(EK_ENROLL, t2, serial, &issued), ERR_DENIED, "the second does not");
	is_err(rig_issue(EK_ENROLL, t1, serial, &issued), ERR_DENIED, "nor does the first again");
	is_control_denied("POST", "/v1/enroll", NULL, key_span(key), "enroll_refused");
	ok(rig_audit_count("\"enroll\"") == 1, "one is in the log");
}

static void
test_bad_csr(void)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);
	uint8_t key[ENROLL_KEY_LEN], ticket[TICKET_LEN], serial[SERIAL_LEN];

	must(rig_enrollment("one", false, 0, key) == ERR_OK);
	must(rig_control("POST", "/v1/enroll", NULL, key_span(key), ticket, &deny) == ERR_OK);
	wire_put_fixed(&w, ticket, sizeof ticket);
	wire_put_blob(&w, span_str("no CSR"));
	is_err(rig_ask(&rig.edge, EK_ENROLL, buf_span(&args), -1).e, ERR_SYNTAX, "a bad request");
	must(rig_control("POST", "/v1/enroll", NULL, key_span(key), ticket, &deny) == ERR_OK);
	is_err(rig_issue(EK_ENROLL, ticket, serial, &issued), ERR_OK,
	    "does not use up the enrollment");
}

/* A ticket lives for seconds: what it was given for is looked at again when it is used. */
static void
test_since_the_ticket(void)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(256);
	struct wire_writer w = wire_write(&args);
	struct enroll_new brief = { .workload = "brief", .ttl_s = 20 };
	uint8_t key[ENROLL_KEY_LEN], ticket[TICKET_LEN], other[TICKET_LEN], serial[SERIAL_LEN];
	struct rig_reply reply;

	must(rig_workload("brief") == ERR_OK);
	enroll_new_put(&w, &brief);
	reply = rig_ask(&rig.cli, CK_ENROLL_NEW, buf_span(&args), -1);
	must(reply.e == ERR_OK);
	memcpy(key, wire_fixed(&reply.r, ENROLL_KEY_LEN).p, ENROLL_KEY_LEN);
	must(rig_control("POST", "/v1/enroll", NULL, key_span(key), ticket, &deny) == ERR_OK);
	rig.k->floor.base_ms += 21000;
	is_control_denied("POST", "/v1/enroll", NULL, key_span(key), "enroll_refused");
	is_err(rig_issue(EK_ENROLL, ticket, serial, &issued), ERR_DENIED,
	    "an enrollment that has expired since");
	rig_enroll("brief", serial);
	must(rig_control("POST", "/v1/renew", serial, SPAN_NONE, ticket, &deny) == ERR_OK);
	must(rig_control("DELETE", "/v1/self", serial, SPAN_NONE, other, &deny) == ERR_OK);
	must(rig_ask(&rig.edge, EK_GIVE_BACK, span_of(other, sizeof other), -1).e == ERR_OK);
	is_err(rig_issue(EK_RENEW, ticket, serial, &issued), ERR_DENIED,
	    "an instance that has ended since is not renewed");
}

static uint32_t
live(const char *workload)
{
	return identity_live(identity_workload(&rig.k->identity, workload));
}

static void
enroll_again(const uint8_t key[ENROLL_KEY_LEN], uint8_t serial[SERIAL_LEN])
{
	uint8_t ticket[TICKET_LEN];

	must(rig_control("POST", "/v1/enroll", NULL, key_span(key), ticket, &deny) == ERR_OK);
	must(rig_issue(EK_ENROLL, ticket, serial, &issued) == ERR_OK);
}

static void
test_reusable(void)
{
	uint8_t key[ENROLL_KEY_LEN], a[SERIAL_LEN], b[SERIAL_LEN], c[SERIAL_LEN];

	is_err(rig_enrollment("many", true, 2, key), ERR_OK, "a reusable enrollment of two");
	enroll_again(key, a);
	enroll_again(key, b);
	ok(live("many") == 2, "two are alive");
	enroll_again(key, c);
	ok(live("many") == 2, "a third one ends the oldest");
	ok(rig_wait(&rig.gateway, GK_REVOKED, GK_REVOKED) != NULL,
	    "and the gateway is told to cut it");
	is_control_denied("GET", "/v1/self", a, SPAN_NONE, "certificate_revoked");
	ok(rig_audit_count("enroll_superseded") == 1, "which is in the log");
	is_err(rig_enrollment("many", false, 2, key), ERR_RANGE, "single-use has no cap");
	is_err(rig_enrollment("many", true, ENROLL_CAP_MAX + 1, key), ERR_RANGE,
	    "nor is any cap possible");
	is_err(rig_enrollment("nobody", true, 1, key), ERR_NOT_FOUND, "nor any workload");
}

static void
test_renew(void)
{
	uint8_t first[SERIAL_LEN], second[SERIAL_LEN], third[SERIAL_LEN], ticket[TICKET_LEN];
	char instance[33];

	rig_enroll("one", first);
	must(rig_control("POST", "/v1/renew", first, SPAN_NONE, ticket, &deny) == ERR_OK);
	is_err(rig_issue(EK_RENEW, ticket, second, &issued), ERR_OK, "renewed");
	memcpy(instance, issued.instance, sizeof instance);
	ok(live("one") == 3 && memcmp(first, second, SERIAL_LEN) != 0,
	    "another certificate of the same instance");
	must(rig_control("POST", "/v1/renew", first, SPAN_NONE, ticket, &deny) == ERR_OK);
	is_err(rig_issue(EK_RENEW, ticket, third, &issued), ERR_OK,
	    "by the first again: the answer was lost");
	ok(strcmp(instance, issued.instance) == 0, "still the same instance");
	is_control_denied("GET", "/v1/self", second, SPAN_NONE, "certificate_unknown");
	must(rig_control("GET", "/v1/self", third, SPAN_NONE, ticket, &deny) == ERR_OK);
	ok(true, "the last one works");
}

static void
test_give_back(void)
{
	uint8_t serial[SERIAL_LEN], ticket[TICKET_LEN];

	rig_enroll("two", serial);
	must(rig_control("DELETE", "/v1/self", serial, SPAN_NONE, ticket, &deny) == ERR_OK);
	is_err(rig_ask(&rig.edge, EK_SELF, span_of(ticket, TICKET_LEN), -1).e, ERR_DENIED,
	    "a ticket to give back is none to look");
	must(rig_control("DELETE", "/v1/self", serial, SPAN_NONE, ticket, &deny) == ERR_OK);
	is_err(rig_ask(&rig.edge, EK_GIVE_BACK, span_of(ticket, TICKET_LEN), -1).e, ERR_OK,
	    "given back");
	ok(live("two") == 0, "none is alive");
	is_control_denied("GET", "/v1/self", serial, SPAN_NONE, "certificate_revoked");
}

static void
test_suspended(void)
{
	uint8_t serial[SERIAL_LEN], key[ENROLL_KEY_LEN], ticket[TICKET_LEN];

	rig_enroll("two", serial);
	must(rig_enrollment("two", false, 0, key) == ERR_OK);
	identity_workload(&rig.k->identity, "two")->state = WORKLOAD_SUSPENDED;
	is_control_denied("POST", "/v1/enroll", NULL, key_span(key), "workload_suspended");
	is_err(rig_control("POST", "/v1/renew", serial, SPAN_NONE, ticket, &deny), ERR_OK,
	    "a suspended workload may renew");
	is_err(rig_issue(EK_RENEW, ticket, serial, &issued), ERR_OK,
	    "so that resuming finds it alive");
	identity_workload(&rig.k->identity, "two")->state = WORKLOAD_ACTIVE;
	is_err(rig_control("POST", "/v1/enroll", NULL, key_span(key), ticket, &deny), ERR_OK,
	    "resumed, its enrollment works");
}

static void
test_guessing(void)
{
	uint8_t wrong[ENROLL_KEY_LEN] = { 0 }, key[ENROLL_KEY_LEN], ticket[TICKET_LEN];
	int slowed = 0;

	for (int i = 0; i < 60; i++) {
		wrong[0] = (uint8_t)i;
		must(rig_control("POST", "/v1/enroll", NULL, key_span(wrong), ticket, &deny) ==
		     ERR_DENIED);
		slowed += deny.status == 429 && deny.retry_after_s > 0;
	}
	ok(slowed >= 60 - ENROLL_FAILURES_MAX, "guessing is slowed down");
	must(rig_enrollment("one", false, 0, key) == ERR_OK);
	is_err(rig_control("POST", "/v1/enroll", NULL, key_span(key), ticket, &deny), ERR_OK,
	    "a right key is let in all the same");
}

/* What was acknowledged is there after a restart; what was used up stays used up. */
static void
test_restart(void)
{
	uint8_t used[ENROLL_KEY_LEN], open[ENROLL_KEY_LEN], serial[SERIAL_LEN], ticket[TICKET_LEN];

	must(rig_enrollment("one", false, 0, used) == ERR_OK);
	must(rig_enrollment("one", false, 0, open) == ERR_OK);
	enroll_again(used, serial);
	rig_stop();
	rig_start();
	is_control_denied("POST", "/v1/enroll", NULL, key_span(used), "enroll_refused");
	is_err(rig_control("GET", "/v1/self", serial, SPAN_NONE, ticket, &deny), ERR_OK,
	    "after a restart the certificate is alive");
	is_err(rig_control("POST", "/v1/enroll", NULL, key_span(open), ticket, &deny), ERR_OK,
	    "and the unused enrollment open");
}

static void
test_gateway_certificate(void)
{
	struct wire_writer w = channel_begin(rig.gateway.channel, GK_CSR);
	uint8_t csr[2048];
	struct wire_reader r;
	struct rig_msg *m;
	char domain[TRUST_DOMAIN_LEN_MAX + 1];

	rig_forget(&rig.gateway);
	wire_put_blob(&w, rig_csr(csr));
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	m = rig_wait(&rig.gateway, GK_CERT, GK_CERT);
	if (!ok(m != NULL, "a gateway gets its certificate"))
		return;
	r = wire_read(buf_span(&m->body));
	ok(wire_blob(&r, CA_CERT_LEN_MAX).len > 0 &&
		span_eq(wire_blob(&r, CA_CERT_LEN_MAX), ca_der(rig.k->ca)),
	    "with the CA's");
	wire_str(&r, domain, sizeof domain);
	ok(strcmp(domain, "example.org") == 0 && wire_i64(&r) > clock_wall_s() &&
		wire_done(&r) == ERR_OK,
	    "domain and end");
}

int
main(void)
{
	rig_init();
	must(rig_workload("one") == ERR_OK && rig_workload("two") == ERR_OK &&
	     rig_workload("many") == ERR_OK);
	test_routes();
	test_single_use();
	test_bad_csr();
	test_since_the_ticket();
	test_reusable();
	test_renew();
	test_give_back();
	test_suspended();
	test_restart();
	test_gateway_certificate();
	test_guessing();
	rig_done();
	return done();
}
