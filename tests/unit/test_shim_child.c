#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sys.h"
#include "shim/child.h"
#include "tests/lib/tap.h"

static char dir[] = "/tmp/sidekey-unit-XXXXXX";

static void
make(const char *name, const char *contents, mode_t mode)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	is_err(sys_replace_file(path, span_str(contents), mode), ERR_OK, "# written");
}

static int
find(const char *command, const char *path_list)
{
	char path[PATH_MAX], why[SHIM_WHY_SIZE];

	return shim_child_find(command, path_list, path, why);
}

static void
test_find(void)
{
	char list[256], path[PATH_MAX], why[SHIM_WHY_SIZE], want[256];

	(void)snprintf(list, sizeof list, "/nonexistent:%s/folder:%s", dir, dir);
	(void)snprintf(want, sizeof want, "%s/good", dir);
	ok(shim_child_find("good", list, path, why) == 0 && strcmp(path, want) == 0,
	    "a command is found by PATH");
	ok(shim_child_find(want, NULL, path, why) == 0 && strcmp(path, want) == 0,
	    "or by its own path");
	ok(find("sh", NULL) == 0, "without PATH the standard folders are searched");
	ok(find("missing", list) == 127, "a command that is nowhere: 127");
	ok(find("/nonexistent/x", list) == 127 && find("/dev/null/x", list) == 127,
	    "a path that is nowhere: 127");
	ok(find("folder", list) == 126, "a folder: 126");
	ok(find("/dev/null", list) == 126, "a device: 126");
	ok(find("missing", "/root/closed:/proc/1/fd/closed") == 127,
	    "folders that cannot be searched: 127");
	ok(find("missing", "") == 127, "an empty PATH is the current folder");
}

static int
start(const char *name, struct shim_inherited *in, pid_t *ret_pid)
{
	char arg0[] = "arg0", env0[] = "A=1", why[SHIM_WHY_SIZE];
	char *argv[] = { arg0, NULL }, *envp[] = { env0, NULL };
	struct shim_child c = { .argv = argv, .envp = envp, .ruleset_fd = -1, .inherited = in };

	(void)snprintf(c.path, sizeof c.path, "%s/%s", dir, name);
	return shim_child_start(&c, ret_pid, why);
}

static void
test_start(void)
{
	struct shim_inherited in = { .pipe = { .sa_handler = SIG_DFL }, .nofile = { 64, 64 } };
	int status;
	pid_t pid = 0;

	ok(start("good", &in, &pid) == 0 && pid > 0, "a script runs");
	ok(getpgid(pid) == pid, "in a process group of its own");
	ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "with its environment, its own limits, and no descriptor but three");
	ok(start("missing", &in, &pid) == 127, "gone since it was found: 127");
	ok(start("garbage", &in, &pid) == 126, "no program: 126");
	ok(start("interpreter", &in, &pid) == 127, "its interpreter is missing: 127");
	ok(waitpid(-1, &status, WNOHANG) == -1, "and none of these left a child");
}

int
main(void)
{
	char command[128];

	must(mkdtemp(dir) != NULL);
	make("good",
	    "#!/bin/sh\n[ \"$A\" = 1 ] || exit 3\n[ \"$(ulimit -n)\" = 64 ] || exit 4\n"
	    "[ \"$(ls /proc/self/fd | wc -l)\" -le 4 ] || exit 5\nexit 0\n",
	    0755);
	make("garbage", "\x01\x02\x03", 0755);
	make("interpreter", "#!/nonexistent/sh\n", 0755);
	make("folder.txt", "", 0644);
	(void)snprintf(command, sizeof command, "%s/folder", dir);
	must(mkdir(command, 0755) == 0);
	test_find();
	test_start();
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) == 0 ? done() : 1;
}
