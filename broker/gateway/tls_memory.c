#include "broker/gateway/tls_memory.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "common/secret.h"

static bool wiping;

static void
memory_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (wiping)
		secret_wipe_free(p);
	else
		free(p);
}

enum err
tls_memory_init(void)
{
	return CRYPTO_set_mem_functions(NULL, NULL, memory_free) == 1 ? ERR_OK : ERR_SYS;
}

void
tls_memory_free(SSL *ssl)
{
	wiping = true;
	SSL_free(ssl);
	wiping = false;
}
