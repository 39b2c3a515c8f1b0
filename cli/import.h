/*
 * import - what moving an .env file into the store would do: worked out whole before anything is
 *   done.
 * Process: cli.   Owns: all that hangs on struct import (import_wipe()).
 * Secrets: the decoded values of the file, in env.text, and the file itself, in text; both wiped.
 * Limits: the _MAX constants here and in dotenv.h; beyond them the plan is refused.
 * Failure: an exit code with the message on stderr; the plan is of no use then, and nothing was
 *   changed.
 */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include <sys/types.h>

#include "broker/api/policyc/policyc.h"
#include "cli/cli.h"
#include "cli/dotenv.h"

#define IMPORT_UPSTREAMS_MAX 32
#define IMPORT_WORKLOADS_MAX 64
#define IMPORT_FILES_MAX (IMPORT_UPSTREAMS_MAX + 2 * IMPORT_WORKLOADS_MAX)
#define IMPORT_FILE_LEN_MAX 65536
#define IMPORT_NOTE_SIZE 512
#define IMPORT_WHERE_SIZE (PATH_MAX + 16)
#define IMPORT_OUTS_MAX 24
#define IMPORT_OUT_MAX ((size_t)2 * DOTENV_FILE_MAX)

enum import_fate { IMPORT_LEFT = 0, IMPORT_TAKEN };

/* One variable of the file. */
struct import_item {
	const struct dotenv_entry *entry;
	enum import_fate fate;
	bool told;			 /* by --take */
	bool only_stored;		 /* by --take without an upstream */
	char upstream[NAME_LEN_MAX + 1]; /* "": none */
	char secret[NAME_LEN_MAX + 1];	 /* taken: where the value goes */
	bool first;			 /* taken: the value is stored on behalf of this one */
	char note[IMPORT_NOTE_SIZE];	 /* left: why, if that is worth a word */
	bool present;			 /* the store has this value already */
	bool elsewhere;			 /* an address, and not where its upstream is bound to */
};

/* One upstream that a taken variable is for. */
struct import_upstream {
	char name[NAME_LEN_MAX + 1];
	const struct upstream *base; /* as files, catalogue and the .env's own address give it */
	struct rules *own;	     /* where base lives when the .env names an address */
	char url[512];		     /* that address; "": as it is */
	bool in_file;		     /* upstreams/<name>.yaml is there: the operator's word */
};

/* One file to write below the configuration folder. */
struct import_file {
	const char *part; /* "upstreams", "policies" */
	char name[NAME_LEN_MAX + 8];
	const char *workload; /* "policies": whose */
	struct buf text;
	bool kept; /* one is there, and stays */
};

/* One file to write elsewhere. */
struct import_out {
	char path[PATH_MAX];
	mode_t mode;
	struct buf text;
};

/* One enrollment to make, for the workload of the same index. */
struct import_enroll {
	char path[PATH_MAX];
	uid_t owner;
	uint32_t cap;
};

struct import {
	const char *path;
	struct buf text;
	struct dotenv env;
	struct import_item *items; /* one an entry, in their order */
	struct rules *current;	   /* the configuration folder as it is */
	struct rules *catalogue;
	struct import_upstream upstreams[IMPORT_UPSTREAMS_MAX];
	uint32_t upstream_count;
	const char *workloads[IMPORT_WORKLOADS_MAX];
	uint32_t workload_count;
	char workload_names[4096];
	struct import_file files[IMPORT_FILES_MAX];
	uint32_t file_count;
	uint32_t without_rules; /* upstreams that no policy could be written for */
	char out_path[PATH_MAX];
	struct buf out; /* the file without keys */

	/* The rest is for a Compose stack: many files, and each workload with upstreams of its own.
	 */
	bool stack;	   /* what is there already stays, as far as it fits */
	const char *label; /* the command, as the head of a written file names it */
	bool uses[IMPORT_WORKLOADS_MAX][IMPORT_UPSTREAMS_MAX]; /* stack: which of them */
	struct import_out outs[IMPORT_OUTS_MAX];
	uint32_t out_count;
	struct import_enroll *enrolls; /* one a workload; NULL: none are made */
	bool has_owner;		       /* of what is in outs and out */
	uid_t owner;
	gid_t group;
	/* Asked when out and outs are in their places, before the broker is told; NULL: nobody is.
	 */
	enum cli_exit (*check)(void *arg);
	/* Which variable --take means; says so itself if it is none. NULL: the one of that name. */
	enum cli_exit (*find_told)(void *arg, struct span told, struct import_item **ret_item);
	void *arg;
};

#define IMPORT_NONE                                                                                \
	{                                                                                          \
		.text = BUF_MAX(DOTENV_FILE_MAX + 1), .env = { .text = BUF_MAX(0) },               \
		.out = BUF_MAX(IMPORT_OUT_MAX), .label = "sidekey import env"                      \
	}

void import_wipe(struct import *im);

/* Reads file, options and configuration folder, and works out all of the above. The broker is not
 * asked. */
enum cli_exit import_plan(const struct cli *c, struct import *im) NODISCARD;

/* The steps of import_plan(), in this order. */
enum cli_exit import_find_keys(const struct cli *c, struct import *im) NODISCARD; /* items */
enum cli_exit import_find_upstreams(
    const struct cli *c, struct import *im) NODISCARD; /* upstreams, secrets */
enum cli_exit import_compose_files(const struct cli *c, struct import *im) NODISCARD; /* files */
enum cli_exit import_compose_out(struct import *im) NODISCARD;			      /* out */

/* Beside each policy among the files: what rules, compiled with it, decide. */
enum cli_exit import_compose_expect(struct import *im, const struct rules *rules) NODISCARD;

/* The configuration folder as it is, and the catalogue. */
enum cli_exit import_read_rules(const struct cli *c, struct import *im) NODISCARD;
/* May a workload of this plan use it? */
bool import_uses(const struct import *im, uint32_t workload, uint32_t upstream);
/* A worthless value of the same prefix, length and alphabet. It follows from the secret's name, so
 * that another run writes the same. */
enum err import_stand_in(struct buf *out, struct span value, const char *secret) NODISCARD;
/* NAME=VALUE as it stood, or with stand_in in the place of the value where that is not NULL. */
enum err import_put_entry(
    struct buf *out, const struct dotenv_entry *entry, const struct buf *stand_in) NODISCARD;

/* There is room for all that a plan can need. */
struct import_file *import_file_new(
    struct import *im, const char *part, const char *stem, const char *ending);
struct import_upstream *import_upstream(struct import *im, const char *name); /* NULL: none */
/* ".env:3", "the service coder" */
void import_where(
    const struct import *im, const struct import_item *it, char dst[IMPORT_WHERE_SIZE]);
/* Can the upstream's key be bound to this address? */
bool import_binds(const struct import *im, const char *upstream, const struct import_item *it);
/* Is it the address that the upstream has by itself? */
bool import_is_usual(const struct import *im, const char *upstream, struct span address);
struct span import_value(const struct import *im, const struct import_item *it);

/* Does it: values over keeper.sock, files, reload, workloads, the file without keys. On a failure
 * all that was done is taken back. */
enum cli_exit import_apply(const struct cli *c, struct import *im) NODISCARD;

#endif
