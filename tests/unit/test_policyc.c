/* Every error of an upstream or policy file, at its place. What good files become is in
 * test_compile. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/api/policyc/compile.h"
#include "common/sys.h"
#include "tests/lib/tap.h"

/* Keys that make an upstream whole, for cases that are about another key. */
#define URL "url: https://a.example\n"
#define CRED "credential: {secret: s}\n"
#define INJ "inject: {header: X-Key, value: \"{credential}\"}\n"

struct bad {
	const char *what, *text;
	uint32_t line, column;
	const char *message; /* part of it */
};

static const struct bad bad_upstreams[] = {
	{ "a list", "[1]\n", 1, 1, "expected a map, found a list" },
	{ "text", "x\n", 1, 1, "expected a map, found text" },
	{ "nothing", "", 1, 1, "the key \"upstream\" is missing" },
	{ "only null", "~\n", 1, 1, "expected a map, found nothing" },
	{ "no name", "url: https://a.example\n", 1, 1, "the key \"upstream\" is missing" },
	{ "name is a number", "upstream: 7\n" URL, 1, 11,
	    "expected text, found a whole number; quote it" },
	{ "name is a bool", "upstream: true\n" URL, 1, 11, "quote it" },
	{ "name with a capital", "upstream: Up\n" URL, 1, 11, "\"Up\" must be 1 to 128 of a-z" },
	{ "name with a slash", "upstream: a/b\n" URL, 1, 11, "must be 1 to 128" },
	{ "name is two dots", "upstream: ..\n" URL, 1, 11, "must be 1 to 128" },
	{ "name is empty", "upstream: ''\n" URL, 1, 11, "must be 1 to 128" },
	{ "name with a confusable letter", "upstream: \xd0\xb0pi\n" URL, 1, 11,
	    "must be 1 to 128" },
	{ "unknown key", "upstream: u\nurll: x\n" URL, 2, 1,
	    "unknown key \"urll\"; did you mean \"url\"?" },
	{ "a key of a later issue", "upstream: u\n" URL "also: [https://b.example]\n", 3, 1,
	    "unknown key \"also\"" },
	{ "a request that nobody would send", "upstream: u\n" URL "probe: {path: /}\n", 3, 1,
	    "unknown key \"probe\"" },
	{ "no url", "upstream: u\n", 1, 11, "the key \"url\" is missing" },
	{ "no url, and the name is built in", "upstream: anthropic\nallow_private: true\n", 1, 11,
	    "add: like:" },
	{ "like what", "upstream: u\nlike: antropic\n" URL, 2, 7, "did you mean \"anthropic\"?" },
	{ "like a list", "upstream: u\nlike: [openai]\n" URL, 2, 7, "expected text, found a list" },
	{ "like without a host", "upstream: u\nlike: azure-openai\n", 1, 11,
	    "the key \"url\" is missing" },
	/* url */
	{ "http", "upstream: u\nurl: http://a.example\n", 2, 6, "never sent in the clear" },
	{ "ftp", "upstream: u\nurl: ftp://a.example\n", 2, 6, "must start with https://" },
	{ "HTTPS", "upstream: u\nurl: HTTPS://a.example\n", 2, 6, "must start with https://" },
	{ "no scheme", "upstream: u\nurl: a.example\n", 2, 6, "must start with https://" },
	{ "user name", "upstream: u\nurl: https://me@a.example\n", 2, 6, "user name or password" },
	{ "user name that looks like a host",
	    "upstream: u\nurl: https://a.example:pw@evil.example\n", 2, 6,
	    "user name or password" },
	{ "query", "upstream: u\nurl: https://a.example/x?y=1\n", 2, 6, "query" },
	{ "fragment", "upstream: u\nurl: \"https://a.example/#x\"\n", 2, 6, "fragment" },
	{ "space", "upstream: u\nurl: \"https://a.example/x y\"\n", 2, 6, "visible ASCII" },
	{ "backslash", "upstream: u\nurl: 'https://a.example\\@b.example'\n", 2, 6, "backslash" },
	{ "not ASCII", "upstream: u\nurl: https://\xc3\xa4.example\n", 2, 6, "visible ASCII" },
	{ "no host", "upstream: u\nurl: https://\n", 2, 6, "host" },
	{ "no host, a path", "upstream: u\nurl: https:///x\n", 2, 6, "host" },
	{ "trailing dot", "upstream: u\nurl: https://a.example./\n", 2, 6, "host" },
	{ "underscore", "upstream: u\nurl: https://a_b.example\n", 2, 6, "host" },
	{ "percent in the host", "upstream: u\nurl: https://a%2eexample\n", 2, 6, "host" },
	{ "label too long",
	    "upstream: u\nurl: "
	    "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example\n",
	    2, 6, "host" },
	{ "port 0", "upstream: u\nurl: https://a.example:0\n", 2, 6, "port" },
	{ "port 65536", "upstream: u\nurl: https://a.example:65536\n", 2, 6, "port" },
	{ "port with a zero in front", "upstream: u\nurl: https://a.example:0443\n", 2, 6, "port" },
	{ "empty port", "upstream: u\nurl: 'https://a.example:'\n", 2, 6, "port" },
	{ "two ports", "upstream: u\nurl: https://a.example:1:2\n", 2, 6, "port" },
	{ "short IP", "upstream: u\nurl: https://127.1\nallow_private: true\n", 2, 6, "host" },
	{ "decimal IP", "upstream: u\nurl: https://2130706433\nallow_private: true\n", 2, 6,
	    "host" },
	{ "hexadecimal IP", "upstream: u\nurl: https://0x7f000001\nallow_private: true\n", 2, 6,
	    "host" },
	{ "octal IP", "upstream: u\nurl: https://0177.0.0.1\nallow_private: true\n", 2, 6, "host" },
	{ "IPv4 without leave", "upstream: u\nurl: https://10.0.0.1\n", 2, 6, "IP address" },
	{ "IPv6 without leave", "upstream: u\nurl: 'https://[::1]'\n", 2, 6, "IP address" },
	{ "brackets without IPv6", "upstream: u\nurl: 'https://[a.example]'\n", 2, 6, "brackets" },
	{ "brackets not closed", "upstream: u\nurl: 'https://[::1'\n", 2, 6, "brackets" },
	{ "text behind brackets", "upstream: u\nurl: 'https://[::1]x'\n", 2, 6, "brackets" },
	{ "IPv6 with a zone", "upstream: u\nurl: 'https://[fe80::1%25eth0]'\n", 2, 6, "host" },
	{ "dot segment in the base", "upstream: u\nurl: https://a.example/a/../b\n", 2, 6,
	    "dot segments" },
	{ "empty segment in the base", "upstream: u\nurl: https://a.example//b\n", 2, 6, "empty" },
	{ "two slashes at the end", "upstream: u\nurl: https://a.example/b//\n", 2, 6, "empty" },
	{ "escape in the base", "upstream: u\nurl: https://a.example/%41\n", 2, 6,
	    "letters, digits" },
	{ "url is a list", "upstream: u\nurl: [https://a.example]\n", 2, 6,
	    "expected text, found a list" },
	/* credential */
	{ "unknown kind", "upstream: u\n" URL "credential: {kind: github-app, secret: s}\n" INJ, 3,
	    20, "unknown word \"github-app\"" },
	{ "no secret", "upstream: u\n" URL "credential: {kind: static}\n" INJ, 3, 13,
	    "the key \"secret\" is missing" },
	{ "a value in place of a name",
	    "upstream: u\n" URL "credential: {secret: sk-ant-API03}\n" INJ, 3, 22,
	    "must be 1 to 128" },
	{ "unknown key in it", "upstream: u\n" URL "credential: {secret: s, ttl: 1h}\n" INJ, 3, 25,
	    "unknown key \"ttl\"" },
	{ "text", "upstream: u\n" URL "credential: s\n" INJ, 3, 13, "expected a map, found text" },
	{ "credential without inject", "upstream: u\n" URL CRED, 1, 11,
	    "\"credential\" needs an \"inject\"" },
	{ "inject without credential", "upstream: u\n" URL INJ, 1, 11,
	    "\"inject\" needs a \"credential\"" },
	/* inject */
	{ "two places", "upstream: u\n" URL CRED "inject: {basic: u, query: k}\n", 4, 9,
	    "exactly one of" },
	{ "no place", "upstream: u\n" URL CRED "inject: {}\n", 4, 9, "exactly one of" },
	{ "header without value", "upstream: u\n" URL CRED "inject: {header: X}\n", 4, 9,
	    "the key \"value\" is missing" },
	{ "value without header",
	    "upstream: u\n" URL CRED "inject: {basic: u, value: \"{credential}\"}\n", 4, 27,
	    "goes with \"header\"" },
	{ "header with a space",
	    "upstream: u\n" URL CRED "inject: {header: X Y, value: \"{credential}\"}\n", 4, 18,
	    "field name" },
	{ "header with a colon",
	    "upstream: u\n" URL CRED "inject: {header: \"X:\", value: \"{credential}\"}\n", 4, 18,
	    "field name" },
	{ "header with a line end",
	    "upstream: u\n" URL CRED "inject: {header: \"X\\r\\nY\", value: \"{credential}\"}\n", 4,
	    18, "field name" },
	{ "Host", "upstream: u\n" URL CRED "inject: {header: Host, value: \"{credential}\"}\n", 4,
	    18, "belongs to the connection" },
	{ "content-LENGTH",
	    "upstream: u\n" URL CRED "inject: {header: content-LENGTH, value: \"{credential}\"}\n",
	    4, 18, "belongs" },
	{ "Connection",
	    "upstream: u\n" URL CRED "inject: {header: Connection, value: \"{credential}\"}\n", 4,
	    18, "belongs" },
	{ "Transfer-Encoding",
	    "upstream: u\n" URL CRED
	    "inject: {header: Transfer-Encoding, value: \"{credential}\"}\n",
	    4, 18, "belongs" },
	{ "Sidekey-Ticket",
	    "upstream: u\n" URL CRED "inject: {header: Sidekey-Ticket, value: \"{credential}\"}\n",
	    4, 18, "Sidekey-" },
	{ "no {credential}", "upstream: u\n" URL CRED "inject: {header: X, value: Bearer}\n", 4, 28,
	    "{credential} exactly once" },
	{ "two of it",
	    "upstream: u\n" URL CRED "inject: {header: X, value: \"{credential}{credential}\"}\n",
	    4, 28, "exactly once" },
	{ "another brace",
	    "upstream: u\n" URL CRED "inject: {header: X, value: \"{credential}{x}\"}\n", 4, 28,
	    "a brace outside" },
	{ "line end in the value",
	    "upstream: u\n" URL CRED "inject: {header: X, value: \"{credential}\\r\\nEvil: 1\"}\n",
	    4, 28, "visible ASCII" },
	{ "space at the end",
	    "upstream: u\n" URL CRED "inject: {header: X, value: \"{credential} \"}\n", 4, 28,
	    "start or end" },
	{ "not ASCII",
	    "upstream: u\n" URL CRED "inject: {header: X, value: \"\xc3\xa4{credential}\"}\n", 4,
	    28, "visible ASCII" },
	{ "basic user with a colon", "upstream: u\n" URL CRED "inject: {basic: \"a:b\"}\n", 4, 17,
	    "without ':'" },
	{ "query name with =", "upstream: u\n" URL CRED "inject: {query: \"a=b\"}\n", 4, 17,
	    "letters, digits" },
	{ "query name escaped", "upstream: u\n" URL CRED "inject: {query: \"a%20\"}\n", 4, 17,
	    "letters, digits" },
	{ "inject is text", "upstream: u\n" URL CRED "inject: header\n", 4, 9, "expected a map" },
	/* placeholder */
	{ "no {random}", "upstream: u\n" URL CRED INJ "placeholder: sk-x\n", 5, 14,
	    "{random} exactly once" },
	{ "two of it", "upstream: u\n" URL CRED INJ "placeholder: \"{random}{random}\"\n", 5, 14,
	    "exactly once" },
	{ "space", "upstream: u\n" URL CRED INJ "placeholder: \"a {random}\"\n", 5, 14,
	    "visible ASCII" },
	{ "misspelt", "upstream: u\n" URL CRED INJ "placeholder: \"{radnom}{random}\"\n", 5, 14,
	    "a brace outside" },
	{ "unquoted", "upstream: u\n" URL CRED INJ "placeholder: {random}\n", 5, 14,
	    "expected text, found a map" },
	{ "without inject", "upstream: u\n" URL "placeholder: \"{random}\"\n", 1, 11,
	    "\"placeholder\" needs an \"inject\"" },
	/* env */
	{ "name with a dash", "upstream: u\n" URL "env: {A-B: x}\n", 3, 7,
	    "letters, digits and _" },
	{ "name with a digit in front", "upstream: u\n" URL "env: {1A: x}\n", 3, 7,
	    "not start with a digit" },
	{ "name with =", "upstream: u\n" URL "env: {\"A=B\": x}\n", 3, 7, "letters, digits and _" },
	{ "a name of the shim's", "upstream: u\n" URL "env: {SIDEKEY_URL: x}\n", 3, 7, "SIDEKEY_" },
	{ "value with a line end", "upstream: u\n" URL "env: {A: \"x\\ny\"}\n", 3, 10, "control" },
	{ "value with another brace", "upstream: u\n" URL "env: {A: \"{baseurl}\"}\n", 3, 10,
	    "a brace outside" },
	{ "value is a number", "upstream: u\n" URL "env: {A: 1}\n", 3, 10,
	    "expected text, found a whole number; quote it" },
	{ "{placeholder} without one", "upstream: u\n" URL CRED INJ "env: {A: \"{placeholder}\"}\n",
	    1, 11, "there is no \"placeholder\"" },
	{ "a list", "upstream: u\n" URL "env: [A]\n", 3, 6, "expected a map" },
	{ "too many",
	    "upstream: u\n" URL "env: {a: '', b: '', c: '', d: '', e: '', f: '', g: '', h: '', i: "
	    "'', j: '', k: '', l: '', m: '', n: '', o: '', p: '', q: ''}\n",
	    3, 6, "more than 16" },
	/* the rest */
	{ "errors", "upstream: u\n" URL "errors: opneai\n", 3, 9, "did you mean \"openai\"?" },
	{ "strip Host", "upstream: u\n" URL "strip: [X-A, Host]\n", 3, 14, "belongs" },
	{ "strip text", "upstream: u\n" URL "strip: X-A\n", 3, 8, "expected a list" },
	{ "strip too many",
	    "upstream: u\n" URL "strip: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]\n", 3,
	    8, "more than 16" },
	{ "ca that is not there", "upstream: u\n" URL "ca: absent.pem\n", 3, 5, "does not exist" },
	{ "ca that is none", "upstream: u\n" URL "ca: /proc/version\n", 3, 5, "no certificate" },
	{ "ca with a key in it", "upstream: u\n" URL "ca: key.pem\n", 3, 5, "private key" },
	{ "ca too large", "upstream: u\n" URL "ca: big.pem\n", 3, 5, "larger than 256 KiB" },
	{ "ca that is a pipe", "upstream: u\n" URL "ca: pipe.pem\n", 3, 5, "not a regular file" },
	{ "ca that is empty", "upstream: u\n" URL "ca: empty.pem\n", 3, 5, "is empty" },
	{ "connect without port", "upstream: u\n" URL "connect: a.example\n", 3, 10, "HOST:PORT" },
	{ "connect to port 0", "upstream: u\n" URL "connect: a.example:0\n", 3, 10, "HOST:PORT" },
	{ "connect to a url", "upstream: u\n" URL "connect: https://a.example\n", 3, 10,
	    "HOST:PORT" },
	{ "connect to IPv6 without brackets", "upstream: u\n" URL "connect: \"::1:443\"\n", 3, 10,
	    "HOST:PORT" },
	{ "connect to a short IP", "upstream: u\n" URL "connect: 127.1:443\n", 3, 10,
	    "ends in a number" },
	{ "allow_private: yes", "upstream: u\n" URL "allow_private: yes\n", 3, 16,
	    "expected true or false, found text" },
	{ "encoded_slash: 1", "upstream: u\n" URL "encoded_slash: 1\n", 3, 16,
	    "expected true or false, found a whole number" },
};

#define POL "policy: p\nworkloads: [w]\n"
#define USE POL "use:\n  brave:\n"

static const struct bad bad_policies[] = {
	{ "a list", "[]\n", 1, 1, "expected a map" },
	{ "nothing", "", 1, 1, "the key \"policy\" is missing" },
	{ "no name", "workloads: [w]\nuse: {brave: {allow: [GET /]}}\n", 1, 1,
	    "the key \"policy\" is missing" },
	{ "another file's name", "policy: q\nworkloads: [w]\nuse: {brave: {allow: [GET /]}}\n", 1,
	    9, "must stand in a file named q.yaml" },
	{ "bad name", "policy: P\nworkloads: [w]\nuse: {brave: {allow: [GET /]}}\n", 1, 9,
	    "must be 1 to 128" },
	{ "unknown key", POL "uses: {}\nuse: {brave: {allow: [GET /]}}\n", 3, 1,
	    "did you mean \"use\"?" },
	{ "no workloads", "policy: p\nuse: {brave: {allow: [GET /]}}\n", 1, 1,
	    "the key \"workloads\" is missing" },
	{ "workloads is text", "policy: p\nworkloads: w\nuse: {brave: {allow: [GET /]}}\n", 2, 12,
	    "expected a list, found text" },
	{ "empty list of them", "policy: p\nworkloads: []\nuse: {brave: {allow: [GET /]}}\n", 2, 12,
	    "1 to 1000" },
	{ "workload with a capital", "policy: p\nworkloads: [W]\nuse: {brave: {allow: [GET /]}}\n",
	    2, 13, "1 to 4 segments" },
	{ "workload with dots", "policy: p\nworkloads: [a/..]\nuse: {brave: {allow: [GET /]}}\n", 2,
	    13, "1 to 4 segments" },
	{ "a glob of workloads", "policy: p\nworkloads: ['*']\nuse: {brave: {allow: [GET /]}}\n", 2,
	    13, "1 to 4 segments" },
	{ "the gateway's own",
	    "policy: p\nworkloads: [sidekey/gateway]\nuse: {brave: {allow: [GET /]}}\n", 2, 13,
	    "not below sidekey/" },
	{ "workload twice", "policy: p\nworkloads: [w, v, w]\nuse: {brave: {allow: [GET /]}}\n", 2,
	    19, "listed twice" },
	{ "no use", POL, 1, 1, "the key \"use\" is missing" },
	{ "empty use", POL "use: {}\n", 3, 6, "1 to 64" },
	{ "unknown upstream", POL "use:\n  anthropc:\n    allow: [GET /]\n", 4, 3,
	    "unknown upstream \"anthropc\"; did you mean \"anthropic\"?" },
	{ "upstream without url", POL "use:\n  azure-openai:\n    allow: [GET /]\n", 4, 3,
	    "needs a file" },
	{ "a shape in place of an upstream", POL "use:\n  bearer:\n    allow: [GET /]\n", 4, 3,
	    "needs a file" },
	{ "bad upstream name", POL "use:\n  Brave:\n    allow: [GET /]\n", 4, 3,
	    "must be 1 to 128" },
	{ "nothing said of it", POL "use:\n  brave:\n", 4, 9, "expected a map, found nothing" },
	{ "no allow", USE "    deny: [GET /]\n", 5, 5, "the key \"allow\" is missing" },
	{ "empty allow", USE "    allow: []\n", 5, 12, "1 to 256" },
	{ "allow is text", USE "    allow: GET /\n", 5, 12, "expected a list" },
	{ "unknown key in use", USE "    allow: [GET /]\n    ttl: 30m\n", 6, 5,
	    "unknown key \"ttl\"" },
	{ "no method", USE "    allow: [/x]\n", 5, 13, "METHOD /path" },
	{ "small method", USE "    allow: [get /x]\n", 5, 13, "upper case" },
	{ "method too long", USE "    allow: [AAAAAAAAAAAAAAAAA /x]\n", 5, 13, "1 to 16" },
	{ "two spaces", USE "    allow: [\"GET  /x\"]\n", 5, 13, "is refused" },
	{ "no slash", USE "    allow: [GET x]\n", 5, 13, "is refused" },
	{ "a query", USE "    allow: [\"GET /x?y\"]\n", 5, 13, "query" },
	{ "stars glued to text", USE "    allow: [\"GET /x**\"]\n", 5, 13, "whole segments" },
	{ "empty segment", USE "    allow: [GET //x]\n", 5, 13, "is refused" },
	{ "dot segment", USE "    allow: [GET /a/../b]\n", 5, 13, "dot_segment" },
	{ "rule is a number", USE "    allow: [1]\n", 5, 13, "expected text" },
	{ "second rule", USE "    allow: [GET /, \"FOO\"]\n", 5, 20, "METHOD /path" },
	{ "deny rule", USE "    allow: [GET /]\n    deny: [\"* x\"]\n", 6, 12, "is refused" },
	{ "limit is text", USE "    allow: [GET /]\n    limit: 60/1m\n", 6, 12, "expected a map" },
	{ "limit of nothing", USE "    allow: [GET /]\n    limit: {}\n", 6, 12,
	    "\"requests\" or \"concurrent\"" },
	{ "unknown limit", USE "    allow: [GET /]\n    limit: {request: 1/1m}\n", 6, 13,
	    "did you mean \"requests\"?" },
	{ "requests without time", USE "    allow: [GET /]\n    limit: {requests: 60}\n", 6, 23,
	    "expected text" },
	{ "no requests", USE "    allow: [GET /]\n    limit: {requests: 0/1m}\n", 6, 23,
	    "COUNT/TIME" },
	{ "too many requests", USE "    allow: [GET /]\n    limit: {requests: 1000001/1m}\n", 6, 23,
	    "COUNT/TIME" },
	{ "no unit", USE "    allow: [GET /]\n    limit: {requests: 60/60}\n", 6, 23,
	    "COUNT/TIME" },
	{ "no time", USE "    allow: [GET /]\n    limit: {requests: 60/0s}\n", 6, 23,
	    "COUNT/TIME" },
	{ "too long", USE "    allow: [GET /]\n    limit: {requests: 60/2d}\n", 6, 23,
	    "COUNT/TIME" },
	{ "overflow", USE "    allow: [GET /]\n    limit: {requests: 60/99999999999999999999s}\n",
	    6, 23, "COUNT/TIME" },
	{ "negative", USE "    allow: [GET /]\n    limit: {requests: -1/1m}\n", 6, 23,
	    "COUNT/TIME" },
	{ "concurrent 0", USE "    allow: [GET /]\n    limit: {concurrent: 0}\n", 6, 25,
	    "expected 1 to 65535" },
	{ "concurrent is text", USE "    allow: [GET /]\n    limit: {concurrent: '8'}\n", 6, 25,
	    "expected a whole number" },
	{ "browser", USE "    allow: [GET /]\n    browser: on\n", 6, 14, "expected true or false" },
	{ "on_misuse", POL "use: {brave: {allow: [GET /]}}\non_misuse: kill\n", 4, 12,
	    "deny, revoke" },
	{ "enroll_readable", POL "use: {brave: {allow: [GET /]}}\nenroll_readable: true\n", 4, 18,
	    "expected text" },
	{ "YAML of another kind", "policy: &a p\n", 1, 9, "anchors" },
};

static char dir[] = "/tmp/test_policyc.XXXXXX";

static void
write_file(const char *name, const char *text, size_t len)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(sys_replace_file(path, span_of(text, len), 0600) == ERR_OK);
}

static void
make_files(void)
{
	static const char key[] = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n";
	static const char good[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	char path[256], *big = malloc(RULES_CA_LEN_MAX + 1);

	must(mkdtemp(dir) != NULL);
	memset(big, 'x', RULES_CA_LEN_MAX + 1);
	write_file("key.pem", key, strlen(key));
	write_file("good.pem", good, strlen(good));
	write_file("big.pem", big, RULES_CA_LEN_MAX + 1);
	write_file("empty.pem", "", 0);
	(void)snprintf(path, sizeof(path), "%s/pipe.pem", dir);
	must(mkfifo(path, 0600) == 0);
	free(big);
}

static void
check_bad(const struct bad *b, bool policy)
{
	struct policyc_errors errors;
	struct rules *rules = NULL;
	struct compiler c;
	bool good;

	must(compile_init(&c, dir, &errors) == ERR_OK);
	if (policy)
		compile_policy_bytes(&c, "policies/p.yaml", span_str(b->text));
	else
		compile_upstream_bytes(&c, "upstreams/u.yaml", span_str(b->text));
	good = compile_finish(&c, &rules) == ERR_SYNTAX && rules == NULL && errors.count > 0 &&
	       errors.list[0].line == b->line && errors.list[0].column == b->column &&
	       strstr(errors.list[0].text, b->message) != NULL &&
	       strcmp(errors.list[0].file, policy ? "policies/p.yaml" : "upstreams/u.yaml") == 0;
	if (!ok(good, "%s: %s", policy ? "policy" : "upstream", b->what)) {
		for (uint32_t i = 0; i < errors.count && i < POLICYC_ERRORS_MAX; i++)
			printf("# %u:%u: %s\n", errors.list[i].line, errors.list[i].column,
			    errors.list[i].text);
	}
	rules_free(rules);
}

static void
remove_files(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)!system(command);
}

int
main(void)
{
	make_files();
	for (size_t i = 0; i < COUNT(bad_upstreams); i++)
		check_bad(&bad_upstreams[i], false);
	for (size_t i = 0; i < COUNT(bad_policies); i++)
		check_bad(&bad_policies[i], true);
	remove_files();
	return done();
}
