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

#define NOW 1795491351 /* 2026-11-24T03:35:51Z */

struct fixture {
	char dir[80], why[256];
	struct keyring *keyring;
	struct audit *audit;
	uint8_t public_key[SIGN_PUBLIC_LEN];
	uint64_t bytes_max, revision;
	int64_t now_s;
};

static inline enum err
fixture_open(struct fixture *f, uint64_t min_seq)
{
	struct audit_settings s = {
		.dir = f->dir, .bytes_max = f->bytes_max, .revision = f->revision
	};
	enum err e =
	    audit_open(&s, f->keyring, min_seq, f->now_s, &f->audit, f->why, sizeof(f->why));

	if (e == ERR_OK)
		memcpy(f->public_key, audit_public_key(f->audit), SIGN_PUBLIC_LEN);
	else
		f->audit = NULL;
	return e;
}

static inline void
fixture_init(struct fixture *f, uint64_t bytes_max)
{
	static const uint8_t store_id[STORE_ID_LEN] = "audit test";
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "%s/sidekey-audit-XXXXXX", tmp);
	must(mkdtemp(f->dir) != NULL);
	must(keyring_new(store_id, &f->keyring) == ERR_OK);
	f->bytes_max = bytes_max;
	f->now_s = NOW;
	must(fixture_open(f, 0) == ERR_OK);
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
