/* sandbox: what Landlock leaves of the file system to each role. */
#include <seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/lib/jail.h"

static int
open_read(void)
{
	return jail_result(open("/etc/passwd", O_RDONLY));
}

static int
call_exec(void)
{
	char *argv[] = { "true", NULL };

	return jail_result(execve("/bin/true", argv, argv + 1));
}

static int
files_of_keeper(enum role role)
{
	const struct sandbox_path paths[] = { { "/dev/urandom", SANDBOX_READ },
		{ jail_dir, SANDBOX_WRITE }, { "/no/such/path", SANDBOX_WRITE } };
	int abi = 0;

	if (sandbox_files(role, paths, COUNT(paths), &abi) != ERR_OK || abi < 1)
		return 1;
	return jail_filter(role);
}

static int
files_of_admin(enum role role)
{
	const struct sandbox_path paths[] = { { jail_dir, SANDBOX_READ } };
	int abi = 0;

	if (sandbox_files(role, paths, COUNT(paths), &abi) != ERR_OK || abi < 1)
		return 1;
	return jail_filter(role);
}

static int
files_of_sidekeyd(enum role role)
{
	const struct sandbox_path paths[] = { { "/", SANDBOX_READ }, { "/lib64", SANDBOX_EXEC },
		{ "/lib", SANDBOX_EXEC }, { "/bin", SANDBOX_EXEC }, { jail_dir, SANDBOX_REMOVE } };
	int abi = 0;

	if (sandbox_files(role, paths, COUNT(paths), &abi) != ERR_OK || abi < 1)
		return 1;
	return jail_filter(role);
}

static int
read_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/there", jail_dir);
	return jail_result(open(path, O_RDONLY));
}

static int
make_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/new", jail_dir);
	return jail_result(open(path, O_WRONLY | O_CREAT, 0600));
}

static int
link_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/link", jail_dir);
	return jail_result(open(path, O_RDONLY));
}

static int
remove_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/gone", jail_dir);
	return jail_result(unlink(path));
}

static int
read_urandom(void)
{
	return jail_result(open("/dev/urandom", O_RDONLY));
}

static int
exec_in_dir(void)
{
	char path[64], *argv[] = { "true", NULL };

	(void)snprintf(path, sizeof path, "%s/true", jail_dir);
	return jail_result(execve(path, argv, argv + 1));
}

static void
test_files(void)
{
	static const struct {
		const char *what;
		int (*before)(enum role role);
		enum role role;
		int (*act)(void);
		int want;
	} cases[] = {
		{ "keeper: reads its folder", files_of_keeper, ROLE_KEEPER, read_in_dir, WORKED },
		{ "keeper: makes a file in it", files_of_keeper, ROLE_KEEPER, make_in_dir, WORKED },
		{ "keeper: keeps a journal in it", files_of_keeper, ROLE_KEEPER, jail_journal,
		    WORKED },
		{ "keeper: /dev/urandom", files_of_keeper, ROLE_KEEPER, read_urandom, WORKED },
		{ "keeper: nothing outside", files_of_keeper, ROLE_KEEPER, open_read,
		    FAILED(EACCES) },
		{ "keeper: not through a link either", files_of_keeper, ROLE_KEEPER, link_in_dir,
		    FAILED(EACCES) },
		{ "admin: reads its folder", files_of_admin, ROLE_ADMIN, read_in_dir, WORKED },
		{ "admin: nothing outside", files_of_admin, ROLE_ADMIN, open_read, FAILED(EACCES) },
		{ "admin: does not write", files_of_admin, ROLE_ADMIN, make_in_dir, TRAPPED },
		{ "sidekeyd: reads", files_of_sidekeyd, ROLE_SIDEKEYD, open_read, WORKED },
		{ "sidekeyd: makes no file", files_of_sidekeyd, ROLE_SIDEKEYD, make_in_dir,
		    FAILED(EACCES) },
		{ "sidekeyd: executes where programs are", files_of_sidekeyd, ROLE_SIDEKEYD,
		    call_exec, WORKED },
		{ "sidekeyd: not elsewhere", files_of_sidekeyd, ROLE_SIDEKEYD, exec_in_dir,
		    FAILED(EACCES) },
		{ "sidekeyd: removes its sockets", files_of_sidekeyd, ROLE_SIDEKEYD, remove_in_dir,
		    WORKED },
	};
	char said[256];

	for (size_t i = 0; i < COUNT(cases); i++) {
		int got = jail_run(cases[i].before, cases[i].role, cases[i].act, said, sizeof said);

		if (!ok(got == cases[i].want, "%s", cases[i].what))
			printf("# got %d, want %d: %s\n", got, cases[i].want, said);
	}
}

static void
put_file(const char *name, mode_t mode)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", jail_dir, name);
	fd = open(path, O_WRONLY | O_CREAT, mode);
	if (fd < 0)
		abort();
	close(fd);
}

/* A kernel that was built without it, as far as a process can tell. */
static int
hide_landlock(enum role role)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	(void)role;
	if (ctx == NULL || seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
			       SCMP_SYS(landlock_create_ruleset), 0) != 0)
		return 1;
	return seccomp_load(ctx);
}

static int
confine_without(void)
{
	const struct sandbox_path paths[] = { { jail_dir, SANDBOX_READ } };
	int abi = 7;

	if (sandbox_files(ROLE_ADMIN, paths, COUNT(paths), &abi) != ERR_OK)
		return 1;
	return abi == 0 ? WORKED : 2;
}

static void
test_without_landlock(void)
{
	char said[256];

	ok(jail_run(hide_landlock, ROLE_ADMIN, confine_without, said, sizeof said) == WORKED,
	    "a kernel without Landlock is told, and is no failure");
}

static bool
landlock_is_there(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

int
main(void)
{
	char command[128], link[64];

	jail_folder_make();
	put_file("there", 0600);
	put_file("gone", 0600);
	(void)snprintf(link, sizeof link, "%s/link", jail_dir);
	if (symlink("/etc/passwd", link) != 0)
		abort();
	(void)snprintf(command, sizeof command, "cp /bin/true %s/true", jail_dir);
	if (system(command) != 0)
		abort();
	if (landlock_is_there())
		test_files();
	else
		lacks("files", "Landlock");
	test_without_landlock();
	jail_folder_remove();
	return done();
}
