/* zoned: a lab whose zones have files, and questions made of any octets.
 * Owns      the files, from zoned_open to zoned_close. */
#pragma once

#include "ask.h"

#define ZONED_MAX 4
#define ZONED_TOP "$TTL 3600\n@ 600 SOA ns1 host 1 2 3 4 300\n@ NS ns1\nns1 A 192.0.2.53\n"
#define ZONED_SERVICE(name, ttl, address)                                                          \
    "{'name':'" name "','ttl':" #ttl ",'endpoints':[{'region':'eu','address':'" address "'}]}"

struct zoned {
    struct lab lab;
    unsigned n;
    char path[ZONED_MAX][40];
};

struct zoned_zone {
    const char *name, *text;
};

/* services: what stands between the brackets of the list. */
void zoned_open(struct zoned *z, const struct zoned_zone *zones, unsigned n, const char *services);
/* z.test with this file does not compile; the finding is left in said. */
void zoned_refused(const char *text, const char *services, char *said, size_t cap);
void zoned_close(struct zoned *z);

/* A question without EDNS; the name in wire form, any octets. */
const struct reply *zoned_ask(struct zoned *z, const void *name, size_t len, uint16_t type,
                              uint16_t class);
const char *zoned_line(struct zoned *z, const char *name, uint16_t type);
#define assert_line(z, name, type, want) assert_string_equal(zoned_line((z), (name), (type)), want)
