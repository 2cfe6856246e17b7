/* wire: where things lie in a DNS message, for fuzz targets: written apart from src/dns on purpose.
 * Owns      nothing; points into the message.
 * Total     any octets; what cannot be reached stays zero. Names are not followed, only measured. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {
    uint16_t id, flags, counts[4];
    bool question_pointer; /* a compression pointer in the question */
    bool pointer_forward;  /* one that leads forward or into the header, in the owner of a record */
    bool whole;            /* everything that the counts promise is there */
    bool plain; /* the RDATA of every record is of a known shape and fills its RDLENGTH exactly */
    size_t question_end, end;
    unsigned opts;                /* OPT records, wherever they are */
    bool opt_astray;              /* one outside the additional section or not owned by the root */
    const uint8_t *opt, *options; /* of the first: at TYPE, at its RDATA */
    size_t options_len;
};

/* False: not even one question can be read. */
bool wire_walk(const uint8_t *msg, size_t len, struct wire *out);
/* The first option of that code, NULL: none. */
const uint8_t *wire_option(const uint8_t *options, size_t len, unsigned code, size_t *option_len);
bool wire_options_whole(const uint8_t *options, size_t len);
unsigned wire_options_n(const uint8_t *options, size_t len);
unsigned wire_options_count(const uint8_t *options, size_t len, unsigned code);
static inline unsigned wire_get16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}
