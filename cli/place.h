/*
 * place - one file that gets its name only when all is well, and gives it back when it is not.
 * Process: cli.   Owns: PATH.sidekey.new and PATH.sidekey.old while it is under way.
 * Secrets: may be in the text, which is the caller's.   Limits: none of its own.
 * Failure: an exit code with the message on stderr; then place_undo().
 */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include <sys/types.h>

#include "cli/cli.h"
#include "common/span.h"

/* WRITTEN: beside its place; DONE: in its place. */
enum place_stage { PLACE_NONE = 0, PLACE_WRITTEN, PLACE_DONE };

struct place {
	char path[PATH_MAX];
	mode_t mode;
	bool has_owner;
	uid_t owner;
	gid_t group;
	enum place_stage stage;
	bool backed_up; /* the old one is beside it */
};

enum cli_exit place_write(struct place *p, struct span text) NODISCARD;
enum cli_exit place_file(struct place *p) NODISCARD; /* after place_write() */
/* Sets what is there aside, and puts nothing in its place. */
enum cli_exit place_remove(struct place *p) NODISCARD;
bool place_undo(const struct place *p); /* false: it could not */
void place_keep(const struct place *p); /* the old one goes, and what a kill left */
/* Where nothing is: what was there goes back, if a kill left it set aside. */
void place_recover(const char *path);

#endif
