#include "broker/proc/drop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum err
drop_user(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (uid == 0 || gid == 0)
		return ERR_DENIED;
	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(uid, uid, uid) != 0)
		return ERR_SYS;
	if (getresuid(&r, &e, &s) != 0 || getresgid(&rg, &eg, &sg) != 0)
		return ERR_SYS;
	if (r != uid || e != uid || s != uid || rg != gid || eg != gid || sg != gid)
		return ERR_SYS;
	if (getgroups(0, NULL) != 0)
		return ERR_SYS;
	if (setresuid(0, 0, 0) == 0) /* a capability was kept somewhere: root is one call away */
		return ERR_DENIED;
	return ERR_OK;
}

static enum err
drop_bounding(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		int held = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (held < 0)
			return ERR_OK; /* behind the last capability of this kernel */
		if (held == 0 || (keep & DROP_CAP(cap)) != 0)
			continue;
		/* without SETPCAP the set cannot shrink; no_new_privs makes it harmless then */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
			return ERR_SYS;
	}
	return ERR_OK;
}

static enum err
drop_get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &head, data) == 0 ? ERR_OK : ERR_SYS;
}

enum err
drop_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	enum err e = drop_bounding(keep);

	if (e == ERR_OK)
		e = drop_get(data);
	if (e != ERR_OK)
		return e;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) != 0)
		return ERR_SYS;
	e = drop_get(data);
	if (e != ERR_OK)
		return e;
	for (int i = 0; i < 2; i++) {
		if ((data[i].permitted & ~(uint32_t)(keep >> (32 * i))) != 0)
			return ERR_SYS;
	}
	return ERR_OK;
}

enum err
drop_inspection(void)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return ERR_SYS;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return ERR_SYS;
	return ERR_OK;
}

enum err
drop_nofile_raise(uint64_t *ret_count)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return ERR_SYS;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		return ERR_SYS;
	*ret_count = r.rlim_cur;
	return ERR_OK;
}

uint64_t
drop_memlock_raise(uint64_t bytes)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r) != 0)
		return 0;
	if (r.rlim_max == RLIM_INFINITY || r.rlim_max >= bytes) {
		if (r.rlim_cur < bytes) {
			r.rlim_cur = bytes;
			(void)setrlimit(RLIMIT_MEMLOCK, &r);
		}
	} else {
		struct rlimit more = { bytes, bytes };

		if (setrlimit(RLIMIT_MEMLOCK, &more) != 0) { /* needs SYS_RESOURCE */
			r.rlim_cur = r.rlim_max;
			(void)setrlimit(RLIMIT_MEMLOCK, &r);
		}
	}
	return getrlimit(RLIMIT_MEMLOCK, &r) == 0 ? r.rlim_cur : 0;
}
