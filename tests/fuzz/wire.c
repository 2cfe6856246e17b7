#include "wire.h"

#include <string.h>

#define HEADER 12
#define RECORD 10 /* TYPE, CLASS, TTL, RDLENGTH */

/* The offset behind a name, 0: it does not end. */
static size_t name_end(const uint8_t *msg, size_t len, size_t at, bool *pointer, bool *forward)
{
    size_t start = at;
    while (at < len) {
        unsigned n = msg[at];
        if (n == 0)
            return at + 1;
        if (n >= 0xc0) {
            if (at + 2 > len)
                return 0;
            size_t to = wire_get16(msg + at) & 0x3fff;
            *pointer = true;
            *forward = *forward || to < HEADER || to >= start;
            return at + 2;
        }
        if (n > 63)
            return 0;
        at += n + 1;
    }
    return 0;
}

/* Is the RDATA between at and end of a shape that nobody can read past or short of? */
static bool rdata_is_plain(const uint8_t *msg, size_t at, size_t end, unsigned type)
{
    bool pointer, forward = false;
    switch (type) {
    case 1: /* A */
        return end - at == 4;
    case 28: /* AAAA */
        return end - at == 16;
    case 15: /* MX */
        return end - at > 2 && name_end(msg, end, at + 2, &pointer, &forward) == end;
    case 2: /* NS */
        return name_end(msg, end, at, &pointer, &forward) == end;
    case 16: /* TXT */
        while (at < end)
            at += 1u + msg[at];
        return at == end;
    case 41: /* OPT */
        return true;
    default:
        return type >= 65280; /* private use: opaque */
    }
}

static bool record(const uint8_t *msg, size_t len, size_t *at, bool additional, struct wire *w)
{
    bool pointer = false;
    size_t start = *at, rr = name_end(msg, len, start, &pointer, &w->pointer_forward);
    if (rr == 0 || len - rr < RECORD)
        return false;
    size_t rdlength = wire_get16(msg + rr + 8);
    if (len - rr - RECORD < rdlength)
        return false;
    unsigned type = wire_get16(msg + rr);
    w->plain = w->plain && rdata_is_plain(msg, rr + RECORD, rr + RECORD + rdlength, type);
    if (type == 41) {
        w->opt_astray = w->opt_astray || !additional || rr != start + 1;
        if (w->opts++ == 0) {
            w->opt = msg + rr;
            w->options = msg + rr + RECORD;
            w->options_len = rdlength;
        }
    }
    *at = rr + RECORD + rdlength;
    return true;
}

bool wire_walk(const uint8_t *msg, size_t len, struct wire *w)
{
    memset(w, 0, sizeof *w);
    if (len < HEADER)
        return false;
    w->id = (uint16_t)wire_get16(msg);
    w->flags = (uint16_t)wire_get16(msg + 2);
    for (int i = 0; i < 4; i++)
        w->counts[i] = (uint16_t)wire_get16(msg + 4 + 2 * i);
    if (w->counts[0] != 1)
        return false;
    bool forward = false;
    size_t at = name_end(msg, len, HEADER, &w->question_pointer, &forward);
    if (at == 0 || len - at < 4)
        return false;
    at += 4;
    w->question_end = w->end = at;
    w->plain = true;
    for (int section = 1; section <= 3; section++)
        for (unsigned i = 0; i < w->counts[section]; i++)
            if (!record(msg, len, &at, section == 3, w))
                return true;
    w->end = at;
    w->whole = true;
    return true;
}

static size_t option_end(const uint8_t *options, size_t len, size_t at)
{
    if (len - at < 4)
        return 0;
    size_t n = wire_get16(options + at + 2);
    return len - at - 4 < n ? 0 : at + 4 + n;
}

bool wire_options_whole(const uint8_t *options, size_t len)
{
    size_t at = 0;
    while (at < len) {
        at = option_end(options, len, at);
        if (at == 0)
            return false;
    }
    return true;
}

const uint8_t *wire_option(const uint8_t *options, size_t len, unsigned code, size_t *option_len)
{
    for (size_t at = 0, end; at < len && (end = option_end(options, len, at)) != 0; at = end)
        if (wire_get16(options + at) == code) {
            *option_len = end - at - 4;
            return options + at + 4;
        }
    return NULL;
}

unsigned wire_options_n(const uint8_t *options, size_t len)
{
    unsigned n = 0;
    for (size_t at = 0; at < len && (at = option_end(options, len, at)) != 0;)
        n++;
    return n;
}

unsigned wire_options_count(const uint8_t *options, size_t len, unsigned code)
{
    unsigned n = 0;
    for (size_t at = 0, end; at < len && (end = option_end(options, len, at)) != 0; at = end)
        n += wire_get16(options + at) == code;
    return n;
}
