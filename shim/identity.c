#include "shim/identity.h"

#include <stdio.h>
#include <string.h>

#include "shim/json.h"

enum err
shim_identity_request(struct shim_ownkey *key, struct buf *ret_json)
{
	AUTO(buf_wipe) struct buf csr = BUF_MAX(4096);
	AUTO(shim_json_freep) json_t *root = NULL;
	AUTO(shim_json_text_freep) char *text = NULL;
	enum err e = shim_ownkey_csr(key, &csr);

	if (e != ERR_OK)
		return e;
	root = json_pack("{s:s%}", "csr", (const char *)csr.data, csr.len);
	text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
	return text == NULL ? ERR_NOMEM : buf_append_str(ret_json, text);
}

static enum err
complain(char why[SHIM_WHY_SIZE], enum err e, const char *text)
{
	(void)snprintf(why, SHIM_WHY_SIZE, "%s", text);
	return e;
}

static enum err
present(struct shim_identity *id, struct span certificate, struct shim_ownkey *key)
{
	const struct shim_enrollment *en = id->enrollment;
	char expected[SPIFFE_ID_LEN_MAX + 1];

	(void)snprintf(expected, sizeof expected, "spiffe://%s/%s", en->trust_domain, en->workload);
	return shim_tls_ctx_present(id->ctx, key, certificate, expected);
}

enum err
shim_identity_take(
    struct shim_identity *id, struct span json, struct shim_ownkey **key, char why[SHIM_WHY_SIZE])
{
	AUTO(shim_json_freep) json_t *root = NULL;
	struct shim_identity fresh = *id;
	struct span certificate;
	enum err e;

	root = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, NULL);
	certificate = shim_json_string(root, "certificate");
	fresh.not_before_s = json_integer_value(json_object_get(root, "not_before"));
	fresh.not_after_s = json_integer_value(json_object_get(root, "not_after"));
	if (certificate.len == 0 || fresh.not_after_s <= fresh.not_before_s)
		return complain(why, ERR_SYNTAX, "the broker's answer holds no certificate");
	e = present(id, certificate, *key);
	if (e == ERR_AUTH)
		return complain(why, e, "the broker's certificate is for another workload or key");
	if (e != ERR_OK)
		return complain(why, e, "the broker's certificate cannot be used");
	fresh.key = *key;
	fresh.generation++;
	*key = NULL; /* given away */
	shim_identity_close(id);
	*id = fresh;
	return ERR_OK;
}

bool
shim_identity_usable(const struct shim_identity *id, int64_t now_s)
{
	return id->generation > 0 && now_s < id->not_after_s;
}

void
shim_identity_close(struct shim_identity *id)
{
	shim_ownkey_freep(&id->key);
	id->generation = 0;
}
