#pragma once

#include <stddef.h>

// Aggregator/API/openapi.json, octet for octet. Here and not as a resource of the Swift module: the compiler would read
// it as a list of some hundred thousand numbers, for half a minute.
const unsigned char *_Nonnull weir_openapi(size_t *_Nonnull count);
