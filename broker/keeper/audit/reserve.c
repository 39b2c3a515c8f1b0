#include "broker/keeper/audit/reserve.h"

#include <sys/stat.h>

#include "common/sys.h"

#define BLOCK ((size_t)16 << 10)

enum err
audit_reserve_write(int fd, uint64_t from, uint64_t to)
{
	static const uint8_t zeros[BLOCK];
	enum err e = ERR_OK;

	while (from < to && e == ERR_OK) {
		size_t n = to - from < BLOCK ? (size_t)(to - from) : BLOCK;

		e = sys_pwrite_all(fd, zeros, n, (off_t)from);
		from += n;
	}
	return e;
}

enum err
audit_reserve_find(int fd, uint64_t *ret_end)
{
	uint8_t block[BLOCK];
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st) != 0)
		return ERR_IO;
	end = (uint64_t)st.st_size;
	while (end > 0) {
		size_t n = end % BLOCK == 0 ? BLOCK : (size_t)(end % BLOCK);

		if (sys_pread(fd, block, n, (off_t)(end - n)) != (ssize_t)n)
			return ERR_IO;
		while (n > 0 && block[n - 1] == 0) {
			n--;
			end--;
		}
		if (n > 0)
			break;
	}
	*ret_end = end;
	return ERR_OK;
}
