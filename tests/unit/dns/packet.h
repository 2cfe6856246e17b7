/* packet: messages for the tests, put together octet by octet. */
#pragma once

#include <stdint.h>
#include <string.h>

struct packet {
    uint8_t b[2048];
    size_t len;
};

static inline void p8(struct packet *p, unsigned v)
{
    p->b[p->len++] = (uint8_t)v;
}
static inline void p16(struct packet *p, unsigned v)
{
    p8(p, v >> 8);
    p8(p, v & 0xff);
}
static inline void pbytes(struct packet *p, const void *bytes, size_t len)
{
    memcpy(p->b + p->len, bytes, len);
    p->len += len;
}
static inline void pheader(struct packet *p, unsigned flags, unsigned qd, unsigned an, unsigned ns,
                           unsigned ar)
{
    p->len = 0;
    p16(p, 0xbeef);
    p16(p, flags);
    p16(p, qd);
    p16(p, an);
    p16(p, ns);
    p16(p, ar);
}
/* name as a C string of wire octets, without the root's. */
static inline void pquestion(struct packet *p, const char *name, unsigned type, unsigned class)
{
    pbytes(p, name, strlen(name) + 1);
    p16(p, type);
    p16(p, class);
}
static inline void popt(struct packet *p, unsigned size, unsigned version, unsigned flags,
                        const void *options, size_t len)
{
    p8(p, 0);
    p16(p, 41);
    p16(p, size);
    p8(p, 0);
    p8(p, version);
    p16(p, flags);
    p16(p, (unsigned)len);
    if (len)
        pbytes(p, options, len);
}
static inline void prr(struct packet *p, unsigned type, const void *rdata, size_t len)
{
    p16(p, 0xc00c);
    p16(p, type);
    p16(p, 1);
    p16(p, 0);
    p16(p, 60);
    p16(p, (unsigned)len);
    pbytes(p, rdata, len);
}
