/* Which services can have their keys taken away, and what the import then has to write. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/stack.h"
#include "common/text.h"

static void __attribute__((format(printf, 2, 3)))
leave(struct stack_service *v, const char *fmt, ...)
{
	va_list ap;

	v->fate = STACK_LEFT;
	va_start(ap, fmt);
	(void)vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

bool
stack_uses(const struct stack *s, const struct stack_service *v, const char *upstream)
{
	const json_t *env = json_object_get(v->def, "environment"), *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)env, name, value)
	{
		const struct import_item *it = stack_item(s, name, value);

		if (it != NULL && it->fate == IMPORT_TAKEN &&
		    (upstream == NULL || strcmp(it->upstream, upstream) == 0))
			return true;
	}
	return false;
}

/* --owner SERVICE=UID */
static bool
told_owner(const struct stack *s, const struct stack_service *v, uid_t *ret_uid)
{
	size_t len = strlen(v->name);
	const char *told;
	uint64_t uid;

	for (int i = 0; (told = cli_given_nth(s->c, "owner", i)) != NULL; i++)
		if (strncmp(told, v->name, len) == 0 && told[len] == '=' &&
		    text_u64(span_str(told + len + 1), UINT32_MAX - 1, &uid) == ERR_OK) {
			*ret_uid = (uid_t)uid;
			return true;
		}
	return false;
}

/* "1000", "1000:1000", "node", "" for root */
static bool
find_owner(const struct stack *s, struct stack_service *v, char user[64])
{
	const json_t *config = json_object_get(v->image, "Config");
	const char *text = admin_text(v->def, "user");
	char image[512];
	uint64_t uid;

	if (text[0] == '\0')
		text = admin_text(config, "User");
	(void)snprintf(user, 64, "%.*s", (int)strcspn(text, ":"), text);
	if (told_owner(s, v, &v->uid))
		return true;
	if (user[0] == '\0' || strcmp(user, "root") == 0) {
		v->uid = 0;
		return true;
	}
	if (text_u64(span_str(user), UINT32_MAX - 1, &uid) == ERR_OK) {
		v->uid = (uid_t)uid;
		return true;
	}
	stack_image_name(s, v->name, v->def, image);
	return stack_docker_uid(s, image, user, &v->uid);
}

static bool
in_files(const struct stack *s, const char *name)
{
	for (uint32_t i = 0; i < s->file_count; i++)
		if (stack_has(&s->files[i].services, name))
			return true;
	return false;
}

static void
judge(struct stack *s, struct stack_service *v)
{
	AUTO(stack_command_wipe) struct stack_command command = { 0 };
	char user[64], image[512], why[STACK_WHY_SIZE];

	if (!stack_uses(s, v, NULL))
		return;
	stack_image_name(s, v->name, v->def, image);
	if (strlen(v->name) > NAME_LEN_MAX || name_workload_check(span_str(v->name)) != ERR_OK)
		leave(v, "its name cannot be a workload's (a-z, 0-9, '.', '_', '-'); rename it");
	else if (!in_files(s, v->name))
		leave(v, "it comes from a file that these include; name that with -f too");
	else if (v->image == NULL)
		leave(v,
		    "its image %.100s is not known here, so neither is what it runs; first: docker "
		    "compose %s %.60s",
		    image, json_object_get(v->def, "build") != NULL ? "build" : "pull", v->name);
	else if (!stack_command(v->def, v->image, &command))
		leave(v, "neither it nor its image says what to run");
	else if (!find_owner(s, v, user))
		leave(v, "the uid of its user \"%.40s\" is not known; say --owner %.60s=UID", user,
		    v->name);
	else if (stack_clashes(s, v, why))
		leave(v, "%s", why);
	else
		v->fate = STACK_CONVERTED;
	memcpy(v->init, command.init, sizeof(v->init));
}

/* A key that no converted service uses would be stored for nobody. */
static void
drop_unused(struct stack *s)
{
	for (uint32_t k = 0; k < s->im.env.count; k++) {
		struct import_item *it = &s->im.items[k];
		bool used = false;

		for (uint32_t i = 0; i < s->service_count; i++) {
			const json_t *env = json_object_get(s->services[i].def, "environment");
			char name[DOTENV_NAME_MAX + 1];

			if (s->services[i].fate == STACK_CONVERTED &&
			    span_copy_str(it->entry->name, name, sizeof(name)))
				used =
				    used || stack_item(s, name, json_object_get(env, name)) == it;
		}
		if (it->fate != IMPORT_TAKEN || used)
			continue;
		it->fate = IMPORT_LEFT;
		(void)snprintf(it->note, sizeof(it->note),
		    "WARNING: stays: no service that can be converted uses it");
	}
}

static enum cli_exit
check_names_told(struct stack *s)
{
	const char *told;
	char name[NAME_LEN_MAX + 1];

	for (int i = 0; (told = cli_given_nth(s->c, "keep-network", i)) != NULL; i++)
		if (stack_service(s, told) == NULL)
			return cli_fail(
			    CLI_NOT_FOUND, "--keep-network %s: there is no such service", told);
	for (int i = 0; (told = cli_given_nth(s->c, "owner", i)) != NULL; i++)
		if (!span_copy_str(span_of(told, strcspn(told, "=")), name, sizeof(name)) ||
		    stack_service(s, name) == NULL || strchr(told, '=') == NULL)
			return cli_fail(
			    CLI_USAGE, "--owner %s: say SERVICE=UID, of a service here", told);
	return CLI_OK;
}

enum cli_exit
stack_judge(struct stack *s)
{
	enum cli_exit x = check_names_told(s);

	if (x != CLI_OK)
		return x;
	for (uint32_t i = 0; i < s->service_count; i++)
		judge(s, &s->services[i]);
	drop_unused(s);
	stack_settle_addresses(s);
	for (uint32_t i = 0; i < s->service_count; i++)
		if (s->services[i].fate == STACK_CONVERTED)
			stack_judge_network(s, &s->services[i]);
	return CLI_OK;
}

static uint32_t
replicas(const struct stack_service *v)
{
	const json_t *deploy = json_object_get(v->def, "deploy");
	int64_t n = admin_number(deploy, "replicas");

	if (n == 0)
		n = admin_number(v->def, "scale");
	return n > 1 && n <= 64 ? (uint32_t)n : 1;
}

static enum cli_exit
add_workloads(struct stack *s)
{
	struct import *im = &s->im;

	im->enrolls = calloc(IMPORT_WORKLOADS_MAX, sizeof(*im->enrolls));
	if (im->enrolls == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	for (uint32_t i = 0; i < s->service_count; i++) {
		struct stack_service *v = &s->services[i];
		struct import_enroll *e = &im->enrolls[im->workload_count];

		if (v->fate != STACK_CONVERTED)
			continue;
		v->workload = im->workload_count++;
		im->workloads[v->workload] = v->name;
		e->owner = v->uid;
		e->cap = replicas(v);
		if (snprintf(e->path, PATH_MAX, "%s/.sidekey/enroll/%s.json", s->project_dir,
			v->name) >= PATH_MAX)
			return cli_fail(CLI_FAILED, "the project's path is too long");
		/* Policies name what the service has a key for. */
		for (uint32_t k = 0; k < im->upstream_count; k++)
			im->uses[v->workload][k] = stack_uses(s, v, im->upstreams[k].name);
	}
	return CLI_OK;
}

static bool
any_converted(const struct stack *s)
{
	for (uint32_t i = 0; i < s->service_count; i++)
		if (s->services[i].fate == STACK_CONVERTED)
			return true;
	return false;
}

enum cli_exit
stack_settle(struct stack *s)
{
	enum cli_exit x;

	if (!any_converted(s))
		return CLI_OK; /* the report says why */
	x = import_find_upstreams(s->c, &s->im);
	if (x == CLI_OK)
		x = add_workloads(s);
	return x == CLI_OK ? import_compose_files(s->c, &s->im) : x;
}
