/*
 * identity - who exists: workloads, the enrollments that let them in, their instances with the
 * certificates that are alive.
 * Process: keeper.   Owns: all of it, until identity_close().
 * Secrets: none. Enrollment keys are kept as keyed hashes, found by that hash: there is nothing to
 *          compare in variable time.
 * Limits: the _MAX constants; beyond them ERR_LIMIT.
 * Failure: ERR_EXISTS, ERR_LIMIT, ERR_NOMEM; ERR_SYNTAX for a stored row that cannot be read.
 *          Nothing changed.
 * Clock: given now.
 *
 * Each change is made in two steps, with the commit between them: identity_*_row() writes what is
 * going to be, the others make it so in memory.
 */
#ifndef KEEPER_IDENTITY_H
#define KEEPER_IDENTITY_H

#include "broker/ipc/body.h"
#include "broker/keeper/audit/quota.h"
#include "broker/keeper/table.h"
#include "broker/keeper/txn.h"

#define WORKLOADS_MAX 100000
#define INSTANCES_MAX KV_ROWS_MAX
#define ENROLLMENTS_MAX 100000
#define WORKLOAD_ENROLLMENTS_MAX 32 /* open at once */
#define WORKLOAD_ENDED_MAX                                                                         \
	64 /* ended instances that are remembered, so that a restart loop does not fill the store  \
	    */
#define ENROLL_KEY_LEN 32
#define IDENTITY_ID_LEN 16
#define INSTANCE_REMEMBERED_S (24 * 3600) /* an ended one: its placeholders are still known */

enum workload_state { WORKLOAD_ACTIVE = 0, WORKLOAD_SUSPENDED, WORKLOAD_REVOKED };

/* The prefixes sort so that a row comes behind the rows it names. */
#define KEY_WORKLOAD "id-1-workload/"
#define KEY_ENROLL "id-2-enroll/"
#define KEY_INSTANCE "id-3-instance/"

struct workload {
	uint64_t
	    id; /* never used again: a workload of the same name, added later, is another one */
	char name[NAME_LEN_MAX + 1];
	enum workload_state state;
	bool seen; /* last_seen_s is newer than the row */
	int64_t created_s, last_seen_s;
	struct quota quota; /* of its audit records */
	struct enrollment *enrollments;
	struct instance *instances; /* newest first, the ended ones too */
	uint32_t enrollment_count;
};

struct enrollment {
	uint8_t id[IDENTITY_ID_LEN];
	struct table_key key_hash;
	struct workload *workload;
	bool reusable;
	uint32_t cap;
	int64_t created_s, expires_s;
	struct enrollment *next;
};

struct certificate {
	uint8_t serial[SERIAL_LEN];
	int64_t not_before_s, not_after_s;
	struct instance *instance; /* NULL: there is none */
};

struct instance {
	uint8_t id[IDENTITY_ID_LEN];
	struct workload *workload;
	uint8_t enrollment_id[IDENTITY_ID_LEN];
	bool reusable;		    /* how it was enrolled */
	int64_t created_s, ended_s; /* ended_s 0: alive */
	struct certificate current, previous;
	void *placeholders; /* placeholder.c's list */
	struct instance *next;
};

struct identity {
	struct table names, ids;	       /* of struct workload; names: the newest of each */
	struct table enroll_keys, enrollments; /* of struct enrollment: by key, by id */
	struct table instances, serials;       /* of struct instance, struct certificate */
	const struct secret *hash_key;
	uint64_t next_id;
	uint32_t live_count;
	size_t sweep_at;
};

void identity_init(
    struct identity *id, const struct secret *hash_key); /* the key stays the caller's */
void identity_close(struct identity *id);
/* A stored row; other rows are ERR_NOT_FOUND. Rows whose workload is gone are left out:
 * identity_sweep() never meets them, *ret_orphan says so. */
enum err identity_load(
    struct identity *id, struct span key, struct span plain, bool *ret_orphan) NODISCARD;

/* Look-ups: NULL when there is none. */
struct workload *identity_workload(
    const struct identity *id, const char *name); /* also a revoked one */
struct enrollment *identity_enrollment_of_key(const struct identity *id, struct span key);
struct enrollment *identity_enrollment(
    const struct identity *id, const uint8_t eid[IDENTITY_ID_LEN]);
struct certificate *identity_certificate(
    const struct identity *id, const uint8_t serial[SERIAL_LEN]);

/* NULL: the certificate may be used now. Else a code: "certificate_unknown" (c is NULL),
 * "certificate_revoked", "certificate_expired", "certificate_not_yet_valid", "workload_revoked",
 * "workload_suspended". */
const char *identity_refusal(const struct certificate *c, int64_t now_s);
/* The workload was heard of. The certificate that was replaced stays as long as it says: a client
 * of the shim may keep a connection, which has the old one, for as long. */
void identity_seen(struct certificate *c, int64_t now_s);

/* The rows. */
void identity_workload_row(struct txn *t, const struct workload *w);
void identity_workload_drop(struct txn *t, const struct workload *w);
void identity_enrollment_row(struct txn *t, const struct enrollment *e);
void identity_enrollment_drop(struct txn *t, const struct enrollment *e);
void identity_instance_row(struct txn *t, const struct instance *i);
void identity_instance_drop(struct txn *t, const struct instance *i);

/* Makes a workload; *ret_w is found by its name from identity_workload_add() on. */
enum err identity_workload_new(
    struct identity *id, const char *name, int64_t now_s, struct workload **ret_w) NODISCARD;
enum err identity_workload_add(struct identity *id, struct workload *w) NODISCARD;
/* key gets ENROLL_KEY_LEN random bytes, which nobody keeps. */
enum err identity_enrollment_new(struct identity *id, struct workload *w,
    const struct enroll_new *what, int64_t now_s, struct secret **ret_key,
    struct enrollment **ret_e)
    NODISCARD; /* 6 parameters: what is asked, and both halves of the answer */
enum err identity_enrollment_add(struct identity *id, struct enrollment *e) NODISCARD;
void identity_enrollment_end(struct identity *id, struct enrollment *e); /* frees it */
enum err identity_instance_new(const struct enrollment *e, const struct certificate *c,
    int64_t now_s, struct instance **ret_i) NODISCARD;
enum err identity_instance_add(struct identity *id, struct instance *i) NODISCARD;
void identity_instance_end(struct identity *id, struct instance *i, int64_t now_s);
void identity_instance_forget(struct identity *id, struct instance *i); /* frees it */
/* The certificate by is replaced by c; what else the instance had is dropped. */
enum err identity_renew(struct identity *id, struct instance *i, const struct certificate *by,
    const struct certificate *c) NODISCARD;
/* What identity_renew() will leave, for the row. */
struct instance identity_renewed(
    const struct instance *i, const struct certificate *by, const struct certificate *c);

uint32_t identity_live(const struct workload *w);
/* The oldest live instance of that enrollment when it has cap of them, else NULL. */
struct instance *identity_superseded(const struct enrollment *e);
/* The oldest ended instance of w when more than WORKLOAD_ENDED_MAX are remembered. */
struct instance *identity_forgettable(const struct workload *w);

#endif
