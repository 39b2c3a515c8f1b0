#include <string.h>

#include "broker/ipc/body.h"
#include "tests/lib/tap.h"

static struct buf first, second;

/* Writes v, reads it back, and writes that: the same bytes, and no prefix of them is whole. What
 * was read points into first until the next round. */
#define ROUND(name, v, ret)                                                                        \
	do {                                                                                       \
		struct wire_writer w_ = start(&first);                                             \
		struct wire_reader r_;                                                             \
		size_t bad_ = 0;                                                                   \
                                                                                                   \
		name##_put(&w_, v);                                                                \
		is_err(w_.e, ERR_OK, #name ": written");                                           \
		for (size_t n_ = 0; n_ < first.len; n_++) {                                        \
			r_ = wire_read(span_of(first.data, n_));                                   \
			name##_get(&r_, ret);                                                      \
			bad_ += wire_done(&r_) == ERR_OK;                                          \
		}                                                                                  \
		ok(bad_ == 0, #name ": no prefix is whole");                                       \
		memset(ret, 0xa5, sizeof(*(ret)));                                                 \
		r_ = wire_read(buf_span(&first));                                                  \
		name##_get(&r_, ret);                                                              \
		is_err(wire_done(&r_), ERR_OK, #name ": read");                                    \
		w_ = start(&second);                                                               \
		name##_put(&w_, ret);                                                              \
		ok(w_.e == ERR_OK && span_eq(buf_span(&first), buf_span(&second)),                 \
		    #name ": the same");                                                           \
	} while (0)
#define MSG_BIG 65536

static uint8_t big[65535];

static struct wire_writer
start(struct buf *b)
{
	buf_wipe(b);
	b->max = MSG_BIG;
	return wire_write(b);
}

static void
decide_goes_round(void)
{
	static struct decide v, got;

	v = (struct decide){ .id = 7,
		.generation = 3,
		.serial = { 1, 2, 3 },
		.upstream = span_str("github"),
		.method = span_str("GET"),
		.target = span_str("/repos?x=1"),
		.browser = true,
		.presented = { span_str("a"), SPAN_NONE, span_str("c"),
		    span_of(big, PRESENTED_LEN_MAX) },
		.presented_count = PRESENTED_MAX,
		.has_trace = true,
		.trace_id = { 9 } };
	ROUND(decide, &v, &got);
	ok(got.id == 7 && got.browser && got.has_trace && got.trace_id[0] == 9 &&
		span_eq_str(got.target, "/repos?x=1") && span_eq_str(got.presented[2], "c"),
	    "decide: values");
	v.has_trace = v.browser = false;
	v.presented_count = 0;
	ROUND(decide, &v, &got);
	ok(!got.has_trace && got.presented_count == 0, "decide: without");
}

static void
answers_go_round(void)
{
	static struct allow a, got_a;
	static struct deny d, got_d;
	static struct control c, got_c;

	a = (struct allow){ 1, 2, 3, 4, 5, -6, span_of(big, 16384) };
	ROUND(allow, &a, &got_a);
	ok(got_a.deadline_s == -6 && got_a.value.len == 16384, "allow: values");
	a.value = SPAN_NONE;
	ROUND(allow, &a, &got_a);
	d = (struct deny){ .id = 1, .seq = 2, .status = 403, .retry_after_s = 4 };
	memset(d.code, 'c', CODE_LEN_MAX);
	memset(d.rule, 'r', RULE_LEN_MAX);
	memset(d.hint, 'h', HINT_LEN_MAX);
	memset(d.audit, 'a', AUDIT_ID_SIZE - 1);
	ROUND(deny, &d, &got_d);
	ok(got_d.status == 403 && strlen(got_d.hint) == HINT_LEN_MAX, "deny: values, full");
	c = (struct control){ .id = 1,
		.has_serial = true,
		.serial = { 1 },
		.method = span_str("POST"),
		.path = span_str("/v1/enroll"),
		.enroll_key = span_of(big, 32) };
	ROUND(control, &c, &got_c);
	ok(got_c.has_serial && got_c.serial[0] == 1 && got_c.enroll_key.len == 32,
	    "control: values");
	c.has_serial = false;
	ROUND(control, &c, &got_c);
	ok(!got_c.has_serial, "control: without");
}

static void
reports_go_round(void)
{
	static struct finish f, got_f;
	static struct report r, got_r;

	f = (struct finish){ 1, 200, UINT64_MAX, 4, 5, "ok" };
	ROUND(finish, &f, &got_f);
	ok(got_f.bytes_up == UINT64_MAX && strcmp(got_f.outcome, "ok") == 0, "finish: values");
	r = (struct report){
		.has_serial = true, .code = "bad_framing", .detail = span_of(big, 255)
	};
	ROUND(report, &r, &got_r);
	ok(got_r.detail.len == 255 && strcmp(got_r.code, "bad_framing") == 0, "report: values");
}

static void
identities_go_round(void)
{
	static struct issued i, got_i;
	static struct self s, got_s;
	static struct self_upstream u, got_u;
	static struct enroll_new n, got_n;

	i = (struct issued){ span_str("PEM"), span_str("CA"), "ops/bot", "spiffe://td/ops/bot",
		"0123456789abcdef0123456789abcdef", 1, 3601 };
	ROUND(issued, &i, &got_i);
	ok(got_i.not_after_s == 3601 && span_eq_str(got_i.ca_pem, "CA"), "issued: values");
	s = (struct self){ "ops/bot", "spiffe://td/ops/bot", "0", 5, true, false, 2 };
	ROUND(self, &s, &got_s);
	ok(got_s.enroll_readable_ok && !got_s.enroll_reusable && got_s.upstream_count == 2,
	    "self: values");
	u = (struct self_upstream){
		.name = "github", .placeholder = span_str("ghp_x"), .env_count = SELF_ENV_MAX
	};
	for (size_t k = 0; k < SELF_ENV_MAX; k++) {
		u.env[k].name = span_str("NAME");
		u.env[k].value = span_str("{placeholder}");
	}
	ROUND(self_upstream, &u, &got_u);
	ok(span_eq_str(got_u.env[15].value, "{placeholder}"), "self_upstream: values");
	n = (struct enroll_new){ "ops/bot", true, 3600, 2, true };
	ROUND(enroll_new, &n, &got_n);
	ok(got_n.reusable && got_n.ttl_s == 3600 && got_n.cap == 2 && got_n.replace,
	    "enroll_new: values");
}

static void
rows_go_round(void)
{
	static struct workload_row w, got_w;
	static struct live l, got_l;
	static struct secret_row s, got_s;
	static struct version_row v, got_v;
	static struct status t, got_t;

	w = (struct workload_row){ "ops/bot", 1, 2, 3, 4, 5 };
	ROUND(workload_row, &w, &got_w);
	ok(got_w.state == 1 && got_w.last_seen_s == 5, "workload_row: values");
	l = (struct live){ 9, { 1, 2 }, "github" };
	ROUND(live, &l, &got_l);
	ok(got_l.seq == 9 && got_l.serial[1] == 2 && strcmp(got_l.upstream, "github") == 0,
	    "live: values");
	s = (struct secret_row){ "github", 2, 3, true, 4, 5, 6 };
	ROUND(secret_row, &s, &got_s);
	ok(got_s.exposed && got_s.last_used_s == 6, "secret_row: values");
	v = (struct version_row){ 2, VERSION_GRACE, false, 3, 4 };
	ROUND(version_row, &v, &got_v);
	ok(got_v.state == VERSION_GRACE && got_v.changed_s == 4, "version_row: values");
	t = (struct status){ .ready = 3,
		.landlock = true,
		.audit_seq = 9,
		.rekey_left = 11,
		.rules_digest = { 1 },
		.unseal_method = "key-file",
		.trust_domain = "td",
		.restarts = 4,
		.data_key = 5,
		.over_quota = 7,
		.ca_not_after_s = 6 };
	ROUND(status, &t, &got_t);
	ok(got_t.landlock && !got_t.sealed && got_t.rekey_left == 11 && got_t.restarts == 4 &&
		got_t.data_key == 5 && got_t.over_quota == 7 &&
		strcmp(got_t.unseal_method, "key-file") == 0,
	    "status: values");
}

/* One field over its bound each: the reader says so, whoever wrote it. */
static void
bounds_hold(void)
{
	static struct decide d;
	static const struct {
		size_t upstream, method, target, presented;
		enum err want;
	} rows[] = {
		{ NAME_LEN_MAX, METHOD_LEN_MAX, TARGET_LEN_MAX, PRESENTED_LEN_MAX, ERR_OK },
		{ NAME_LEN_MAX + 1, 1, 1, 1, ERR_LIMIT },
		{ 1, METHOD_LEN_MAX + 1, 1, 1, ERR_LIMIT },
		{ 1, 1, TARGET_LEN_MAX + 1, 1, ERR_LIMIT },
		{ 1, 1, 1, PRESENTED_LEN_MAX + 1, ERR_LIMIT },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_wipe) struct buf b = BUF_MAX(MSG_BIG);
		struct wire_writer w = wire_write(&b);
		struct wire_reader r;

		d = (struct decide){ .upstream = span_of(big, rows[i].upstream),
			.method = span_of(big, rows[i].method),
			.target = span_of(big, rows[i].target),
			.presented = { span_of(big, rows[i].presented) },
			.presented_count = 1 };
		decide_put(&w, &d);
		r = wire_read(buf_span(&b));
		decide_get(&r, &d);
		is_err(wire_done(&r), rows[i].want, "decide: bounds");
	}
}

/* A count that is more than there may be, in place of the one that was written. */
static void
counts_do_not_lie(void)
{
	AUTO(buf_wipe) struct buf b = BUF_MAX(MSG_BIG);
	struct wire_writer w = wire_write(&b);
	struct self_upstream u = { .name = "x" };
	struct wire_reader r;

	self_upstream_put(&w, &u);
	b.data[b.len - 2] = SELF_ENV_MAX + 1;
	r = wire_read(buf_span(&b));
	self_upstream_get(&r, &u);
	is_err(wire_done(&r), ERR_LIMIT, "17 variables");
	ok(u.env_count == 0, "are none");
}

int
main(void)
{
	memset(big, 'x', sizeof(big));
	decide_goes_round();
	answers_go_round();
	reports_go_round();
	identities_go_round();
	rows_go_round();
	bounds_hold();
	counts_do_not_lie();
	buf_wipe(&first);
	buf_wipe(&second);
	ok(strcmp(version_state_name(VERSION_DESTROYED), "destroyed") == 0, "a state's name");
	ok(strcmp(version_state_name((enum version_state)99), "unknown") == 0, "no such state");
	return done();
}
