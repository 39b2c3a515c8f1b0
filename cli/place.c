#include "cli/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/sys.h"

/* Names that nobody's own backup has: what is found there is what a kill left. */
#define NEW ".sidekey.new"
#define OLD ".sidekey.old"

static enum cli_exit
beside(const char *path, const char *ending, char ret_path[PATH_MAX])
{
	int n = snprintf(ret_path, PATH_MAX, "%s%s", path, ending);

	return n > 0 && n < PATH_MAX ? CLI_OK
				     : cli_fail(CLI_FAILED, "the path %s is too long", path);
}

enum cli_exit
place_write(struct place *p, struct span text)
{
	char path[PATH_MAX];
	AUTO(sys_closep) int fd = -1;
	enum cli_exit x = beside(p->path, NEW, path);

	if (x != CLI_OK)
		return x;
	(void)sys_unlink(path);
	fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL, p->mode);
	if (fd < 0)
		return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED, "cannot write %s: %s",
		    path, strerror(errno));
	p->stage = PLACE_WRITTEN;
	if (fchmod(fd, p->mode) != 0 ||
	    (p->has_owner && geteuid() == 0 && fchown(fd, p->owner, p->group) != 0) ||
	    sys_write_all(fd, text.p, text.len) != ERR_OK || sys_fsync(fd) != 0)
		return cli_fail(CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
	return CLI_OK;
}

static enum cli_exit
set_aside(struct place *p)
{
	char old[PATH_MAX];
	enum cli_exit x = beside(p->path, OLD, old);

	if (x != CLI_OK || access(p->path, F_OK) != 0)
		return x;
	if (sys_rename(p->path, old) != 0)
		return cli_fail(CLI_FAILED, "cannot set %s aside: %s", p->path, strerror(errno));
	p->backed_up = true;
	return CLI_OK;
}

enum cli_exit
place_file(struct place *p)
{
	char from[PATH_MAX];
	enum cli_exit x = beside(p->path, NEW, from);

	if (x != CLI_OK)
		return x;
	x = set_aside(p);
	if (x != CLI_OK)
		return x;
	if (sys_rename(from, p->path) != 0)
		return cli_fail(CLI_FAILED, "cannot make %s: %s", p->path, strerror(errno));
	p->stage = PLACE_DONE;
	if (sys_sync_folder(p->path) != ERR_OK)
		return cli_fail(
		    CLI_FAILED, "cannot sync the folder of %s: %s", p->path, strerror(errno));
	return CLI_OK;
}

void
place_recover(const char *path)
{
	char old[PATH_MAX];

	if (access(path, F_OK) != 0 && beside(path, OLD, old) == CLI_OK)
		(void)sys_rename(old, path);
}

enum cli_exit
place_remove(struct place *p)
{
	return set_aside(p);
}

bool
place_undo(const struct place *p)
{
	char other[PATH_MAX];

	if (p->stage == PLACE_WRITTEN && beside(p->path, NEW, other) == CLI_OK)
		(void)sys_unlink(other);
	if (p->stage == PLACE_DONE && !p->backed_up && sys_unlink(p->path) != 0)
		return false;
	if (!p->backed_up)
		return true;
	return beside(p->path, OLD, other) == CLI_OK && sys_rename(other, p->path) == 0;
}

void
place_keep(const struct place *p)
{
	char other[PATH_MAX];

	if (p->path[0] == '\0')
		return;
	if (beside(p->path, OLD, other) == CLI_OK)
		(void)sys_unlink(other);
	if (beside(p->path, NEW, other) == CLI_OK)
		(void)sys_unlink(other);
}
