#include "broker/gateway/share.h"

#include <stdlib.h>

static struct share *
find(struct share *s, const char *workload)
{
	while (s != NULL && !span_eq_str(span_str(s->workload), workload))
		s = s->next;
	return s;
}

enum err
share_take(struct share **list, const char *workload, uint32_t max, struct share **ret_s)
{
	struct share *s = find(*list, workload);

	if (s == NULL) {
		s = calloc(1, sizeof *s);
		if (s == NULL)
			return ERR_NOMEM;
		must(span_copy_str(span_str(workload), s->workload, sizeof s->workload));
		s->next = *list;
		*list = s;
	}
	if (s->conns >= max)
		return ERR_LIMIT;
	s->conns++;
	*ret_s = s;
	return ERR_OK;
}

void
share_give(struct share **list, struct share *s)
{
	if (s == NULL || --s->conns > 0)
		return;
	while (*list != s)
		list = &(*list)->next;
	*list = s->next;
	free(s);
}
