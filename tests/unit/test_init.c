/* What init made is there after a crash; and nothing is, where it failed. */
#include <errno.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "tests/lib/keeper_rig.h"
#include "tests/lib/tap.h"

#define SYNCS_MAX 64

static char synced[SYNCS_MAX][256];
static int sync_count, fail_at;

/* In place of the C library's: remembers which files and folders were synced, and fails once. */
int
fsync(int fd)
{
	char link[32];
	ssize_t len;

	if (sync_count == fail_at) {
		errno = EIO;
		return -1;
	}
	must(sync_count < SYNCS_MAX);
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, synced[sync_count], sizeof synced[0] - 1);
	must(len > 0);
	synced[sync_count++][len] = '\0';
	return (int)syscall(SYS_fsync, fd);
}

static bool
was_synced(const char *path)
{
	for (int i = 0; i < sync_count; i++)
		if (strcmp(synced[i], path) == 0)
			return true;
	return false;
}

static int
run(const char *dir)
{
	char *argv[] = { "init", "--state-dir", rig.state, "--trust-domain", "example.org",
		"--unseal", "key-file", "--key-file", rig.key, NULL };

	(void)snprintf(rig.state, sizeof rig.state, "%s/a/state", dir);
	(void)snprintf(rig.key, sizeof rig.key, "%s/b/key", dir);
	sync_count = 0;
	return rig_run_init(9, argv);
}

static void
test_every_sync(const char *dir)
{
	bool clean = true;
	int n = 0;

	for (fail_at = 0; run(dir) != 0 && n < SYNCS_MAX; fail_at = ++n)
		clean = clean && access(rig.state, F_OK) != 0 && access(rig.key, F_OK) != 0;
	ok(n >= 6 && n < SYNCS_MAX && clean, "each of %d syncs may fail: nothing is left then", n);
}

static void
test_names(const char *dir)
{
	static const char *const paths[] = { "a", "a/state", "a/state/audit", "b", "b/key" };
	char path[128];

	for (size_t i = 0; i < COUNT(paths); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", dir, paths[i]);
		ok(was_synced(path), "synced: %s", paths[i]);
	}
}

/* What one makes there, and takes back when it fails, is not the other's. */
static void
test_another_at_work(const char *dir)
{
	int fd;

	fail_at = SYNCS_MAX;
	must(snprintf(rig.state, sizeof rig.state, "%s/a/state", dir) > 0 &&
	     mkdir(rig.state, 0700) == 0);
	fd = open(rig.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	ok(run(dir) != 0 && access(rig.state, F_OK) == 0 && access(rig.key, F_OK) != 0,
	    "where another init is at work: nothing is made, its folder stays");
	sys_close(fd);
	ok(run(dir) == 0, "once it has gone: made");
	must(unlink(rig.key) == 0);
}

int
main(void)
{
	char dir[] = "/tmp/sidekey-init-XXXXXX", command[128], path[64], target[64];

	log_init("test", LOG_LEVEL_ERROR);
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	must(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof path, "%s/a", dir);
	must(mkdir(path, 0700) == 0);
	(void)snprintf(path, sizeof path, "%s/b", dir);
	(void)snprintf(target, sizeof target, "%s/c", dir);
	must(mkdir(path, 0700) == 0);
	test_every_sync(dir);
	test_names(dir);
	(void)snprintf(command, sizeof command, "rm -rf %s/a/state %s/b/key", dir, dir);
	must(system(command) == 0);
	test_another_at_work(dir);
	must(rename(path, target) == 0 && symlink("c", path) == 0);
	(void)snprintf(command, sizeof command, "rm -rf %s/a/state %s/c/key", dir, dir);
	must(system(command) == 0);
	fail_at = SYNCS_MAX;
	ok(run(dir) == 0 && was_synced(target), "a folder that is a link is synced, too");
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	must(system(command) == 0);
	return done();
}
