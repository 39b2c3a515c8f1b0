/*
 * beside - what a test puts beside a program that it runs, found before the sandbox closes.
 * Process: tests (tool_gateway, tool_keeper).   Owns: the mapping, until the process ends.
 * Secrets: none.   Limits: BESIDE_PATH_SIZE.   Failure: without the file the program ends.
 */
#ifndef TESTS_BESIDE_H
#define TESTS_BESIDE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/sys.h"

#define BESIDE_PATH_SIZE 4096

static void
beside_path(const char *name, char dst[BESIDE_PATH_SIZE])
{
	ssize_t len = readlink("/proc/self/exe", dst, BESIDE_PATH_SIZE - 16);

	if (len <= 0 || strlen(name) >= 16)
		abort();
	dst[len] = '\0';
	(void)memcpy(strrchr(dst, '/') + 1, name, strlen(name) + 1);
}

/* A number that the test changes while the program runs: ms that a clock is moved by. */
static const volatile int64_t *
beside_ms(const char *name)
{
	char path[BESIDE_PATH_SIZE];
	void *at;
	int fd;

	beside_path(name, path);
	fd = sys_open(path, O_RDONLY, 0);
	at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || at == MAP_FAILED) {
		perror(path);
		abort();
	}
	sys_close(fd);
	return at;
}

#endif
