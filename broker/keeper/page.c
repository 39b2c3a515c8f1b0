#include "broker/keeper/page.h"

#include <string.h>

static void
put_at(struct page *p, size_t at, const char *name, const void *item)
{
	size_t behind = p->count - at;

	if (p->count == PAGE_MAX)
		behind--; /* the last one falls out: it is for the next page */
	else
		p->count++;
	memmove(&p->names[at + 1], &p->names[at], behind * sizeof p->names[0]);
	memmove(&p->items[at + 1], &p->items[at], behind * sizeof p->items[0]);
	p->names[at] = name;
	p->items[at] = item;
}

void
page_offer(struct page *p, const char *name, const void *item)
{
	size_t low = 0, high = p->count;

	if (strcmp(name, p->after) <= 0)
		return;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strcmp(p->names[mid], name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (p->count == PAGE_MAX)
		p->more = true;
	if (low < PAGE_MAX)
		put_at(p, low, name, item);
}
