#pragma once
#include <stddef.h>
#include <stdint.h>

// What a MaxMind DB file says about an address, as plain values: the library's own calls take variable arguments and
// give a union. A file is open from weir_address_database_open to weir_address_database_close; between them any number
// of threads may ask. The file is mapped: it may be replaced by rename, and must never be written to or cut short.

typedef struct weir_address_database weir_address_database;

struct weir_address_place {
    char country[2];         // ISO 3166-1 in capitals, or two zeros
    uint32_t system_number;  // 0 when there is none
    uint32_t record;         // which record of the file answered: equal for addresses that share one; 0 is none
};

// NULL when the file is none that can be used; *error is then the library's number of the reason.
weir_address_database *weir_address_database_open(const char *path, int *error);
void weir_address_database_close(weir_address_database *database);
const char *weir_address_database_strerror(int error);

// Of the file's metadata: 4 or 6, and seconds since 1970; the type is a string of the file's, for as long as it is open.
int weir_address_database_version(const weir_address_database *database);
uint64_t weir_address_database_built(const weir_address_database *database);
const char *weir_address_database_type(const weir_address_database *database);

// An address is two words, most significant octet first, IPv4 in mapped form. 0 when the file could be read, whether or not it has the address; else
// the library's number of the fault, and nothing in `place`.
int weir_address_database_find(
    const weir_address_database *database, uint64_t high, uint64_t low, struct weir_address_place *place);

// Who announces the address: at most `size` octets of UTF-8 into `name`; returns how many, 0 when it isn't told.
size_t weir_address_database_system_name(
    const weir_address_database *database, uint64_t high, uint64_t low, char *name, size_t size);

// Addresses from a first to a last one, both included, in the same words.
struct weir_address_range {
    uint64_t first_high, first_low, last_high, last_low;
    uint32_t value;  // of a system's, its number where it was asked for by that; else 1
};

// All addresses of a country, two capitals, or of any where `country` is two zeros: at most `size` ranges into `ranges`,
// neighbours joined, IPv4 first, then rising. Returns how many there are, which may be more than `size`; -1 when the
// file is damaged. Goes through the whole file.
long weir_address_database_ranges(
    const weir_address_database *database, const char country[2], struct weir_address_range *ranges, size_t size);

// The same of systems, by sorted numbers, or of any where there are none: neighbours of one system are joined.
long weir_address_database_system_ranges(
    const weir_address_database *database, const uint32_t *systems, size_t system_count,
    struct weir_address_range *ranges, size_t size);
