/*
 * dotenv - reads an .env file strictly: what two readers could understand differently is an error.
 * Process: cli.   Owns: the entries and the decoded values (dotenv_wipe()).
 * Secrets: the decoded values, in a struct buf that is wiped. Errors never quote the file.
 * Limits: DOTENV_FILE_MAX bytes, DOTENV_ENTRIES_MAX variables, DOTENV_NAME_MAX bytes a name; beyond
 * them ERR_LIMIT. Failure: ERR_SYNTAX or ERR_LIMIT with a line and a reason; nothing is returned.
 *
 * Lines end in LF or CRLF. A variable is [export] NAME=VALUE. A value is bare (to the end of the
 * line or to a blank and '#', blanks around it cut), 'single' (as it stands), or "double" (with \n
 * \r \t \\ \" \$); quoted ones may span lines. ${VAR} stays as written.
 */
#ifndef CLI_DOTENV_H
#define CLI_DOTENV_H

#include <stdint.h>

#include "common/buf.h"

#define DOTENV_FILE_MAX (1u << 20)
#define DOTENV_ENTRIES_MAX 4096
#define DOTENV_NAME_MAX 128

enum dotenv_quote { DOTENV_BARE = 0, DOTENV_SINGLE, DOTENV_DOUBLE };

struct dotenv_entry {
	uint32_t line;
	struct span name;    /* in the input */
	struct span written; /* the value as it stands in the input, with its quotes */
	enum dotenv_quote quote;
	bool exported;
	bool refers;	     /* holds ${VAR} or the like: what it means depends on who reads it */
	size_t at, len;	     /* decoded, in text */
	const char *service; /* of a stack's: the first that has it so; from a file: NULL */
};

struct dotenv {
	struct dotenv_entry *entries;
	uint32_t count;
	uint32_t comments; /* lines with a comment, or with one behind the value */
	struct buf text;
};

struct dotenv_error {
	uint32_t line;
	char text[160];
};

/* in must outlive *ret_d. */
enum err dotenv_parse(
    struct span in, struct dotenv *ret_d, struct dotenv_error *ret_error) NODISCARD;
void dotenv_wipe(struct dotenv *d);
struct span dotenv_value(const struct dotenv *d, const struct dotenv_entry *e);

#endif
