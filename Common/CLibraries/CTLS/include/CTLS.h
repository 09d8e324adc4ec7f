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
