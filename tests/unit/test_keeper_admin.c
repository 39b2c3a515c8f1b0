/* Workloads, secrets, status and the log, as admin and the command line ask for them, against a
 * whole keeper. */
#include "tests/lib/keeper_rig.h"
#include "tests/lib/tap.h"

static uint8_t serial[SERIAL_LEN];

static struct rig_reply
ask_name(struct rig_peer *p, enum msg_type type, const char *name)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_str(&w, name);
	return rig_ask(p, type, buf_span(&args), -1);
}

static struct rig_reply
secret_set(const char *name, enum secret_change what, uint32_t version)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_u32(&w, 7);
	wire_put_str(&w, name);
	wire_put_u8(&w, (uint8_t)what);
	wire_put_u32(&w, version);
	return rig_ask(&rig.admin, AK_SECRET_SET, buf_span(&args), -1);
}

static struct rig_reply
reveal(const char *name, uint32_t version)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_str(&w, name);
	wire_put_u32(&w, version);
	return rig_ask(&rig.cli, CK_SECRET_REVEAL, buf_span(&args), -1);
}

static void
test_workloads(void)
{
	struct rig_reply r;
	struct workload_row row;
	uint16_t n;

	is_err(rig_workload("b"), ERR_OK, "added");
	is_err(rig_workload("b"), ERR_EXISTS, "once");
	is_err(rig_workload("a/long/er/name"), ERR_OK, "four segments");
	is_err(rig_workload("A"), ERR_SYNTAX, "no capitals");
	is_err(rig_workload("sidekey/gateway"), ERR_SYNTAX, "not below sidekey/");
	is_err(rig_workload(""), ERR_SYNTAX, "not nothing");
	is_err(rig_workload("a/../b"), ERR_SYNTAX, "no dot segments");
	r = ask_name(&rig.admin, AK_WORKLOAD_LIST, "");
	ok(!wire_bool(&r.r), "one page");
	n = wire_u16(&r.r);
	workload_row_get(&r.r, &row);
	ok(n == 2 && strcmp(row.name, "a/long/er/name") == 0 && row.state == WORKLOAD_ACTIVE,
	    "in order");
	workload_row_get(&r.r, &row);
	is_err(wire_done(&r.r), ERR_OK, "and no more");
}

static void
acknowledge(struct rig_peer *gateway, uint64_t id)
{
	struct wire_writer w = channel_begin(gateway->channel, GK_REVOKED_ACK);

	wire_put_u64(&w, id);
	must(channel_end(gateway->channel, &w) == ERR_OK);
}

/* Sends the change and gives the revocation that the gateway hears; the answer has not come then.
 */
static uint64_t
begin_change(enum workload_change what, uint16_t *ret_count)
{
	struct wire_writer w = channel_begin(rig.admin.channel, AK_WORKLOAD_SET);
	struct wire_reader r;
	struct rig_msg *m;
	uint64_t id;

	rig_forget(&rig.gateway);
	rig_forget(&rig.admin);
	wire_put_u64(&w, ++rig.next_id);
	wire_put_u32(&w, 7);
	wire_put_str(&w, "b");
	wire_put_u8(&w, (uint8_t)what);
	must(channel_end(rig.admin.channel, &w) == ERR_OK);
	m = rig_wait(&rig.gateway, GK_REVOKED, GK_REVOKED);
	must(m != NULL);
	r = wire_read(buf_span(&m->body));
	id = wire_u64(&r);
	*ret_count = wire_u16(&r);
	must(wire_fixed(&r, (size_t)*ret_count * SERIAL_LEN).len ==
		 (size_t)*ret_count * SERIAL_LEN &&
	     wire_done(&r) == ERR_OK);
	return id;
}

static uint32_t
ended(void)
{
	struct rig_msg *m = rig_wait(&rig.admin, AK_OK, AK_FAIL);
	struct wire_reader r;

	if (m == NULL || m->type != AK_OK)
		return 999;
	r = wire_read(buf_span(&m->body));
	must(wire_u64(&r) == rig.next_id);
	return wire_u32(&r);
}

static void
test_suspend(void)
{
	uint16_t n;
	uint64_t id;

	rig_enroll("b", serial);
	id = begin_change(WORKLOAD_SUSPEND, &n);
	ok(n == 1, "the gateway is told the serial");
	ok(rig.admin.count == 0, "the answer waits");
	acknowledge(&rig.gateway, id + 1);
	for (int i = 0; i < 5; i++)
		rig_turn();
	ok(rig.admin.count == 0, "not for somebody else's acknowledgement");
	acknowledge(&rig.gateway, id);
	ok(ended() == 1, "but until the gateway has cut");
	ok(strcmp(identity_refusal(identity_certificate(&rig.k->identity, serial), clock_wall_s()),
	       "workload_suspended") == 0,
	    "suspended");
	is_err(rig_workload_set("b", WORKLOAD_RESUME).e, ERR_OK, "resumed");
	ok(identity_refusal(identity_certificate(&rig.k->identity, serial), clock_wall_s()) == NULL,
	    "its certificate works again");
}

static void
test_revoke(void)
{
	int64_t before = clock_mono_ms();
	uint8_t key[ENROLL_KEY_LEN];
	uint16_t n;
	uint64_t id;

	must(rig_enrollment("b", true, 1, key) == ERR_OK);
	id = begin_change(WORKLOAD_REVOKE, &n);
	(void)id;
	ok(ended() == 1, "a gateway that says nothing is not waited for forever");
	ok(clock_mono_ms() - before >= REVOKE_WAIT_MS + REVOKE_DEATH_MS - 50 &&
		clock_mono_ms() - before < REVOKE_WAIT_MS + REVOKE_DEATH_MS + 1500,
	    "but until it is killed, and a little for its death");
	for (int i = 0; i < 100 && rig_audit_count("gateway_killed") == 0; i++)
		rig_turn();
	ok(rig_audit_count("gateway_killed") == 1, "which stands in the log");
	ok(identity_enrollment_of_key(&rig.k->identity, span_of(key, sizeof key)) == NULL,
	    "enrollments are gone");
	is_err(rig_workload_set("b", WORKLOAD_RESUME).e, ERR_CONFLICT, "revoked is final");
	is_err(rig_workload("b"), ERR_OK, "a new one of that name");
	ok(strcmp(identity_refusal(identity_certificate(&rig.k->identity, serial), clock_wall_s()),
	       "workload_revoked") == 0,
	    "does not revive the old certificate");
	rig_stop();
	rig_start();
	ok(strcmp(identity_refusal(identity_certificate(&rig.k->identity, serial), clock_wall_s()),
	       "workload_revoked") == 0,
	    "nor does a restart");
	ok(rig_wait(&rig.gateway, GK_REVOKED, GK_REVOKED) != NULL,
	    "and a gateway that comes back is told again what to cut");
	ok(identity_workload(&rig.k->identity, "b")->state == WORKLOAD_ACTIVE,
	    "the new one is there");
	is_err(rig_workload_set("nobody", WORKLOAD_REVOKE).e, ERR_NOT_FOUND, "unknown");
}

static void
test_gateway_dies_while_asked(void)
{
	uint16_t n;

	rig_enroll("b", serial);
	(void)begin_change(WORKLOAD_SUSPEND, &n);
	rig_leave(&rig.gateway);
	ok(ended() == 1, "a gateway that dies has cut everything");
	rig_leave(&rig.edge);
	rig_leave(&rig.admin);
	rig_leave(&rig.cli);
	rig_join_all();
	must(rig_workload_set("b", WORKLOAD_RESUME).e == ERR_OK);
}

static bool
reveals(const char *name, uint32_t version, const char *want)
{
	struct rig_reply r = reveal(name, version);

	return r.e == ERR_OK && span_eq_str(wire_blob(&r.r, SECRET_LEN_MAX), want) &&
	       wire_done(&r.r) == ERR_OK;
}

static void
test_secrets(void)
{
	int before = rig_audit_count("secret_reveal");
	struct rig_reply r;
	struct secret_row row;

	is_err(rig_secret("key", "one", SECRET_PUT_NEW | SECRET_PUT_EXPOSED), ERR_OK, "put");
	is_err(rig_secret("key", "two", SECRET_PUT_NEW), ERR_EXISTS, "new is new");
	is_err(rig_secret("key", "two", SECRET_PUT_ROTATE), ERR_OK, "rotated");
	is_err(rig_secret("other", "x", SECRET_PUT_ROTATE), ERR_NOT_FOUND,
	    "what is not there is not rotated");
	is_err(rig_secret("key", "a\r\nb", 0), ERR_RANGE, "no line breaks");
	is_err(rig_secret("key", "", 0), ERR_RANGE, "not empty");
	is_err(rig_secret("Key", "x", 0), ERR_SYNTAX, "no capitals");
	is_err(rig_secret("a/b", "x", 0), ERR_SYNTAX, "no slash");
	ok(reveals("key", 0, "two") && reveals("key", 1, "one"), "revealed");
	ok(rig_audit_count("secret_reveal") == before + 2, "each time recorded before");
	is_err(reveal("key", 9).e, ERR_NOT_FOUND, "no such version");
	is_err(reveal("nokey", 0).e, ERR_NOT_FOUND, "no such secret");
	r = secret_set("key", SECRET_ROLLBACK, 0);
	ok(r.e == ERR_OK && wire_u32(&r.r) == 1, "rolled back");
	r = secret_set("key", SECRET_DESTROY, 2);
	ok(r.e == ERR_OK && wire_u32(&r.r) == 1, "destroyed");
	is_err(reveal("key", 2).e, ERR_NOT_FOUND, "gone");
	is_err(secret_set("key", SECRET_DESTROY, 0).e, ERR_RANGE, "destroy names its version");
	r = ask_name(&rig.cli, AK_SECRET_LIST, "");
	ok(!wire_bool(&r.r) && wire_u16(&r.r) == 1, "one is listed");
	secret_row_get(&r.r, &row);
	ok(row.active_version == 1 && row.version_count == 2 && row.exposed, "as it is");
	r = ask_name(&rig.cli, AK_SECRET_HISTORY, "key");
	ok(r.e == ERR_OK && wire_u16(&r.r) == 2, "with its history");
	is_err(ask_name(&rig.cli, AK_SECRET_HISTORY, "nokey").e, ERR_NOT_FOUND, "of what exists");
	rig_stop();
	rig_start();
	ok(reveals("key", 0, "one"), "all of it survives a restart");
}

static void
test_rekey(void)
{
	struct rig_reply r;
	uint32_t before = keyring_active(rig.k->ring);

	for (int i = 0; i < 150; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "bulk-%d", i);
		must(rig_secret(name, "value", 0) == ERR_OK);
	}
	r = rig_ask(&rig.cli, CK_REKEY, SPAN_NONE, -1);
	ok(r.e == ERR_OK && wire_u32(&r.r) == before + 1 && wire_u64(&r.r) > 250, "rekey begins");
	is_err(rig_ask(&rig.cli, CK_REKEY, SPAN_NONE, -1).e, ERR_CONFLICT, "one at a time");
	ok(reveals("bulk-7", 0, "value"), "it serves meanwhile");
	is_err(rig_secret("bulk-8", "other", 0), ERR_OK, "and changes");
	rig_stop();
	rig_start();
	for (int i = 0; i < RIG_TURNS && kv_rekey_left(rig.k->kv) != 0; i++)
		rig_turn();
	ok(kv_rekey_left(rig.k->kv) == 0, "stopped and started again, it comes to its end");
	ok(reveals("bulk-7", 0, "value") && reveals("bulk-8", 0, "other"), "with everything there");
}

static void
test_status(void)
{
	struct rig_reply r = rig_ask(&rig.cli, AK_STATUS, SPAN_NONE, -1);
	struct status s;

	status_get(&r.r, &s);
	is_err(wire_done(&r.r), ERR_OK, "status");
	ok(s.ready == READY_NO_RULES && !s.sealed && s.gateways == 1 && s.secrets == 151 &&
		s.exposed_secrets == 1 && strcmp(s.trust_domain, "example.org") == 0 &&
		strcmp(s.unseal_method, "key-file") == 0,
	    "says what there is");
}

static void
test_audit_open(void)
{
	uint32_t newest = 0;
	struct rig_reply r = rig_ask(&rig.cli, CK_AUDIT_OPEN, span_of(&newest, 4), -1);
	int fd;
	char c;

	ok(r.e == ERR_OK && wire_u32(&r.r) >= 1 && wire_bool(&r.r), "the newest segment");
	fd = rig.cli.inbox[0].fd;
	ok(fd >= 0 && sys_read(fd, &c, 1) == 1 && c == '{', "as a descriptor");
	ok(sys_write(fd, "x", 1) == -1, "that cannot be written to");
	newest = 99;
	is_err(rig_ask(&rig.cli, CK_AUDIT_OPEN, span_of(&newest, 4), -1).e, ERR_NOT_FOUND,
	    "not one that does not exist");
	r = rig_ask(&rig.cli, CK_AUDIT_KEY, SPAN_NONE, -1);
	ok(r.e == ERR_OK && memcmp(wire_fixed(&r.r, SIGN_PUBLIC_LEN).p,
				audit_public_key(rig.k->audit), SIGN_PUBLIC_LEN) == 0,
	    "and the public key");
}

static void
test_who(void)
{
	ok(rig_audit_count("\"uid\":4242") > 0, "the command line's uid is the socket's");
	ok(rig_audit_count("\"uid\":7") > 0, "admin's is what it read from its own");
}

static void
test_protocol(void)
{
	struct wire_writer w = channel_begin(rig.admin.channel, AK_WORKLOAD_LIST);

	wire_put_u64(&w, 1);
	wire_put_u16(&w, 200); /* a length that lies */
	must(channel_end(rig.admin.channel, &w) == ERR_OK);
	for (int i = 0; i < 20 && !rig.admin.ended; i++)
		rig_turn();
	ok(rig.admin.ended, "who breaks the protocol is cut off");
	is_err(rig_ask(&rig.cli, AK_STATUS, SPAN_NONE, -1).e, ERR_OK, "the others are not");
}

int
main(void)
{
	rig_init();
	test_workloads();
	test_suspend();
	test_revoke();
	test_gateway_dies_while_asked();
	test_secrets();
	test_rekey();
	test_status();
	test_audit_open();
	test_who();
	test_protocol();
	rig_done();
	return done();
}
