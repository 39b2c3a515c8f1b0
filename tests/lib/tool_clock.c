/*
 * tool_clock - prints the time of day in microseconds, then becomes COMMAND. In front of a program
 * and again as what that starts, it tells how long the start took, whatever stood before.
 * usage: tool_clock [COMMAND ARG...]
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)printf("%lld\n", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	if (fflush(stdout) != 0)
		return 1;
	if (argc == 1)
		return 0;
	(void)execv(argv[1], argv + 1);
	return 127;
}
