/*
 * page - the next few names in order, out of many that come in no order: for lists that are read
 * page by page.
 * Process: keeper.   Owns: nothing; the items are their modules'.
 * Secrets: none.
 * Limits: PAGE_MAX items; more are told by `more`.
 * Failure: none.
 */
#ifndef KEEPER_PAGE_H
#define KEEPER_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#define PAGE_MAX 128

struct page {
	const char *after; /* names up to and with this one are left out; "" for the first page */
	const char *names[PAGE_MAX];
	const void *items[PAGE_MAX];
	size_t count;
	bool more;
};

/* name and item stay valid as long as the page is used. */
void page_offer(struct page *p, const char *name, const void *item);

#endif
