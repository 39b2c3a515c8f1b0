/* The rules in force, across restarts and bad files: stored, sealed, and never older than what the
 * files say. */
#include "tests/lib/keeper_rig.h"
#include "tests/lib/rules_made.h"
#include "tests/lib/tap.h"

static char *workloads[] = { MADE("w"), MADE("z") };
static struct upstream upstreams[] = { UPSTREAM("open") },
		       wanting[] = { UPSTREAM_KEY("open", "", NULL) };
static struct use uses[] = { USE(0, "GET") };
static struct policy policy[] = { POLICY("p", workloads, uses) };
static uint8_t serial[SERIAL_LEN];

static struct rig_reply
load(uint16_t workload_count)
{
	struct rules r = { upstreams, 1, policy, 1 };

	policy[0].workload_count = workload_count;
	return rig_rules(&r);
}

/* Too many workloads for one row of the store. */
static struct rig_reply
load_many(uint32_t count)
{
	static struct policy many[20000];
	static char names[20000][NAME_LEN_MAX + 1];
	struct rules r = { upstreams, 1, many, count };

	must(count <= COUNT(many));
	for (uint32_t i = 0; i < count; i++) {
		many[i] = policy[0];
		(void)snprintf(names[i], sizeof names[i], "policy-%05u", i);
		(void)span_copy_str(span_str(names[i]), many[i].name, sizeof many[i].name);
	}
	return rig_rules(&r);
}

static void
bad_files(const char *why)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_str(&w, why);
	must(rig_ask(&rig.admin, AK_RULES_BAD, buf_span(&args), -1).e == ERR_OK);
}

static void
restart(void)
{
	rig_stop();
	rig_start();
}

static void
test_bad_files_at_start(void)
{
	uint8_t digest[HASH_LEN];
	struct status s;

	is_err(load(1).e, ERR_OK, "rules are loaded");
	memcpy(digest, rig_status().rules_digest, HASH_LEN);
	ok(rig_request(serial, "open", "GET").allowed, "and allow");
	restart();
	ok(!rig_request(serial, "open", "GET").allowed && rig_status().ready == READY_NO_RULES,
	    "started again, nothing is allowed before the files were looked at");
	bad_files("p.yaml:3:5: unknown key \"alow\"");
	s = rig_status();
	ok(s.ready == READY_YES && memcmp(s.rules_digest, digest, HASH_LEN) == 0,
	    "files that are refused leave the stored rules in force");
	ok(strstr(s.rules_error, "p.yaml:3:5") != NULL, "and status says so");
	ok(rig_request(serial, "open", "GET").allowed, "they allow what they allowed");
	ok(rig_audit_count("\"event\":\"rules_stored\"") == 1, "the log has it");
}

static void
test_same_files(void)
{
	uint64_t revision;

	restart();
	revision = rig_status().store_revision;
	is_err(load(1).e, ERR_OK, "the same files after a restart");
	ok(rig_request(serial, "open", "GET").allowed && rig_status().rules_error[0] == '\0',
	    "are in force");
	ok(rig_status().store_revision == revision, "and are not written again");
}

static void
test_other_files(void)
{
	uint8_t before[HASH_LEN];

	memcpy(before, rig_status().rules_digest, HASH_LEN);
	restart();
	is_err(load(2).e, ERR_OK, "other files after a restart");
	ok(memcmp(rig_status().rules_digest, before, HASH_LEN) != 0, "replace what was stored");
	memcpy(before, rig_status().rules_digest, HASH_LEN);
	restart();
	bad_files("x");
	ok(memcmp(rig_status().rules_digest, before, HASH_LEN) == 0, "also in the store");
}

static void
test_nobody_speaks(void)
{
	restart();
	rig_forget(&rig.gateway);
	ok(rig_wait(&rig.gateway, GK_DENY, GK_DENY) == NULL, "nobody speaks of the files");
	for (int i = 0; i < 800 && rig_status().ready != READY_YES; i++)
		rig_turn();
	ok(rig_status().ready == READY_YES && rig_request(serial, "open", "GET").allowed,
	    "after some seconds the stored rules are in force");
}

static void
test_many_rows(void)
{
	uint8_t digest[HASH_LEN];
	uint32_t rows;

	is_err(load_many(20000).e, ERR_OK, "rules of many rows");
	rows = rig.k->ruleset.rows;
	ok(rows > 10, "%u rows", rows);
	memcpy(digest, rig_status().rules_digest, HASH_LEN);
	restart();
	bad_files("x");
	ok(memcmp(rig_status().rules_digest, digest, HASH_LEN) == 0, "come back whole");
	is_err(load(1).e, ERR_OK, "few after many");
	memcpy(digest, rig_status().rules_digest, HASH_LEN);
	restart();
	bad_files("x");
	ok(rig.k->ruleset.rows == 1 && memcmp(rig_status().rules_digest, digest, HASH_LEN) == 0,
	    "leave no rows of theirs");
}

static void
test_seal(void)
{
	uint8_t digest[HASH_LEN];
	struct secret *kek = NULL;
	char why[256] = "";

	bad_files("still bad");
	memcpy(digest, rig_status().rules_digest, HASH_LEN);
	seal_now(rig.k);
	ok(rig_status().ready == READY_SEALED, "sealed");
	must(unseal_key_file(rig.key, &kek, why, sizeof why) == ERR_OK);
	is_err(unseal_with_kek(rig.k, kek, why, sizeof why), ERR_OK, "and unsealed");
	secret_free(kek);
	ok(rig_status().ready == READY_YES &&
		memcmp(rig_status().rules_digest, digest, HASH_LEN) == 0,
	    "the rules are in force at once: the files were spoken of");
	ok(strcmp(rig_status().rules_error, "still bad") == 0,
	    "what is wrong with them is still known");
}

static void
test_log_fails(void)
{
	struct rig_reply r;
	uint8_t digest[HASH_LEN];

	memcpy(digest, rig_status().rules_digest, HASH_LEN);
	rig.k->audit_failing = true;
	r = load(2);
	rig.k->audit_failing = false;
	ok(r.e == ERR_IO && strcmp(r.code, "audit_unavailable") == 0,
	    "what cannot be recorded is not loaded");
	ok(memcmp(rig_status().rules_digest, digest, HASH_LEN) == 0, "the rules before stay");
	is_err(load(2).e, ERR_OK, "until it can");
}

/* Rules that name a secret which is not there yet. */
static struct rig_reply
load_wanting(const char *secret)
{
	struct rules r = { wanting, 1, policy, 1 };

	(void)span_copy_str(span_str(secret), wanting[0].secret, sizeof wanting[0].secret);
	return rig_rules(&r);
}

static void
test_secret_comes_later(void)
{
	uint64_t before = rig_status().generation;

	is_err(load_wanting("later").e, ERR_NOT_FOUND, "rules that name a missing secret");
	ok(rig_status().generation == before && rig_request(serial, "open", "GET").allowed,
	    "leave the others in force");
	is_err(rig_secret("another", "value", 0), ERR_OK, "another secret");
	ok(rig_status().generation == before && strstr(rig_status().rules_error, "later") != NULL,
	    "is not what they wait for");
	is_err(rig_secret("later", "the-value", 0), ERR_OK, "the secret is set");
	ok(rig_status().generation != before && rig_status().rules_error[0] == '\0',
	    "and they are in force at once");
	ok(rig_request(serial, "open", "GET").allowed &&
		strcmp(rig_request(serial, "open", "GET").value, "the-value") == 0,
	    "with it");

	before = rig_status().generation;
	is_err(load_wanting("third").e, ERR_NOT_FOUND, "others that wait");
	bad_files("now they do not compile");
	is_err(rig_secret("third", "value", 0), ERR_OK, "are not what the files say any more");
	ok(rig_status().generation == before &&
		strcmp(rig_status().rules_error, "now they do not compile") == 0,
	    "and stay out of force");
}

int
main(void)
{
	rig_init();
	must(rig_workload("w") == ERR_OK);
	rig_enroll("w", serial);
	test_bad_files_at_start();
	test_same_files();
	test_other_files();
	test_nobody_speaks();
	test_many_rows();
	test_seal();
	test_log_fails();
	test_secret_comes_later();
	rig_done();
	return done();
}
