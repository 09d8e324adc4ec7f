#include "CTLS.h"
#include <string.h>

int weir_ssl_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

int weir_x509_uri_names(X509 *certificate, char *uri, size_t capacity) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    if (names == NULL) return -1;
    int found = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) continue;
        const unsigned char *bytes = ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
        int length = ASN1_STRING_length(name->d.uniformResourceIdentifier);
        if (found++ > 0) continue;
        if (length < 0 || (size_t)length + 1 > capacity || memchr(bytes, 0, (size_t)length) != NULL) {
            found = -1;
            break;
        }
        memcpy(uri, bytes, (size_t)length);
        uri[length] = 0;
    }
    GENERAL_NAMES_free(names);
    return found;
}

int weir_make_request(unsigned char *key, size_t *key_length, unsigned char *request, size_t *request_length)
{
    int done = 0;
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509_REQ *made = X509_REQ_new();
    BIO *text = BIO_new(BIO_s_mem());
    if (pair && made && text && X509_REQ_set_version(made, 0) && X509_REQ_set_pubkey(made, pair)
        && X509_REQ_sign(made, pair, EVP_sha256()) > 0
        && PEM_write_bio_PKCS8PrivateKey(text, pair, NULL, NULL, 0, NULL, NULL)) {
        unsigned char *octets = NULL;
        const int length = i2d_X509_REQ(made, &octets);
        const int characters = BIO_read(text, key, (int)*key_length);
        if (length > 0 && (size_t)length <= *request_length && characters > 0 && BIO_pending(text) == 0) {
            memcpy(request, octets, (size_t)length);
            *request_length = (size_t)length;
            *key_length = (size_t)characters;
            done = 1;
        }
        OPENSSL_free(octets);
    }
    BIO_free(text);
    X509_REQ_free(made);
    EVP_PKEY_free(pair);
    return done;
}
