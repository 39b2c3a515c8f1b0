#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/sys.h"
#include "shim/enrollfile.h"
#include "tests/lib/tap.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" /* 0 to 31 */
#define GOOD_BUT_KEY                                                                               \
	"\"gateway\":\"unix:/run/"                                                                 \
	"gw.sock\",\"ca\":\"PEM\",\"workload\":\"coder\",\"trust_domain\":\"a.example\""
#define GOOD "{" GOOD_BUT_KEY ",\"key\":\"" KEY "\"}"

static const struct {
	const char *what, *json;
	enum err e;
} cases[] = {
	{ "what the command line writes", GOOD, ERR_OK },
	{ "white space around it", " \n" GOOD "\n", ERR_OK },
	{ "another order", "{\"key\":\"" KEY "\"," GOOD_BUT_KEY "}", ERR_OK },
	{ "something behind it", GOOD "x", ERR_SYNTAX },
	{ "a second object behind it", GOOD GOOD, ERR_SYNTAX },
	{ "an unknown member", "{" GOOD_BUT_KEY ",\"key\":\"" KEY "\",\"extra\":\"\"}",
	    ERR_SYNTAX },
	{ "a member twice", "{" GOOD_BUT_KEY ",\"key\":\"" KEY "\",\"key\":\"" KEY "\"}",
	    ERR_SYNTAX },
	{ "a member in another case", "{" GOOD_BUT_KEY ",\"Key\":\"" KEY "\"}", ERR_SYNTAX },
	{ "no key", "{" GOOD_BUT_KEY "}", ERR_SYNTAX },
	{ "a number as key", "{" GOOD_BUT_KEY ",\"key\":1}", ERR_SYNTAX },
	{ "null as key", "{" GOOD_BUT_KEY ",\"key\":null}", ERR_SYNTAX },
	{ "an empty key", "{" GOOD_BUT_KEY ",\"key\":\"\"}", ERR_SYNTAX },
	{ "a key of 31 bytes",
	    "{" GOOD_BUT_KEY ",\"key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg\"}",
	    ERR_SYNTAX },
	{ "a key of 33 bytes",
	    "{" GOOD_BUT_KEY ",\"key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\"}",
	    ERR_LIMIT },
	{ "a padded key", "{" GOOD_BUT_KEY ",\"key\":\"" KEY "=\"}", ERR_SYNTAX },
	{ "a key with loose bits",
	    "{" GOOD_BUT_KEY ",\"key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9\"}",
	    ERR_SYNTAX },
	{ "a key in the other alphabet",
	    "{" GOOD_BUT_KEY ",\"key\":\"++ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}",
	    ERR_SYNTAX },
	{ "an array", "[" GOOD "]", ERR_SYNTAX },
	{ "a string", "\"" KEY "\"", ERR_SYNTAX },
	{ "an empty object", "{}", ERR_SYNTAX },
	{ "nothing", "", ERR_SYNTAX },
	{ "cut short", "{" GOOD_BUT_KEY, ERR_SYNTAX },
	{ "a NUL inside", "{" GOOD_BUT_KEY ",\"key\":\"" KEY "\\u0000\"}", ERR_SYNTAX },
	{ "a bad gateway",
	    "{\"gateway\":\"http://"
	    "x\",\"ca\":\"PEM\",\"workload\":\"coder\",\"trust_domain\":\"a.example\",\"key\":"
	    "\"" KEY "\"}",
	    ERR_SYNTAX },
	{ "a reserved workload",
	    "{\"gateway\":\"unix:/x\",\"ca\":\"PEM\",\"workload\":\"sidekey/"
	    "gateway\",\"trust_domain\":\"a.example\",\"key\":\"" KEY "\"}",
	    ERR_SYNTAX },
	{ "a trust domain with a slash",
	    "{\"gateway\":\"unix:/x\",\"ca\":\"PEM\",\"workload\":\"coder\",\"trust_domain\":\"a/"
	    "b\",\"key\":\"" KEY "\"}",
	    ERR_SYNTAX },
};

static void
test_parse(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct shim_enrollment en = { 0 };
		char why[SHIM_WHY_SIZE] = "";

		is_err(shim_enrollfile_parse(span_str(cases[i].json), &en, why), cases[i].e,
		    cases[i].what);
		ok((why[0] == '\0') == (cases[i].e == ERR_OK), "with a reason if it is refused: %s",
		    why);
		ok(strstr(why, "AAEC") == NULL, "that does not quote the key");
		if (cases[i].e == ERR_OK)
			ok(span_eq_str(secret_span(en.key), KEY) &&
				strcmp(en.workload, "coder") == 0 &&
				span_eq_str(buf_span(&en.ca), "PEM") &&
				strcmp(en.trust_domain, "a.example") == 0,
			    "and it is what it says");
		else
			ok(en.key == NULL && en.ca.data == NULL, "and nothing is kept");
		shim_enrollfile_wipe(&en);
		shim_enrollfile_wipe(&en);
	}
}

static void
test_read(void)
{
	char dir[] = "/tmp/sidekey-unit-XXXXXX", path[64], link_path[64], why[SHIM_WHY_SIZE];
	static char big[70000];
	struct shim_enrollment en = { 0 };

	must(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof path, "%s/enroll.json", dir);
	(void)snprintf(link_path, sizeof link_path, "%s/link", dir);
	is_err(shim_enrollfile_read(path, &en, why), ERR_NOT_FOUND, "a file that is not there");
	ok(strstr(why, "No such file") != NULL, "is named so: %s", why);
	is_err(sys_replace_file(path, span_str(GOOD), 0400), ERR_OK, "# written");
	is_err(shim_enrollfile_read(path, &en, why), ERR_OK, "a file that is there");
	shim_enrollfile_wipe(&en);
	must(symlink(path, link_path) == 0);
	is_err(shim_enrollfile_read(link_path, &en, why), ERR_IO, "a link to it");
	ok(strstr(why, "symbolic link") != NULL, "is named so: %s", why);
	memset(big, ' ', sizeof big);
	is_err(sys_replace_file(path, span_of(big, sizeof big), 0400), ERR_OK, "# written");
	is_err(shim_enrollfile_read(path, &en, why), ERR_LIMIT, "a file that is too long");
	is_err(shim_enrollfile_read(dir, &en, why), ERR_IO, "a folder");
	(void)sys_unlink(path);
	must(mkfifo(path, 0600) == 0);
	is_err(shim_enrollfile_read(path, &en, why), ERR_DENIED, "a pipe is not waited for");
	(void)sys_unlink(path);
	(void)sys_unlink(link_path);
	(void)rmdir(dir);
}

int
main(void)
{
	is_err(secret_arena_init(4096), ERR_OK, "the arena");
	test_parse();
	test_read();
	return done();
}
