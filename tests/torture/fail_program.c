/* For whole programs: PROGRAM.nth beside a program, "a 123" or "c 12", says which allocation or
 * call fails, once, in the next process of it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/torture/torture.h"

void
torture_canary_freed(void)
{
	abort(); /* nobody watches for one here */
}

__attribute__((constructor)) static void
arm(void)
{
	char path[4096], text[64] = "";
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 8);
	FILE *f;

	if (len <= 0)
		return;
	(void)snprintf(path + len, 8, ".nth");
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(text, sizeof text, f) == NULL)
		text[0] = '\0';
	(void)fclose(f);
	if (unlink(path) == 0 && (text[0] == 'a' || text[0] == 'c'))
		torture_arm(text[0] == 'a' ? TORTURE_ALLOCATION : TORTURE_CALL,
		    strtoul(text + 1, NULL, 10), TORTURE_ONCE);
}
