#include "broker/keeper/store/modes.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/sys.h"

/* path is for the sentence only. */
static enum err
judge(const struct stat *st, bool want_dir, const char *path, char *why, size_t why_size)
{
	if (S_ISLNK(st->st_mode) || (want_dir ? !S_ISDIR(st->st_mode) : !S_ISREG(st->st_mode))) {
		(void)snprintf(why, why_size, "%s must be a %s and no link to one.", path,
		    want_dir ? "directory" : "regular file");
		return ERR_DENIED;
	}
	if (st->st_uid != geteuid()) {
		(void)snprintf(why, why_size,
		    "%s belongs to uid %u, but the keeper runs as uid %u: run `chown %u`.", path,
		    st->st_uid, geteuid(), geteuid());
		return ERR_DENIED;
	}
	if ((st->st_mode & 077) != 0) {
		(void)snprintf(why, why_size,
		    "%s has mode %04o and is open to others: run `chmod %s`.", path,
		    st->st_mode & 07777u, want_dir ? "700" : "600");
		return ERR_DENIED;
	}
	if (!want_dir &&
	    st->st_nlink != 1) { /* a second name would let another directory reach it */
		(void)snprintf(why, why_size, "%s has %lu hard links; one is allowed.", path,
		    (unsigned long)st->st_nlink);
		return ERR_DENIED;
	}
	return ERR_OK;
}

enum err
modes_open_dir(const char *path, int *ret_fd, char *why, size_t why_size)
{
	AUTO(sys_closep) int fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;
	enum err e;

	if (fd < 0) {
		int saved = errno;

		(void)snprintf(why, why_size, "%s cannot be opened as a directory: %s.", path,
		    saved == ENOTDIR || saved == ELOOP ? "it is a link or a file"
						       : strerror(saved));
		return saved == ENOENT					    ? ERR_NOT_FOUND
		       : saved == EIO || saved == ENFILE || saved == EMFILE ? ERR_IO
									    : ERR_DENIED;
	}
	if (fstat(fd, &st) != 0) {
		(void)snprintf(why, why_size, "%s: %s.", path, strerror(errno));
		return ERR_IO;
	}
	e = judge(&st, true, path, why, why_size);
	if (e != ERR_OK)
		return e;
	*ret_fd = fd;
	fd = -1; /* given away */
	return ERR_OK;
}

enum err
modes_check_file(int dir_fd, const char *dir, const char *name, char *why, size_t why_size)
{
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		(void)snprintf(why, why_size, "%s: %s.", path, strerror(errno));
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	}
	return judge(&st, false, path, why, why_size);
}
