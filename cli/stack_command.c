/* What a container of a service runs: ENTRYPOINT and CMD, both explicit, without an init of its
 * own. */
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/stack.h"

/* Options that take the next word. */
static const char *const with_word[] = { "-p", "-e", "-r", "--rewrite" };
static const char *const inits[] = { "tini", "tini-static", "dumb-init", "catatonit" };

const char *
stack_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool
is_one_of(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

/* The index of the first word behind the init and its options; 0: there is none in front, or
 * nothing behind. */
static size_t
behind_init(const json_t *words)
{
	const char *word = json_string_value(json_array_get(words, 0));
	size_t i = 1, count = json_array_size(words);

	if (word == NULL || !is_one_of(stack_base_name(word), inits, COUNT(inits)))
		return 0;
	while (i < count) {
		word = json_string_value(json_array_get(words, i));
		if (word == NULL || word[0] != '-')
			break;
		i++;
		if (strcmp(word, "--") == 0)
			break;
		if (is_one_of(word, with_word, COUNT(with_word)))
			i++;
	}
	return i < count ? i : 0;
}

static void
drop_words(json_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)json_array_remove(words, 0);
}

/* In front of the command too: ENTRYPOINT [] and CMD ["tini", "--", "x"] is as common. */
static void
drop_init(struct stack_command *k)
{
	json_t *words = json_array_size(k->entrypoint) > 0 ? k->entrypoint : k->command;
	const char *word = json_string_value(json_array_get(words, 0));
	size_t n = behind_init(words);

	/* ENTRYPOINT ["tini", "--"] with the program in CMD */
	if (n == 0 && words == k->entrypoint && word != NULL &&
	    is_one_of(stack_base_name(word), inits, COUNT(inits)) &&
	    json_array_size(k->command) > 0)
		n = json_array_size(words);
	if (n == 0)
		return;
	(void)snprintf(k->init, sizeof(k->init), "%s", stack_base_name(word));
	drop_words(words, n);
}

static json_t *
copy_list(const json_t *list)
{
	json_t *copy = json_array();
	const json_t *word;
	size_t i;

	json_array_foreach(list, i, word)(void)
	    json_array_append_new(copy, json_string(json_string_value(word)));
	return copy;
}

bool
stack_command(const json_t *def, const json_t *image, struct stack_command *ret)
{
	const json_t *own = json_object_get(def, "entrypoint");
	const json_t *command = json_object_get(def, "command");
	const json_t *config = json_object_get(image, "Config");

	/* As the engine merges them: the image's CMD is forgotten where the entrypoint is replaced,
	 * but not where it is emptied, and an empty command replaces none. */
	if (json_array_size(own) == 0) {
		if (json_array_size(command) == 0)
			command = json_object_get(config, "Cmd");
		if (!json_is_array(own))
			own = json_object_get(config, "Entrypoint");
	}
	*ret =
	    (struct stack_command){ .entrypoint = copy_list(own), .command = copy_list(command) };
	if (ret->entrypoint == NULL || ret->command == NULL ||
	    json_array_size(ret->entrypoint) + json_array_size(ret->command) == 0) {
		stack_command_wipe(ret);
		return false;
	}
	drop_init(ret);
	return true;
}

void
stack_command_wipe(struct stack_command *k)
{
	json_decref(k->entrypoint);
	json_decref(k->command);
	*k = (struct stack_command){ 0 };
}
