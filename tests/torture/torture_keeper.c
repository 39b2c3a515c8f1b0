/* A whole keeper: what it says was done is done, also behind a restart; what it refuses, or ends
 * over, is as it was. The keeper alone fails; the played peers have a loop of their own. */
#define RIG_TURN_MS 1
#include <openssl/err.h>

#include "tests/lib/keeper_rig.h"
#include "tests/lib/rules_made.h"
#include "tests/torture/torture.h"

#define KEY "sk-tortureCANARY-0123456789abcdef"
#define OLD_KEY "sk-the-value-before-0123456789"
#define NEW_KEY "sk-tortureCANARY-rotated-01234567"
#define TURNS 4
#define WAIT_TURNS 20 /* longer than FRAME_AGAIN_MS */

static char *names[] = { MADE("agent"), MADE("renewer") };
static struct upstream upstreams[] = { UPSTREAM_KEY("api", "key", HELD),
	UPSTREAM_KEY("other", "rotated", NULL) };
static struct use uses[] = { USE(0, "*"), USE(1, "*") };
static struct policy policies[] = { POLICY("agent", names, uses) };
static struct rules rules = RULES(upstreams, policies);

/* What later processes must know of the store: it is read back from a file. */
static struct {
	uint8_t agent_key[ENROLL_KEY_LEN], renewer_key[ENROLL_KEY_LEN]; /* reusable, one live */
	uint8_t serial[SERIAL_LEN];					/* agent's, for requests */
} known;
static uint8_t old_serial[SERIAL_LEN], new_serial[SERIAL_LEN], ticket[TICKET_LEN];
static struct rig_answer answer;

/* ---- what is there before ---- */

static void
start(void)
{
	rig_start();
	if (rig.k->sealed)
		torture_wrong("the store cannot be opened again");
	must(rig_rules(&rules).e == ERR_OK);
}

static void
enroll(const uint8_t key[ENROLL_KEY_LEN], uint8_t serial[SERIAL_LEN])
{
	struct issued issued;
	struct deny deny;

	must(rig_control("POST", "/v1/enroll", NULL, span_of(key, ENROLL_KEY_LEN), ticket, &deny) ==
	     ERR_OK);
	must(rig_issue(EK_ENROLL, ticket, serial, &issued) == ERR_OK);
}

static void
make(const char *path)
{
	rig_store();
	rig_start();
	must(rig_workload("agent") == ERR_OK && rig_workload("renewer") == ERR_OK);
	must(rig_secret("key", KEY, 0) == ERR_OK && rig_secret("rotated", OLD_KEY, 0) == ERR_OK);
	must(rig_rules(&rules).e == ERR_OK);
	must(rig_enrollment("agent", true, 2, known.agent_key) == ERR_OK);
	must(rig_enrollment("renewer", true, 1, known.renewer_key) == ERR_OK);
	rig_enroll("agent", known.serial);
	rig_stop();
	must(sys_replace_file(path, span_of(&known, sizeof known), 0600) == ERR_OK);
}

static void
first(void)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(sizeof known);
	char path[128];

	rig_prepare();
	(void)snprintf(path, sizeof path, "%s/known", rig.dir);
	if (access(path, F_OK) != 0) {
		make(path);
		return;
	}
	must(sys_read_file(path, &text) == ERR_OK && text.len == sizeof known);
	memcpy(&known, text.data, sizeof known);
}

/* ---- one question ---- */

static void
ask(struct rig_peer *p, enum msg_type type, struct span args)
{
	struct wire_writer w = channel_begin(p->channel, type);

	rig_forget(p);
	wire_put_u64(&w, ++rig.next_id);
	wire_put_fixed(&w, args.p, args.len);
	must(channel_end(p->channel, &w) == ERR_OK);
	must(loop_turn(rig.loop, 0) == ERR_OK); /* it is on its way */
}

/* The keeper's turns, of which some call or allocation fails; then what it said. NULL: it ended
 * the link, or said nothing, as to a message that it lost with the link. */
static const struct rig_msg *
said(struct rig_peer *p, enum msg_type good, enum msg_type bad)
{
	enum err e = ERR_OK;

	for (int i = 0; i < TURNS && e == ERR_OK; i++)
		e = loop_turn(rig.k->loop, 0);
	torture_disarm();
	must(e == ERR_OK);
	for (int turn = 0; turn < WAIT_TURNS; turn++) {
		rig_turn();
		for (size_t i = 0; i < p->count; i++)
			if (p->inbox[i].type == good || p->inbox[i].type == bad)
				return &p->inbox[i];
		if (p->ended)
			break;
	}
	if (!p->ended)
		torture_wrong("no answer, and the link stands");
	return NULL;
}

/* A refusal has a name. */
static enum err
failure_of(const struct rig_msg *m)
{
	struct wire_reader r = wire_read(buf_span(&m->body));
	char code[CODE_LEN_MAX + 1];
	enum err e;

	must(wire_u64(&r) == rig.next_id);
	e = (enum err)wire_u16(&r);
	wire_str(&r, code, sizeof code);
	if (r.e != ERR_OK || e == ERR_OK || code[0] == '\0')
		torture_wrong("a failure without a name");
	return e;
}

static enum err
called(struct rig_peer *p)
{
	const struct rig_msg *m = said(p, AK_OK, AK_FAIL);

	if (m == NULL)
		return ERR_EOF;
	return m->type == AK_OK ? ERR_OK : failure_of(m);
}

static bool
lives(const uint8_t serial[SERIAL_LEN])
{
	const struct certificate *c = identity_certificate(&rig.k->identity, serial);

	return c != NULL && identity_refusal(c, keeper_now_s(rig.k)) == NULL;
}

static void
again(void)
{
	rig_stop();
	start();
}

static void
tear_down(void)
{
	ERR_clear_error(); /* its texts would count as lost */
	rig_stop();
}

/* ---- decide ---- */

static void
set_up_decide(void)
{
	struct decide d = {
		.upstream = span_str("api"), .method = span_str("GET"), .target = span_str("/x")
	};

	start();
	memcpy(d.serial, known.serial, SERIAL_LEN);
	rig_forget(&rig.gateway);
	rig_decide_send(&rig.gateway, &d);
	must(loop_turn(rig.loop, 0) == ERR_OK);
}

static enum err
run_decide(void)
{
	const struct rig_msg *m = said(&rig.gateway, GK_ALLOW, GK_DENY);

	if (m == NULL)
		return ERR_EOF;
	answer = rig_answer_of(m);
	answer.allow.value = SPAN_NONE;
	if (!answer.allowed)
		return ERR_DENIED;
	return ERR_OK;
}

static void
check_decide(enum err e)
{
	size_t flights = rig.k->flights.by_seq.count;
	bool whole = strcmp(answer.value, KEY) == 0;

	secret_wipe(answer.value, sizeof answer.value);
	if (e == ERR_OK && (!whole || flights != 1))
		torture_wrong("allowed, and no key or no flight");
	if (e == ERR_OK && audit_durable_seq(rig.k->audit) < answer.allow.seq)
		torture_wrong("allowed before it was durable");
	if (e != ERR_OK && flights != 0)
		torture_wrong("%s, and a flight is open", err_name(e));
	if (e == ERR_DENIED && (answer.deny.code[0] == '\0' || answer.deny.status == 0))
		torture_wrong("a denial without a name");
	if (e == ERR_OK)
		rig_finish(answer.allow.seq);
	again();
	if (!rig_request_ended(known.serial, "api", "GET").allowed)
		torture_wrong("behind a restart it is not allowed any more");
}

/* ---- a ticket ---- */

static void
set_up_ticket(void)
{
	struct wire_writer w;
	struct control c = { .method = span_str("POST"),
		.path = span_str("/v1/enroll"),
		.enroll_key = span_of(known.agent_key, ENROLL_KEY_LEN) };

	start();
	rig_forget(&rig.gateway);
	w = channel_begin(rig.gateway.channel, GK_CONTROL);
	c.id = ++rig.next_id;
	control_put(&w, &c);
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	must(loop_turn(rig.loop, 0) == ERR_OK);
}

static enum err
run_ticket(void)
{
	const struct rig_msg *m = said(&rig.gateway, GK_TICKET, GK_DENY);
	struct wire_reader r;

	if (m == NULL)
		return ERR_EOF;
	r = wire_read(buf_span(&m->body));
	if (m->type == GK_DENY) {
		answer = rig_answer_of(m);
		return ERR_DENIED;
	}
	must(wire_u64(&r) == rig.next_id);
	memcpy(ticket, wire_fixed(&r, TICKET_LEN).p, TICKET_LEN);
	return ERR_OK;
}

static void
check_ticket(enum err e)
{
	uint8_t serial[SERIAL_LEN];
	struct issued issued;

	if (e == ERR_OK && rig_issue(EK_ENROLL, ticket, serial, &issued) != ERR_OK)
		torture_wrong("a ticket that is good for nothing");
	if (e == ERR_DENIED && (answer.deny.code[0] == '\0' || answer.deny.status == 0))
		torture_wrong("a denial without a name");
	again();
	enroll(known.agent_key, serial); /* the enrollment is as good as before */
}

/* ---- enroll and renew ---- */

static void
ask_certificate(enum msg_type type)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);
	uint8_t csr[2048];

	wire_put_fixed(&w, ticket, TICKET_LEN);
	wire_put_blob(&w, rig_csr(csr));
	ask(&rig.edge, type, buf_span(&args));
}

static void
set_up_enroll(void)
{
	struct deny deny;

	start();
	enroll(known.renewer_key, old_serial);
	must(rig_control("POST", "/v1/enroll", NULL, span_of(known.renewer_key, ENROLL_KEY_LEN),
		 ticket, &deny) == ERR_OK);
	ask_certificate(EK_ENROLL);
}

static void
set_up_renew(void)
{
	struct deny deny;

	start();
	enroll(known.renewer_key, old_serial);
	must(rig_control("POST", "/v1/renew", old_serial, SPAN_NONE, ticket, &deny) == ERR_OK);
	ask_certificate(EK_RENEW);
}

static enum err
run_issue(void)
{
	const struct rig_msg *m = said(&rig.edge, AK_OK, AK_FAIL);
	struct wire_reader r;
	struct issued issued;

	if (m == NULL || m->type == AK_FAIL)
		return m == NULL ? ERR_EOF : failure_of(m);
	r = wire_read(buf_span(&m->body));
	must(wire_u64(&r) == rig.next_id);
	issued_get(&r, &issued);
	must(r.e == ERR_OK);
	rig_serial_of(issued.certificate_pem, new_serial);
	return ERR_OK;
}

/* old_too: the certificate before stays good. */
static void
check_issued(enum err e, bool old_too)
{
	bool old = lives(old_serial), new = e == ERR_OK &&lives(new_serial);

	if (e == ERR_OK && (!new || old != old_too))
		torture_wrong("issued: the new one lives %d, the old one %d", new, old);
	if (e != ERR_OK && e != ERR_EOF && !old)
		torture_wrong("%s, and the old one is gone", err_name(e));
	again();
	if (e != ERR_EOF && (lives(old_serial) != old || (e == ERR_OK && !lives(new_serial))))
		torture_wrong("%s, and behind a restart it is otherwise", err_name(e));
}

static void
check_enroll(enum err e)
{
	check_issued(e, false);
}

static void
check_renew(enum err e)
{
	check_issued(e, true);
}

/* ---- rotate ---- */

static bool
other_is(const char *text)
{
	struct rig_answer a = rig_request_ended(known.serial, "other", "GET");
	bool same = a.allowed && strcmp(a.value, text) == 0;

	secret_wipe(a.value, sizeof a.value);
	return same;
}

static void
set_up_rotate(void)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	start();
	if (!other_is(OLD_KEY))
		must(rig_secret("rotated", OLD_KEY, 0) == ERR_OK && other_is(OLD_KEY));
	wire_put_str(&w, "rotated");
	wire_put_u8(&w, SECRET_PUT_ROTATE);
	wire_put_blob(&w, span_str(NEW_KEY));
	ask(&rig.cli, CK_SECRET_PUT, buf_span(&args));
}

static enum err
run_rotate(void)
{
	return called(&rig.cli);
}

/* The log may still fail: the store is what counts, and is asked behind a restart. */
static void
check_rotate(enum err e)
{
	again();
	if (e == ERR_OK && !other_is(NEW_KEY))
		torture_wrong("rotated, and the old one is handed out");
	if (e != ERR_OK && e != ERR_EOF && !other_is(OLD_KEY))
		torture_wrong("%s, and the old one is gone", err_name(e));
}

/* ---- start ---- */

static struct keeper *fresh;
static struct secret *kek;
static char why[512];

static void
set_up_open(void)
{
	why[0] = '\0';
	fresh = calloc(1, sizeof *fresh);
	must(fresh != NULL && loop_new(&fresh->loop) == ERR_OK);
	fresh->sealed = true;
	fresh->settings.audit_bytes_max = 1u << 30;
	fresh->settings.audit_quota = 1u << 29;
	fresh->settings.cert_ttl_s = 3600;
	(void)snprintf(
	    fresh->settings.state_dir, sizeof fresh->settings.state_dir, "%s", rig.state);
	(void)floor_init(&fresh->floor, 0, clock_wall_ms(), clock_mono_ms());
	must(kv_open(rig.state, &fresh->kv, why, sizeof why) == ERR_OK);
	must(unseal_key_file(rig.key, &kek, why, sizeof why) == ERR_OK);
	tick_init(fresh);
	fresh->unseal.method = UNSEAL_KEY_FILE;
}

static enum err
run_open(void)
{
	return unseal_with_kek(fresh, kek, why, sizeof why);
}

static void
check_open(enum err e)
{
	if (fresh->sealed != (e != ERR_OK))
		torture_wrong("%s, and sealed %d", err_name(e), fresh->sealed);
	if (e != ERR_OK && (why[0] == '\0' || fresh->ring != NULL))
		torture_wrong("%s: '%s', and a keyring %d", err_name(e), why, fresh->ring != NULL);
	if (e == ERR_AUTH)
		torture_wrong("a good store is called damaged: %s", why);
	if (e == ERR_OK && identity_workload(&fresh->identity, "agent") == NULL)
		torture_wrong("open, and half of it is there");
}

static void
tear_down_open(void)
{
	ERR_clear_error(); /* its texts would count as lost */
	if (!fresh->sealed)
		seal_now(fresh);
	kv_close(fresh->kv);
	loop_free(fresh->loop);
	free(fresh);
	secret_freep(&kek);
	start(); /* it can be opened by the next one */
	rig_stop();
}

static const struct torture_path paths[] = {
	{ "keeper: open the store", NULL, set_up_open, run_open, check_open, tear_down_open,
	    false },
	{ "keeper: decide", KEY, set_up_decide, run_decide, check_decide, tear_down, false },
	{ "keeper: a ticket", NULL, set_up_ticket, run_ticket, check_ticket, tear_down, false },
	{ "keeper: enroll", NULL, set_up_enroll, run_issue, check_enroll, tear_down, false },
	{ "keeper: renew", NULL, set_up_renew, run_issue, check_renew, tear_down, false },
	{ "keeper: rotate", NEW_KEY, set_up_rotate, run_rotate, check_rotate, tear_down, false },
};

int
main(int argc, char **argv)
{
	int code;

	rig_folder(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* thousands of syncs */
	torture_may_end();
	code = torture_main(paths, COUNT(paths), first, argc, argv);
	rig_remove();
	return code;
}
