#include "common/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * The arena is an array of 64-byte cells with a bitmap beside it; a secret takes neighbouring
 * cells, its header first. First fit from a rotating start: allocation is rare (one a secret
 * version in use), so a scan is fine.
 */
#define CELL_LEN 64
#define CELLS_MAX 65536 /* 4 MiB: beyond it secret_arena_init() refuses */

struct secret {
	size_t len;
	uint32_t cells;
	uint32_t magic;
	uint8_t bytes[];
};

#define MAGIC 0x5ec7e75eu

static uint8_t *arena;
static size_t arena_cells, arena_next;
static uint8_t taken[CELLS_MAX];

static enum err
arena_init(size_t size, bool locked)
{
	void *p;

	must(arena == NULL);
	size = (size + 4095) & ~(size_t)4095;
	if (size == 0 || size / CELL_LEN > CELLS_MAX)
		return ERR_LIMIT;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return ERR_NOMEM;
	if ((locked && mlock(p, size) != 0) || madvise(p, size, MADV_DONTDUMP) != 0 ||
	    madvise(p, size, MADV_DONTFORK) != 0) {
		(void)munmap(p, size);
		return ERR_SYS;
	}
	arena = p;
	arena_cells = size / CELL_LEN;
	return ERR_OK;
}

enum err
secret_arena_init(size_t size)
{
	return arena_init(size, true);
}

enum err
secret_arena_init_unlocked(size_t size)
{
	return arena_init(size, false);
}

/* The first cell of n free neighbours at or behind from; arena_cells if there is none. */
static size_t
find_run(size_t from, size_t n)
{
	size_t run = 0;

	for (size_t i = from; i < arena_cells; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run == n)
			return i + 1 - n;
	}
	return arena_cells;
}

enum err
secret_new(size_t len, struct secret **ret_s)
{
	size_t n, at;
	struct secret *s;

	must(arena != NULL && len >= 1);
	if (len > SECRET_LEN_MAX)
		return ERR_LIMIT;
	n = (sizeof(struct secret) + len + CELL_LEN - 1) / CELL_LEN;
	at = find_run(arena_next, n);
	if (at == arena_cells)
		at = find_run(0, n);
	if (at == arena_cells)
		return ERR_NOMEM;
	memset(taken + at, 1, n);
	arena_next = at + n;
	s = (struct secret *)(void *)(arena + at * CELL_LEN); /* cells are zero: free wiped them */
	s->len = len;
	s->cells = (uint32_t)n;
	s->magic = MAGIC;
	*ret_s = s;
	return ERR_OK;
}

enum err
secret_from(const void *p, size_t len, struct secret **ret_s)
{
	enum err e = secret_new(len, ret_s);

	if (e == ERR_OK)
		memcpy((*ret_s)->bytes, p, len);
	return e;
}

void
secret_free(struct secret *s)
{
	size_t at, cells;

	if (s == NULL)
		return;
	must(s->magic == MAGIC); /* a second free would free somebody else's secret */
	at = (size_t)((uint8_t *)s - arena) / CELL_LEN;
	cells = s->cells;
	secret_wipe(s, cells * CELL_LEN);
	memset(taken + at, 0, cells);
}

void
secret_freep(struct secret **s)
{
	secret_free(*s);
	*s = NULL;
}

uint8_t *
secret_bytes(struct secret *s)
{
	return s->bytes;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}

struct span
secret_span(const struct secret *s)
{
	return span_of(s->bytes, s->len);
}

bool
secret_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	if (a_len != b_len)
		return false;
	for (size_t i = 0; i < a_len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

void
secret_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}

void
secret_wipe_free(void *p)
{
	if (p != NULL)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}
