/* status: what the broker does now. reload: its configuration again. */
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/commands.h"
#include "common/text.h"

static const char *
state_sentence(const char *ready)
{
	static const struct {
		const char *word, *sentence;
	} list[] = {
		{ "yes", "ready" },
		{ "sealed", "SEALED: nothing is handed out (sidekey unseal; with a key file: "
			    "restart sidekeyd)" },
		{ "no_rules",
		    "not ready: no rules are in force (sidekey policy check, sidekey reload)" },
		{ "audit_failing",
		    "REFUSING: the audit log cannot be written (free space on its disk)" },
		{ "clock",
		    "NOT READY: the clock is behind the audit log (sidekeyd --accept-clock)" },
	};

	for (size_t i = 0; i < COUNT(list); i++)
		if (strcmp(ready, list[i].word) == 0)
			return list[i].sentence;
	return "not ready yet";
}

static void
print_line(const char *label, const char *text)
{
	if (text[0] != '\0')
		(void)printf("%-14s %s\n", label, text);
}

static void
print_count(const json_t *j, const char *label, const char *key)
{
	(void)printf("%-14s %lld\n", label, (long long)admin_number(j, key));
}

static void
print_time(const json_t *j, const char *label, const char *key)
{
	char text[TEXT_TIME_SIZE];

	if (admin_number(j, key) == 0)
		return;
	text_time(admin_number(j, key), text);
	print_line(label, text);
}

static void
print_audit(const json_t *j)
{
	long long bytes = admin_number(j, "audit_bytes"), max = admin_number(j, "audit_bytes_max");

	(void)printf("%-14s %lld records, %lld MiB of %lld MiB%s\n", "audit",
	    (long long)admin_number(j, "audit_seq"), bytes >> 20, max >> 20,
	    max > 0 && bytes > max / 5 * 4 ? ": the oldest will soon be removed" : "");
}

static void
print_shares(const json_t *j)
{
	long long n = admin_number(j, "over_quota");

	if (n > 0)
		(void)printf("%-14s %lld workload%s used up the share of the audit log: refused "
			     "(sidekey audit tail)\n",
		    "WARNING", n, n == 1 ? "" : "s");
}

static void
print_keys(const json_t *j)
{
	long long left = admin_number(j, "rekey_left");

	(void)printf("%-14s %lld", "data key", (long long)admin_number(j, "data_key"));
	if (left > 0)
		(void)printf(", %lld records still under an older one", left);
	(void)printf("\n%-14s %lld", "secrets", (long long)admin_number(j, "secrets"));
	if (admin_number(j, "exposed_secrets") > 0)
		(void)printf(", %lld of them exposed: rotate them",
		    (long long)admin_number(j, "exposed_secrets"));
	(void)printf("\n");
}

/* By digest: what is in force need not be what lies in the folder. */
static void
print_rules(const json_t *j)
{
	const char *error = admin_text(j, "rules_error");
	long long generation = admin_number(j, "generation");

	if (generation != 0)
		(void)printf("%-14s generation %lld, digest %s\n", "rules", generation,
		    admin_text(j, "rules_digest"));
	else if (!admin_true(j, "sealed"))
		print_line("rules", "none are in force");
	if (error[0] != '\0')
		(void)printf("%-14s the files are refused, %s: %s\n", "WARNING",
		    generation != 0 ? "the last good rules stay in force"
				    : "and there are no earlier rules",
		    error);
}

static void
print_status(const json_t *j)
{
	print_line("state", state_sentence(admin_text(j, "ready")));
	print_line("version", admin_text(j, "version"));
	print_time(j, "started", "started_s");
	print_line("trust domain", admin_text(j, "trust_domain"));
	print_line("store", admin_text(j, "store_id"));
	print_line("unsealed by", admin_text(j, "unseal_method"));
	if (!admin_true(j, "sealed")) {
		print_keys(j);
		print_count(j, "workloads", "workloads");
		print_count(j, "instances", "instances");
		print_audit(j);
		print_time(j, "CA until", "ca_not_after_s");
	}
	print_count(j, "gateways", "gateways");
	print_count(j, "restarts", "restarts");
	print_rules(j);
	print_shares(j);
	if (!admin_true(j, "landlock"))
		print_line("WARNING", "no Landlock here: the walls between the processes are "
				      "thinner (sidekey doctor)");
}

enum cli_exit
cmd_status(struct cli *c)
{
	AUTO(json_freep) json_t *j = NULL;
	enum cli_exit x = admin_get(c, "status", &j);

	if (x != CLI_OK)
		return x;
	if (c->json)
		admin_print(j);
	else
		print_status(j);
	return admin_true(j, "sealed") ? CLI_SEALED : CLI_OK;
}

enum cli_exit
cmd_reload(struct cli *c)
{
	AUTO(json_freep) json_t *j = NULL;
	enum cli_exit x = admin_post(c, "reload", NULL, &j);

	if (x != CLI_OK)
		return x;
	if (c->json && j != NULL)
		admin_print(j);
	else
		cli_say(c, "in force: generation %lld, %lld upstreams, %lld policies",
		    (long long)admin_number(j, "generation"),
		    (long long)admin_number(j, "upstreams"),
		    (long long)admin_number(j, "policies"));
	return CLI_OK;
}
