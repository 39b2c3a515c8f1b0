#include "broker/keeper/audit/segment.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/keeper/audit/audit.h"
#include "broker/keeper/audit/reserve.h"
#include "broker/keeper/store/modes.h"
#include "common/log.h"
#include "common/sys.h"
#include "common/text.h"

#define NAME_DIGITS 8
#define SUFFIX ".jsonl"
#define UNNAMED "new" /* a segment until it is whole */
#define KEPT ".kept"  /* behind the name of what stood in the way of one */

void
audit_segment_name(uint32_t number, char ret_name[AUDIT_SEGMENT_NAME_SIZE])
{
	must(number >= 1 && number <= AUDIT_SEGMENT_MAX);
	(void)snprintf(ret_name, AUDIT_SEGMENT_NAME_SIZE, "%08u" SUFFIX, number);
}

/* 0: not one of ours. */
static uint32_t
number_of(const char *name)
{
	char again[AUDIT_SEGMENT_NAME_SIZE];
	uint32_t n = 0;

	if (strlen(name) != NAME_DIGITS + sizeof(SUFFIX) - 1)
		return 0;
	for (int i = 0; i < NAME_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		n = n * 10 + (uint32_t)(name[i] - '0');
	}
	if (n == 0)
		return 0;
	audit_segment_name(n, again);
	return strcmp(name, again) == 0 ? n : 0;
}

static enum err
count_in(struct audit_segments *s, const char *name, char *why, size_t why_size)
{
	uint32_t n = number_of(name);
	struct stat st;
	enum err e;

	if (n == 0)
		return ERR_OK; /* not ours: neither read nor removed */
	e = modes_check_file(s->dir_fd, s->dir, name, why, why_size);
	if (e != ERR_OK)
		return e;
	if (fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_IO;
	s->total += (uint64_t)st.st_size;
	s->missing++; /* files; becomes the difference behind the loop */
	if (s->oldest == 0 || n < s->oldest)
		s->oldest = n;
	if (n > s->newest) {
		s->newest = n;
		s->size = (uint64_t)st.st_size;
	}
	return ERR_OK;
}

static void
closedirp(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* 20261124.jsonl: a copy that somebody named by its date. */
static enum err
check_gap(const struct audit_segments *s, char *why, size_t why_size)
{
	if (s->missing <= AUDIT_MISSING_MAX)
		return ERR_OK;
	(void)snprintf(why, why_size,
	    "%s holds %08u" SUFFIX " and %08u" SUFFIX ", and %u segments between them are missing: "
	    "one of the two is not the broker's; move it to another folder.",
	    s->dir, s->oldest, s->newest, s->missing);
	return ERR_AUTH;
}

static enum err
list(struct audit_segments *s, char *why, size_t why_size)
{
	int fd = sys_openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	AUTO(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	enum err e = ERR_OK;

	if (d == NULL) {
		sys_close(fd);
		(void)snprintf(why, why_size, "%s cannot be listed: %s.", s->dir, strerror(errno));
		return ERR_IO;
	}
	while (e == ERR_OK) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(d);
		if (entry == NULL)
			break;
		e = count_in(s, entry->d_name, why, why_size);
	}
	if (e == ERR_OK && errno != 0)
		return ERR_IO;
	if (s->newest > 0)
		s->missing = s->newest - s->oldest + 1 - s->missing;
	return e == ERR_OK ? check_gap(s, why, why_size) : e;
}

enum err
audit_segments_open(
    struct audit_segments *s, const char *dir, uint64_t bytes_max, char *why, size_t why_size)
{
	enum err e;

	*s = (struct audit_segments){ .dir_fd = -1, .fd = -1, .bytes_max = bytes_max };
	if (!span_copy_str(span_str(dir), s->dir, sizeof(s->dir) - AUDIT_SEGMENT_NAME_SIZE))
		return ERR_LIMIT;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		(void)snprintf(why, why_size, "%s cannot be made: %s.", dir, strerror(errno));
		return ERR_IO;
	}
	e = modes_open_dir(dir, &s->dir_fd, why, why_size);
	if (e == ERR_OK)
		e = list(s, why, why_size);
	if (e != ERR_OK)
		audit_segments_close(s);
	return e;
}

/* The reserve is for the file in use. One that somebody else changed stays as it was found. */
static void
trim(struct audit_segments *s)
{
	if (s->fd < 0 || s->length <= s->size || audit_segments_moved(s) ||
	    ftruncate(s->fd, (off_t)s->size) != 0)
		return;
	s->total -= s->length - s->size;
	s->length = s->size;
}

void
audit_segments_close(struct audit_segments *s)
{
	trim(s);
	sys_closep(&s->fd);
	sys_closep(&s->dir_fd);
}

enum err
audit_segments_read(const struct audit_segments *s, uint32_t number, int *ret_fd)
{
	char name[AUDIT_SEGMENT_NAME_SIZE];
	int fd;

	if (s->newest == 0 || number < s->oldest || number > s->newest)
		return ERR_NOT_FOUND;
	audit_segment_name(number, name);
	fd = sys_openat(s->dir_fd, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	*ret_fd = fd;
	return ERR_OK;
}

enum err
audit_segments_continue(struct audit_segments *s)
{
	char name[AUDIT_SEGMENT_NAME_SIZE];
	AUTO(sys_closep) int fd = -1;
	uint64_t end;

	audit_segment_name(s->newest, name);
	fd = sys_openat(s->dir_fd, name, O_RDWR, 0);
	if (fd < 0 || audit_reserve_find(fd, &end) != ERR_OK)
		return ERR_IO;
	sys_close(s->fd);
	s->fd = fd;
	fd = -1; /* given away */
	s->length = s->size;
	s->size = end;
	return ERR_OK;
}

static uint64_t
segment_max(const struct audit_segments *s)
{
	uint64_t max = s->bytes_max / 8; /* so that retention removes an eighth, not all */

	if (max > AUDIT_SEGMENT_BYTES)
		max = AUDIT_SEGMENT_BYTES;
	return max < AUDIT_SEGMENT_BYTES_MIN ? AUDIT_SEGMENT_BYTES_MIN : max;
}

/* No room for it: the lines find out themselves. */
static void
reserve(struct audit_segments *s, uint64_t end)
{
	uint64_t length = end + AUDIT_RESERVE_BYTES;

	if (length > segment_max(s))
		return;
	if (audit_reserve_write(s->fd, s->length, length) != ERR_OK) {
		struct stat st;

		if (fstat(s->fd, &st) != 0)
			return;
		length = (uint64_t)st.st_size;
	}
	s->total += length - s->length;
	s->length = length;
}

enum err
audit_segments_append(struct audit_segments *s, struct span lines)
{
	uint64_t end = s->size + lines.len;

	if (s->fd < 0)
		return ERR_IO;
	if (end > s->length)
		reserve(s, end);
	if (sys_pwrite_all(s->fd, lines.p, lines.len, (off_t)s->size) != ERR_OK ||
	    sys_fdatasync(s->fd) != 0) {
		s->length = s->size; /* who knows what is behind it: nothing is trimmed */
		return ERR_IO;
	}
	s->size = end;
	if (end > s->length) {
		s->total += end - s->length;
		s->length = end;
	}
	return ERR_OK;
}

static void
path_of(const struct audit_segments *s, const char *name, char dst[PATH_MAX])
{
	int len = snprintf(dst, PATH_MAX, "%s/%s", s->dir, name);

	must(len > 0 && len < PATH_MAX); /* checked when it was opened */
}

/* Somebody's file with the name that the next segment gets is not lost: it is moved out of the way,
 * to a name that is none of ours. */
static enum err
make_room(const struct audit_segments *s, const char *name)
{
	char path[PATH_MAX], kept_name[AUDIT_SEGMENT_NAME_SIZE + sizeof(KEPT)], kept[PATH_MAX];
	struct stat st;

	if (fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? ERR_OK : ERR_IO;
	(void)snprintf(kept_name, sizeof(kept_name), "%s" KEPT, name);
	path_of(s, name, path);
	path_of(s, kept_name, kept);
	if (fstatat(s->dir_fd, kept_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		log_error("audit: %s is not the broker's, and no segment can be begun before it is "
			  "moved to another folder",
		    path);
		return ERR_IO;
	}
	if (sys_rename(path, kept) != 0)
		return ERR_IO;
	log_error("audit: %s is not the broker's, and is %s now; move it to another folder", path,
	    kept_name);
	return ERR_OK;
}

/* Whole and durable before it has its name: half a repetition would take the place of the records
 * that it was to repeat. */
enum err
audit_segments_next(struct audit_segments *s, struct span contents)
{
	AUTO(sys_closep) int fd = -1;
	char name[AUDIT_SEGMENT_NAME_SIZE], path[PATH_MAX], unnamed[PATH_MAX];

	if (s->newest >= AUDIT_SEGMENT_MAX)
		return ERR_IO;
	audit_segment_name(s->newest + 1, name);
	path_of(s, name, path);
	path_of(s, UNNAMED, unnamed);
	(void)sys_unlink(unnamed); /* of a crash */
	fd = sys_open(unnamed, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return ERR_IO;
	if (sys_write_all(fd, contents.p, contents.len) != ERR_OK || sys_fsync(fd) != 0 ||
	    make_room(s, name) != ERR_OK || sys_rename(unnamed, path) != 0) {
		(void)sys_unlink(unnamed);
		return ERR_IO;
	}
	if (sys_fsync(s->dir_fd) != 0) {
		(void)sys_unlink(
		    path); /* nobody relied on it: the next try takes the same number */
		return ERR_IO;
	}
	trim(s);
	sys_close(s->fd);
	s->fd = fd;
	fd = -1; /* given away */
	s->newest++;
	if (s->oldest == 0)
		s->oldest = s->newest;
	s->size = s->length = contents.len;
	s->total += contents.len;
	return ERR_OK;
}

/* 0: there is no such file, or nobody can say. */
static uint64_t
size_of(const struct audit_segments *s, uint32_t number)
{
	char name[AUDIT_SEGMENT_NAME_SIZE];
	struct stat st;

	audit_segment_name(number, name);
	if (fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return (uint64_t)st.st_size;
}

uint32_t
audit_segments_surplus(const struct audit_segments *s)
{
	uint64_t total = s->total;
	uint32_t last = 0;

	for (uint32_t n = s->oldest; total > s->bytes_max && n < s->newest; n++) {
		uint64_t size = size_of(s, n);

		total -= size < total ? size : total;
		last = n;
	}
	return last;
}

enum err
audit_segments_remove(struct audit_segments *s, uint32_t last)
{
	char name[AUDIT_SEGMENT_NAME_SIZE], path[PATH_MAX];

	must(last < s->newest);
	while (s->oldest <= last) {
		uint64_t size = size_of(s, s->oldest);

		audit_segment_name(s->oldest, name);
		path_of(s, name, path);
		if (sys_unlink(path) != 0 && errno != ENOENT)
			return ERR_IO;
		s->total -= size < s->total ? size : s->total;
		s->oldest++;
	}
	return ERR_OK;
}

bool
audit_segments_full(const struct audit_segments *s, size_t more)
{
	return s->size + more >= segment_max(s);
}

bool
audit_segments_grow(const struct audit_segments *s, size_t more)
{
	return s->size + more > s->length;
}

bool
audit_segments_moved(const struct audit_segments *s)
{
	char name[AUDIT_SEGMENT_NAME_SIZE];
	struct stat named, open;

	if (s->fd < 0 || s->newest == 0)
		return false;
	audit_segment_name(s->newest, name);
	if (fstat(s->fd, &open) != 0)
		return false;
	return fstatat(s->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
	       named.st_ino != open.st_ino || named.st_dev != open.st_dev ||
	       (uint64_t)open.st_size != s->length; /* cut by a rotator that copies, or grown */
}
