#include "broker/keeper/identity.h"
#include "tests/lib/tap.h"

#include <string.h>

static struct identity id;
static struct secret *key;

static struct workload *
add_workload(const char *name, int64_t now_s)
{
	struct workload *w = NULL;

	must(identity_workload_new(&id, name, now_s, &w) == ERR_OK);
	must(identity_workload_add(&id, w) == ERR_OK);
	return w;
}

static struct enrollment *
add_enrollment(struct workload *w, bool reusable, uint32_t cap, struct secret **ret_key)
{
	struct enroll_new what = { .reusable = reusable, .cap = cap, .ttl_s = 100 };
	struct enrollment *e = NULL;

	must(identity_enrollment_new(&id, w, &what, 1000, ret_key, &e) == ERR_OK);
	must(identity_enrollment_add(&id, e) == ERR_OK);
	return e;
}

static struct certificate
certificate(uint8_t mark, int64_t from_s, int64_t to_s)
{
	struct certificate c = { .not_before_s = from_s, .not_after_s = to_s };

	memset(c.serial, mark, sizeof c.serial);
	return c;
}

static struct instance *
add_instance(const struct enrollment *e, uint8_t mark, int64_t now_s)
{
	struct certificate c = certificate(mark, now_s - 60, now_s + 3600);
	struct instance *i = NULL;

	must(identity_instance_new(e, &c, now_s, &i) == ERR_OK);
	must(identity_instance_add(&id, i) == ERR_OK);
	return i;
}

static const char *
refusal(uint8_t mark, int64_t now_s)
{
	struct certificate c = certificate(mark, 0, 0);
	const char *code = identity_refusal(identity_certificate(&id, c.serial), now_s);

	return code == NULL ? "ok" : code;
}

static void
is_refusal(uint8_t mark, int64_t now_s, const char *want, const char *what)
{
	const char *got = refusal(mark, now_s);

	if (!ok(strcmp(got, want) == 0, "%s: %s", what, want))
		printf("# got %s\n", got);
}

static void
test_certificate(void)
{
	struct workload *w = add_workload("cert", 1000);
	struct secret *k = NULL;
	struct enrollment *e = add_enrollment(w, true, 4, &k);
	struct instance *i = add_instance(e, 1, 1000);

	is_refusal(9, 1000, "certificate_unknown", "a serial nobody made");
	is_refusal(1, 1000, "ok", "a live one");
	is_refusal(1, 939, "certificate_not_yet_valid", "a second before its time");
	is_refusal(1, 940, "ok", "its first second");
	is_refusal(1, 4599, "ok", "its last second");
	is_refusal(1, 4600, "certificate_expired", "the one behind that");
	w->state = WORKLOAD_SUSPENDED;
	is_refusal(1, 1000, "workload_suspended", "suspended");
	w->state = WORKLOAD_ACTIVE;
	is_refusal(1, 1000, "ok", "resumed");
	identity_instance_end(&id, i, 1100);
	is_refusal(1, 1100, "certificate_revoked", "ended");
	w->state = WORKLOAD_REVOKED;
	is_refusal(1, 9999, "workload_revoked", "revoked beats expired");
	secret_free(k);
}

static void
test_renew(void)
{
	struct workload *w = add_workload("renew", 1000);
	struct secret *k = NULL;
	struct enrollment *e = add_enrollment(w, true, 4, &k);
	struct instance *i = add_instance(e, 2, 1000);
	struct certificate next = certificate(3, 2740, 6400);

	is_err(identity_renew(&id, i, &i->current, &next), ERR_OK, "renewed");
	is_refusal(2, 4000, "ok", "the old one still works");
	is_refusal(3, 4000, "ok", "the new one works");
	identity_seen(identity_certificate(&id, i->previous.serial), 4000);
	identity_seen(identity_certificate(&id, i->current.serial), 4100);
	is_refusal(2, 4599, "ok", "to the end that it says");
	is_refusal(2, 4600, "certificate_expired", "and no longer");
	next = certificate(4, 4200, 7900);
	is_err(identity_renew(&id, i, &i->current, &next), ERR_OK, "renewed again");
	is_refusal(2, 4200, "certificate_unknown", "the one before the last is forgotten");
	is_refusal(3, 4200, "ok", "the last is not");
	next = certificate(5, 4200, 7900);
	is_err(identity_renew(&id, i, &i->previous, &next), ERR_OK,
	    "the answer was lost: renewed by the old one");
	is_refusal(4, 4200, "certificate_unknown", "the lost one is forgotten");
	is_refusal(5, 4200, "ok", "the one that arrived works");
	is_refusal(3, 4200, "ok", "so does the one that asked");
	secret_free(k);
}

static void
test_enrollments(void)
{
	struct workload *w = add_workload("enroll", 1000);
	struct secret *k = NULL, *extra = NULL;
	struct enrollment *e = add_enrollment(w, true, 2, &k);
	struct instance *first, *second;
	struct enroll_new what = { .ttl_s = 100 };
	struct enrollment *none = NULL;
	uint8_t wrong[ENROLL_KEY_LEN] = { 0 };

	ok(identity_enrollment_of_key(&id, secret_span(k)) == e, "found by its key");
	ok(identity_enrollment_of_key(&id, span_of(wrong, sizeof wrong)) == NULL, "not by another");
	ok(identity_enrollment_of_key(&id, span_of(secret_bytes(k), 31)) == NULL,
	    "nor by a part of it");
	first = add_instance(e, 10, 1000);
	ok(identity_superseded(e) == NULL, "one of two");
	second = add_instance(e, 11, 1001);
	ok(identity_superseded(e) == first, "two of two: the oldest goes next");
	identity_instance_end(&id, first, 1002);
	ok(identity_superseded(e) == NULL, "an ended one does not count");
	(void)second;
	for (uint32_t i = w->enrollment_count; i < WORKLOAD_ENROLLMENTS_MAX; i++) {
		struct secret *other = NULL;

		(void)add_enrollment(w, false, 1, &other);
		secret_free(other);
	}
	is_err(identity_enrollment_new(&id, w, &what, 1000, &extra, &none), ERR_LIMIT,
	    "there is a limit to open ones");
	identity_enrollment_end(&id, e);
	ok(identity_enrollment_of_key(&id, secret_span(k)) == NULL, "an ended one is gone");
	secret_free(k);
}

static void
test_ended(void)
{
	struct workload *w = add_workload("restarts", 1000);
	struct secret *k = NULL;
	struct enrollment *e = add_enrollment(w, true, 1, &k);
	struct instance *oldest = NULL;

	for (int n = 0; n <= WORKLOAD_ENDED_MAX; n++) {
		struct instance *i = add_instance(e, (uint8_t)(50 + n), 1000 + n);

		ok(identity_forgettable(w) == NULL, "ended ones are remembered");
		identity_instance_end(&id, i, 1000 + n);
		oldest = oldest == NULL ? i : oldest;
	}
	ok(identity_forgettable(w) == oldest, "up to a number: then the oldest goes");
	identity_instance_forget(&id, oldest);
	is_refusal(50, 1000, "certificate_unknown", "which is forgotten");
	ok(identity_live(w) == 0, "none is alive");
	secret_free(k);
}

static void
test_again(void)
{
	struct workload *old = add_workload("again", 1000), *fresh = NULL;
	struct secret *k = NULL;
	struct instance *i = add_instance(add_enrollment(old, true, 1, &k), 120, 1000);

	is_err(
	    identity_workload_new(&id, "again", 1000, &fresh), ERR_EXISTS, "a name is taken once");
	old->state = WORKLOAD_REVOKED;
	identity_instance_end(&id, i, 1001);
	fresh = add_workload("again", 1002);
	ok(identity_workload(&id, "again") == fresh && fresh->id != old->id,
	    "revoked, it can be added anew");
	is_refusal(120, 1003, "workload_revoked", "old certificates stay dead");
	secret_free(k);
}

/* All rows, in the order of their keys, into another identity. */
static size_t
reload(struct txn *t, struct identity *other)
{
	size_t orphans = 0;

	for (char kind = '1'; kind <= '3'; kind++)
		for (size_t i = 0; i < t->count; i++) {
			bool orphan = false;

			if (t->keys[i][3] != kind)
				continue;
			must(identity_load(other, span_str(t->keys[i]), buf_span(&t->values[i]),
				 &orphan) == ERR_OK);
			orphans += orphan;
		}
	return orphans;
}

static void
test_rows(void)
{
	AUTO(txn_wipe) struct txn t;
	struct workload *w = add_workload("rows/one", 1000);
	struct secret *k = NULL;
	struct enrollment *e = add_enrollment(w, true, 3, &k), *e2;
	struct instance *i = add_instance(e, 130, 1000);
	struct certificate next = certificate(131, 2000, 5000);
	struct identity other;
	const struct certificate *c;

	must(identity_renew(&id, i, &i->current, &next) == ERR_OK);
	identity_init(&other, key);
	txn_init(&t);
	identity_workload_row(&t, w);
	identity_enrollment_row(&t, e);
	identity_instance_row(&t, i);
	ok(reload(&t, &other) == 0, "rows are read");
	ok(identity_workload(&other, "rows/one") != NULL, "the workload");
	e2 = identity_enrollment_of_key(&other, secret_span(k));
	ok(e2 != NULL && e2->reusable && e2->cap == 3 && e2->expires_s == e->expires_s,
	    "the enrollment");
	c = identity_certificate(&other, next.serial);
	ok(c != NULL && c->not_after_s == 5000 &&
		c->instance->enrollment_id[0] == i->enrollment_id[0],
	    "the certificate");
	ok(identity_certificate(&other, i->previous.serial) != NULL, "and the one before it");
	ok(other.next_id == w->id + 1, "ids go on");
	identity_close(&other);
	identity_init(&other, key);
	buf_wipe(&t.values[0]);
	w->state = WORKLOAD_REVOKED;
	t.count = 0;
	identity_workload_row(&t, w);
	t.count = 3;
	ok(reload(&t, &other) == 1, "of a revoked workload the enrollment is an orphan");
	c = identity_certificate(&other, next.serial);
	ok(c != NULL && c->instance->ended_s != 0 && other.live_count == 0,
	    "and its instance has ended");
	identity_close(&other);
	identity_init(&other, key);
	t.keys[0][3] = '9';
	ok(reload(&t, &other) == 2, "without their workload all rows are orphans");
	identity_close(&other);
	secret_free(k);
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
	must(crypto_random_secret(KEY_LEN, &key) == ERR_OK);
	identity_init(&id, key);
	test_certificate();
	test_renew();
	test_enrollments();
	test_ended();
	test_again();
	test_rows();
	identity_close(&id);
	secret_free(key);
	return done();
}
