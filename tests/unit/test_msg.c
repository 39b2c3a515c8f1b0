#include <string.h>

#include "broker/ipc/msg.h"
#include "tests/lib/tap.h"

/* Who may say what, written a second time: a row of msg.c that changes must change here, too. */
static const struct {
	enum msg_type type;
	const char *from, *to; /* letters of roles */
	bool fd;
} table[] = {
	{ SUP_SETTING, "s", "gkea", false },
	{ SUP_LINK, "s", "gkea", true },
	{ SUP_LISTEN, "s", "gkea", true },
	{ SUP_GO, "s", "gkea", false },
	{ SUP_READY, "gkea", "s", false },
	{ SUP_RELOAD, "s", "ka", false },
	{ SUP_DRAIN, "s", "gkea", false },
	{ SUP_EXITED, "s", "k", false },
	{ SUP_KILL, "k", "s", false },
	{ GK_HELLO, "g", "k", false },
	{ GK_STATE, "k", "g", false },
	{ GK_CSR, "g", "k", false },
	{ GK_CERT, "k", "g", false },
	{ GK_CONFIG_GET, "g", "k", false },
	{ GK_CONFIG, "k", "g", true },
	{ GK_DECIDE, "g", "k", false },
	{ GK_ALLOW, "k", "g", false },
	{ GK_DENY, "k", "g", false },
	{ GK_CONTROL, "g", "k", false },
	{ GK_TICKET, "k", "g", false },
	{ GK_LIVE, "g", "k", false },
	{ GK_FINISH, "g", "k", false },
	{ GK_FINISHED, "k", "g", false },
	{ GK_REPORT, "g", "k", false },
	{ GK_REVOKED, "k", "g", false },
	{ GK_REVOKED_ACK, "g", "k", false },
	{ GE_CONN, "g", "e", true },
	{ EK_ENROLL, "e", "k", false },
	{ EK_RENEW, "e", "k", false },
	{ EK_SELF, "e", "k", false },
	{ EK_GIVE_BACK, "e", "k", false },
	{ AK_OK, "k", "eac", false },
	{ AK_FAIL, "k", "eac", false },
	{ AK_RULES_LOAD, "a", "k", true },
	{ AK_RULES_BAD, "a", "k", false },
	{ AK_STATUS, "ac", "k", false },
	{ AK_UPSTREAMS, "a", "k", false },
	{ AK_WORKLOAD_ADD, "ac", "k", false },
	{ AK_WORKLOAD_LIST, "ac", "k", false },
	{ AK_WORKLOAD_SET, "ac", "k", false },
	{ AK_SECRET_LIST, "ac", "k", false },
	{ AK_SECRET_HISTORY, "ac", "k", false },
	{ AK_SECRET_SET, "ac", "k", false },
	{ CK_UNSEAL, "c", "k", false },
	{ CK_SEAL, "c", "k", false },
	{ CK_SECRET_PUT, "c", "k", false },
	{ CK_SECRET_REVEAL, "c", "k", false },
	{ CK_ENROLL_NEW, "c", "k", false },
	{ CK_REKEY, "c", "k", false },
	{ CK_AUDIT_OPEN, "c", "k", false },
	{ CK_AUDIT_KEY, "c", "k", false },
};

static const char letters[ROLE_COUNT + 1] = "-sgkeac";

static bool
may(size_t i, int from, int to)
{
	return strchr(table[i].from, letters[from]) != NULL &&
	       strchr(table[i].to, letters[to]) != NULL;
}

/* Every sender, receiver, state, with and without a descriptor, at both ends of the size. */
static void
check_type(size_t i)
{
	const struct msg_row *row = msg_row((uint16_t)table[i].type);
	size_t bad = 0;

	if (!ok(row != NULL && row->type == table[i].type && row->fd == table[i].fd, "row %zu", i))
		return;
	for (int from = 0; from < ROLE_COUNT; from++)
		for (int to = 0; to < ROLE_COUNT; to++)
			for (int k = 0; k < 4; k++) {
				struct msg_ctx c = { (enum role)from, (enum role)to,
					(enum link_state)(k & 1) };
				bool fd = (k & 2) != 0;
				bool state = (row->states & 1u << c.state) != 0;
				bool fd_fine =
				    fd == row->fd || (row->type == AK_OK && to != ROLE_EDGE);
				bool want = may(i, from, to) && state && fd_fine;
				uint16_t type = (uint16_t)row->type;

				bad += (msg_check(&c, type, row->min, fd) == ERR_OK) != want;
				bad += (msg_check(&c, type, row->max, fd) == ERR_OK) != want;
				bad += msg_check(&c, type, (size_t)row->max + 1, fd) != ERR_PROTO;
				if (row->min > 0)
					bad += msg_check(&c, type, row->min - 1, fd) != ERR_PROTO;
			}
	ok(bad == 0, "%s: only as the table says", row->name);
	ok(row->min <= row->max && row->max <= MSG_LEN_MAX, "%s: sizes", row->name);
}

static void
nothing_else_exists(void)
{
	struct msg_ctx c = { ROLE_SIDEKEYD, ROLE_KEEPER, LINK_NEW };
	size_t rows = 0, bad = 0;

	for (uint32_t t = 0; t <= UINT16_MAX; t++) {
		if (msg_row((uint16_t)t) != NULL)
			rows++;
		else
			bad += msg_check(&c, (uint16_t)t, 0, false) != ERR_PROTO;
	}
	ok(rows == COUNT(table) && rows == MSG_COUNT - 1 && bad == 0, "%zu messages exist", rows);
}

/* The walls between the processes, said once in words. */
static void
walls_stand(void)
{
	struct msg_ctx edge = { ROLE_EDGE, ROLE_KEEPER, LINK_READY },
		       gateway = { ROLE_GATEWAY, ROLE_KEEPER, LINK_READY },
		       admin = { ROLE_ADMIN, ROLE_KEEPER, LINK_READY };
	size_t bad = 0;

	for (uint16_t t = AK_RULES_LOAD; t < MSG_COUNT; t++)
		for (size_t len = 0; len < 64; len++) {
			bad += msg_check(&edge, t, len, false) == ERR_OK;
			bad += msg_check(&edge, t, len, true) == ERR_OK;
			bad += msg_check(&gateway, t, len, false) == ERR_OK;
			bad += msg_check(&gateway, t, len, true) == ERR_OK;
			if (t >= CK_UNSEAL)
				bad += msg_check(&admin, t, len, false) == ERR_OK;
		}
	ok(bad == 0, "edge and gateway send nothing administrative, admin nothing secret");
}

int
main(void)
{
	for (size_t i = 0; i < COUNT(table); i++)
		check_type(i);
	nothing_else_exists();
	walls_stand();
	ok(strcmp(role_name(ROLE_GATEWAY), "gateway") == 0, "role_name");
	ok(strcmp(role_name((enum role)99), "unknown") == 0, "no such role");
	return done();
}
