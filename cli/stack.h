/*
 * stack - a Compose stack on its way off its .env: read, judged and worked out before anything is
 *   done.
 * Process: cli.   Owns: all that hangs on struct stack (stack_wipe()).
 * Secrets: the resolved model (jansson, with allocators that wipe), the Compose files and the .env
 *   (buffers), and the values in import.env.text. None is printed.
 * Limits: the _MAX constants here and in import.h; beyond them the plan is refused.
 * Failure: an exit code with the message on stderr; the plan is of no use then, and nothing was
 *   changed.
 */
#ifndef CLI_STACK_H
#define CLI_STACK_H

#include <jansson.h>

#include "cli/import.h"

#define STACK_FILES_MAX 16
#define STACK_SERVICES_MAX IMPORT_WORKLOADS_MAX
#define STACK_TEXT_MAX ((size_t)16 << 20)
#define STACK_FILE_TEXT_MAX ((size_t)1 << 20)
#define STACK_WHY_SIZE 256
#define STACK_TOLD_NAME_SIZE (NAME_LEN_MAX + 1 + DOTENV_NAME_MAX + 1)
#define STACK_NOTES_MAX ((size_t)1 << 18)
#define STACK_ARGV_MAX 64
#define STACK_DIGEST_SIZE 65
#define STACK_RECORD_MAX ((size_t)1 << 20)
#define STACK_LABEL "sidekey import compose"

/* Where the shim and its socket are in a container. */
#define STACK_SHIM "/sidekey/sidekey-shim"
#define STACK_SHIM_MOUNT "sidekey-shim:/sidekey:ro"
#define STACK_SOCKET_MOUNT "sidekey-run:/run/sidekey:ro"

enum stack_fate { STACK_PLAIN = 0, STACK_LEFT, STACK_CONVERTED };

struct stack_file {
	char path[PATH_MAX], overlay[PATH_MAX];
	struct buf text;
	json_t *model;	     /* of this file and those before it */
	struct buf services; /* the names of those it speaks of, each with its NUL */
};

struct stack_service {
	const char *name;    /* in the model */
	const json_t *def;   /* in the model */
	const json_t *image; /* what docker image inspect says; NULL: not known */
	enum stack_fate fate;
	char why[STACK_WHY_SIZE]; /* left: why */
	uid_t uid;
	bool isolated; /* converted: nothing else needs the network */
	char network[STACK_WHY_SIZE];
	char health[64];   /* of its container, as Docker has it now */
	char init[16];	   /* the init that was taken from in front of its command */
	uint32_t workload; /* converted: in import.workloads */
};

/* What a person should know, and no value. */
enum stack_note { STACK_NOTE_LITERAL = 'l', STACK_NOTE_SCRIPT = 's', STACK_NOTE_OTHER = 'o' };

struct stack {
	const struct cli *c;
	struct import im;
	char docker[PATH_MAX];	/* "": there is no client */
	char compose[PATH_MAX]; /* a docker-compose of its own; "": docker compose */
	char project_dir[PATH_MAX];
	char env_path[PATH_MAX]; /* "": there is none */
	struct stack_file files[STACK_FILES_MAX];
	uint32_t file_count;
	json_t *model;	/* files[file_count - 1].model */
	json_t *bare;	/* not interpolated: who names an env_file; NULL: not known */
	json_t *images; /* list of what docker image inspect printed */
	struct stack_service services[STACK_SERVICES_MAX];
	uint32_t service_count;
	struct buf env_text;
	struct dotenv env;
	uint32_t env_keys_left; /* variables of the .env whose keys are in .env.sidekey too */
	json_t *restores; /* list of {variable, secret}: what .env.sidekey has placeholders for */
	struct buf notes; /* a letter of enum stack_note, the text, NUL; and so on */
};

void stack_wipe(struct stack *s);

/* The steps of the plan, in this order. */
enum cli_exit stack_read_places(struct stack *s) NODISCARD; /* files, folder, path of the .env */
enum cli_exit stack_read(struct stack *s) NODISCARD;	    /* files, model, images, .env */
enum cli_exit stack_find_keys(struct stack *s) NODISCARD;   /* import.items */
enum cli_exit stack_judge(struct stack *s) NODISCARD;	    /* services */
enum cli_exit stack_settle(struct stack *s) NODISCARD; /* import: upstreams, workloads, files */
enum cli_exit stack_compose_env(struct stack *s) NODISCARD;	 /* import.out */
enum cli_exit stack_compose_overlays(struct stack *s) NODISCARD; /* import.outs */
enum cli_exit stack_find_literals(struct stack *s) NODISCARD;	 /* notes */
enum cli_exit stack_find_scripts(struct stack *s) NODISCARD;	 /* notes */
enum cli_exit stack_find_rest(struct stack *s) NODISCARD;	 /* notes */

/* What the parts share. */
/* Has it a key of this upstream, or of any (NULL), that is taken? */
bool stack_uses(const struct stack *s, const struct stack_service *v, const char *upstream);
/* Its env_file as it is written, as a list; NULL: none, or not known. */
const json_t *stack_env_files(const struct stack *s, const struct stack_service *v);
const char *stack_env_file(const json_t *row);		    /* the path */
bool stack_is_env(const struct stack *s, const char *path); /* is it the .env itself? */
enum cli_exit stack_note(struct stack *s, enum stack_note kind, const char *fmt, ...) PRINTF(3, 4);
struct stack_service *stack_service(struct stack *s, const char *name); /* NULL: none */
/* The item for a variable of a service; NULL: it has no value. */
struct import_item *stack_item(const struct stack *s, const char *name, const json_t *value);
/* Does any string below j hold these bytes? */
bool stack_holds(const json_t *j, struct span bytes);
/* stack_told.c: of a struct stack: the variable that --take means, as VARIABLE or SERVICE:VARIABLE.
 * Refused where services hold different values under one name. */
enum cli_exit stack_find_told(void *arg, struct span told, struct import_item **ret_item) NODISCARD;
/* As --take wants it. */
void stack_told_name(
    const struct import *im, const struct import_item *it, char dst[STACK_TOLD_NAME_SIZE]);
/* s with each taken key in it replaced by its stand-in. */
enum err stack_put_clean(const struct stack *s, struct span text, struct buf *out) NODISCARD;
/* Does any value of the .env or of a service stand in text, so that it must not be shown? */
bool stack_quotes_value(const struct stack *s, struct span text);
/* A service of the model of one file, with those before it. */
const json_t *stack_def_in(const struct stack_file *f, const char *service);
bool stack_has(const struct buf *names, const char *name); /* in a list of names with NULs */

/* stack_docker.c: asks the Docker client. */
/* As one word of a shell's line. */
enum err stack_put_word(struct buf *line, const char *word) NODISCARD;
enum cli_exit stack_docker_find(struct stack *s) NODISCARD;
/* The resolved model of the first count files; bare: without interpolation. */
enum cli_exit stack_docker_config(
    struct stack *s, uint32_t count, bool bare, json_t **ret_model) NODISCARD;
enum cli_exit stack_docker_images(struct stack *s) NODISCARD; /* images, health */
/* What Compose makes of originals, overlays and .env.sidekey, which are in their places. */
enum cli_exit stack_docker_outcome(const struct stack *s, json_t **ret_model) NODISCARD;
/* The uid of a name in an image's /etc/passwd. False: there is none, or nobody to ask. */
bool stack_docker_uid(const struct stack *s, const char *image, const char *user, uid_t *ret_uid);
/* The image of a service, named as Compose does. */
void stack_image_name(const struct stack *s, const char *name, const json_t *def, char dst[512]);

/* stack_command.c: what a container runs. */
const char *stack_base_name(const char *path); /* behind the last slash */
struct stack_command {
	json_t *entrypoint, *command; /* lists; owned */
	char init[16];
};
/* False: nothing is known that could be run. */
bool stack_command(const json_t *def, const json_t *image, struct stack_command *ret);
void stack_command_wipe(struct stack_command *k);

/* stack_network.c: may it do without? Writes the reason either way. */
void stack_judge_network(const struct stack *s, struct stack_service *v);
/* stack_clash.c: would a service get another's address or variable for an upstream that both use?
 */
bool stack_clashes(
    const struct stack *s, const struct stack_service *v, char ret_why[STACK_WHY_SIZE]);
void stack_settle_addresses(struct stack *s); /* services are judged: items' elsewhere */

/* stack_controls.c: the names of the CIS controls that are off. */
json_t *stack_missing_controls(const json_t *def, const json_t *image, bool converted);

/* stack_rest.c: of a struct stack: is the outcome one that Compose takes? Warns of keys that are
 * left in it. Without a client nobody is asked. */
enum cli_exit stack_check_outcome(void *arg) NODISCARD;

/* The plan, for people or as JSON. */
enum cli_exit stack_report(struct stack *s) NODISCARD;

/* stack_record.c: .sidekey/import.json, without a secret: what was written, for --rollback. */
enum cli_exit stack_compose_record(struct stack *s) NODISCARD;
enum cli_exit stack_read_record(const struct stack *s, json_t **ret_record) NODISCARD;
/* Are stack and configuration where they were then? */
enum cli_exit stack_check_places(const struct stack *s, const json_t *record) NODISCARD;
/* The digest of a file's bytes, in hex. False: it is not there, or cannot be read. */
bool stack_file_digest(const char *path, char ret_hex[STACK_DIGEST_SIZE]);
void stack_text_digest(struct span text, char ret_hex[STACK_DIGEST_SIZE]);
/* Is it a file that an import wrote here, and somebody changed since? */
bool stack_edited(const struct stack *s, const char *path);
/* Folders, secrets, files, workloads, enrollments: all of it, or none. */
enum cli_exit stack_apply(struct stack *s) NODISCARD;

/* stack_rollback.c: the stack as it was before, with the keys as they are now. import.out_path is
 * then the file that Compose has to be given as --env-file; "": none. */
enum cli_exit stack_rollback(struct stack *s) NODISCARD;
/* stack_restore.c: text with the value of each variable of the record put in; *ret_changed: any was
 * another. */
enum cli_exit stack_restore_env(const struct stack *s, const json_t *record, const char *path,
    struct buf *ret_text, bool *ret_changed) NODISCARD;

#endif
