#pragma once
// OpenSSL's function-like macros, which the Swift importer cannot see.
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stddef.h>

/// Sets the name sent in the server_name extension; 1 when fine.
int weir_ssl_set_server_name(SSL *ssl, const char *name);

/// Counts the URI subjectAltNames of `certificate` and copies the first, NUL terminated, to `uri` (`capacity` bytes).
/// Returns the count, or -1 when the extension cannot be read or the name does not fit or holds a NUL.
int weir_x509_uri_names(X509 *certificate, char *uri, size_t capacity);

/// Makes an ECDSA P-256 key, and a certificate signing request (PKCS #10, RFC 2986) for it that asks for no name. Writes
/// the key as PEM and the request as DER, and their lengths. Returns 1 when fine, 0 when not or when there is no room.
int weir_make_request(unsigned char *key, size_t *key_length, unsigned char *request, size_t *request_length);
