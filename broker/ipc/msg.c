#include "broker/ipc/msg.h"

#define SUP (1u << ROLE_SIDEKEYD)
#define GATEWAY (1u << ROLE_GATEWAY)
#define KEEPER (1u << ROLE_KEEPER)
#define EDGE (1u << ROLE_EDGE)
#define ADMIN (1u << ROLE_ADMIN)
#define CLI (1u << ROLE_CLI)
#define CHILDREN (GATEWAY | KEEPER | EDGE | ADMIN)

#define ROW(type, min, max, from, to, states, fd)                                                  \
	[type] = { type, #type, min, max, from, to, states, fd }

/* Everything that any process may ever say to another, and when. A row that is not here does not
 * exist. */
static const struct msg_row rows[MSG_COUNT] = {
	ROW(SUP_SETTING, 4, 4608, SUP, CHILDREN, IN_NEW, false),
	ROW(SUP_LINK, 2, 2, SUP, CHILDREN, IN_ANY, true),
	ROW(SUP_LISTEN, 1, 1, SUP, CHILDREN, IN_NEW, true),
	ROW(SUP_GO, 0, 0, SUP, CHILDREN, IN_NEW, false),
	ROW(SUP_READY, 1, 1, CHILDREN, SUP, IN_ANY, false),
	ROW(SUP_RELOAD, 0, 0, SUP, ADMIN | KEEPER, IN_READY, false),
	ROW(SUP_DRAIN, 4, 4, SUP, CHILDREN, IN_READY, false),
	ROW(SUP_EXITED, 12, 128, SUP, KEEPER, IN_READY, false),
	ROW(SUP_KILL, 1, 1, KEEPER, SUP, IN_READY, false),

	ROW(GK_HELLO, 2, 2, GATEWAY, KEEPER, IN_NEW, false),
	ROW(GK_STATE, 9, 9, KEEPER, GATEWAY, IN_ANY, false),
	ROW(GK_CSR, 4, 8192, GATEWAY, KEEPER, IN_READY, false),
	ROW(GK_CERT, 18, 16384, KEEPER, GATEWAY, IN_ANY, false),
	ROW(GK_CONFIG_GET, 0, 0, GATEWAY, KEEPER, IN_READY, false),
	ROW(GK_CONFIG, 8, 8, KEEPER, GATEWAY, IN_ANY, true),
	ROW(GK_DECIDE, 42, 12288, GATEWAY, KEEPER, IN_READY, false),
	ROW(GK_ALLOW, 44, 20480, KEEPER, GATEWAY, IN_ANY, false),
	ROW(GK_DENY, 28, 2048, KEEPER, GATEWAY, IN_ANY, false),
	ROW(GK_CONTROL, 15, 2048, GATEWAY, KEEPER, IN_READY, false),
	ROW(GK_TICKET, 24, 24, KEEPER, GATEWAY, IN_ANY, false),
	ROW(GK_LIVE, 26, 512, GATEWAY, KEEPER, IN_READY, false),
	ROW(GK_FINISH, 32, 128, GATEWAY, KEEPER, IN_READY, false),
	ROW(GK_FINISHED, 8, 8, KEEPER, GATEWAY, IN_ANY, false),
	ROW(GK_REPORT, 5, 512, GATEWAY, KEEPER, IN_READY, false),
	ROW(GK_REVOKED, 10, MSG_LEN_MAX, KEEPER, GATEWAY, IN_ANY, false),
	ROW(GK_REVOKED_ACK, 8, 8, GATEWAY, KEEPER, IN_READY, false),

	ROW(GE_CONN, 0, 0, GATEWAY, EDGE, IN_ANY, true),

	ROW(EK_ENROLL, 28, 16384, EDGE, KEEPER, IN_ANY, false),
	ROW(EK_RENEW, 28, 16384, EDGE, KEEPER, IN_ANY, false),
	ROW(EK_SELF, 24, 24, EDGE, KEEPER, IN_ANY, false),
	ROW(EK_GIVE_BACK, 24, 24, EDGE, KEEPER, IN_ANY, false),

	/* CK_AUDIT_OPEN and AK_UPSTREAMS are answered with a descriptor: msg_check() knows. */
	ROW(AK_OK, 8, MSG_LEN_MAX, KEEPER, EDGE | ADMIN | CLI, IN_ANY, false),
	ROW(AK_FAIL, 16, 4096, KEEPER, EDGE | ADMIN | CLI, IN_ANY, false),
	ROW(AK_RULES_LOAD, 12, 12, ADMIN, KEEPER, IN_ANY, true),
	ROW(AK_RULES_BAD, 10, 1024, ADMIN, KEEPER, IN_ANY, false),
	ROW(AK_STATUS, 8, 8, ADMIN | CLI, KEEPER, IN_ANY, false),
	ROW(AK_UPSTREAMS, 8, 8, ADMIN, KEEPER, IN_ANY, false),
	ROW(AK_WORKLOAD_ADD, 14, 256, ADMIN | CLI, KEEPER, IN_ANY, false),
	ROW(AK_WORKLOAD_LIST, 10, 256, ADMIN | CLI, KEEPER, IN_ANY, false),
	ROW(AK_WORKLOAD_SET, 15, 256, ADMIN | CLI, KEEPER, IN_ANY, false),
	ROW(AK_SECRET_LIST, 10, 256, ADMIN | CLI, KEEPER, IN_ANY, false),
	ROW(AK_SECRET_HISTORY, 10, 256, ADMIN | CLI, KEEPER, IN_ANY, false),
	ROW(AK_SECRET_SET, 19, 256, ADMIN | CLI, KEEPER, IN_ANY, false),

	ROW(CK_UNSEAL, 12, 4096, CLI, KEEPER, IN_ANY, false),
	ROW(CK_SEAL, 8, 8, CLI, KEEPER, IN_ANY, false),
	ROW(CK_SECRET_PUT, 15, 20480, CLI, KEEPER, IN_ANY, false),
	ROW(CK_SECRET_REVEAL, 14, 256, CLI, KEEPER, IN_ANY, false),
	ROW(CK_ENROLL_NEW, 20, 256, CLI, KEEPER, IN_ANY, false),
	ROW(CK_REKEY, 8, 8, CLI, KEEPER, IN_ANY, false),
	ROW(CK_AUDIT_OPEN, 12, 12, CLI, KEEPER, IN_ANY, false),
	ROW(CK_AUDIT_KEY, 8, 8, CLI, KEEPER, IN_ANY, false),
};

const char *
role_name(enum role r)
{
	static const char *const names[ROLE_COUNT] = {
		[ROLE_NONE] = "none",
		[ROLE_SIDEKEYD] = "sidekeyd",
		[ROLE_GATEWAY] = "gateway",
		[ROLE_KEEPER] = "keeper",
		[ROLE_EDGE] = "edge",
		[ROLE_ADMIN] = "admin",
		[ROLE_CLI] = "cli",
	};

	return (unsigned)r < ROLE_COUNT ? names[r] : "unknown";
}

const struct msg_row *
msg_row(uint16_t type)
{
	return type < MSG_COUNT && rows[type].type != MSG_NONE ? &rows[type] : NULL;
}

enum err
msg_check(const struct msg_ctx *c, uint16_t type, size_t len, bool has_fd)
{
	const struct msg_row *row = msg_row(type);
	bool fd_ok;

	if (row == NULL || len < row->min || len > row->max)
		return ERR_PROTO;
	if ((row->from & 1u << c->from) == 0 || (row->to & 1u << c->to) == 0 ||
	    (row->states & 1u << c->state) == 0)
		return ERR_PROTO;
	fd_ok = row->fd == has_fd || (type == AK_OK && c->to != ROLE_EDGE);
	return fd_ok ? ERR_OK : ERR_PROTO;
}
