#include <string.h>

#include "broker/api/policyc/catalogue.h"
#include "broker/api/policyc/compile.h"

const char *const catalogue_names[] = { "anthropic", "openai", "azure-openai", "github", "brave",
	"langsmith", "header", "bearer", "basic", "query", NULL };

/* clang-format off */
static const char *const texts[] = {
	/* anthropic */
	"url: https://api.anthropic.com\n"
	"credential: {kind: static, secret: anthropic-api-key}\n"
	"inject: {header: x-api-key, value: '{credential}'}\n"
	"placeholder: 'sk-ant-api03-{random}'\n"
	"env: {ANTHROPIC_BASE_URL: '{base_url}', ANTHROPIC_API_KEY: '{placeholder}'}\n"
	"errors: anthropic\n"
	"strip: [authorization, x-api-key]\n",
	/* openai */
	"url: https://api.openai.com\n"
	"credential: {kind: static, secret: openai-api-key}\n"
	"inject: {header: Authorization, value: 'Bearer {credential}'}\n"
	"placeholder: 'sk-proj-{random}'\n"
	"env: {OPENAI_BASE_URL: '{base_url}/v1', OPENAI_API_KEY: '{placeholder}'}\n"
	"errors: openai\n"
	"strip: [authorization, api-key]\n",
	/* azure-openai: the host is the customer's own */
	"credential: {kind: static, secret: azure-openai-api-key}\n"
	"inject: {header: api-key, value: '{credential}'}\n"
	"placeholder: '{random}'\n"
	"env: {AZURE_OPENAI_ENDPOINT: '{base_url}', AZURE_OPENAI_API_KEY: '{placeholder}'}\n"
	"errors: openai\n"
	"strip: [authorization, api-key, ocp-apim-subscription-key]\n",
	/* github: a personal access token */
	"url: https://api.github.com\n"
	"credential: {kind: static, secret: github-token}\n"
	"inject: {header: Authorization, value: 'Bearer {credential}'}\n"
	"placeholder: 'ghp_{random}'\n"
	"env: {GITHUB_API_URL: '{base_url}', GITHUB_TOKEN: '{placeholder}',\n"
	"  GITHUB_PERSONAL_ACCESS_TOKEN: '{placeholder}'}\n"
	"errors: github\n"
	"strip: [authorization]\n",
	/* brave */
	"url: https://api.search.brave.com\n"
	"credential: {kind: static, secret: brave-api-key}\n"
	"inject: {header: X-Subscription-Token, value: '{credential}'}\n"
	"placeholder: 'BSA{random}'\n"
	"env: {BRAVE_API_KEY: '{placeholder}'}\n"
	"strip: [authorization, x-subscription-token]\n",
	/* langsmith: both generations of its variables */
	"url: https://api.smith.langchain.com\n"
	"credential: {kind: static, secret: langsmith-api-key}\n"
	"inject: {header: x-api-key, value: '{credential}'}\n"
	"placeholder: 'lsv2_pt_{random}'\n"
	"env: {LANGSMITH_ENDPOINT: '{base_url}', LANGSMITH_API_KEY: '{placeholder}',\n"
	"  LANGCHAIN_ENDPOINT: '{base_url}', LANGCHAIN_API_KEY: '{placeholder}'}\n"
	"strip: [authorization, x-api-key]\n",
	/* header */
	"inject: {header: X-API-Key, value: '{credential}'}\n"
	"placeholder: 'sidekey-{random}'\n",
	/* bearer */
	"inject: {header: Authorization, value: 'Bearer {credential}'}\n"
	"placeholder: 'sidekey-{random}'\n",
	/* basic */
	"inject: {basic: api}\n"
	"placeholder: 'sidekey-{random}'\n",
	/* query */
	"inject: {query: key}\n"
	"placeholder: 'sidekey-{random}'\n",
};
/* clang-format on */

_Static_assert(COUNT(texts) + 1 == COUNT(catalogue_names), "one text a name");
_Static_assert(COUNT(catalogue_names) <= CATALOGUE_MAX, "raise CATALOGUE_MAX");

const char *
catalogue_text(const char *name)
{
	for (size_t i = 0; catalogue_names[i] != NULL; i++) {
		if (strcmp(catalogue_names[i], name) == 0)
			return texts[i];
	}
	return NULL;
}

enum err
catalogue_rules(struct rules **ret_r)
{
	struct policyc_errors errors = { .count = 0 };
	struct compiler c;
	enum err e = compile_init(&c, "", &errors);

	if (e != ERR_OK)
		return e;
	for (size_t i = 0; catalogue_names[i] != NULL && c.fatal == ERR_OK; i++) {
		char name[NAME_LEN_MAX + 1];
		struct yaml_node at = { .kind = YAML_STRING, .text = name };
		uint16_t index;

		(void)span_copy_str(span_str(catalogue_names[i]), name, sizeof(name));
		if (strstr(texts[i], "url: ") != NULL)
			must(compile_find_upstream(&c, &at, &index) || c.fatal != ERR_OK);
	}
	return compile_finish(&c, ret_r);
}
