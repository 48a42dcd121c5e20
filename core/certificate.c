#include "core/certificate.h"

#include <errno.h>
#include <stdlib.h>

const char certificate_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

#ifdef MUSTER_NO_TLS

int certificate_load(const char *chain, size_t chain_length, const char *key, size_t key_length,
	struct certificate **ret_certificate, struct error *error)
{
	(void)chain;
	(void)chain_length;
	(void)key;
	(void)key_length;
	(void)ret_certificate;
	return error_set(error, -ENOTSUP, "this musterd is built without TLS: put a proxy before it");
}

void certificate_free(struct certificate *certificate)
{
	(void)certificate;
}

int64_t certificate_expires_s(const struct certificate *certificate)
{
	(void)certificate;
	return INT64_MAX;
}

void certificate_use(struct certificate *certificate)
{
	(void)certificate;
}

void *certificate_callback(void)
{
	return NULL;
}

#else

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

enum { CHAIN_MAX = 16 };

struct certificate {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned count;
	gnutls_privkey_t key;
	int64_t expires_s;
	struct certificate *previous; /* owned: the one that was in use before it */
};

static struct certificate *in_use; /* owned */

static gnutls_datum_t datum(const char *text, size_t length)
{
	/* GnuTLS only reads what it is given. */
	return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)text, .size = (unsigned)length};
}

static int load_chain(struct certificate *certificate, const char *text, size_t length, struct error *error)
{
	const gnutls_datum_t pem = datum(text, length);
	unsigned count = CHAIN_MAX;

	int status = gnutls_pcert_list_import_x509_raw(
		certificate->chain, &count, &pem, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	if (status < 0)
		return error_set(
			error, -EINVAL, "holds no certificate in PEM that can be used: %s", gnutls_strerror(status));
	certificate->count = count;
	return 0;
}

static int load_key(struct certificate *certificate, const char *text, size_t length, struct error *error)
{
	const gnutls_datum_t pem = datum(text, length);

	int status = gnutls_privkey_init(&certificate->key);
	if (status < 0)
		return error_set(error, -ENOMEM, "no memory");
	status = gnutls_privkey_import_x509_raw(certificate->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (status < 0)
		return error_set(error, -EINVAL, "the key is none in PEM, without a passphrase, that can be used: %s",
			gnutls_strerror(status));
	return 0;
}

/* What the one signs, the other must verify. */
static int check_pair(const struct certificate *certificate, struct error *error)
{
	static const char text[] = "a pair";
	const gnutls_datum_t data = datum(text, sizeof text);
	const gnutls_pubkey_t key = certificate->chain[0].pubkey;
	gnutls_datum_t signature = {0};
	gnutls_digest_algorithm_t hash = GNUTLS_DIG_SHA256;

	(void)gnutls_pubkey_get_preferred_hash_algorithm(key, &hash, NULL);
	int status = gnutls_privkey_sign_data(certificate->key, hash, 0, &data, &signature);
	if (status >= 0)
		status = gnutls_pubkey_verify_data2(key,
			gnutls_pk_to_sign(
				(gnutls_pk_algorithm_t)gnutls_privkey_get_pk_algorithm(certificate->key, NULL), hash),
			0, &data, &signature);
	gnutls_free(signature.data);
	return status < 0 ? error_set(error, -EINVAL, "the key is not the certificate's") : 0;
}

static int64_t find_expiry(const struct certificate *certificate)
{
	gnutls_x509_crt_t crt;
	int64_t expires = INT64_MAX;

	if (gnutls_x509_crt_init(&crt) < 0)
		return expires;
	if (gnutls_x509_crt_import(crt, &certificate->chain[0].cert, GNUTLS_X509_FMT_DER) >= 0)
		expires = gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	return expires;
}

int certificate_load(const char *chain, size_t chain_length, const char *key, size_t key_length,
	struct certificate **ret_certificate, struct error *error)
{
	struct certificate *certificate = calloc(1, sizeof *certificate);

	if (!certificate)
		return error_set(error, -ENOMEM, "no memory");
	int status = load_chain(certificate, chain, chain_length, error);
	if (status == 0)
		status = load_key(certificate, key, key_length, error);
	if (status == 0)
		status = check_pair(certificate, error);
	if (status < 0) {
		certificate_free(certificate);
		return status;
	}
	certificate->expires_s = find_expiry(certificate);
	*ret_certificate = certificate;
	return 0;
}

void certificate_free(struct certificate *certificate)
{
	if (!certificate)
		return;
	for (unsigned i = 0; i < certificate->count; i++)
		gnutls_pcert_deinit(&certificate->chain[i]);
	if (certificate->key)
		gnutls_privkey_deinit(certificate->key);
	free(certificate);
}

int64_t certificate_expires_s(const struct certificate *certificate)
{
	return certificate->expires_s;
}

void certificate_use(struct certificate *certificate)
{
	certificate->previous = in_use;
	in_use = certificate;
}

static int give(gnutls_session_t session, const gnutls_datum_t *requested, int requested_count,
	const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain, unsigned *ret_count,
	gnutls_privkey_t *ret_key)
{
	(void)session;
	(void)requested;
	(void)requested_count;
	(void)algorithms;
	(void)algorithm_count;
	if (!in_use)
		return -1;
	*ret_chain = in_use->chain;
	*ret_count = in_use->count;
	*ret_key = in_use->key;
	return 0;
}

void *certificate_callback(void)
{
	return (void *)(uintptr_t)&give;
}

#endif
