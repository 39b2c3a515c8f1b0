/* listeners: sockets are born with their modes; stale ones of ours are replaced, all else that
 * stands in the way is refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/sidekeyd/address.h"
#include "broker/sidekeyd/listeners.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

static char base[] = "/tmp/sidekey-listen-XXXXXX";

static struct daemon_config
config(const char *name)
{
	struct daemon_config c = { .listen_unix = true, .tcp = { .ss_family = AF_UNSPEC } };

	(void)snprintf(c.run_dir, sizeof c.run_dir, "%s/%s", base, name);
	(void)snprintf(c.gateway_dir, sizeof c.gateway_dir, "%s/%s", base, name);
	return c;
}

static mode_t
mode_of(const struct daemon_config *c, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/%s", c->run_dir, name);
	return lstat(path, &st) == 0 ? st.st_mode : 0;
}

static bool
reaches(const struct daemon_config *c, const char *name, int type)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	AUTO(sys_closep) int fd = sys_socket(AF_UNIX, type | SOCK_NONBLOCK, 0);

	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s/%s", c->run_dir, name);
	return connect(fd, (struct sockaddr *)&un, sizeof un) == 0 || errno == EAGAIN;
}

static int
bound_socket(const struct daemon_config *c, const char *name, int type)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = sys_socket(AF_UNIX, type, 0);

	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s/%s", c->run_dir, name);
	if (mkdir(c->run_dir, 0755) != 0 && errno != EEXIST)
		abort();
	if (bind(fd, (struct sockaddr *)&un, sizeof un) != 0 || listen(fd, 1) != 0)
		abort();
	return fd;
}

static void
test_modes(void)
{
	struct daemon_config c = config("modes");
	struct listeners l;
	char why[LISTEN_WHY_SIZE] = "";

	must(address_parse("127.0.0.1:21010", &c.tcp, &c.tcp_len) == ERR_OK);
	is_err(listeners_open(&c, &l, why), ERR_OK, "run_dir is made, all are bound");
	ok(mode_of(&c, "") == (S_IFDIR | 0755), "run_dir is 0755");
	ok(mode_of(&c, "gateway.sock") == (S_IFSOCK | 0666), "gateway.sock is 0666");
	ok(mode_of(&c, "admin.sock") == (S_IFSOCK | 0600), "admin.sock is 0600");
	ok(mode_of(&c, "keeper.sock") == (S_IFSOCK | 0600), "keeper.sock is 0600");
	ok(reaches(&c, "gateway.sock", SOCK_STREAM) && reaches(&c, "admin.sock", SOCK_STREAM) &&
		reaches(&c, "keeper.sock", SOCK_SEQPACKET),
	    "each answers in its own type");
	ok(l.fds[LISTEN_TLS_TCP] >= 0 && (fcntl(l.fds[LISTEN_TLS_TCP], F_GETFL) & O_NONBLOCK) != 0,
	    "TCP too, and it does not block");
	ok(listeners_role(LISTEN_KEEPER) == ROLE_KEEPER &&
		listeners_role(LISTEN_ADMIN) == ROLE_ADMIN &&
		listeners_role(LISTEN_TLS_TCP) == ROLE_GATEWAY &&
		listeners_role(LISTEN_TLS_UNIX) == ROLE_GATEWAY,
	    "and belongs to one role");
	{
		struct listeners second;

		is_err(listeners_open(&c, &second, why), ERR_CONFLICT, "a second one is refused");
		ok(strstr(why, "another sidekeyd is running") != NULL, "and hears why");
	}
	ok(reaches(&c, "gateway.sock", SOCK_STREAM), "the first still answers");
	listeners_close(&l);
	ok(mode_of(&c, "gateway.sock") == 0 && mode_of(&c, "keeper.sock") == 0,
	    "the end removes them");
}

static void
test_tcp_only(void)
{
	struct daemon_config c = config("tcp");
	struct listeners l;
	char why[LISTEN_WHY_SIZE] = "";

	c.listen_unix = false;
	must(address_parse("[::1]:21011", &c.tcp, &c.tcp_len) == ERR_OK);
	is_err(listeners_open(&c, &l, why), ERR_OK, "TCP alone");
	ok(mode_of(&c, "gateway.sock") == 0 && mode_of(&c, "admin.sock") != 0,
	    "has no gateway.sock, and an admin.sock");
	listeners_close(&l);
}

/* A container that mounts the gateway's folder must not find the operator's sockets in it. */
static void
test_gateway_dir(void)
{
	struct daemon_config c = config("run"), apart = config("gateway"), second = config("run-2");
	struct listeners l, other;
	char why[LISTEN_WHY_SIZE] = "";

	(void)snprintf(c.gateway_dir, sizeof c.gateway_dir, "%s/gateway", base);
	is_err(listeners_open(&c, &l, why), ERR_OK, "gateway.sock in a folder of its own");
	ok(reaches(&apart, "gateway.sock", SOCK_STREAM) && mode_of(&c, "gateway.sock") == 0,
	    "is there and only there");
	ok(mode_of(&apart, "admin.sock") == 0 && mode_of(&apart, "keeper.sock") == 0,
	    "and nothing else is");
	(void)snprintf(second.gateway_dir, sizeof second.gateway_dir, "%s/gateway", base);
	is_err(listeners_open(&second, &other, why), ERR_CONFLICT, "that folder is locked too");
	ok(mode_of(&apart, "gateway.sock") != 0, "the first one's socket stays");
	listeners_close(&l);
	ok(mode_of(&apart, "gateway.sock") == 0, "the end removes it");
	must(chmod(apart.run_dir, 0777) == 0);
	is_err(listeners_open(&c, &l, why), ERR_DENIED, "a folder that others can write to");
	ok(strstr(why, apart.run_dir) != NULL, "is named");
	ok(mode_of(&c, "admin.sock") == 0, "and nothing was bound");
}

static void
test_stale(void)
{
	struct daemon_config c = config("stale");
	struct listeners l;
	char why[LISTEN_WHY_SIZE] = "";

	sys_close(bound_socket(&c, "gateway.sock", SOCK_STREAM));
	sys_close(bound_socket(&c, "keeper.sock", SOCK_SEQPACKET));
	is_err(listeners_open(&c, &l, why), ERR_OK, "sockets that nobody answers on are replaced");
	ok(reaches(&c, "keeper.sock", SOCK_SEQPACKET), "and answer again");
	listeners_close(&l);
}

static void
test_answering(void)
{
	struct daemon_config c = config("answering");
	AUTO(sys_closep) int fd = bound_socket(&c, "admin.sock", SOCK_STREAM);
	struct listeners l;
	char why[LISTEN_WHY_SIZE] = "";

	is_err(
	    listeners_open(&c, &l, why), ERR_CONFLICT, "a socket that somebody answers on stays");
	ok(strstr(why, "admin.sock") != NULL && reaches(&c, "admin.sock", SOCK_STREAM),
	    "untouched");
	ok(mode_of(&c, "gateway.sock") == 0, "and nothing of ours is left behind");
}

static void
test_in_the_way(void)
{
	struct daemon_config c = config("way");
	struct listeners l;
	char why[LISTEN_WHY_SIZE] = "", path[128];

	must(mkdir(c.run_dir, 0755) == 0);
	(void)snprintf(path, sizeof path, "%s/admin.sock", c.run_dir);
	sys_close(sys_open(path, O_WRONLY | O_CREAT, 0600));
	is_err(listeners_open(&c, &l, why), ERR_DENIED, "a file is not removed");
	ok(strstr(why, "is not a socket") != NULL && mode_of(&c, "admin.sock") == (S_IFREG | 0600),
	    "and is named");
	must(unlink(path) == 0 && symlink("/nowhere", path) == 0);
	is_err(listeners_open(&c, &l, why), ERR_DENIED, "nor is a link");
	must(unlink(path) == 0 && chmod(c.run_dir, 0775) == 0);
	is_err(listeners_open(&c, &l, why), ERR_DENIED, "a run_dir that a group can write to");
	ok(strstr(why, "chmod 0755") != NULL, "says what to do");
	must(chmod(c.run_dir, 0755) == 0);
}

static void
test_link_as_run_dir(void)
{
	struct daemon_config c = config("link");
	struct listeners l;
	char why[LISTEN_WHY_SIZE] = "";

	must(symlink(base, c.run_dir) == 0);
	is_err(listeners_open(&c, &l, why), ERR_SYS, "a run_dir that is a link");
	c = config("no/such");
	is_err(listeners_open(&c, &l, why), ERR_SYS, "a run_dir that cannot be made");
	ok(strstr(why, "cannot be made") != NULL, "says so");
}

int
main(void)
{
	char command[64];

	if (mkdtemp(base) == NULL)
		abort();
	test_modes();
	test_tcp_only();
	test_gateway_dir();
	test_stale();
	test_answering();
	test_in_the_way();
	test_link_as_run_dir();
	(void)snprintf(command, sizeof command, "rm -rf %s", base);
	return system(command) != 0 ? 1 : done();
}
