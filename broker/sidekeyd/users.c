#include "broker/sidekeyd/users.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/sys.h"

static enum err
find_one(const char *prefix, const char *suffix, uid_t *ret_uid, gid_t *ret_gid, char *why)
{
	char name[CONFIG_USER_MAX + 16];
	const struct passwd *pw;

	(void)snprintf(name, sizeof name, "%s-%s", prefix, suffix);
	pw = getpwnam(name);
	if (pw == NULL) {
		(void)snprintf(why, USERS_WHY_SIZE,
		    "there is no user %s: make it (useradd --system %s), or set user: none to run "
		    "all as root",
		    name, name);
		return ERR_NOT_FOUND;
	}
	if (pw->pw_uid == 0 || pw->pw_gid == 0) {
		(void)snprintf(why, USERS_WHY_SIZE,
		    "user %s is root: it must have a uid and gid of its own", name);
		return ERR_DENIED;
	}
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return ERR_OK;
}

enum err
users_find(const struct daemon_config *c, struct users *ret_u, char ret_why[USERS_WHY_SIZE])
{
	static const struct {
		enum role role;
		const char *suffix;
	} names[] = {
		{ ROLE_GATEWAY, "gateway" },
		{ ROLE_KEEPER, "keeper" },
		{ ROLE_EDGE, "api" },
		{ ROLE_ADMIN, "api" },
	};
	struct users u = { .change = geteuid() == 0 && c->user[0] != '\0' };
	enum err e = ERR_OK;

	for (size_t i = 0; u.change && e == ERR_OK && i < COUNT(names); i++)
		e = find_one(c->user, names[i].suffix, &u.uid[names[i].role], &u.gid[names[i].role],
		    ret_why);
	if (e != ERR_OK)
		return e;
	if (u.change &&
	    (u.uid[ROLE_KEEPER] == u.uid[ROLE_GATEWAY] || u.uid[ROLE_KEEPER] == u.uid[ROLE_EDGE] ||
		u.uid[ROLE_GATEWAY] == u.uid[ROLE_EDGE])) {
		(void)snprintf(ret_why, USERS_WHY_SIZE,
		    "the users %s-gateway, %s-keeper and %s-api must have different uids", c->user,
		    c->user, c->user);
		return ERR_DENIED;
	}
	*ret_u = u;
	return ERR_OK;
}

/* What the handing over needs, for one tree. */
struct gift {
	const char *path; /* for messages */
	uid_t uid;
	gid_t gid;
	char *why;
};

static enum err
refuse(const struct gift *g, const char *name, const char *what)
{
	(void)snprintf(g->why, USERS_WHY_SIZE,
	    "%s%s%s: %s; it must belong to uid %u (chown -R %u:%u %s)", g->path,
	    name[0] == '\0' ? "" : "/", name, what, (unsigned)g->uid, (unsigned)g->uid,
	    (unsigned)g->gid, g->path);
	return ERR_DENIED;
}

static enum err give_folder(const struct gift *g, int fd, int depth);

static enum err
give_entry(const struct gift *g, int dir_fd, const char *name, int depth)
{
	AUTO(sys_closep) int fd = -1;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_SYS;
	if (st.st_uid == g->uid)
		return ERR_OK;
	if (st.st_uid != 0)
		return refuse(g, name, "belongs to another user");
	if (S_ISREG(st.st_mode) && st.st_nlink != 1)
		return refuse(g, name, "has a second link somewhere");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return refuse(g, name, "is neither a file nor a folder");
	fd = sys_openat(dir_fd, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return ERR_SYS;
	if (S_ISDIR(st.st_mode))
		return depth == 0 ? refuse(g, name, "is a folder too deep")
				  : give_folder(g, fd, depth - 1);
	return fchown(fd, g->uid, g->gid) == 0 ? ERR_OK : ERR_SYS;
}

static void
closedirp(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Contents first, the folder itself last: an interrupted handing over is taken up again. */
static enum err
give_folder(const struct gift *g, int fd, int depth)
{
	AUTO(closedirp) DIR *d = NULL;
	const struct dirent *entry;
	enum err e = ERR_OK;
	int copy = sys_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (copy < 0)
		return ERR_SYS;
	d = fdopendir(copy);
	if (d == NULL) {
		sys_close(copy);
		return ERR_NOMEM;
	}
	while (e == ERR_OK && (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			e = give_entry(g, fd, entry->d_name, depth);
	}
	if (e == ERR_OK && fchown(fd, g->uid, g->gid) != 0)
		e = ERR_SYS;
	return e;
}

static enum err
give_state_dir(const struct gift *g)
{
	AUTO(sys_closep) int fd = sys_open(g->path, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		(void)snprintf(g->why, USERS_WHY_SIZE, "%s: %s%s", g->path, strerror(errno),
		    errno == ENOENT ? "; sidekey init makes it" : "");
		return ERR_NOT_FOUND;
	}
	if (st.st_uid == g->uid)
		return ERR_OK;
	if (st.st_uid != 0)
		return refuse(g, "", "belongs to another user");
	if ((st.st_mode & 022) != 0)
		return refuse(g, "", "others can write to it");
	return give_folder(g, fd, 1); /* state_dir, and audit below it */
}

static enum err
give_key_file(const struct gift *g)
{
	AUTO(sys_closep) int fd = sys_open(g->path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0) /* the keeper says what is wrong, and how to unseal without it */
		return ERR_OK;
	if (fstat(fd, &st) != 0)
		return ERR_SYS;
	if (st.st_uid == g->uid)
		return ERR_OK;
	if (st.st_uid != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return refuse(g, "", "is not a file of root with one link");
	return fchown(fd, g->uid, g->gid) == 0 ? ERR_OK : ERR_SYS;
}

enum err
users_hand_over(const struct daemon_config *c, const struct users *u, char ret_why[USERS_WHY_SIZE])
{
	struct gift g = { .path = c->state_dir,
		.uid = u->uid[ROLE_KEEPER],
		.gid = u->gid[ROLE_KEEPER],
		.why = ret_why };
	enum err e;

	if (!u->change)
		return ERR_OK;
	(void)snprintf(
	    ret_why, USERS_WHY_SIZE, "%s: cannot be given to the keeper's user", c->state_dir);
	e = give_state_dir(&g);
	if (e != ERR_OK || c->key_file[0] == '\0')
		return e;
	g.path = c->key_file;
	return give_key_file(&g);
}
