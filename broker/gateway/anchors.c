#include "broker/gateway/anchors.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

struct anchor {
	unsigned char *der; /* NULL: it is in the store */
	long len;
	unsigned long subject; /* hash of the name; a wrong guess is a certificate parsed in vain */
};

struct anchors {
	size_t count;
	struct anchor list[ANCHORS_MAX];
};

static void
anchors_free(void *parent, void *p, CRYPTO_EX_DATA *ad, int i, long argl, void *argp)
{
	struct anchors *a = p;

	(void)parent, (void)ad, (void)i, (void)argl, (void)argp;
	for (size_t n = 0; a != NULL && n < a->count; n++)
		OPENSSL_free(a->list[n].der);
	free(a);
}

/* Where a context keeps them. */
static int
anchors_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, anchors_free);
	return index;
}

/* The value of the next field in *at, which ends at end, of that class and tag; NULL: there is
 * none. *at is then behind it. */
static const unsigned char *
field(const unsigned char **at, const unsigned char *end, int tag, int class, long *ret_len)
{
	const unsigned char *p = *at;
	int found, found_class;

	if (p >= end || (ASN1_get_object(&p, ret_len, &found, &found_class, end - p) & 0x80) != 0 ||
	    found != tag || found_class != class)
		return NULL;
	*at = p + *ret_len;
	return p;
}

static const unsigned char *
sequence(const unsigned char **at, const unsigned char *end, long *ret_len)
{
	return field(at, end, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, ret_len);
}

/* The encoded subject (RFC 5280 section 4.1): behind version, serial number, algorithm, issuer and
 * validity. */
static X509_NAME *
subject_of(const unsigned char *der, long der_len)
{
	const unsigned char *at = der, *end = der + der_len, *subject;
	long len;

	for (int depth = 0; depth < 2; depth++) {
		at = sequence(&at, end, &len);
		if (at == NULL)
			return NULL;
		end = at + len;
	}
	(void)field(&at, end, 0, V_ASN1_CONTEXT_SPECIFIC, &len);
	if (field(&at, end, V_ASN1_INTEGER, V_ASN1_UNIVERSAL, &len) == NULL)
		return NULL;
	for (int skipped = 0; skipped < 3; skipped++)
		if (sequence(&at, end, &len) == NULL)
			return NULL;
	subject = at;
	return d2i_X509_NAME(NULL, &subject, end - at);
}

/* der is given away. */
static void
add(struct anchors *a, unsigned char *der, long len)
{
	X509_NAME *subject = a->count < ANCHORS_MAX ? subject_of(der, len) : NULL;
	int good = 0;
	unsigned long hash = subject == NULL ? 0 : X509_NAME_hash_ex(subject, NULL, NULL, &good);

	X509_NAME_free(subject);
	if (good != 1) {
		OPENSSL_free(der);
		return;
	}
	a->list[a->count++] = (struct anchor){ .der = der, .len = len, .subject = hash };
}

static void
read_bundle(struct anchors *a, BIO *in)
{
	char *name, *header;
	unsigned char *der;
	long len;

	while (PEM_read_bio(in, &name, &header, &der, &len) == 1) {
		if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0)
			add(a, der, len);
		else
			OPENSSL_free(der);
		OPENSSL_free(name);
		OPENSSL_free(header);
	}
	ERR_clear_error(); /* the end of the text is an error to PEM_read_bio */
}

static void into_store(struct anchors *a, X509_STORE *store, const X509_NAME *name);

/* The anchor, and what vouches for it if it is none by itself. */
static void
take(struct anchors *a, struct anchor *one, X509_STORE *store)
{
	const unsigned char *at = one->der;
	X509 *x = d2i_X509(NULL, &at, one->len);

	OPENSSL_free(one->der);
	one->der = NULL;
	if (x == NULL)
		return;
	if (X509_STORE_add_cert(store, x) == 1)
		into_store(a, store, X509_get_issuer_name(x));
	X509_free(x);
}

/* All of that name: which of them signed, the chain's builder finds out. */
static void
into_store(struct anchors *a, X509_STORE *store, const X509_NAME *name)
{
	int good = 0;
	unsigned long hash = X509_NAME_hash_ex(name, NULL, NULL, &good);

	for (size_t i = 0; good == 1 && i < a->count; i++)
		if (a->list[i].der != NULL && a->list[i].subject == hash)
			take(a, &a->list[i], store);
}

/* In place of libssl's own: every name that the chain could need is put into the store first. */
static int
verify(X509_STORE_CTX *ctx, void *arg)
{
	struct anchors *a = arg;
	X509_STORE *store = X509_STORE_CTX_get0_store(ctx);
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);

	into_store(a, store, X509_get_issuer_name(X509_STORE_CTX_get0_cert(ctx)));
	for (int i = 0; i < sk_X509_num(sent); i++)
		into_store(a, store, X509_get_issuer_name(sk_X509_value(sent, i)));
	ERR_clear_error();
	return X509_verify_cert(ctx);
}

enum err
anchors_load(SSL_CTX *ctx, const char *path)
{
	BIO *in = BIO_new_file(path, "r");
	struct anchors *a = in == NULL ? NULL : calloc(1, sizeof *a);
	bool kept =
	    a != NULL && anchors_index() >= 0 && SSL_CTX_set_ex_data(ctx, anchors_index(), a) == 1;
	enum err e = in == NULL ? ERR_NOT_FOUND : ERR_NOMEM;

	if (kept) {
		read_bundle(a, in);
		SSL_CTX_set_cert_verify_callback(ctx, verify, a);
		e = a->count > 0 ? ERR_OK : ERR_NOT_FOUND;
	} else {
		free(a);
	}
	BIO_free(in);
	ERR_clear_error();
	return e;
}
