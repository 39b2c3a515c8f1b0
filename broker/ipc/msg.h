/*
 * msg - every message that exists between the processes of the broker: one table says size, sender
 * and state. Process: all of the broker, cli.   Owns: nothing.   Secrets: see docs/SECRET_FLOW.md
 * for the types that carry one. Limits: MSG_LEN_MAX a body; larger values travel as a sealed memfd
 * (MSG_FD rows). Failure: whatever the table does not admit is ERR_PROTO, and its receiver ends the
 * connection.
 */
#ifndef IPC_MSG_H
#define IPC_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define MSG_LEN_MAX 65000 /* bytes of body */

/* Who is at the other end of a link. Comes from sidekeyd, never from the peer. */
enum role {
	ROLE_NONE = 0,
	ROLE_SIDEKEYD,
	ROLE_GATEWAY,
	ROLE_KEEPER,
	ROLE_EDGE,
	ROLE_ADMIN,
	ROLE_CLI,
	ROLE_COUNT
};
const char *role_name(
    enum role r); /* "gateway"; the program is sidekey-<name> (edge, admin: sidekey-api) */

/* A link starts new; the first message of its opener makes it ready. */
enum link_state { LINK_NEW = 0, LINK_READY };
#define IN_NEW (1u << LINK_NEW)
#define IN_READY (1u << LINK_READY)
#define IN_ANY (IN_NEW | IN_READY)

/* Numbers are stable within one release only: all processes come from one build (GK_HELLO carries
 * MSG_PROTOCOL). */
#define MSG_PROTOCOL 2

enum msg_type {
	MSG_NONE = 0,

	/* sidekeyd <-> each child */
	SUP_SETTING, /* -> child: str name, str value */
	SUP_LINK,    /* -> child: u8 role, u8 index; fd: one end of a SEQPACKET pair */
	SUP_LISTEN,  /* -> child: u8 enum listen_kind; fd: a listening socket */
	SUP_GO,	     /* -> child: all of the above was sent; sandbox yourself and start */
	SUP_READY,   /* <- child: in its loop, sandboxed; bool landlock present */
	SUP_RELOAD,  /* -> admin (compile again), keeper (open audit segment anew) */
	SUP_DRAIN,   /* -> child: finish what is open within u32 ms, then exit 0 */
	SUP_EXITED,  /* -> keeper: u8 role, u8 index, i64 pid, str how ("signal 9", "exit 1") */
	SUP_KILL,    /* <- keeper: u8 index of a gateway that does not do as it is told */

	/* gateway <-> keeper */
	GK_HELLO, /* g: u16 MSG_PROTOCOL */
	GK_STATE, /* k: u8 enum ready_state, u64 config generation; after HELLO and on every change
		   */
	GK_CSR,	  /* g: blob CSR DER (its own server key) */
	GK_CERT,  /* k: blob certificate DER, blob CA certificate DER, str trust domain, i64
		     not_after_s */
	GK_CONFIG_GET, /* g: - */
	GK_CONFIG,     /* k: u64 generation; fd: sealed memfd with the upstreams
			  (rules_read_upstreams()) */
	GK_DECIDE,     /* g: struct decide */
	GK_ALLOW,      /* k: struct allow (SECRET) */
	GK_DENY,       /* k: struct deny; answers GK_DECIDE and GK_CONTROL */
	GK_CONTROL,    /* g: struct control (SECRET: enrollment key) */
	GK_TICKET,     /* k: u64 request id, 16 bytes ticket */
	/* g: struct live; behind GK_HELLO, and when a sealed keeper is not any more: what is open,
	   before all that asks for more */
	GK_LIVE,
	GK_FINISH,	/* g: struct finish */
	GK_FINISHED,	/* k: u64 seq: the record of that GK_FINISH is durable, and of all before */
	GK_REPORT,	/* g: struct report: something that the gateway refused by itself */
	GK_REVOKED,	/* k: u64 revocation id, u16 n, n x 16 bytes serial: cut their streams */
	GK_REVOKED_ACK, /* g: u64 revocation id, after all streams are cut */

	/* gateway -> edge: one control connection each */
	GE_CONN, /* g: -; fd: stream socket that carries one HTTP/1.1 exchange */

	/* edge -> keeper, each answered by AK_OK or AK_FAIL with the same id */
	EK_ENROLL,    /* u64 id, 16 bytes ticket, blob CSR DER -> struct issued, struct self */
	EK_RENEW,     /* the same -> struct issued */
	EK_SELF,      /* u64 id, ticket -> struct self */
	EK_GIVE_BACK, /* u64 id, ticket -> - */

	/* admin -> keeper, and cli -> keeper over keeper.sock; each answered by AK_OK or AK_FAIL
	   with the same id */
	AK_OK,	       /* k: u64 id, then the call's reply */
	AK_FAIL,       /* k: u64 id, u16 enum err, str code, str message, str hint */
	AK_RULES_LOAD, /* admin: u64 id, u32 actor uid; fd: sealed memfd (rules_read()) -> u64
			  generation, 32 bytes digest */
	AK_RULES_BAD, /* admin: u64 id, str first error: what is in force stays, status says so -> -
		       */
	AK_STATUS,    /* u64 id -> struct status */
	/* u64 id -> u64 generation in force, 0: none; else fd: sealed memfd of the upstreams */
	AK_UPSTREAMS,
	AK_WORKLOAD_ADD,   /* u64 id, u32 uid, str name -> - */
	AK_WORKLOAD_LIST,  /* u64 id, str after -> bool more, u16 n, n x struct workload_row */
	AK_WORKLOAD_SET,   /* u64 id, u32 uid, str name, u8 enum workload_change -> u32 certificates
			      ended */
	AK_SECRET_LIST,	   /* u64 id, str after -> bool more, u16 n, n x struct secret_row */
	AK_SECRET_HISTORY, /* u64 id, str name -> u16 n, n x struct version_row */
	AK_SECRET_SET,	   /* u64 id, u32 uid, str name, u8 enum secret_change, u32 version (0 = the
			      previous) -> u32 version now active */

	/* cli -> keeper over keeper.sock only: these carry secrets or descriptors */
	CK_UNSEAL,	  /* u64 id, blob passphrase (SECRET) -> - */
	CK_SEAL,	  /* u64 id -> - */
	CK_SECRET_PUT,	  /* u64 id, str name, u8 enum secret_put flags, blob value (SECRET) -> u32
			     version */
	CK_SECRET_REVEAL, /* u64 id, str name, u32 version (0 = active) -> blob value (SECRET) */
	CK_ENROLL_NEW,	  /* u64 id, struct enroll_new -> 32 bytes key (SECRET), str ca_pem, str
			     gateway address, i64 expires_s, u32 enrollments that it replaced */
	CK_REKEY,      /* u64 id -> u32 new data key number, u64 records to do; the rest runs in the
			  background */
	CK_AUDIT_OPEN, /* u64 id, u32 segment (0 = the newest) -> u32 segment, bool newest, u32
			  oldest, u64 from_seq of the next one; fd: read-only, none if somebody
			  removed that segment */
	CK_AUDIT_KEY,  /* u64 id -> 32 bytes Ed25519 public key */

	MSG_COUNT
};

enum listen_kind { LISTEN_NONE = 0, LISTEN_TLS_TCP, LISTEN_TLS_UNIX, LISTEN_ADMIN, LISTEN_KEEPER };
enum ready_state {
	READY_NOT = 0,
	READY_SEALED,
	READY_NO_RULES,
	READY_YES,
	READY_AUDIT_FAILING,
	READY_CLOCK
};

struct msg_row {
	enum msg_type type;
	const char *name;
	uint32_t min, max; /* bytes of body */
	uint32_t from;	   /* mask of 1u << enum role that may send it */
	uint32_t to;	   /* mask of 1u << enum role that may receive it */
	uint32_t states;   /* IN_NEW, IN_READY */
	bool fd;	   /* exactly one descriptor travels with it; else none */
};

/* NULL when such a message does not exist. */
const struct msg_row *msg_row(uint16_t type);
/* The direction and state that a message is judged in. */
struct msg_ctx {
	enum role from, to;
	enum link_state state;
};
/* ERR_PROTO unless the table admits a message of len bytes, with or without a descriptor, in that
 * direction and state. */
enum err msg_check(const struct msg_ctx *c, uint16_t type, size_t len, bool has_fd) NODISCARD;

#endif
