/*
 * keeper_rig - a whole keeper in this process, on a store of its own, with played peers at the
 * other end of its links.
 * Process: tests.   Owns: a temporary directory, the keeper, the peers' ends.
 * Secrets: those of the test.
 * Limits: RIG_INBOX messages kept a peer.
 * Failure: must().
 */
#ifndef TESTS_KEEPER_RIG_H
#define TESTS_KEEPER_RIG_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/keeper/init.h"
#include "broker/keeper/keeper.h"
#include "broker/keeper/ops.h"
#include "broker/keeper/seal.h"
#include "broker/keeper/tick.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/sys.h"

#define RIG_INBOX 64
#define RIG_TURNS 400
#ifndef RIG_TURN_MS /* so long a turn waits for something to happen */
#define RIG_TURN_MS 5
#endif

struct rig_msg {
	enum msg_type type;
	struct buf body;
	int fd;
};

struct rig_peer {
	struct channel *channel;
	struct rig_msg inbox[RIG_INBOX];
	size_t count;
	bool ended;
};

struct rig {
	char dir[64], state[128], key[128];
	struct keeper *k;
	struct loop *loop; /* the peers': the keeper's own can be turned alone */
	struct rig_peer gateway, gateway2, edge, admin, cli;
	uint64_t next_id;
	uint64_t audit_quota;	   /* 0: plenty */
	bool accept_clock, sealed; /* for the next start */
};

static struct rig rig;

static inline void
rig_on_msg(struct channel *ch, struct msg *m, void *arg)
{
	struct rig_peer *p = arg;
	struct rig_msg *one = &p->inbox[p->count++];

	(void)ch;
	must(p->count <= RIG_INBOX);
	*one = (struct rig_msg){ .type = m->type, .body = BUF_MAX(MSG_LEN_MAX), .fd = m->fd };
	m->fd = -1;
	must(buf_append_span(&one->body, m->body) == ERR_OK);
}

static inline void
rig_on_end(struct channel *ch, enum err e, void *arg)
{
	struct rig_peer *p = arg;

	(void)e;
	channel_close(ch);
	p->channel = NULL;
	p->ended = true;
}

static inline void
rig_forget(struct rig_peer *p)
{
	for (size_t i = 0; i < p->count; i++) {
		buf_wipe(&p->inbox[i].body);
		sys_close(p->inbox[i].fd);
	}
	p->count = 0;
}

static inline void
rig_join(struct rig_peer *p, enum role role, uint8_t index)
{
	struct channel_role r = { .me = role,
		.peer = ROLE_KEEPER,
		.queue_max = 1 << 20,
		.on_msg = rig_on_msg,
		.on_end = rig_on_end,
		.arg = p };
	int fds[2];

	rig_forget(p);
	p->ended = false;
	must(sys_socketpair(SOCK_SEQPACKET | SOCK_NONBLOCK, fds) == 0);
	must(channel_new(rig.loop, fds[0], &r, &p->channel) == ERR_OK);
	if (role == ROLE_CLI) /* as accept would */
		peer_add_cli(rig.k, fds[1], 4242);
	else
		peer_add(rig.k, role, index, fds[1]);
}

static inline void
rig_leave(struct rig_peer *p)
{
	channel_close(p->channel);
	p->channel = NULL;
	rig_forget(p);
}

static inline void
rig_turn(void)
{
	must(loop_turn(rig.loop, 0) == ERR_OK);
	must(loop_turn(rig.k->loop, RIG_TURN_MS) == ERR_OK);
	must(loop_turn(rig.loop, 0) == ERR_OK);
}

/* The first message of a type, or NULL after a while without one. */
static inline struct rig_msg *
rig_wait(struct rig_peer *p, enum msg_type a, enum msg_type b)
{
	for (int turn = 0; turn < RIG_TURNS; turn++) {
		for (size_t i = 0; i < p->count; i++)
			if (p->inbox[i].type == a || p->inbox[i].type == b)
				return &p->inbox[i];
		rig_turn();
	}
	return NULL;
}

static inline struct keeper *
rig_keeper(void)
{
	struct keeper *k = calloc(1, sizeof *k);
	struct secret *kek = NULL;
	char why[512] = "";

	must(k != NULL && loop_new(&k->loop) == ERR_OK);
	k->sealed = true;
	k->settings.accept_clock = rig.accept_clock;
	k->settings.audit_bytes_max = 1u << 30;
	k->settings.audit_quota = rig.audit_quota != 0 ? rig.audit_quota : 1u << 29;
	k->settings.cert_ttl_s = 3600;
	(void)snprintf(k->settings.state_dir, sizeof k->settings.state_dir, "%s", rig.state);
	(void)snprintf(k->settings.gateway_address, sizeof k->settings.gateway_address, "unix:/g");
	(void)floor_init(&k->floor, 0, clock_wall_ms(), clock_mono_ms());
	must(kv_open(rig.state, &k->kv, why, sizeof why) == ERR_OK);
	tick_init(k);
	tick_start(k);
	k->unseal.method = rig.sealed ? UNSEAL_PASSPHRASE : UNSEAL_KEY_FILE;
	if (rig.sealed)
		return k;
	must(unseal_key_file(rig.key, &kek, why, sizeof why) == ERR_OK);
	if (unseal_with_kek(k, kek, why, sizeof why) != ERR_OK)
		printf("# %s\n", why);
	secret_free(kek);
	return k;
}

static inline void
rig_join_all(void)
{
	struct wire_writer w;

	rig_join(&rig.gateway, ROLE_GATEWAY, 0);
	rig_join(&rig.edge, ROLE_EDGE, 0);
	rig_join(&rig.admin, ROLE_ADMIN, 0);
	rig_join(&rig.cli, ROLE_CLI, 0);
	w = channel_begin(rig.gateway.channel, GK_HELLO);
	wire_put_u16(&w, MSG_PROTOCOL);
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	must(rig_wait(&rig.gateway, GK_STATE, GK_STATE) != NULL);
	channel_set_ready(rig.gateway.channel);
}

static inline void
rig_stop(void)
{
	struct keeper *k = rig.k;

	if (!k->sealed)
		seal_now(k);
	peers_close(k);
	rig_leave(&rig.gateway);
	rig_leave(&rig.gateway2);
	rig_leave(&rig.edge);
	rig_leave(&rig.admin);
	rig_leave(&rig.cli);
	rig_turn();
	kv_close(k->kv);
	loop_free(k->loop);
	loop_free(rig.loop);
	free(k);
	rig.k = NULL;
}

static inline void
rig_start(void)
{
	must(loop_new(&rig.loop) == ERR_OK);
	rig.k = rig_keeper();
	rig_join_all();
}

/* init_run() parses with getopt(3), which keeps its place. */
static inline int
rig_run_init(int argc, char **argv)
{
	optind = 0;
	return init_run(argc, argv);
}

static inline void
rig_folder(const char *in)
{
	(void)snprintf(rig.dir, sizeof rig.dir, "%s/keeper-rig-XXXXXX", in);
	must(mkdtemp(rig.dir) != NULL);
}

/* A store in the folder. */
static inline void
rig_store(void)
{
	char *argv[] = { "init", "--state-dir", rig.state, "--trust-domain", "example.org",
		"--unseal", "key-file", "--key-file", rig.key, NULL };

	must(rig_run_init(9, argv) == 0);
}

/* What a process needs before it starts the keeper. */
static inline void
rig_prepare(void)
{
	log_init("test", LOG_LEVEL_ERROR);
	(void)snprintf(rig.state, sizeof rig.state, "%s/state", rig.dir);
	(void)snprintf(rig.key, sizeof rig.key, "%s/key", rig.dir);
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
}

static inline void
rig_init(void)
{
	rig_folder("/tmp");
	rig_prepare();
	rig_store();
	rig_start();
}

static inline void
rig_remove(void)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf %s", rig.dir);
	must(system(command) == 0);
}

static inline void
rig_done(void)
{
	rig_stop();
	rig_remove();
}

/* A call: id, then what args holds. The reply behind the id, valid until the peer's next call. */
struct rig_reply {
	enum err e; /* of AK_FAIL */
	char code[CODE_LEN_MAX + 1], message[HINT_LEN_MAX + 1], hint[HINT_LEN_MAX + 1];
	struct wire_reader r; /* of AK_OK */
};

static inline struct rig_reply
rig_ask(struct rig_peer *p, enum msg_type type, struct span args, int fd)
{
	struct wire_writer w = channel_begin(p->channel, type);
	struct rig_reply reply = { .e = ERR_TIMEOUT };
	struct rig_msg *m;

	rig_forget(p);
	wire_put_u64(&w, ++rig.next_id);
	wire_put_fixed(&w, args.p, args.len);
	must((fd < 0 ? channel_end(p->channel, &w) : channel_end_fd(p->channel, &w, fd)) == ERR_OK);
	m = rig_wait(p, AK_OK, AK_FAIL);
	if (m == NULL)
		return reply;
	reply.r = wire_read(buf_span(&m->body));
	must(wire_u64(&reply.r) == rig.next_id);
	reply.e = ERR_OK;
	if (m->type == AK_FAIL) {
		reply.e = (enum err)wire_u16(&reply.r);
		wire_str(&reply.r, reply.code, sizeof reply.code);
		wire_str(&reply.r, reply.message, sizeof reply.message);
		wire_str(&reply.r, reply.hint, sizeof reply.hint);
	}
	return reply;
}

static inline enum err
rig_secret(const char *name, const char *value, uint8_t flags)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_str(&w, name);
	wire_put_u8(&w, flags);
	wire_put_blob(&w, span_str(value));
	return rig_ask(&rig.cli, CK_SECRET_PUT, buf_span(&args), -1).e;
}

static inline enum err
rig_workload(const char *name)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_u32(&w, 0);
	wire_put_str(&w, name);
	return rig_ask(&rig.admin, AK_WORKLOAD_ADD, buf_span(&args), -1).e;
}

static inline struct rig_reply
rig_workload_set(const char *name, enum workload_change what)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);

	wire_put_u32(&w, 0);
	wire_put_str(&w, name);
	wire_put_u8(&w, (uint8_t)what);
	return rig_ask(&rig.admin, AK_WORKLOAD_SET, buf_span(&args), -1);
}

/* Sealed, as admin sends it. */
static inline struct rig_reply
rig_rules(const struct rules *r)
{
	AUTO(buf_wipe) struct buf bytes = BUF_MAX(RULES_LEN_MAX);
	AUTO(sys_closep) int fd = sys_memfd("rules");
	uint8_t uid[4] = { 0 };

	must(
	    rules_write(r, &bytes) == ERR_OK && sys_write_all(fd, bytes.data, bytes.len) == ERR_OK);
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	return rig_ask(&rig.admin, AK_RULES_LOAD, span_of(uid, 4), fd);
}

static inline enum err
rig_enrollment(const char *workload, bool reusable, uint32_t cap, uint8_t key[ENROLL_KEY_LEN])
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);
	struct enroll_new what = { .reusable = reusable, .cap = cap };
	struct rig_reply reply;
	struct span s;

	(void)span_copy_str(span_str(workload), what.workload, sizeof what.workload);
	enroll_new_put(&w, &what);
	reply = rig_ask(&rig.cli, CK_ENROLL_NEW, buf_span(&args), -1);
	if (reply.e != ERR_OK)
		return reply.e;
	s = wire_fixed(&reply.r, ENROLL_KEY_LEN);
	must(s.len == ENROLL_KEY_LEN);
	memcpy(key, s.p, s.len);
	return ERR_OK;
}

/* GK_CONTROL; the ticket, or the denial. */
static inline enum err
rig_control(const char *method, const char *path, const uint8_t *serial, struct span key,
    uint8_t ticket[TICKET_LEN], struct deny *ret_deny)
{
	struct wire_writer w = channel_begin(rig.gateway.channel, GK_CONTROL);
	struct control c = { .id = ++rig.next_id,
		.has_serial = serial != NULL,
		.method = span_str(method),
		.path = span_str(path),
		.enroll_key = key };
	struct wire_reader r;
	struct rig_msg *m;

	rig_forget(&rig.gateway);
	if (serial != NULL)
		memcpy(c.serial, serial, SERIAL_LEN);
	control_put(&w, &c);
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	m = rig_wait(&rig.gateway, GK_TICKET, GK_DENY);
	if (m == NULL)
		return ERR_TIMEOUT;
	r = wire_read(buf_span(&m->body));
	if (m->type == GK_DENY) {
		deny_get(&r, ret_deny);
		must(wire_done(&r) == ERR_OK && ret_deny->id == c.id);
		return ERR_DENIED;
	}
	must(wire_u64(&r) == c.id);
	memcpy(ticket, wire_fixed(&r, TICKET_LEN).p, TICKET_LEN);
	return ERR_OK;
}

static inline struct span
rig_csr(uint8_t dst[2048])
{
	X509_REQ *req = X509_REQ_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	unsigned char *p = dst;
	int len;

	must(X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, &p);
	must(len > 0 && len <= 2048);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return span_of(dst, (size_t)len);
}

static inline void
rig_serial_of(struct span pem, uint8_t serial[SERIAL_LEN])
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIGNUM *n;

	must(x != NULL);
	n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	must(BN_bn2binpad(n, serial, SERIAL_LEN) == SERIAL_LEN);
	BN_free(n);
	X509_free(x);
	BIO_free(bio);
}

/* Reads a struct self with its rows. */
static inline struct self
rig_self_of(struct wire_reader *r)
{
	struct self_upstream u;
	struct self s;

	self_get(r, &s);
	for (uint16_t i = 0; i < s.upstream_count && r->e == ERR_OK; i++)
		self_upstream_get(r, &u);
	return s;
}

/* EK_ENROLL or EK_RENEW with a ticket. */
static inline enum err
rig_issue(enum msg_type type, const uint8_t ticket[TICKET_LEN], uint8_t serial[SERIAL_LEN],
    struct issued *ret)
{
	AUTO(buf_wipe) struct buf args = BUF_MAX(MSG_LEN_MAX);
	struct wire_writer w = wire_write(&args);
	uint8_t csr[2048];
	struct rig_reply reply;

	wire_put_fixed(&w, ticket, TICKET_LEN);
	wire_put_blob(&w, rig_csr(csr));
	reply = rig_ask(&rig.edge, type, buf_span(&args), -1);
	if (reply.e != ERR_OK)
		return reply.e;
	issued_get(&reply.r, ret);
	if (type == EK_ENROLL)
		must(strcmp(rig_self_of(&reply.r).instance, ret->instance) == 0);
	must(wire_done(&reply.r) == ERR_OK);
	rig_serial_of(ret->certificate_pem, serial);
	return ERR_OK;
}

/* Enrolls an instance of a workload that exists. */
static inline void
rig_enroll(const char *workload, uint8_t serial[SERIAL_LEN])
{
	uint8_t key[ENROLL_KEY_LEN], ticket[TICKET_LEN];
	struct deny deny;
	struct issued issued;

	must(rig_enrollment(workload, false, 0, key) == ERR_OK);
	must(rig_control("POST", "/v1/enroll", NULL, span_of(key, sizeof key), ticket, &deny) ==
	     ERR_OK);
	must(rig_issue(EK_ENROLL, ticket, serial, &issued) == ERR_OK);
}

/* GK_DECIDE, sent and not waited for. */
static inline void
rig_decide_send(struct rig_peer *p, struct decide *d)
{
	struct wire_writer w = channel_begin(p->channel, GK_DECIDE);

	d->id = ++rig.next_id;
	if (d->generation == 0)
		d->generation = policies_generation(&rig.k->policies);
	decide_put(&w, d);
	must(channel_end(p->channel, &w) == ERR_OK);
}

struct rig_answer {
	bool allowed;
	struct allow allow;
	struct deny deny;
	char value[256];
};

static inline struct rig_answer
rig_answer_of(const struct rig_msg *m)
{
	struct rig_answer a = { .allowed = m->type == GK_ALLOW };
	struct wire_reader r = wire_read(buf_span(&m->body));

	if (a.allowed) {
		allow_get(&r, &a.allow);
		(void)span_copy_str(a.allow.value, a.value, sizeof a.value);
	} else {
		deny_get(&r, &a.deny);
	}
	must(wire_done(&r) == ERR_OK);
	return a;
}

static inline struct rig_answer
rig_decide(struct decide d)
{
	struct rig_msg *m;

	rig_forget(&rig.gateway);
	rig_decide_send(&rig.gateway, &d);
	m = rig_wait(&rig.gateway, GK_ALLOW, GK_DENY);
	must(m != NULL);
	return rig_answer_of(m);
}

/* A request for /x of an upstream. */
static inline struct rig_answer
rig_request(const uint8_t serial[SERIAL_LEN], const char *upstream, const char *method)
{
	struct decide d = {
		.upstream = span_str(upstream), .method = span_str(method), .target = span_str("/x")
	};

	memcpy(d.serial, serial, SERIAL_LEN);
	return rig_decide(d);
}

static inline void
rig_finish(uint64_t seq)
{
	struct wire_writer w = channel_begin(rig.gateway.channel, GK_FINISH);
	struct finish f = { .seq = seq, .status = 200, .outcome = "ok" };

	finish_put(&w, &f);
	must(channel_end(rig.gateway.channel, &w) == ERR_OK);
	rig_turn();
	rig_turn();
}

/* The same, and what was allowed has ended. */
static inline struct rig_answer
rig_request_ended(const uint8_t serial[SERIAL_LEN], const char *upstream, const char *method)
{
	struct rig_answer a = rig_request(serial, upstream, method);

	if (a.allowed)
		rig_finish(a.allow.seq);
	return a;
}

static inline struct status
rig_status(void)
{
	struct rig_reply r = rig_ask(&rig.cli, AK_STATUS, SPAN_NONE, -1);
	struct status s;

	status_get(&r.r, &s);
	must(wire_done(&r.r) == ERR_OK);
	return s;
}

/* The audit log as it is on disk now, all segments, as one string. */
static inline char *
rig_audit_text(struct buf *log)
{
	for (int segment = 1; segment < 20; segment++) {
		char path[256];

		(void)snprintf(path, sizeof path, "%s/audit/%08d.jsonl", rig.state, segment);
		if (sys_read_file(path, log) == ERR_NOT_FOUND)
			break;
		while (log->len > 0 && log->data[log->len - 1] == 0) /* the reserve */
			buf_truncate(log, log->len - 1);
	}
	must(buf_append_byte(log, 0) == ERR_OK);
	return (char *)log->data;
}

/* How often text stands in it. */
static inline int
rig_audit_count(const char *text)
{
	AUTO(buf_wipe) struct buf log = BUF_MAX(64u << 20);
	int n = 0;

	(void)rig_audit_text(&log);
	for (const char *p = (const char *)log.data; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

#endif
