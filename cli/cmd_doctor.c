/* doctor: what is wrong or weak on this machine, and what to do about it. */
#include <errno.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/link.h"
#include "cli/settings.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/sys.h"

#define MEMLOCK_MIN (4u << 20)
#define FREE_MIN (256ull << 20)

/* How a finding weighs: only bad ones make doctor fail. */
enum weight { FINDING_BAD = 0, FINDING_WEAK, FINDING_GOOD };

struct doctor {
	const struct cli *c;
	json_t *status; /* NULL: the broker did not answer */
	struct settings settings;
	bool has_settings;
	unsigned bad, weak;
};

static void PRINTF(4, 5)
    find(struct doctor *d, enum weight w, const char *what, const char *fmt, ...)
{
	static const char *const words[] = { "BAD", "weak", "ok" };
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->bad += w == FINDING_BAD;
	d->weak += w == FINDING_WEAK;
	if (d->c->json) {
		AUTO(json_freep)
		json_t *j =
		    json_pack("{s:s, s:s, s:s}", "check", what, "result", words[w], "text", text);

		if (j != NULL)
			admin_print(j);
		return;
	}
	(void)printf("%-5s %-10s %s\n", words[w], what, text);
}

static void
check_socket(struct doctor *d, const char *dir, const char *name, bool private)
{
	char path[PATH_MAX];
	struct stat st;

	if (cli_path(dir, name, path) != CLI_OK)
		return;
	if (lstat(path, &st) != 0)
		find(d, FINDING_BAD, "socket", "%s: %s; start sidekeyd, or say --run-dir", path,
		    strerror(errno));
	else if (!S_ISSOCK(st.st_mode))
		find(d, FINDING_BAD, "socket", "%s is not a socket; remove it and restart sidekeyd",
		    path);
	else if (private && (st.st_mode & 077) != 0)
		find(d, FINDING_BAD, "socket",
		    "%s has mode %03o; others must not reach it: chmod 0600", path,
		    st.st_mode & 0777);
	else
		find(d, FINDING_GOOD, "socket", "%s", path);
}

static void
check_rules(struct doctor *d)
{
	const char *error = admin_text(d->status, "rules_error");
	long long generation = admin_number(d->status, "generation");

	if (error[0] != '\0' && generation != 0)
		find(d, FINDING_BAD, "rules",
		    "the files are refused; in force are the last good ones, digest %s: %s",
		    admin_text(d->status, "rules_digest"), error);
	else if (error[0] != '\0')
		find(
		    d, FINDING_BAD, "rules", "the files are refused, none are in force: %s", error);
	else if (generation != 0)
		find(d, FINDING_GOOD, "rules", "generation %lld, digest %s", generation,
		    admin_text(d->status, "rules_digest"));
}

static void
check_broker(struct doctor *d)
{
	const char *ready = admin_text(d->status, "ready");

	if (d->status == NULL)
		return; /* said by the question itself */
	if (admin_true(d->status, "sealed"))
		find(d, FINDING_BAD, "broker",
		    "sealed: sidekey unseal; with a key file: restart sidekeyd");
	else if (strcmp(ready, "yes") != 0)
		find(d, FINDING_BAD, "broker", "not ready (%s): see sidekey status", ready);
	else
		find(d, FINDING_GOOD, "broker", "ready");
	if (admin_number(d->status, "gateways") == 0)
		find(d, FINDING_BAD, "gateway", "none is running; the log of sidekeyd says why");
	check_rules(d);
	if (admin_number(d->status, "exposed_secrets") > 0)
		find(d, FINDING_WEAK, "secrets",
		    "%lld came out of files that others could read; rotate them at the provider: "
		    "sidekey secret list",
		    (long long)admin_number(d->status, "exposed_secrets"));
}

static void
check_unseal(struct doctor *d)
{
	const char *method = admin_text(d->status, "unseal_method");
	struct stat st;

	if (method[0] == '\0' && d->has_settings)
		method = d->settings.passphrase ? "passphrase" : "key-file";
	if (strcmp(method, "passphrase") == 0)
		find(d, FINDING_GOOD, "unseal",
		    "passphrase: a stolen disk or backup opens nothing; after each "
		    "restart the broker stays sealed until sidekey unseal");
	if (strcmp(method, "key-file") == 0)
		find(d, FINDING_GOOD, "unseal",
		    "key file: protects a backup or copy of the store alone; whoever "
		    "can read the key file and the store together has the secrets");
	if (!d->has_settings || d->settings.key_file[0] == '\0')
		return;
	if (stat(d->settings.key_file, &st) != 0)
		find(d, errno == EACCES ? FINDING_WEAK : FINDING_BAD, "key file", "%s: %s",
		    d->settings.key_file, strerror(errno));
	else if ((st.st_mode & 0377) != 0)
		find(d, FINDING_BAD, "key file", "%s has mode %04o; it must be 0400",
		    d->settings.key_file, st.st_mode & 07777);
	else
		find(d, FINDING_GOOD, "key file", "%s, mode 0400", d->settings.key_file);
}

static void
check_state(struct doctor *d)
{
	struct statvfs fs;
	struct stat st;
	const char *dir = d->settings.state_dir;

	if (!d->has_settings || dir[0] == '\0')
		return;
	if (stat(dir, &st) != 0)
		find(d, FINDING_BAD, "state", "%s: %s (sidekey init)", dir, strerror(errno));
	else if ((st.st_mode & 077) != 0)
		find(d, FINDING_BAD, "state", "%s has mode %03o; it must be 0700", dir,
		    st.st_mode & 0777);
	else
		find(d, FINDING_GOOD, "state", "%s, mode 0700", dir);
	if (statvfs(dir, &fs) != 0)
		return;
	if ((unsigned long long)fs.f_bavail * fs.f_frsize < FREE_MIN)
		find(d, FINDING_BAD, "disk",
		    "%llu MiB are free for the audit log; without room nothing is "
		    "handed out",
		    (unsigned long long)fs.f_bavail * fs.f_frsize >> 20);
	else
		find(d, FINDING_GOOD, "disk", "%llu MiB are free",
		    (unsigned long long)fs.f_bavail * fs.f_frsize >> 20);
}

static void
check_audit(struct doctor *d)
{
	long long bytes = admin_number(d->status, "audit_bytes");
	long long max = admin_number(d->status, "audit_bytes_max");

	if (max == 0)
		return;
	if (admin_number(d->status, "over_quota") > 0)
		find(d, FINDING_WEAK, "audit",
		    "%lld workloads used up their share of the log in a day and are refused; see "
		    "what they do, or raise audit: {size, quota}",
		    (long long)admin_number(d->status, "over_quota"));
	if (bytes > max / 5 * 4)
		find(d, FINDING_WEAK, "audit",
		    "%lld of %lld MiB are used: the oldest records are removed next; "
		    "export them, or raise audit: {size: ...}",
		    bytes >> 20, max >> 20);
	else
		find(d, FINDING_GOOD, "audit", "%lld of %lld MiB are used", bytes >> 20, max >> 20);
}

static void
check_landlock(struct doctor *d)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	bool broker = d->status == NULL || admin_true(d->status, "landlock");

	if (abi > 0 && broker)
		find(d, FINDING_GOOD, "landlock", "ABI %ld", abi);
	else if (abi > 0)
		find(d, FINDING_WEAK, "landlock",
		    "the kernel has it here, but not where the broker runs");
	else
		find(d, FINDING_WEAK, "landlock",
		    "the kernel has none: a broken process can reach more files, and "
		    "reusable enrollments need `enroll_readable: accept`");
}

static void
check_memlock(struct doctor *d)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r) != 0)
		return;
	if (r.rlim_max != RLIM_INFINITY && r.rlim_max < MEMLOCK_MIN)
		find(d, FINDING_BAD, "memlock",
		    "at most %llu KiB can be locked; secrets need %u KiB (ulimit -l, "
		    "LimitMEMLOCK=)",
		    (unsigned long long)r.rlim_max >> 10, MEMLOCK_MIN >> 10);
	else
		find(d, FINDING_GOOD, "memlock", "memory for secrets can be locked");
}

/* The first line of a file of /proc; false if it cannot be read. */
static bool
read_proc(const char *path, char *dst, size_t size)
{
	AUTO(sys_closep) int fd = sys_open(path, O_RDONLY, 0);
	ssize_t n = fd < 0 ? -1 : sys_read(fd, dst, size - 1);

	if (n < 0)
		return false;
	dst[n] = '\0';
	dst[strcspn(dst, "\n")] = '\0';
	return true;
}

static void
check_cores(struct doctor *d)
{
	char text[256];

	if (!read_proc("/proc/sys/kernel/core_pattern", text, sizeof(text)))
		return;
	if (text[0] == '|')
		find(d, FINDING_GOOD, "cores",
		    "piped to %s; Sidekey's processes are not dumpable, which holds for "
		    "pipes too",
		    text + 1);
	else
		find(d, FINDING_GOOD, "cores", "written as files; Sidekey's processes write none");
}

static void
check_swap(struct doctor *d)
{
	char text[4096];
	AUTO(sys_closep) int fd = sys_open("/proc/swaps", O_RDONLY, 0);
	ssize_t n = fd < 0 ? -1 : sys_read(fd, text, sizeof(text) - 1);
	const char *second;

	if (n < 0)
		return;
	text[n] = '\0';
	second = strchr(text, '\n');
	if (second != NULL && second[1] != '\0')
		find(d, FINDING_WEAK, "swap",
		    "is on: secrets are locked out of it, but TLS buffers and what agents "
		    "keep may reach the disk; encrypt it or switch it off");
	else
		find(d, FINDING_GOOD, "swap", "is off");
}

static void
check_clock(struct doctor *d)
{
	if (clock_wall_s() < 1767225600) /* 2026-01-01: this program is newer */
		find(d, FINDING_BAD, "clock",
		    "is years behind: set it, since certificates and leases depend on it");
	else if (strcmp(admin_text(d->status, "ready"), "clock") == 0)
		find(d, FINDING_BAD, "clock",
		    "is behind the newest audit record; set it, or start sidekeyd "
		    "--accept-clock");
	else
		find(d, FINDING_GOOD, "clock", "is plausible");
}

enum cli_exit
cmd_doctor(struct cli *c)
{
	struct doctor d = { .c = c };
	enum cli_exit x = settings_read(c, &d.settings);

	d.has_settings = x == CLI_OK;
	if (x == CLI_NOT_FOUND)
		find(&d, FINDING_BAD, "config", "there is no %s/sidekey.yaml (sidekey init)",
		    c->config_dir);
	else if (x != CLI_OK)
		find(&d, FINDING_BAD, "config", "%s/sidekey.yaml cannot be used: see above",
		    c->config_dir);
	if (d.settings.state_dir[0] == '\0')
		(void)snprintf(
		    d.settings.state_dir, sizeof(d.settings.state_dir), "%s", CLI_STATE_DIR);
	check_socket(&d, d.settings.gateway_dir[0] != '\0' ? d.settings.gateway_dir : c->run_dir,
	    "gateway.sock", false);
	check_socket(&d, c->run_dir, "admin.sock", true);
	check_socket(&d, c->run_dir, "keeper.sock", true);
	if (admin_get(c, "status", &d.status) != CLI_OK)
		find(&d, FINDING_BAD, "broker", "does not answer");
	check_broker(&d);
	check_unseal(&d);
	check_state(&d);
	check_audit(&d);
	check_landlock(&d);
	check_memlock(&d);
	check_cores(&d);
	check_swap(&d);
	check_clock(&d);
	json_freep(&d.status);
	cli_say(c, "%u bad, %u weak", d.bad, d.weak);
	return d.bad == 0 ? CLI_OK : CLI_FAILED;
}
