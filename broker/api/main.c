/* sidekey-api: JSON over HTTP for the control plane. One program, two roles with different links:
 * `edge` serves workloads, `admin` the operator. */
#include "broker/api/admin/admin.h"
#include "broker/api/edge/edge.h"

int
main(int argc, char **argv)
{
	struct child *c = child_start(argc, argv, 1u << ROLE_EDGE | 1u << ROLE_ADMIN);
	int status = child_role(c) == ROLE_EDGE ? edge_main(c) : admin_main(c);

	child_free(c);
	return status;
}
