#include "COpenAPI.h"

// Clang knows it in every C from version 19 on, and says so.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char document[] = {
#embed "../API/openapi.json"
};

const unsigned char *weir_openapi(size_t *count) {
    *count = sizeof document;
    return document;
}
