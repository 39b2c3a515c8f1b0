/*
 * audit_fixture - an audit log in a directory of its own, its segments in memory to be tampered
 * with, and the verifier over them. Process: tests.   Owns: directory, keyring, log.   Secrets:
 * none.   Limits: none.   Failure: must() aborts.
 */
#ifndef TESTS_AUDIT_FIXTURE_H
#define TESTS_AUDIT_FIXTURE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/keeper/audit/audit.h"
#include "broker/keeper/audit/verify.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

#define MIB ((size_t)1 << 20)
#define NOW 1795491351 /* 2026-11-24T03:35:51Z */

struct fixture {
	char dir[80], why[256];
	struct keyring *keyring;
	struct audit *audit;
	uint8_t public_key[SIGN_PUBLIC_LEN];
	uint64_t bytes_max, revision;
	bool remembers;		 /* the store knows where intervals end: no state of before goes */
	struct audit_mark ended; /* what it knows */
	enum err end;		 /* what it says when an interval ends */
	int ended_fd;		 /* > 0: keeps it, also for another process */
	int64_t now_s;
};

static inline enum err
fixture_end_interval(const struct audit_mark *mark, uint64_t *ret_revision, void *arg)
{
	struct fixture *f = arg;

	*ret_revision = 0;
	if (f->end != ERR_OK)
		return f->end;
	f->ended = *mark;
	if (f->ended_fd > 0)
		must(sys_pwrite_all(f->ended_fd, mark, sizeof(*mark), 0) == ERR_OK);
	return ERR_OK;
}

static inline enum err
fixture_open(struct fixture *f, uint64_t min_seq)
{
	struct audit_settings s = { .dir = f->dir,
		.bytes_max = f->bytes_max,
		.revision = f->revision,
		.end_interval = f->remembers ? fixture_end_interval : NULL,
		.arg = f,
		.ended = f->ended };
	enum err e =
	    audit_open(&s, f->keyring, min_seq, f->now_s, &f->audit, f->why, sizeof(f->why));

	if (e == ERR_OK)
		memcpy(f->public_key, audit_public_key(f->audit), SIGN_PUBLIC_LEN);
	else
		f->audit = NULL;
	return e;
}

static inline void
fixture_init_as(struct fixture *f, uint64_t bytes_max, bool remembers)
{
	static const uint8_t store_id[STORE_ID_LEN] = "audit test";
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "%s/sidekey-audit-XXXXXX", tmp);
	must(mkdtemp(f->dir) != NULL);
	must(keyring_new(store_id, &f->keyring) == ERR_OK);
	f->bytes_max = bytes_max;
	f->remembers = remembers;
	f->now_s = NOW;
	must(fixture_open(f, 0) == ERR_OK);
}

static inline void
fixture_init(struct fixture *f, uint64_t bytes_max)
{
	fixture_init_as(f, bytes_max, false);
}

static inline void
fixture_shut(struct fixture *f)
{
	audit_close(f->audit, f->now_s);
	f->audit = NULL;
}

static inline void
empty_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char path[512];

	while (d != NULL && (entry = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] != '.')
			(void)sys_unlink(path);
	}
	(void)closedir(d);
}

static inline void
fixture_close(struct fixture *f)
{
	fixture_shut(f);
	keyring_free(f->keyring);
	empty_dir(f->dir);
	(void)rmdir(f->dir);
}

static inline enum err
add(struct fixture *f, const char *target)
{
	struct audit_record r = { .event = "decide",
		.workload = span_str("mcp-github"),
		.upstream = span_str("github"),
		.method = span_str("GET"),
		.target = span_str(target),
		.decision = "allow" };
	uint64_t seq;

	return audit_append(f->audit, &r, 3, f->now_s * 1000 + 123, &seq);
}

/* n records, each synced. */
static inline void
add_many(struct fixture *f, int n)
{
	char target[32];

	for (int i = 0; i < n; i++) {
		(void)snprintf(target, sizeof(target), "/repos/acme/%d", i);
		must(add(f, target) == ERR_OK && audit_sync(f->audit, f->now_s) == ERR_OK);
	}
}

static inline void
segment_path(const struct fixture *f, uint32_t n, char path[128])
{
	(void)snprintf(path, 128, "%s/%08u.jsonl", f->dir, n);
}

/* The lines of a segment, without its reserve. */
static inline void
segment_load(const struct fixture *f, uint32_t n, struct buf *b)
{
	AUTO(buf_wipe) struct buf file = BUF_MAX(64 << 20);
	char path[128];

	segment_path(f, n, path);
	must(sys_read_file(path, &file) == ERR_OK);
	while (file.len > 0 && file.data[file.len - 1] == 0)
		buf_truncate(&file, file.len - 1);
	buf_clear(b);
	must(buf_append_span(b, buf_span(&file)) == ERR_OK);
}

static inline void
segment_store(const struct fixture *f, uint32_t n, struct span s)
{
	char path[128];
	int fd;

	segment_path(f, n, path);
	(void)sys_unlink(path);
	fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	must(fd >= 0 && sys_write_all(fd, s.p, s.len) == ERR_OK);
	sys_close(fd);
}

static inline void
segment_rename(const struct fixture *f, uint32_t from, uint32_t to)
{
	char old[128], new[128];

	segment_path(f, from, old);
	segment_path(f, to, new);
	must(sys_rename(old, new) == 0);
}

static inline bool
holds(const struct buf *b, const char *text)
{
	return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

/* The i-th line with its newline, from 0; an empty span behind the last. */
static inline struct span
line_at(struct span s, int i)
{
	for (; s.len > 0; i--) {
		const uint8_t *end = memchr(s.p, '\n', s.len);
		size_t len = end == NULL ? s.len : (size_t)(end - s.p) + 1;

		if (i == 0)
			return span_of(s.p, len);
		s = span_of(s.p + len, s.len - len);
	}
	return SPAN_NONE;
}

static inline int
count_lines(struct span s)
{
	int n = 0;

	while (line_at(s, n).len > 0)
		n++;
	return n;
}

/* One segment: line 0 header; so many rounds of four records and their checkpoint; three records
 * that nothing proves, as a crash leaves them. */
static inline void
fixture_fill(struct fixture *f, int rounds, struct buf *b)
{
	fixture_init(f, 64 * MIB);
	for (int i = 0; i < rounds; i++) {
		add_many(f, 4);
		f->now_s += AUDIT_CHECKPOINT_S;
		must(audit_sync(f->audit, f->now_s) == ERR_OK);
	}
	add_many(f, 3);
	segment_load(f, 1, b);
	fixture_shut(f);
	must(count_lines(buf_span(b)) == 1 + 5 * rounds + 3);
}

enum {		     /* with the number of a line */
	ZEROS = 100, /* in it */
	CHANGED = 200,
	TAIL = 300,    /* zeros up to its newline, and that too: with the next one it is one line */
	STRANGE = 400, /* no line of ours */
	LATER = 500,   /* record 13 as 14: what no checkpoint lets pass, in its place and form */
	/* alone */
	TEXT = 1000,
	EMPTY,
	HALF,
	LONG, /* more than any line has */
};

static inline void
put_changed(struct span l, int how, struct buf *to)
{
	uint8_t *at;
	char *digits;

	must(buf_reserve(to, l.len) == ERR_OK);
	at = buf_tail(to);
	must(buf_append_span(to, l) == ERR_OK);
	if (how == CHANGED || how == STRANGE)
		at[how == CHANGED ? 60 : 1] ^= 1;
	if (how == ZEROS || how == TAIL)
		memset(at + 20, 0, how == ZEROS ? 60 : l.len - 20);
	if (how == LATER) {
		digits = memmem(at, l.len, "\"seq\":13", 8);
		must(digits != NULL);
		digits[7] = '4';
	}
}

static inline void
put_line(const struct buf *from, int what, struct buf *to)
{
	static const char half[] = "{\"chain\":\"01\",\"se";

	if (what < TEXT)
		put_changed(line_at(buf_span(from), what % 100), what / 100 * 100, to);
	else if (what == LONG)
		for (int i = 0; i < 200000; i++)
			must(buf_append_byte(to, 'x') == ERR_OK);
	else if (what != EMPTY)
		must(buf_append_str(to, what == TEXT ? "hello" : half) == ERR_OK);
	if (what >= TEXT && what != HALF)
		must(buf_append_byte(to, '\n') == ERR_OK);
}

/* Lines of it, and others, in the order of an array that ends with -1. */
static inline void
put_lines(const struct buf *from, const int *lines, struct buf *to)
{
	buf_clear(to);
	for (; *lines >= 0; lines++)
		put_line(from, *lines, to);
}

/* All segments that are there, in order. anchor may be NULL. */
static inline struct verify_result
verify_all(const struct fixture *f, const uint8_t *anchor)
{
	struct verify *v = NULL;
	struct verify_result r;
	enum err e = ERR_OK;

	must(verify_new(f->public_key, &v) == ERR_OK);
	if (anchor != NULL)
		verify_expect(v, anchor);
	for (uint32_t n = 1; n < 200 && e == ERR_OK; n++) {
		char path[128];
		int fd;

		segment_path(f, n, path);
		fd = sys_open(path, O_RDONLY, 0);
		if (fd >= 0)
			e = verify_segment(v, n, fd);
		sys_close(fd);
	}
	must(e == ERR_OK || e == ERR_AUTH);
	r = verify_end(v);
	must(e == ERR_OK || r.bad_line != 0);
	verify_free(v);
	return r;
}

#endif
