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
