#include "shim/hide.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sys.h"

#define HANDLED (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_REFER)
#define ABI_WITH_REFER 2 /* before it all moves between folders are forbidden in a domain */

/* A walk from the root to the hidden file. */
struct walk {
	int ruleset_fd;
	struct stat hidden;
	size_t siblings;
	char *why;
};

static enum err
complain(struct walk *w, enum err e, const char *what, const char *detail)
{
	(void)snprintf(w->why, SHIM_WHY_SIZE, "%.200s: %s", what, detail);
	return e;
}

static enum err
grant(struct walk *w, int dir_fd, const char *name)
{
	AUTO(sys_closep) int fd = sys_openat(dir_fd, name, O_PATH, 0);
	struct landlock_path_beneath_attr rule = { .allowed_access = HANDLED, .parent_fd = fd };
	struct stat st;

	if (fd < 0 ||
	    fstat(fd, &st) != 0) /* gone meanwhile, or out of our reach and so of the child's */
		return ERR_OK;
	if (S_ISLNK(
		st.st_mode)) /* what it points to is granted where that stands, or hidden there */
		return ERR_OK;
	if (st.st_dev == w->hidden.st_dev && st.st_ino == w->hidden.st_ino)
		return ERR_OK; /* the same file by another name */
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
	if (syscall(SYS_landlock_add_rule, w->ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) !=
	    0)
		return complain(w, ERR_SYS, name, strerror(errno));
	return ERR_OK;
}

static void
close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Grants all in the folder but keep. The descriptor is used up. */
static enum err
grant_beside(struct walk *w, int dir_fd, const char *keep)
{
	AUTO(close_dir) DIR *dir = fdopendir(dir_fd);
	const struct dirent *entry;

	if (dir == NULL) {
		sys_close(dir_fd);
		return complain(w, ERR_SYS, keep, strerror(errno));
	}
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		enum err e;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    strcmp(entry->d_name, keep) == 0)
			continue;
		if (++w->siblings > SHIM_SIBLINGS_MAX)
			return complain(w, ERR_LIMIT, keep,
			    "too many files beside it; put it in a folder of its own");
		e = grant(w, dirfd(dir), entry->d_name);
		if (e != ERR_OK)
			return e;
	}
	return errno == 0 ? ERR_OK : complain(w, ERR_SYS, keep, strerror(errno));
}

/* path is absolute, without links, dots or doubled slashes; it is cut up. */
static enum err
descend(struct walk *w, char *path)
{
	int dir_fd = sys_open("/", O_RDONLY | O_DIRECTORY, 0);
	char *saved, *name = strtok_r(path, "/", &saved);
	enum err e;

	for (;;) {
		char *next = strtok_r(NULL, "/", &saved);
		int next_fd = -1;

		if (dir_fd <
		    0) /* a folder that we may pass but not list: the child may know names in it */
			return complain(w, ERR_SYS, name, strerror(errno));
		if (next != NULL)
			next_fd = sys_openat(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
		e = grant_beside(w, dir_fd, name);
		if (e != ERR_OK || next == NULL) {
			sys_close(next_fd);
			return e;
		}
		dir_fd = next_fd;
		name = next;
	}
}

static enum err
open_ruleset(struct walk *w)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = HANDLED };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < ABI_WITH_REFER)
		return complain(w, ERR_NOT_FOUND, "Landlock",
		    abi < 0 ? strerror(errno) : "this kernel's is too old");
	/* exactly the fields of that version, whatever the headers have grown since */
	w->ruleset_fd =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
	if (w->ruleset_fd < 0)
		return complain(w, ERR_SYS, "Landlock", strerror(errno));
	return ERR_OK;
}

enum err
shim_hide_prepare(const char *path, int *ret_ruleset_fd, char why[SHIM_WHY_SIZE])
{
	char real[PATH_MAX];
	struct walk w = { .ruleset_fd = -1, .why = why };
	enum err e;

	if (realpath(path, real) == NULL || lstat(real, &w.hidden) != 0)
		return complain(&w, ERR_SYS, path, strerror(errno));
	if (w.hidden.st_nlink > 1)
		return complain(&w, ERR_DENIED, path, "the file has more than one name");
	e = open_ruleset(&w);
	if (e == ERR_OK)
		e = descend(&w, real);
	if (e != ERR_OK) {
		sys_close(w.ruleset_fd);
		return e;
	}
	*ret_ruleset_fd = w.ruleset_fd;
	return ERR_OK;
}

enum err
shim_hide_enter(int ruleset_fd)
{
	return syscall(SYS_landlock_restrict_self, ruleset_fd, 0) == 0 ? ERR_OK : ERR_SYS;
}
