/* The client subnet's whole way: parse, locate, scope, echo (RFC 7871 §6, §7.1.2, §7.2).
 *
 * The options of the query are built from the input and sent through answer_query to services whose
 * views have nested networks. What must hold:
 *   a malformed option is FORMERR and nothing is echoed; a sound one comes back with its family,
 *   source and address, and a scope of at most the family's bits; scope 0 for source 0;
 *   whoever is inside the scope and says all his bits gets the same scope and, the generator started
 *   alike, the same answer octet for octet, and is in the same class of the service's view.
 *
 * Input     0: bits 0-2 service, 3 AAAA, 4 TCP, 5 another option before it, 6 raw option
 *           1: board; 2: seed, bit 0 an IPv6 resolver; 3: family, bit 0, or raw its low octet
 *           4: source; 5: raw scope; 6: raw number of address octets; 7-22: the address
 *           from 23 on, 16 octets each: bits of others inside the scope. */
#include "answer/answer.h"
#include "base/check.h"
#include "dns/types.h"
#include "reply.h"
#include "world.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OTHERS_AT 23
#define OTHERS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct option {
    unsigned family, source, scope, octets;
    uint8_t address[256];
};

struct asked {
    unsigned service;
    bool aaaa, tcp, padded;
    uint8_t seed;
    struct ip resolver;
};

struct got {
    uint8_t msg[65535];
    size_t len;
    struct reply reply;
};

static void option_raw(const uint8_t *data, struct option *o)
{
    *o = (struct option){.family = data[3], .source = data[4], .scope = data[5], .octets = data[6]};
    memcpy(o->address, data + 7, 16);
}

static void option_tidy(const uint8_t *data, struct option *o)
{
    struct ip ip = {.family = data[3] & 1 ? 6 : 4};
    memcpy(ip.b, data + 7, ip_bits(&ip) / 8);
    *o = (struct option){.family = 1 + (data[3] & 1), .source = data[4] % (ip_bits(&ip) + 1)};
    ip_mask(&ip, o->source);
    o->octets = (o->source + 7) / 8;
    memcpy(o->address, ip.b, o->octets);
}

static bool option_is_sound(const struct option *o)
{
    unsigned most = o->family == 1 ? 32 : o->family == 2 ? 128 : 0;
    if (o->family > 2 || o->source > most || o->scope || o->octets != (o->source + 7) / 8)
        return false;
    return o->source % 8 == 0 || (uint8_t)(o->address[o->octets - 1] << o->source % 8) == 0;
}

static size_t put16(uint8_t *msg, size_t at, unsigned v)
{
    msg[at] = (uint8_t)(v >> 8);
    msg[at + 1] = (uint8_t)v;
    return at + 2;
}

static size_t query(const struct asked *a, const struct option *o, uint8_t msg[512])
{
    static const uint8_t header[DNS_HEADER_BYTES] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    static const uint8_t zone[] = {1, 'g', 4, 't', 'e', 's', 't', 0};
    size_t at = sizeof header, padding = a->padded ? 4 + 5 : 0;
    memcpy(msg, header, sizeof header);
    msg[at++] = 1;
    msg[at++] = (uint8_t)('a' + a->service);
    memcpy(msg + at, zone, sizeof zone);
    at = put16(msg, at + sizeof zone, a->aaaa ? DNS_AAAA : DNS_A);
    at = put16(msg, at, DNS_IN);
    msg[at++] = 0;
    at = put16(msg, at, DNS_OPT);
    at = put16(msg, at, 1232);
    at = put16(msg, at, 0);
    at = put16(msg, at, a->seed & 2 ? 0x8000 : 0);
    at = put16(msg, at, (unsigned)(padding + 8 + o->octets));
    if (padding) {
        at = put16(msg, at, 65001);
        at = put16(msg, at, 5);
        memset(msg + at, 7, 5);
        at += 5;
    }
    at = put16(msg, at, DNS_OPTION_ECS);
    at = put16(msg, at, 4 + o->octets);
    at = put16(msg, at, o->family);
    msg[at++] = (uint8_t)o->source;
    msg[at++] = (uint8_t)o->scope;
    memcpy(msg + at, o->address, o->octets);
    return at + o->octets;
}

static void ask(const struct snapshot *s, const struct asked *a, const struct option *o,
                struct got *g)
{
    static struct answer_worker w;
    uint8_t msg[512];
    size_t len = query(a, o, msg);
    answer_worker_init(&w, 0, a->seed);
    struct answer_request r = {.msg = msg,
                               .len = len,
                               .source = a->resolver,
                               .tcp = a->tcp,
                               .out = g->msg,
                               .cap = a->tcp ? sizeof g->msg : 1232};
    g->len = answer_query(&w, s, &r);
    const char *bad = reply_read(g->msg, g->len, &g->reply);
    if (bad)
        fprintf(stderr, "%s\n", bad);
    CHECK(!bad && g->reply.opt);
}

static struct ip address_of(const struct option *o)
{
    struct ip ip = {.family = o->family == 1 ? 4 : 6};
    memcpy(ip.b, o->address, o->octets);
    return ip;
}

static uint16_t class_of(const struct snapshot *s, const struct asked *a, const struct option *o)
{
    struct geo_client_in in = {
        .subnet = address_of(o), .subnet_len = (uint8_t)o->source, .source = a->resolver};
    uint8_t name[] = {1, (uint8_t)('a' + a->service), 1, 'g', 4, 't', 'e', 's', 't', 0};
    uint32_t node = zone_tree_node(&s->tree, name, sizeof name);
    CHECK(node != ZONE_NONE);
    uint32_t service = s->tree.nodes[node].service;
    CHECK(service != ZONE_NONE);
    return geo_client_locate(snapshot_view_of(s, service)->map, &in).class;
}

static void check_echo(const struct option *o, const struct reply *r)
{
    CHECK(r->ecs && r->ecs_family == o->family && r->ecs_source == o->source);
    CHECK(r->ecs_octets == o->octets && memcmp(r->ecs_addr, o->address, o->octets) == 0);
    CHECK(r->ecs_scope <= (o->family == 1 ? 32u : o->family == 2 ? 128u : 0u));
    CHECK(o->source > 0 || r->ecs_scope == 0);
}

/* The same but for the option, which lies in the OPT at the end: record by record. */
static void check_same(const struct reply *a, const struct reply *b)
{
    CHECK(a->rcode == b->rcode && a->aa == b->aa && a->tc == b->tc);
    CHECK(a->n == b->n && a->answers == b->answers && a->authorities == b->authorities);
    for (unsigned i = 0; i < a->n; i++) {
        const struct reply_rr *x = &a->rr[i], *y = &b->rr[i];
        CHECK(x->type == y->type && x->ttl == y->ttl && x->rdata_len == y->rdata_len);
        CHECK(memcmp(x->rdata, y->rdata, x->rdata_len) == 0);
    }
}

/* An address of the scope around ip: its own bits, then those of `rest`. */
static void inside(const struct ip *ip, unsigned scope, const uint8_t *rest, struct option *out)
{
    unsigned bits = ip_bits(ip);
    *out = (struct option){.family = ip->family == 4 ? 1 : 2, .source = bits, .octets = bits / 8};
    for (unsigned i = 0; i < bits / 8; i++) {
        unsigned keep = scope >= 8 * (i + 1) ? 8 : scope <= 8 * i ? 0 : scope - 8 * i;
        uint8_t mask = (uint8_t)(0xff00u >> keep);
        out->address[i] = (uint8_t)((ip->b[i] & mask) | (rest[i] & ~mask));
    }
}

static void check_others(const struct snapshot *s, const struct asked *a, const struct option *o,
                         const struct reply *first, const uint8_t *data, size_t size)
{
    static struct got other;
    static const uint8_t edges[2][16] = {{0},
                                         {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    struct ip ip = address_of(o);
    size_t n = size > OTHERS_AT ? (size - OTHERS_AT) / 16 : 0;
    n = n < OTHERS_MAX ? n : OTHERS_MAX;
    for (size_t i = 0; i < 2 + n; i++) {
        struct option full;
        inside(&ip, first->ecs_scope, i < 2 ? edges[i] : data + OTHERS_AT + 16 * (i - 2), &full);
        ask(s, a, &full, &other);
        check_echo(&full, &other.reply);
        CHECK(other.reply.ecs_scope == first->ecs_scope);
        check_same(first, &other.reply);
        CHECK(first->ecs_scope == 0 || class_of(s, a, o) == class_of(s, a, &full));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct got got;
    if (size < OTHERS_AT)
        return 0;
    const struct snapshot *s = world_open("ecs.json");
    world_set_board(s, data[1]);
    struct asked a = {.service = data[0] & 7,
                      .aaaa = data[0] & 8,
                      .tcp = data[0] & 16,
                      .padded = data[0] & 32,
                      .seed = data[2],
                      .resolver = {.family = data[2] & 1 ? 6 : 4, .b = {198, 18, 0, data[2]}}};
    struct option o;
    bool raw = data[0] & 64;
    (raw ? option_raw : option_tidy)(data, &o);
    ask(s, &a, &o, &got);
    if (!option_is_sound(&o)) {
        CHECK(raw && got.reply.rcode == DNS_FORMERR && !got.reply.ecs && got.reply.n == 0);
        return 0;
    }
    check_echo(&o, &got.reply);
    /* An error is nobody's to keep (RFC 7871 §7.3), and source 0 asks for no tailoring. */
    if (got.reply.rcode == DNS_NOERROR && o.source > 0)
        check_others(s, &a, &o, &got.reply, data, size);
    return 0;
}
