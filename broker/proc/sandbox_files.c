#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/proc/sandbox.h"
#include "common/sys.h"

/* landlock(7); by number, because Debian 12's header ends at ABI 2 and the kernel may be newer. */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_ABI_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)	/* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
#define NET_BIND_TCP (UINT64_C(1) << 0) /* ABI 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)       /* ABI 5 */
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* ABI 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

/* What makes sense on a file that is no folder; the kernel refuses the rest. */
#define FS_ON_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

static const uint64_t rights[] = {
	[SANDBOX_READ] = FS_READ_FILE | FS_READ_DIR,
	[SANDBOX_EXEC] = FS_READ_FILE | FS_READ_DIR | FS_EXECUTE,
	[SANDBOX_WRITE] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_REMOVE_DIR |
			  FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE,
	[SANDBOX_REMOVE] = FS_READ_FILE | FS_READ_DIR | FS_REMOVE_FILE,
};

/* Everything this kernel knows to restrict, so that nothing is allowed by being forgotten. */
static struct ruleset_attr
attr_for(int abi, enum role role)
{
	struct ruleset_attr a = { .fs = FS_ABI_1 };

	if (abi >= 2)
		a.fs |= FS_REFER;
	if (abi >= 3)
		a.fs |= FS_TRUNCATE;
	if (abi >= 5)
		a.fs |= FS_IOCTL_DEV;
	if (abi >= 4) {
		a.net = NET_BIND_TCP; /* listeners are bound before, by sidekeyd */
		if (role != ROLE_GATEWAY && role != ROLE_SIDEKEYD) /* domains nest */
			a.net |= NET_CONNECT_TCP;
	}
	if (abi >= 6)
		a.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return a;
}

static size_t
attr_size(int abi)
{
	if (abi >= 6)
		return 3 * sizeof(uint64_t);
	return abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static enum err
add_path(int ruleset, uint64_t handled, const struct sandbox_path *p)
{
	struct landlock_path_beneath_attr rule = { 0 };
	AUTO(sys_closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? ERR_OK : ERR_SYS;
	if (fstat(fd, &st) != 0)
		return ERR_SYS;
	rule.parent_fd = fd;
	rule.allowed_access = rights[p->access] & handled;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_ON_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
		return ERR_SYS;
	return ERR_OK;
}

enum err
sandbox_files(enum role role, const struct sandbox_path *paths, size_t count, int *ret_abi)
{
	AUTO(sys_closep) int ruleset = -1;
	struct ruleset_attr attr;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	must(count <= SANDBOX_PATHS_MAX);
	*ret_abi = 0;
	if (abi < 1) /* ENOSYS, or EOPNOTSUPP when it was switched off at boot */
		return ERR_OK;
	attr = attr_for((int)abi, role);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size((int)abi), 0);
	if (ruleset < 0)
		return ERR_SYS;
	for (size_t i = 0; i < count; i++) {
		enum err e = add_path(ruleset, attr.fs, &paths[i]);

		if (e != ERR_OK)
			return e;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return ERR_SYS;
	*ret_abi = (int)abi;
	return ERR_OK;
}
