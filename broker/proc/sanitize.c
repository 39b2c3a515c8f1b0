/*
 * In sanitizer builds only: leaks are looked for by forking and tracing oneself, which a confined
 * process cannot. The unit tests, which are not confined, look for them.
 */
typedef int sanitize_not_empty; /* a file of nothing is no C */

#ifdef SIDEKEY_SANITIZE
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif
