#include "cli/admin.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/compiled.h"
#include "cli/link.h"
#include "common/buf.h"

struct exchange {
	CURL *curl;
	struct curl_slist *headers;
	char *text; /* the request body */
	struct buf reply;
	long status;
};

static void
exchange_close(struct exchange *x)
{
	curl_slist_free_all(x->headers);
	curl_easy_cleanup(x->curl);
	free(x->text);
	buf_wipe(&x->reply);
}

void
json_freep(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

static size_t
on_data(char *p, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;

	return buf_append(&x->reply, p, size * count) == ERR_OK ? size * count : 0;
}

/* Nothing from the environment or the home folder may decide where this goes. */
static bool
set_safe(CURL *curl, const char *socket_path)
{
	return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ADMIN_TIMEOUT_S) == CURLE_OK;
}

static bool
set_request(struct exchange *x, const char *path)
{
	char url[1200];

	(void)snprintf(url, sizeof(url), "http://sidekey/v1/admin/%s", path);
	return curl_easy_setopt(x->curl, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
	       curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, x) == CURLE_OK;
}

static bool
set_body(struct exchange *x, const json_t *body)
{
	x->headers = curl_slist_append(NULL, "Content-Type: application/json");
	x->text = body != NULL ? json_dumps(body, JSON_COMPACT) : strdup("{}");
	return x->headers != NULL && x->text != NULL &&
	       curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK &&
	       curl_easy_setopt(x->curl, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, x->text) == CURLE_OK;
}

/* What the broker's refusal means to a script. */
static enum cli_exit
exit_of_problem(long status, const char *code)
{
	if (strcmp(code, "sealed") == 0)
		return CLI_SEALED;
	if (status == 404)
		return CLI_NOT_FOUND;
	if (status == 401 || status == 403)
		return CLI_DENIED;
	return CLI_FAILED;
}

static void
say_problem(long status, const json_t *problem)
{
	const char *detail = admin_text(problem, "detail"), *hint = admin_text(problem, "hint");
	const json_t *errors = json_object_get(problem, "errors");
	const json_t *row;
	size_t i;

	if (detail[0] == '\0')
		detail = admin_text(problem, "title");
	if (detail[0] == '\0')
		(void)cli_fail(CLI_FAILED, "the broker answered with HTTP status %ld", status);
	else
		(void)cli_fail(CLI_FAILED, "%s%s%s%s", detail, hint[0] != '\0' ? " (" : "", hint,
		    hint[0] != '\0' ? ")" : "");
	json_array_foreach(errors, i, row)
	{
		compiled_say_error(admin_text(row, "file"), admin_number(row, "line"),
		    admin_number(row, "column"), admin_text(row, "text"));
	}
}

static enum cli_exit
judge(const struct exchange *x, bool quietly, json_t **ret_reply)
{
	json_error_t why;
	json_t *reply = NULL;
	enum cli_exit code;

	if (x->reply.len > 0)
		reply = json_loadb(
		    (const char *)x->reply.data, x->reply.len, JSON_REJECT_DUPLICATES, &why);
	if (x->status < 300 && (reply != NULL || x->reply.len == 0)) {
		*ret_reply = reply;
		return CLI_OK;
	}
	if (x->status < 300)
		return cli_fail(CLI_FAILED, "the broker's answer is not JSON: %s", why.text);
	code = exit_of_problem(x->status, admin_text(reply, "code"));
	if (quietly)
		*ret_reply = reply;
	else {
		say_problem(x->status, reply);
		json_decref(reply);
	}
	return code;
}

static enum cli_exit
run(const struct cli *c, const char *path, struct exchange *x)
{
	char socket_path[PATH_MAX];
	CURLcode code;
	enum cli_exit e = cli_path(c->run_dir, "admin.sock", socket_path);

	if (e == CLI_OK)
		e = link_check_socket(socket_path);
	if (e != CLI_OK)
		return e;
	if (!set_safe(x->curl, socket_path) || !set_request(x, path))
		return cli_fail(CLI_FAILED, "libcurl refused an option");
	code = curl_easy_perform(x->curl);
	if (code == CURLE_COULDNT_CONNECT)
		return link_unreachable(socket_path, 0);
	if (code != CURLE_OK)
		return cli_fail(CLI_UNREACHABLE,
		    "no answer from the broker at %s: %s (sidekey doctor)", socket_path,
		    curl_easy_strerror(code));
	(void)curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &x->status);
	return CLI_OK;
}

static enum cli_exit
new_exchange(struct exchange *x)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) !=
	    CURLE_OK) /* counted; cheap from the second time on */
		return cli_fail(CLI_FAILED, "libcurl does not start");
	x->curl = curl_easy_init();
	return x->curl != NULL ? CLI_OK : cli_fail(CLI_FAILED, "out of memory");
}

enum cli_exit
admin_get(const struct cli *c, const char *path, json_t **ret_reply)
{
	AUTO(exchange_close) struct exchange x = { .reply = BUF_MAX(ADMIN_REPLY_MAX) };
	AUTO(json_freep) json_t *reply = NULL;
	enum cli_exit e = new_exchange(&x);

	if (e == CLI_OK)
		e = run(c, path, &x);
	if (e == CLI_OK)
		e = judge(&x, false, &reply);
	if (e == CLI_OK && reply == NULL)
		return cli_fail(CLI_FAILED, "the broker's answer to %s is empty", path);
	if (e == CLI_OK) {
		*ret_reply = reply;
		reply = NULL; /* given away */
	}
	return e;
}

static enum cli_exit
post(const struct cli *c, const char *path, const json_t *body, bool quietly, json_t **ret_reply)
{
	AUTO(exchange_close) struct exchange x = { .reply = BUF_MAX(ADMIN_REPLY_MAX) };
	enum cli_exit e = new_exchange(&x);

	*ret_reply = NULL;
	if (e != CLI_OK)
		return e;
	if (!set_body(&x, body))
		return cli_fail(CLI_FAILED, "libcurl refused an option");
	e = run(c, path, &x);
	return e == CLI_OK ? judge(&x, quietly, ret_reply) : e;
}

enum cli_exit
admin_post(const struct cli *c, const char *path, const json_t *body, json_t **ret_reply)
{
	return post(c, path, body, false, ret_reply);
}

enum cli_exit
admin_post_quietly(const struct cli *c, const char *path, const json_t *body, json_t **ret_reply)
{
	return post(c, path, body, true, ret_reply);
}
