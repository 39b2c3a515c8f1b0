/* users: a store that root made becomes the keeper's; whatever root did not make is left alone.
 * Needs root. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/sidekeyd/users.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define KEEPER_UID 60123
#define OTHER_UID 60124

static char base[] = "/tmp/sidekey-users-XXXXXX";
static struct daemon_config c;
static const struct users u = {
	.change = true, .uid = { [ROLE_KEEPER] = KEEPER_UID }, .gid = { [ROLE_KEEPER] = KEEPER_UID }
};

static const char *
at(const char *name)
{
	static char path[2][128];
	static int turn;

	turn = !turn;
	(void)snprintf(path[turn], sizeof path[turn], "%s/%s", base, name);
	return path[turn];
}

static void
put(const char *name, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT, mode);

	must(fd >= 0);
	sys_close(fd);
}

static uid_t
owner(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) == 0 ? st.st_uid : (uid_t)-1;
}

static void
fresh(void)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf %s/state %s/key", base, base);
	must(system(command) == 0);
	must(mkdir(at("state"), 0700) == 0 && mkdir(at("state/audit"), 0700) == 0);
	put("state/store.db", 0600);
	put("state/audit/1", 0600);
	put("key", 0400);
}

static enum err
hand_over(char *why)
{
	why[0] = '\0';
	return users_hand_over(&c, &u, why);
}

static void
test_given(void)
{
	char why[USERS_WHY_SIZE];

	fresh();
	is_err(hand_over(why), ERR_OK, "a store of root's is given");
	ok(owner("state") == KEEPER_UID && owner("state/store.db") == KEEPER_UID &&
		owner("state/audit/1") == KEEPER_UID && owner("key") == KEEPER_UID,
	    "with all that is in it, and the key file");
	put("state/late", 0600);
	is_err(hand_over(why), ERR_OK, "the second time");
	ok(owner("state/late") == 0,
	    "nothing in it is given any more: the keeper may have linked it there");
	fresh();
	must(chown(at("state/store.db"), KEEPER_UID, KEEPER_UID) == 0);
	is_err(hand_over(why), ERR_OK, "an interrupted one is taken up again");
	ok(owner("state") == KEEPER_UID && owner("state/audit") == KEEPER_UID, "to its end");
}

static void
refused(const char *what, const char *says)
{
	char why[USERS_WHY_SIZE];
	enum err e = hand_over(why);

	if (!ok(e == ERR_DENIED && strstr(why, says) != NULL && owner("state") != KEEPER_UID, "%s",
		what))
		printf("# %s: %s\n", err_name(e), why);
}

static void
test_refused(void)
{
	char why[USERS_WHY_SIZE];

	fresh();
	must(chown(at("state"), OTHER_UID, OTHER_UID) == 0);
	refused("a store of a third user", "belongs to another user");
	fresh();
	must(chown(at("state/audit/1"), OTHER_UID, OTHER_UID) == 0);
	refused("one file of a third user", "belongs to another user");
	fresh();
	must(chmod(at("state"), 0770) == 0);
	refused("a folder that others can write to", "others can write");
	fresh();
	must(link(at("key"), at("state/hard")) == 0);
	refused("a second link", "second link");
	fresh();
	must(symlink("/etc/passwd", at("state/soft")) == 0);
	refused("a symbolic link", "neither a file nor a folder");
	fresh();
	must(mkdir(at("state/audit/deep"), 0700) == 0);
	refused("a folder too deep", "too deep");
	fresh();
	must(chown(at("key"), OTHER_UID, OTHER_UID) == 0);
	is_err(hand_over(why), ERR_DENIED, "a key file of a third user");
	ok(strstr(why, "/key") != NULL, "is named");
	fresh();
	must(unlink(at("key")) == 0 && symlink("/etc/passwd", at("key")) == 0);
	is_err(hand_over(why), ERR_OK, "a link as key file is the keeper's to refuse");
	ok(owner("key") == 0, "and is not followed");
	(void)snprintf(c.state_dir, sizeof c.state_dir, "%s", at("none"));
	is_err(hand_over(why), ERR_NOT_FOUND, "no store");
	ok(strstr(why, "sidekey init") != NULL, "and what makes one");
}

static void
test_find(void)
{
	struct daemon_config wanted = { .user = "sidekey-no-such" };
	struct users found;
	char why[USERS_WHY_SIZE] = "";

	is_err(users_find(&wanted, &found, why), ERR_NOT_FOUND, "users that do not exist");
	ok(strstr(why, "useradd --system sidekey-no-such-gateway") != NULL, "how to make them");
	wanted.user[0] = '\0';
	is_err(users_find(&wanted, &found, why), ERR_OK, "user: none");
	ok(!found.change, "changes nothing");
}

int
main(void)
{
	char command[64];

	if (geteuid() != 0) {
		lacks("users", "root");
		return done();
	}
	must(mkdtemp(base) != NULL);
	(void)snprintf(c.state_dir, sizeof c.state_dir, "%s", at("state"));
	(void)snprintf(c.key_file, sizeof c.key_file, "%s", at("key"));
	test_find();
	test_given();
	test_refused();
	(void)snprintf(command, sizeof command, "rm -rf %s", base);
	return system(command) != 0 ? 1 : done();
}
