#include "core/broker_internal.h"

#include <errno.h>
#include <string.h>

#ifdef HAVE_HIREDIS_SSL

#include "core/clock.h"
#include "core/io.h"

#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* ---- whom we believe, and who we are ---- */

static int refuse(const char *what, struct error *error)
{
	unsigned long number = ERR_peek_last_error();
	const char *reason = number ? ERR_reason_error_string(number) : NULL;
	ERR_clear_error();
	return error_set(error, BROKER_UNFIT, "%s: %s", what, reason ? reason : "no reason is known");
}

static BIO *reader_of(const char *pem)
{
	return BIO_new_mem_buf(pem, -1); /* copies nothing; NULL: no memory */
}

/* Every certificate in the text. Returns how many. */
static int add_authorities(SSL_CTX *context, const char *pem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	BIO *bio = reader_of(pem);
	X509 *one;
	int count = 0;
	while (bio && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		count += X509_STORE_add_cert(store, one) == 1;
		X509_free(one);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the text is one */
	return count;
}

/* The first is ours, what follows stands between it and its root. */
static bool use_chain(SSL_CTX *context, const char *pem)
{
	BIO *bio = reader_of(pem);
	X509 *one = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool good = one && SSL_CTX_use_certificate(context, one) == 1;
	X509_free(one);
	while (good && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		good = SSL_CTX_add0_chain_cert(context, one) == 1;
		if (!good)
			X509_free(one);
	}
	BIO_free(bio);
	if (good)
		ERR_clear_error();
	return good;
}

/* A key with a passphrase is refused, where OpenSSL would ask the terminal. */
static int no_passphrase(char *text, int size, int writing, void *data)
{
	(void)text, (void)size, (void)writing, (void)data;
	return -1;
}

static bool use_key(SSL_CTX *context, const char *pem)
{
	BIO *bio = reader_of(pem);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	bool good = key && SSL_CTX_use_PrivateKey(context, key) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

static int fill_context(SSL_CTX *context, const struct config_broker *address, struct error *error)
{
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return refuse("TLS 1.2 is not to be had", error);
	if (address->ca && add_authorities(context, address->ca) == 0)
		return error_set(error, BROKER_UNFIT, "broker_tls.ca holds no certificate (PEM)");
	if (!address->ca && SSL_CTX_set_default_verify_paths(context) != 1)
		return refuse("the system's certificate authorities cannot be read", error);
	if (address->certificate && !use_chain(context, address->certificate))
		return refuse("broker_tls.certificate cannot be used", error);
	if (address->key && !use_key(context, address->key))
		return refuse("broker_tls.key cannot be used", error);
	return 0;
}

static int make_context(struct broker *broker, struct error *error)
{
	if (broker->tls_context)
		return 0;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context)
		return -ENOMEM;
	int status = fill_context(context, &broker->config->address, error);
	if (status < 0)
		SSL_CTX_free(context);
	else
		broker->tls_context = context;
	return status;
}

void broker_tls_forget(struct broker *broker)
{
	SSL_CTX_free(broker->tls_context);
	broker->tls_context = NULL;
}

/* ---- the handshake ---- */

/* The certificate must be made out to the name, or the address, that the configuration, a sentinel or a cluster gave. */
static bool expect_name(SSL *tls, const char *host)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1)
		return true;
	ERR_clear_error();
	return SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1;
}

static int explain(struct broker *broker, const SSL *tls, const char *place, struct error *error)
{
	long verdict = SSL_get_verify_result(tls);
	unsigned long number = ERR_peek_last_error();
	const char *reason = number ? ERR_reason_error_string(number) : NULL;
	int code = verdict != X509_V_OK ? BROKER_UNFIT : BROKER_AWAY;
	if (verdict != X509_V_OK)
		reason = X509_verify_cert_error_string(verdict);
	(void)error_set(error, code, "no TLS with the broker at %s: %s", place, /* the code is returned below */
		reason ? reason : "it closed the connection");
	ERR_clear_error();
	broker_disconnect(broker);
	return code;
}

static int shake_hands(struct broker *broker, SSL *tls, const char *place, int64_t until_mono_ns, struct error *error)
{
	for (;;) {
		ERR_clear_error();
		int done = SSL_do_handshake(tls);
		int what = done == 1 ? SSL_ERROR_NONE : SSL_get_error(tls, done);
		if (what == SSL_ERROR_NONE)
			return 0;
		if (what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE)
			return explain(broker, tls, place, error);
		struct pollfd entry = {
			.fd = broker->redis->fd, .events = what == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT};
		if (io_poll(&entry, 1, until_mono_ns) <= 0)
			return broker_lose(broker, "did not answer in time (does it speak TLS?)", error);
	}
}

int broker_tls_begin(
	struct broker *broker, const char *host, const char *place, int64_t until_mono_ns, struct error *error)
{
	int status = make_context(broker, error);
	SSL *tls = status == 0 ? SSL_new(broker->tls_context) : NULL;
	if (!tls || !expect_name(tls, host)) {
		SSL_free(tls);
		broker_disconnect(broker);
		return status < 0 ? status : -ENOMEM;
	}
	if (redisInitiateSSL(broker->redis, tls) != REDIS_OK) {
		status = explain(broker, tls, place, error);
		SSL_free(tls);
		return status;
	}
	broker->tls = tls; /* the context's now */
	return shake_hands(broker, tls, place, until_mono_ns, error);
}

ssize_t broker_tls_write(struct broker *broker, const char *bytes, size_t length)
{
	size_t count;
	ERR_clear_error();
	int done = SSL_write_ex(broker->tls, bytes, length, &count);
	if (done == 1)
		return (ssize_t)count;
	int what = SSL_get_error(broker->tls, done);
	return what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE ? -EAGAIN : -EPIPE;
}

#else

void broker_tls_forget(struct broker *broker)
{
	(void)broker;
}

/* config_broker.c refuses rediss:// before. */
int broker_tls_begin(
	struct broker *broker, const char *host, const char *place, int64_t until_mono_ns, struct error *error)
{
	(void)host, (void)until_mono_ns;
	broker_disconnect(broker);
	return error_set(error, BROKER_UNFIT, "no TLS with the broker at %s: this musterd is built without", place);
}

ssize_t broker_tls_write(struct broker *broker, const char *bytes, size_t length)
{
	(void)broker, (void)bytes, (void)length;
	return -EPIPE;
}

#endif
