#include "CAddressDatabase.h"

#include <maxminddb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct weir_address_database {
    MMDB_s file;
};

weir_address_database *weir_address_database_open(const char *path, int *error) {
    weir_address_database *database = calloc(1, sizeof *database);
    if (!database) {
        *error = MMDB_OUT_OF_MEMORY_ERROR;
        return NULL;
    }
    *error = MMDB_open(path, MMDB_MODE_MMAP, &database->file);
    if (*error == MMDB_SUCCESS) return database;
    free(database);
    return NULL;
}

void weir_address_database_close(weir_address_database *database) {
    if (!database) return;
    MMDB_close(&database->file);
    free(database);
}

const char *weir_address_database_strerror(int error) { return MMDB_strerror(error); }
int weir_address_database_version(const weir_address_database *database) {
    return database->file.metadata.ip_version;
}
uint64_t weir_address_database_built(const weir_address_database *database) {
    return database->file.metadata.build_epoch;
}
const char *weir_address_database_type(const weir_address_database *database) {
    const char *type = database->file.metadata.database_type;
    return type ? type : "";
}

// The entry of `address`; false when there is none or the file can't be read, which *error tells apart.
static bool find_entry(
    const weir_address_database *database, uint64_t high, uint64_t low, MMDB_entry_s *entry, int *error) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } place;
    memset(&place, 0, sizeof place);
    *error = MMDB_SUCCESS;
    if (high == 0 && low >> 32 == 0xFFFF) {
        place.v4.sin_family = AF_INET;
        place.v4.sin_addr.s_addr = htonl((uint32_t)low);
    } else {
        if (database->file.metadata.ip_version == 4) return false;
        place.v6.sin6_family = AF_INET6;
        for (int octet = 0; octet < 8; octet++) {
            place.v6.sin6_addr.s6_addr[octet] = (uint8_t)(high >> (56 - 8 * octet));
            place.v6.sin6_addr.s6_addr[octet + 8] = (uint8_t)(low >> (56 - 8 * octet));
        }
    }
    MMDB_lookup_result_s result = MMDB_lookup_sockaddr(&database->file, &place.any, error);
    if (*error != MMDB_SUCCESS || !result.found_entry) return false;
    *entry = result.entry;
    return true;
}

// 1 when `data` has the value at `path`, 0 when the record has none there, -1 when it can't be read.
static int value_at(const MMDB_entry_s *entry, const char *const *path, MMDB_entry_data_s *data) {
    MMDB_entry_s start = *entry;
    memset(data, 0, sizeof *data);
    int status = MMDB_aget_value(&start, data, path);
    if (status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR || status == MMDB_INVALID_LOOKUP_PATH_ERROR) return 0;
    if (status != MMDB_SUCCESS) return -1;
    return data->has_data ? 1 : 0;
}

static bool take_country(const MMDB_entry_data_s *data, char country[2]) {
    if (data->type != MMDB_DATA_TYPE_UTF8_STRING || data->data_size != 2) return false;
    for (int index = 0; index < 2; index++) {
        char letter = data->utf8_string[index];
        if (letter >= 'a' && letter <= 'z') letter -= 'a' - 'A';
        if (letter < 'A' || letter > 'Z') return false;
        country[index] = letter;
    }
    return true;
}

// A number, or text such as "AS64496".
static uint32_t system_number(const MMDB_entry_data_s *data) {
    switch (data->type) {
    case MMDB_DATA_TYPE_UINT16: return data->uint16;
    case MMDB_DATA_TYPE_UINT32: return data->uint32;
    case MMDB_DATA_TYPE_UINT64: return data->uint64 <= UINT32_MAX ? (uint32_t)data->uint64 : 0;
    case MMDB_DATA_TYPE_UTF8_STRING: break;
    default: return 0;
    }
    const char *text = data->utf8_string;
    size_t size = data->data_size;
    if (size > 2 && (text[0] == 'A' || text[0] == 'a') && (text[1] == 'S' || text[1] == 's')) text += 2, size -= 2;
    if (size == 0 || size > 10) return 0;
    uint64_t number = 0;
    for (size_t index = 0; index < size; index++) {
        if (text[index] < '0' || text[index] > '9') return 0;
        number = number * 10 + (uint64_t)(text[index] - '0');
    }
    return number <= UINT32_MAX ? (uint32_t)number : 0;
}

// Where files of several makers have them; the first that is there counts.
static const char *const country_paths[][3] = {
    {"country", "iso_code", NULL}, {"registered_country", "iso_code", NULL}, {"country_code", NULL}, {"country", NULL},
};
static const char *const system_paths[][3] = {{"autonomous_system_number", NULL}, {"asn", NULL}, {"as_number", NULL}};
static const char *const name_paths[][3] = {
    {"autonomous_system_organization", NULL}, {"as_name", NULL}, {"organization", NULL},
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

int weir_address_database_find(
    const weir_address_database *database, uint64_t high, uint64_t low, struct weir_address_place *place) {
    MMDB_entry_s entry;
    MMDB_entry_data_s data;
    int error;
    memset(place, 0, sizeof *place);
    if (!find_entry(database, high, low, &entry, &error)) return error;
    struct weir_address_place found = {.record = entry.offset + 1};
    for (size_t index = 0; index < COUNT(country_paths); index++) {
        int status = value_at(&entry, country_paths[index], &data);
        if (status < 0) return MMDB_INVALID_DATA_ERROR;
        if (status > 0 && take_country(&data, found.country)) break;
    }
    for (size_t index = 0; index < COUNT(system_paths); index++) {
        int status = value_at(&entry, system_paths[index], &data);
        if (status < 0) return MMDB_INVALID_DATA_ERROR;
        if (status > 0 && (found.system_number = system_number(&data)) != 0) break;
    }
    *place = found;
    return MMDB_SUCCESS;
}

size_t weir_address_database_system_name(
    const weir_address_database *database, uint64_t high, uint64_t low, char *name, size_t size) {
    MMDB_entry_s entry;
    MMDB_entry_data_s data;
    int error;
    if (!find_entry(database, high, low, &entry, &error)) return 0;
    for (size_t index = 0; index < COUNT(name_paths); index++) {
        if (value_at(&entry, name_paths[index], &data) <= 0 || data.type != MMDB_DATA_TYPE_UTF8_STRING) continue;
        size_t length = data.data_size < size ? data.data_size : size;
        memcpy(name, data.utf8_string, length);
        return length;
    }
    return 0;
}
