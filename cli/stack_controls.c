/* The controls of the CIS Docker Benchmark, section 5, that a service lacks: reported, and left to
 * its owner. */
#include <string.h>

#include "cli/admin.h"
#include "cli/stack.h"

static bool
lists(const json_t *list, const char *word)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i,
	    v) if (json_is_string(v) && strcmp(json_string_value(v), word) == 0) return true;
	return false;
}

static const json_t *
limit(const json_t *def, const char *name)
{
	const json_t *deploy = json_object_get(def, "deploy");

	return json_object_get(
	    json_object_get(json_object_get(deploy, "resources"), "limits"), name);
}

static bool
drops_all(const json_t *def)
{
	return lists(json_object_get(def, "cap_drop"), "ALL") ||
	       lists(json_object_get(def, "cap_drop"), "all");
}

static bool
no_new_privileges(const json_t *def)
{
	const json_t *list = json_object_get(def, "security_opt");

	return lists(list, "no-new-privileges:true") || lists(list, "no-new-privileges") ||
	       lists(list, "no-new-privileges=true");
}

static bool
rotates_log(const json_t *def)
{
	const json_t *logging = json_object_get(def, "logging");
	const char *driver = admin_text(logging, "driver");

	return json_object_get(json_object_get(logging, "options"), "max-size") != NULL ||
	       (driver[0] != '\0' && strcmp(driver, "json-file") != 0);
}

static bool
is_root(const json_t *def, const json_t *image)
{
	const char *user = admin_text(def, "user");

	if (user[0] == '\0')
		user = admin_text(json_object_get(image, "Config"), "User");
	return user[0] == '\0' || strcmp(user, "root") == 0 || strcmp(user, "0") == 0 ||
	       strncmp(user, "0:", 2) == 0 || strncmp(user, "root:", 5) == 0;
}

json_t *
stack_missing_controls(const json_t *def, const json_t *image, bool converted)
{
	const struct {
		const char *name;
		bool on;
	} controls[] = {
		{ "non-root user (4.1)", !is_root(def, image) },
		{ "cap_drop ALL (5.3)", drops_all(def) },
		{ "log rotation (5.7)", rotates_log(def) },
		{ "memory limit (5.10)",
		    limit(def, "memory") != NULL || json_object_get(def, "mem_limit") != NULL },
		{ "CPU limit (5.11)",
		    limit(def, "cpus") != NULL || json_object_get(def, "cpus") != NULL },
		{ "read-only root (5.12)", admin_true(def, "read_only") },
		{ "no-new-privileges (5.25)", no_new_privileges(def) },
		{ "pids limit (5.28)",
		    limit(def, "pids") != NULL || json_object_get(def, "pids_limit") != NULL },
		{ "init as PID 1 (5.29)", converted || admin_true(def, "init") },
	};
	json_t *missing = json_array();

	for (size_t i = 0; missing != NULL && i < COUNT(controls); i++)
		if (!controls[i].on)
			(void)json_array_append_new(missing, json_string(controls[i].name));
	return missing;
}
