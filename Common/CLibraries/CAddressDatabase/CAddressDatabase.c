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

// Puts what the record says into `country`; false when it can't be read.
static bool read_country(const MMDB_entry_s *entry, char country[2]) {
    MMDB_entry_data_s data;
    for (size_t index = 0; index < COUNT(country_paths); index++) {
        int status = value_at(entry, country_paths[index], &data);
        if (status < 0) return false;
        if (status > 0 && take_country(&data, country)) break;
    }
    return true;
}

// The same for its system's number.
static bool read_system(const MMDB_entry_s *entry, uint32_t *number) {
    MMDB_entry_data_s data;
    for (size_t index = 0; index < COUNT(system_paths); index++) {
        int status = value_at(entry, system_paths[index], &data);
        if (status < 0) return false;
        if (status > 0 && (*number = system_number(&data)) != 0) break;
    }
    return true;
}

int weir_address_database_find(
    const weir_address_database *database, uint64_t high, uint64_t low, struct weir_address_place *place) {
    MMDB_entry_s entry;
    int error;
    memset(place, 0, sizeof *place);
    if (!find_entry(database, high, low, &entry, &error)) return error;
    struct weir_address_place found = {.record = entry.offset + 1};
    if (!read_country(&entry, found.country)) return MMDB_INVALID_DATA_ERROR;
    if (!read_system(&entry, &found.system_number)) return MMDB_INVALID_DATA_ERROR;
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

// A walk through the tree, for the ranges of a country or of systems.
struct walk {
    const char *country;  // NULL for systems
    const uint32_t *systems;
    size_t system_count;
    struct weir_address_range *ranges;
    size_t size, count;
    struct weir_address_range last;  // of the ranges found, also when it found no room
    // Records met lately, by offset: many networks share one. 0 is none.
    struct {
        uint32_t offset_and_one;
        uint32_t value;
    } known[1024];
};

static bool is_among(const uint32_t *sorted, size_t count, uint32_t number) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < number) low = middle + 1;
        else high = middle;
    }
    return low < count && sorted[low] == number;
}

// 0 for what isn't wanted; else the system, or 1 where which one it is doesn't matter.
static uint32_t value_of(const struct walk *walk, const MMDB_entry_s *entry) {
    if (walk->country) {
        char country[2] = {0, 0};
        bool is_any = walk->country[0] == 0;
        return read_country(entry, country) && country[0] != 0 &&
               (is_any || memcmp(country, walk->country, 2) == 0);
    }
    uint32_t number = 0;
    if (!read_system(entry, &number) || number == 0) return 0;
    if (walk->system_count == 0) return 1;
    return is_among(walk->systems, walk->system_count, number) ? number : 0;
}

static uint32_t known_value(struct walk *walk, const MMDB_entry_s *entry) {
    size_t place = entry->offset % COUNT(walk->known);
    if (walk->known[place].offset_and_one != entry->offset + 1) {
        walk->known[place].offset_and_one = entry->offset + 1;
        walk->known[place].value = value_of(walk, entry);
    }
    return walk->known[place].value;
}

static void add_range(struct walk *walk, struct weir_address_range range) {
    struct weir_address_range *last = &walk->last;
    bool follows = last->last_low == UINT64_MAX ? last->last_high != UINT64_MAX && range.first_low == 0 &&
                                                      range.first_high == last->last_high + 1
                                                : range.first_high == last->last_high &&
                                                      range.first_low == last->last_low + 1;
    if (walk->count > 0 && follows && last->value == range.value) {
        last->last_high = range.last_high, last->last_low = range.last_low;
    } else {
        *last = range;
        walk->count++;
    }
    if (walk->count <= walk->size) walk->ranges[walk->count - 1] = *last;
}

#define MAPPED ((uint64_t)0xFFFF << 32)

// The network of `bits` bits whose address is given, counted as 128-bit numbers.
static void add_network(struct walk *walk, uint32_t value, uint64_t high, uint64_t low, int bits) {
    struct weir_address_range range = {high, low, high, low, value};
    if (bits < 64) range.last_high |= bits == 0 ? UINT64_MAX : UINT64_MAX >> bits;
    range.last_low |= bits <= 64 ? UINT64_MAX : bits == 128 ? 0 : UINT64_MAX >> (bits - 64);
    bool is_v4 = high == 0 && low >> 32 == 0 && bits >= 96;
    if (is_v4) range.first_low |= MAPPED, range.last_low |= MAPPED;
    // IPv4's place in the tree is within a larger network: it stands in two places of the numbers.
    if (high == 0 && low >> 32 == 0 && bits < 96) {
        struct weir_address_range v4 = {0, MAPPED, 0, MAPPED | UINT32_MAX, value};
        add_range(walk, v4);
    }
    add_range(walk, range);
}

// How many ranges there are; -1 when the file is damaged.
static long go_through(const MMDB_s *file, struct walk *walk) {
    bool is_v6 = file->metadata.ip_version == 6;
    // What is still to be visited, the next one last: of each level one side waits at most while the other is gone into.
    struct {
        uint64_t high, low;
        int bits;
        bool is_data;
        uint32_t node;
        MMDB_entry_s entry;
    } open[132] = {{.bits = is_v6 ? 0 : 96}};
    size_t count = 1;
    // A whole file is visited once, IPv4's part of it again where other networks lead to it. Who visits more goes round
    // in a tree that somebody made for it.
    uint64_t left = 32 * (uint64_t)file->metadata.node_count + 1024;
    while (count > 0) {
        count--;
        uint64_t high = open[count].high, low = open[count].low;
        int bits = open[count].bits;
        if (left-- == 0) return -1;
        if (open[count].is_data) {
            uint32_t value = known_value(walk, &open[count].entry);
            if (value) add_network(walk, value, high, low, bits);
            continue;
        }
        // IPv4 in its mapped form is where all of IPv4 is.
        if (bits == 96 && high == 0 && low == MAPPED && is_v6) continue;
        MMDB_search_node_s node;
        if (bits >= 128 || MMDB_read_node(file, open[count].node, &node) != MMDB_SUCCESS) return -1;
        for (int side = 1; side >= 0; side--) {
            uint8_t type = side ? node.right_record_type : node.left_record_type;
            if (type == MMDB_RECORD_TYPE_EMPTY) continue;
            if (type == MMDB_RECORD_TYPE_INVALID || count >= COUNT(open)) return -1;
            open[count].high = high, open[count].low = low;
            if (side && bits < 64) open[count].high |= (uint64_t)1 << (63 - bits);
            if (side && bits >= 64) open[count].low |= (uint64_t)1 << (127 - bits);
            open[count].bits = bits + 1;
            open[count].is_data = type == MMDB_RECORD_TYPE_DATA;
            open[count].node = (uint32_t)(side ? node.right_record : node.left_record);
            open[count].entry = side ? node.right_record_entry : node.left_record_entry;
            count++;
        }
    }
    return (long)walk->count;
}

long weir_address_database_ranges(
    const weir_address_database *database, const char country[2], struct weir_address_range *ranges, size_t size) {
    struct walk walk = {.country = country, .ranges = ranges, .size = size};
    return go_through(&database->file, &walk);
}

long weir_address_database_system_ranges(
    const weir_address_database *database, const uint32_t *systems, size_t system_count,
    struct weir_address_range *ranges, size_t size) {
    struct walk walk = {.systems = systems, .system_count = system_count, .ranges = ranges, .size = size};
    return go_through(&database->file, &walk);
}
