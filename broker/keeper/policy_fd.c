#include "broker/keeper/policy_fd.h"

#include "common/sys.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum err
policy_fd_read(int fd, struct buf *ret)
{
	int seals = fcntl(fd, F_GET_SEALS); /* fails on anything but a memfd */

	if (seals < 0 || (seals & SEALS) != SEALS)
		return ERR_PROTO;
	return sys_read_whole(fd, ret);
}

enum err
policy_fd_make(const struct rules *r, int *ret_fd)
{
	AUTO(buf_wipe) struct buf bytes = BUF_MAX(RULES_LEN_MAX);
	AUTO(sys_closep) int fd = -1;
	enum err e = rules_write_upstreams(r, &bytes);

	if (e != ERR_OK)
		return e;
	fd = sys_memfd("sidekey-upstreams");
	if (fd < 0)
		return ERR_SYS;
	e = sys_write_all(fd, bytes.data, bytes.len);
	if (e != ERR_OK)
		return e;
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) != 0)
		return ERR_SYS;
	*ret_fd = fd;
	fd = -1; /* given away */
	return ERR_OK;
}
