/* A disk that is full, a passphrase, a clock that lies: against a whole keeper. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "broker/keeper/store/kv_state.h"
#include "tests/lib/keeper_rig.h"
#include "tests/lib/rules_made.h"
#include "tests/lib/tap.h"

static char *names[] = { MADE("agent") };
static struct upstream upstreams[] = { UPSTREAM_KEY("api", "key", HELD) };
static struct use uses[] = { USE(0, "*") };
static struct policy policies[] = { POLICY("agent", names, uses) };
static struct rules rules = RULES(upstreams, policies);
static uint8_t serial[SERIAL_LEN];

/* Files may not grow beyond len: write(2) gives EFBIG, as ENOSPC on a full disk. */
static void
limit_files(rlim_t len)
{
	struct rlimit r = { len, RLIM_INFINITY };

	must(setrlimit(RLIMIT_FSIZE, &r) == 0);
}

static void
test_full_disk(void)
{
	struct rig_answer a = rig_request_ended(serial, "api", "GET");
	struct rig_msg *m = NULL;
	int denied = 0;

	ok(a.allowed, "before: allowed");
	limit_files(1);
	for (int i = 0; i < 3; i++) {
		a = rig_request_ended(serial, "api", "GET");
		denied += !a.allowed && a.deny.status == 503 &&
			  strcmp(a.deny.code, "audit_unavailable") == 0;
	}
	ok(denied == 3, "a disk that takes nothing: nothing is handed out");
	ok(rig.k->flights.by_seq.count == 0, "nor in flight");
	ok(keeper_ready(rig.k) == READY_AUDIT_FAILING, "and the state says so");
	is_err(rig_secret("key", "other", 0), ERR_IO, "nothing is changed");
	is_err(rig_workload("more"), ERR_IO, "nor added");
	ok(identity_workload(&rig.k->identity, "more") == NULL, "not in memory either");
	limit_files(RLIM_INFINITY);
	rig_forget(&rig.gateway);
	for (int i = 0; i < RIG_TURNS && m == NULL; i++)
		m = keeper_ready(rig.k) == READY_YES ? rig_wait(&rig.gateway, GK_STATE, GK_STATE)
						     : (rig_turn(), NULL);
	ok(m != NULL && m->body.data[0] == READY_YES,
	    "the disk is back: it goes on by itself, and gateways are told");
	a = rig_request_ended(serial, "api", "GET");
	ok(a.allowed && strcmp(a.value, "the-key") == 0, "with what it had");
	rig_stop();
	rig_start();
	is_err(rig_rules(&rules).e, ERR_OK, "the log holds after a restart");
	ok(secrets_find(&rig.k->secrets, "key")->last_used_s > 0 &&
		identity_workload(&rig.k->identity, "agent")->last_seen_s > 0,
	    "last uses are known, too");
	ok(rig_request_ended(serial, "api", "GET").allowed, "and so does the store");
}

/* The last record of that event. */
static unsigned long long
seq_of(const char *event)
{
	AUTO(buf_wipe) struct buf log = BUF_MAX(64u << 20);
	unsigned long long seq = 0;
	char text[80];

	(void)snprintf(text, sizeof text, "\"event\":\"%s\"", event);
	for (char *line = strtok(rig_audit_text(&log), "\n"); line != NULL;
	     line = strtok(NULL, "\n"))
		if (strstr(line, text) != NULL)
			must(sscanf(line, "{\"chain\":\"01\",\"seq\":%llu", &seq) == 1);
	return seq;
}

static bool
not_done(const char *event)
{
	char text[80];

	(void)snprintf(text, sizeof text, "\"event\":\"not_done\",\"detail\":\"io\",\"of\":%llu,",
	    seq_of(event));
	return rig_audit_count(text) == 1;
}

static enum err
enroll(const uint8_t key[ENROLL_KEY_LEN])
{
	uint8_t ticket[TICKET_LEN], made[SERIAL_LEN];
	struct issued issued;
	struct deny deny;

	must(rig_control("POST", "/v1/enroll", NULL, span_of(key, ENROLL_KEY_LEN), ticket, &deny) ==
	     ERR_OK);
	limit_files(1);
	return rig_issue(EK_ENROLL, ticket, made, &issued);
}

static void
disk_is_back(void)
{
	limit_files(RLIM_INFINITY);
	for (int i = 0; i < RIG_TURNS && keeper_ready(rig.k) != READY_YES; i++)
		rig_turn();
}

/* What was recorded, and then the disk did not take it. */
static void
test_not_done(void)
{
	uint8_t key[ENROLL_KEY_LEN], ticket[TICKET_LEN], made[SERIAL_LEN];
	struct issued issued;
	struct deny deny;

	must(rig_enrollment("agent", true, 1, key) == ERR_OK);
	must(rig_control("POST", "/v1/enroll", NULL, span_of(key, sizeof key), ticket, &deny) ==
	     ERR_OK);
	must(rig_issue(EK_ENROLL, ticket, made, &issued) == ERR_OK);
	is_err(enroll(key), ERR_IO, "no second instance");
	disk_is_back();
	ok(not_done("enroll") && not_done("enroll_superseded"),
	    "the log takes both back: who came and who went");
	rig.k->floor.base_ms += AUDIT_CHECKPOINT_S * 1000; /* a checkpoint is due with it */
	limit_files(1);
	is_err(rig_ask(&rig.cli, CK_REKEY, SPAN_NONE, -1).e, ERR_IO, "no new data key");
	disk_is_back();
	ok(not_done("rekey"), "the log takes it back, by its own number");
	ok(kv_rekey_left(rig.k->kv) == 0, "and nothing is under way");
}

/* --replace: those that were to end, and the one that was to come. */
static void
test_replace_not_done(void)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(256);
	struct wire_writer w = wire_write(&args);
	struct enroll_new what = { .workload = "agent", .replace = true };
	uint8_t key[ENROLL_KEY_LEN];

	must(rig_enrollment("agent", true, 1, key) == ERR_OK);
	enroll_new_put(&w, &what);
	limit_files(1);
	is_err(rig_ask(&rig.cli, CK_ENROLL_NEW, buf_span(&args), -1).e, ERR_IO, "not replaced");
	disk_is_back();
	ok(not_done("enroll_replaced") && not_done("enroll_new"), "the log takes back both parts");
}

/* A step that fails is tried again: nobody has to restart the keeper. */
static void
test_rekey_stalls(void)
{
	struct row **rows = rig.k->kv->rows.at;
	uint8_t *sealed = (uint8_t *)(uintptr_t)row_sealed(rows[rig.k->kv->rows.count - 1]).p;
	struct rig_reply r;

	sealed[40] ^= 1;
	is_err(rig_ask(&rig.cli, CK_REKEY, SPAN_NONE, -1).e, ERR_OK, "a rekey begins");
	for (int i = 0; i < RIG_TURNS && rig.k->rekey_stalled == ERR_OK; i++)
		rig_turn();
	r = rig_ask(&rig.cli, CK_REKEY, SPAN_NONE, -1);
	ok(r.e == ERR_CONFLICT && strstr(r.message, "waits (not_authentic)") != NULL,
	    "it fails, and says so: %s", r.message);
	sealed[40] ^= 1;
	for (int i = 0; i < RIG_TURNS && kv_rekey_left(rig.k->kv) != 0; i++)
		rig_turn();
	ok(kv_rekey_left(rig.k->kv) == 0 && rig.k->rekey_stalled == ERR_OK,
	    "and goes on by itself");
}

/* A gateway's own certificate is one that is given out, too. */
static void
test_gateway_certificate(void)
{
	int before = rig_audit_count("\"event\":\"gateway_certificate\"");
	struct wire_writer w = channel_begin(rig.gateway.channel, GK_CSR);
	uint8_t csr[2048];

	rig_forget(&rig.gateway);
	limit_files(1);
	wire_put_blob(&w, rig_csr(csr));
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	for (int i = 0; i < RIG_TURNS && keeper_ready(rig.k) != READY_AUDIT_FAILING; i++)
		rig_turn();
	for (int i = 0; i < 5; i++)
		rig_turn();
	ok(rig_wait(&rig.gateway, GK_STATE, GK_CERT)->type == GK_STATE,
	    "a gateway gets no certificate that is not recorded");
	limit_files(RLIM_INFINITY);
	rig_forget(&rig.gateway);
	ok(rig_wait(&rig.gateway, GK_CERT, GK_CERT) != NULL, "but when it is");
	ok(rig_audit_count("\"event\":\"gateway_certificate\"") > before &&
		rig_audit_count("\"detail\":\"serial ") > 0,
	    "and the record is there then");
}

/* The log said "tomorrow": somebody set the clock back, or forward before. */
static void
test_clock(void)
{
	struct rig_answer a;

	rig.k->floor.base_ms += 86400 * 1000;
	a = rig_request_ended(serial, "api", "GET");
	ok(!a.allowed && strcmp(a.deny.code, "certificate_expired") == 0,
	    "a day later the certificate has expired");
	rig_stop();
	rig_start();
	ok(keeper_ready(rig.k) == READY_CLOCK, "a log that is a day ahead: not ready");
	a = rig_request_ended(serial, "api", "GET");
	ok(!a.allowed && strcmp(a.deny.code, "clock") == 0, "nothing is allowed");
	rig_stop();
	rig.accept_clock = true;
	rig_start();
	ok(keeper_ready(rig.k) == READY_NO_RULES, "until the operator accepts the clock");
	ok(keeper_now_s(rig.k) - clock_wall_s() <= 1, "which counts then");
	ok(rig_audit_count("clock_accepted") == 1, "and is written down");
	rig.accept_clock = false;
	rig_stop();
	rig_start();
	ok(keeper_ready(rig.k) == READY_NO_RULES, "once is enough");
}

static void
test_key_file(void)
{
	struct secret *kek = NULL;
	char why[512] = "", wrong[160];
	uint8_t bytes[KEY_LEN] = { 1 };

	(void)snprintf(wrong, sizeof wrong, "%s/wrong", rig.dir);
	must(sys_replace_file(wrong, span_of(bytes, sizeof bytes), 0644) == ERR_OK);
	is_err(
	    unseal_key_file(wrong, &kek, why, sizeof why), ERR_DENIED, "a key file open to others");
	must(chmod(wrong, 0400) == 0);
	is_err(unseal_key_file(wrong, &kek, why, sizeof why), ERR_OK, "closed, it is read");
	rig_ask(&rig.cli, CK_SEAL, SPAN_NONE, -1);
	is_err(
	    unseal_with_kek(rig.k, kek, why, sizeof why), ERR_AUTH, "the wrong key opens nothing");
	ok(rig.k->sealed && rig.k->ring == NULL, "and leaves it sealed: %s", why);
	secret_free(kek);
	kek = NULL;
	must(sys_replace_file(wrong, span_of(bytes, 31), 0400) == ERR_OK);
	is_err(unseal_key_file(wrong, &kek, why, sizeof why), ERR_SYNTAX, "a byte too few");
	(void)snprintf(wrong, sizeof wrong, "%s/none", rig.dir);
	is_err(unseal_key_file(wrong, &kek, why, sizeof why), ERR_NOT_FOUND, "none");
	must(symlink(rig.key, wrong) == 0);
	is_err(unseal_key_file(wrong, &kek, why, sizeof why), ERR_DENIED, "a link to one");
	is_err(unseal_key_file(rig.dir, &kek, why, sizeof why), ERR_DENIED, "a folder");
	ok(strstr(why, "no regular file") != NULL, "  is called that: %s", why);
	(void)snprintf(wrong, sizeof wrong, "%s/pipe", rig.dir);
	must(mkfifo(wrong, 0400) == 0);
	is_err(unseal_key_file(wrong, &kek, why, sizeof why), ERR_DENIED, "a pipe, at once");
	ok(strstr(why, "no regular file") != NULL, "  is called that: %s", why);
}

static struct rig_reply
unseal(const char *passphrase)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_blob(&w, span_str(passphrase));
	return rig_ask(&rig.cli, CK_UNSEAL, buf_span(&args), -1);
}

/* init reads the passphrase from stdin, as `sidekey init` gives it. */
static void
init_with_passphrase(void)
{
	char *argv[] = { "init", "--state-dir", rig.state, "--trust-domain", "example.org",
		"--unseal", "passphrase", NULL };
	int fds[2];

	(void)snprintf(rig.state, sizeof rig.state, "%s/second", rig.dir);
	must(sys_socketpair(SOCK_STREAM, fds) == 0);
	must(sys_write_all(fds[1], "correct horse\n", 14) == ERR_OK);
	sys_close(fds[1]);
	must(dup2(fds[0], STDIN_FILENO) == STDIN_FILENO);
	must(rig_run_init(7, argv) == 0);
	sys_close(fds[0]);
}

/* Sealed, with somebody's line at the end of the log. */
static void
test_broken_log(void)
{
	char path[160];
	struct rig_reply r;
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof path, "%s/audit/00000001.jsonl", rig.state);
	must(stat(path, &st) == 0);
	fd = sys_open(path, O_WRONLY | O_APPEND, 0);
	must(sys_write_all(fd, "hello\n", 6) == ERR_OK);
	sys_close(fd);
	for (int i = 0; i < 2; i++) {
		r = unseal("correct horse");
		ok(r.e == ERR_AUTH && strstr(r.message, "audit log is broken") != NULL,
		    "a broken log is called that: %s", r.message);
		ok(rig.k->unseal.failures == 0 && strstr(r.hint, "passphrase is not") != NULL,
		    "and is no wrong passphrase: %s", r.hint);
	}
	must(truncate(path, st.st_size) == 0);
}

static void
test_passphrase(void)
{
	struct rig_reply r;

	rig_stop();
	init_with_passphrase();
	rig.sealed = true;
	rig_start();
	ok(keeper_ready(rig.k) == READY_SEALED, "a store with a passphrase starts sealed");
	is_err(rig_workload("agent"), ERR_SEALED, "and does nothing");
	r = unseal("wrong horse");
	ok(r.e == ERR_AUTH && strcmp(r.code, "unseal_failed") == 0, "the wrong one: %s", r.message);
	r = unseal("correct horse");
	is_err(r.e, ERR_AGAIN, "at once again is too soon, even with the right one");
	rig.k->unseal.not_before_ms = 0;
	is_err(unseal("correct horse").e, ERR_OK, "later it opens");
	ok(keeper_ready(rig.k) == READY_NO_RULES, "unsealed");
	is_err(unseal("correct horse").e, ERR_CONFLICT, "once");
	is_err(rig_workload("agent"), ERR_OK, "it works");
	must(rig_secret("key", "the-key", 0) == ERR_OK && rig_rules(&rules).e == ERR_OK);
	rig_enroll("agent", serial);
	ok(rig_request_ended(serial, "api", "GET").allowed, "all of it");
	must(rig_ask(&rig.cli, CK_SEAL, SPAN_NONE, -1).e == ERR_OK);
	is_err(rig_workload("b"), ERR_SEALED, "sealed again");
	test_broken_log();
	is_err(unseal("correct horse").e, ERR_OK, "and open again");
	ok(keeper_ready(rig.k) == READY_YES && rig_request_ended(serial, "api", "GET").allowed,
	    "under the rules that were in force");
	ok(identity_workload(&rig.k->identity, "agent") != NULL, "with what it had");
}

static void
test_init_again(void)
{
	char *argv[] = { "init", "--state-dir", rig.state, "--trust-domain", "example.org",
		"--unseal", "key-file", "--key-file", rig.key, NULL };
	char *bad[] = { "init", "--state-dir", "relative", "--trust-domain", "example.org",
		"--unseal", "passphrase", NULL };

	ok(rig_run_init(9, argv) == 1, "init does not overwrite a store");
	(void)snprintf(rig.state, sizeof rig.state, "%s/third", rig.dir);
	ok(rig_run_init(9, argv) == 1, "nor a key file");
	ok(access(rig.state, F_OK) != 0, "and leaves nothing behind");
	ok(rig_run_init(7, bad) == 2, "nor does it take a relative path");
}

int
main(void)
{
	must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	rig_init();
	must(rig_workload("agent") == ERR_OK && rig_secret("key", "the-key", 0) == ERR_OK);
	must(rig_rules(&rules).e == ERR_OK);
	rig_enroll("agent", serial);
	test_full_disk();
	test_gateway_certificate();
	test_not_done();
	test_replace_not_done();
	test_rekey_stalls();
	test_clock();
	test_key_file();
	test_passphrase();
	test_init_again();
	rig_done();
	return done();
}
