/*
 * body - the bodies of the messages that more than two fields make up: one struct, one writer, one
 * reader each. Process: all of the broker, cli.   Owns: nothing; spans of a body that was read
 * point into the message. Secrets: allow.value and control.enroll_key point at one. Limits: the
 * _MAX constants; a reader gives ERR_LIMIT beyond them.   Failure: as wire.h.
 */
#ifndef IPC_BODY_H
#define IPC_BODY_H

#include "broker/ipc/wire.h"
#include "common/name.h"

#define SERIAL_LEN 16 /* bytes of a certificate serial: random, top bit clear, never zero */
#define TICKET_LEN 16
#define METHOD_LEN_MAX 16
#define TARGET_LEN_MAX 8192
#define PRESENTED_MAX 4 /* credential-like values of the client that the keeper looks at */
#define PRESENTED_LEN_MAX 512
#define TRACE_ID_LEN 16
#define CODE_LEN_MAX 47
#define RULE_LEN_MAX 255
#define HINT_LEN_MAX 511
#define AUDIT_ID_SIZE 32 /* "01-000123" and NUL: chain, sequence */

/* GK_DECIDE: may this certificate do method target on upstream? */
struct decide {
	uint64_t id;
	uint64_t generation; /* the configuration the gateway has */
	uint8_t serial[SERIAL_LEN];
	struct span upstream, method,
	    target;   /* target: origin-form as it goes upstream, with query */
	bool browser; /* Origin, or a foreign Sec-Fetch-Site, was there */
	struct span presented[PRESENTED_MAX];
	uint16_t presented_count;
	bool has_trace;
	uint8_t trace_id[TRACE_ID_LEN];
};

/* GK_ALLOW */
struct allow {
	uint64_t id;
	uint64_t seq;		     /* audit sequence: quoted in FINISH */
	uint64_t generation;	     /* the configuration the decision was made under */
	uint32_t secret_id, version; /* key of the gateway's copy */
	int64_t deadline_s;	     /* wall clock: the exchange ends then (certificate expiry) */
	struct span value;	     /* the secret's bytes; empty: nothing to inject */
};

/* GK_DENY */
struct deny {
	uint64_t id;
	uint64_t seq;		     /* audit sequence, 0: none could be written */
	uint16_t status;	     /* 403, 429, 401, 503, 404, 409 (generation) */
	uint32_t retry_after_s;	     /* 0: none */
	char code[CODE_LEN_MAX + 1]; /* "policy_denied", ... see docs/ERRORS */
	char rule[RULE_LEN_MAX + 1]; /* the rule that said so, or "" */
	char hint[HINT_LEN_MAX + 1]; /* whole sentence for the agent */
	char audit[AUDIT_ID_SIZE];
};
#define CODE_STALE_GENERATION                                                                      \
	"stale_generation" /* fetch the configuration and ask again; not audited */

/* GK_CONTROL: a request for /v1/... or /oauth2/... */
struct control {
	uint64_t id;
	bool has_serial;
	uint8_t serial[SERIAL_LEN];
	struct span method, path; /* path without query */
	struct span enroll_key;	  /* SECRET: what Authorization: Bearer carried; empty: none */
};

/* GK_LIVE: a request that an earlier keeper allowed is still open, or its end follows */
struct live {
	uint64_t seq; /* of its decide record */
	uint8_t serial[SERIAL_LEN];
	char upstream[NAME_LEN_MAX + 1];
};

/* GK_FINISH */
struct finish {
	uint64_t seq;
	uint16_t status; /* 0: none came */
	uint64_t bytes_up, bytes_down;
	uint32_t duration_ms;
	char outcome[CODE_LEN_MAX +
		     1]; /* "ok", "client_gone", "upstream_closed", "revoked", "deadline", ... */
};

/* GK_REPORT */
struct report {
	bool has_serial;
	uint8_t serial[SERIAL_LEN];
	char
	    code[CODE_LEN_MAX + 1]; /* "bad_framing", "forwarded_control", "bad_certificate", ... */
	struct span detail; /* at most 255 bytes of what the client sent, never a header value */
};

/* AK_OK of EK_RENEW, and of EK_ENROLL, where a struct self follows */
struct issued {
	struct span certificate_pem, ca_pem; /* PEM, text */
	char workload[NAME_LEN_MAX + 1];
	char spiffe_id[SPIFFE_ID_LEN_MAX + 1];
	char instance[33]; /* hex */
	int64_t not_before_s, not_after_s;
};

/* AK_OK of EK_SELF and in that of EK_ENROLL: u16 n rows of upstreams follow, each struct
 * self_upstream with its variables */
struct self {
	char workload[NAME_LEN_MAX + 1];
	char spiffe_id[SPIFFE_ID_LEN_MAX + 1];
	char instance[33];
	int64_t not_after_s;
	bool enroll_readable_ok; /* policy: enroll_readable: accept */
	bool enroll_reusable;
	uint16_t upstream_count;
};
#define SELF_ENV_MAX 16
struct self_upstream {
	char name[NAME_LEN_MAX + 1];
	struct span placeholder;
	uint16_t env_count;
	struct {
		struct span name, value;
	} env[SELF_ENV_MAX]; /* value may hold {sidekey_url}: the shim knows its port */
};

/* CK_ENROLL_NEW */
struct enroll_new {
	char workload[NAME_LEN_MAX + 1];
	bool reusable;
	uint32_t ttl_s; /* how long the enrollment works; 0: the default */
	uint32_t cap;	/* live certificates at once; 0: 1 */
	bool replace;	/* the open enrollments of the workload end by it */
};
#define ENROLL_TTL_DAYS_MAX                                                                        \
	3650		  /* a reusable one that stands in a Compose file; longer is refused */
#define ENROLL_CAP_MAX 64 /* live certificates of one enrollment; more is refused */

enum workload_change { WORKLOAD_NONE = 0, WORKLOAD_SUSPEND, WORKLOAD_RESUME, WORKLOAD_REVOKE };
enum secret_change { SECRET_NONE = 0, SECRET_ROLLBACK, SECRET_DESTROY, SECRET_PROMOTE };
enum secret_put {
	SECRET_PUT_NEW = 1,
	SECRET_PUT_ROTATE = 2,
	SECRET_PUT_STAGED = 4,
	SECRET_PUT_EXPOSED = 8
}; /* flags; NEW: refuse if it exists */
enum version_state {
	VERSION_NONE = 0,
	VERSION_STAGED,
	VERSION_ACTIVE,
	VERSION_GRACE,
	VERSION_RETIRED,
	VERSION_DESTROYED
};
const char *version_state_name(enum version_state s);

struct workload_row {
	char name[NAME_LEN_MAX + 1];
	uint8_t state; /* 0 active, 1 suspended, 2 revoked */
	uint32_t live_certificates, open_enrollments;
	int64_t created_s, last_seen_s; /* last_seen_s 0: never */
};
struct secret_row {
	char name[NAME_LEN_MAX + 1];
	uint32_t active_version, version_count;
	bool exposed;
	int64_t created_s, changed_s, last_used_s; /* 0: never */
};
struct version_row {
	uint32_t version;
	uint8_t state; /* enum version_state */
	bool exposed;
	int64_t created_s, changed_s;
};
struct status {
	uint8_t ready; /* enum ready_state */
	bool sealed, landlock;
	uint64_t generation, store_revision, audit_seq;
	uint8_t rules_digest[32];
	char rules_error[HINT_LEN_MAX + 1]; /* of the last load that failed; "" if none since */
	char store_id[33], trust_domain[TRUST_DOMAIN_LEN_MAX + 1];
	char unseal_method[16]; /* "key-file", "passphrase" */
	uint32_t gateways, workloads, instances, secrets, exposed_secrets, restarts;
	uint32_t over_quota; /* workloads that are refused for their share of the audit log */
	uint64_t audit_bytes, audit_bytes_max;
	int64_t started_s, ca_not_after_s;
	uint32_t data_key;
	uint64_t rekey_left; /* records still sealed under an older data key */
};

#define BODY_DECLARE(name)                                                                         \
	void name##_put(struct wire_writer *w, const struct name *v);                              \
	void name##_get(struct wire_reader *r, struct name *ret_v)
BODY_DECLARE(decide);
BODY_DECLARE(allow);
BODY_DECLARE(deny);
BODY_DECLARE(control);
BODY_DECLARE(live);
BODY_DECLARE(finish);
BODY_DECLARE(report);
BODY_DECLARE(issued);
BODY_DECLARE(self);
BODY_DECLARE(self_upstream);
BODY_DECLARE(enroll_new);
BODY_DECLARE(workload_row);
BODY_DECLARE(secret_row);
BODY_DECLARE(version_row);
BODY_DECLARE(status);

#endif
