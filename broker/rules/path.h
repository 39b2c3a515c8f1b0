/*
 * path - the two steps that judging a path and matching it share.
 * Process: gateway, keeper, cli.   Owns: nothing.   Secrets: none.   Limits: none.   Failure: none.
 */
#ifndef RULES_PATH_H
#define RULES_PATH_H

#include "common/span.h"

/* Takes the segment behind the slash at the front of rest, with that slash; rest is not empty. */
struct span path_take_segment(struct span *rest);

/* The byte that "%xx" at s.p[i] stands for, or -1 where no such thing is. */
int path_escape_at(struct span s, size_t i);

#endif
