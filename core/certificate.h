/* certificate: the API's certificate with its private key, and how libmicrohttpd's GnuTLS gets at the one that holds now.
 *
 * The door to GnuTLS. One certificate is in use in a process at a time; another one may take its place at any moment, for
 * handshakes that begin from then on. Built without GnuTLS (MUSTER_NO_TLS) every load fails, and says why. One thread. */
#ifndef MUSTER_CORE_CERTIFICATE_H
#define MUSTER_CORE_CERTIFICATE_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

struct certificate;

/* TLS 1.2 and later, for MHD_OPTION_HTTPS_PRIORITIES. */
extern const char certificate_priorities[];

/* From PEM texts: the certificate, behind it those between it and its root, and its key. *ret_certificate is owned. Returns
 * 0; -EINVAL with a sentence that says which of the two is wrong, or that they do not belong together; -ENOMEM; -ENOTSUP. */
int certificate_load(const char *chain, size_t chain_length, const char *key, size_t key_length,
	struct certificate **ret_certificate, struct error *error);
void certificate_free(struct certificate *certificate);

/* When it is valid no more: wall seconds. */
int64_t certificate_expires_s(const struct certificate *certificate);

/* Takes it. Those before are kept: handshakes may be under way with them, and they change once in weeks. */
void certificate_use(struct certificate *certificate);

/* What MHD_OPTION_HTTPS_CERT_CALLBACK takes: a gnutls_certificate_retrieve_function2 that gives the one in use. */
void *certificate_callback(void);

#endif
