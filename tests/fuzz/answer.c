/* Any octets to the whole answer path over a configuration with a bit of everything. What comes back
 * is read by two readers that know nothing of the encoder: a strict one of our own and ldns. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include "answer/answer.h"
#include "base/check.h"
#include "config/config.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EP(region, address, priority)                                                              \
    "{\"region\":\"" region "\",\"address\":\"" address "\",\"priority\":" priority "}"
#define EPS                                                                                        \
    "[" EP("eu", "192.0.2.1", "1") "," EP("eu", "2001:db8::1", "1") "," EP(                        \
        "us", "192.0.2.2", "2") "," EP("us", "2001:db8::2", "2") "," EP("ap", "192.0.2.3",         \
                                                                        "3") "]"
#define SERVICE(name, rest) "{\"name\":\"" name ".gslb.example\"," rest ",\"endpoints\":" EPS "}"

static const char config[] =
    "{\"settings\":{\"nsid\":\"fuzz\"},"
    "\"zones\":[{\"name\":\"gslb.example\",\"file\":\"" MERIDIAN_SOURCE_DIR
    "/zones/gslb.example.zone\"},{\"name\":\"moved.example\",\"file\":\"" MERIDIAN_SOURCE_DIR
    "/zones/moved.example.zone\"},{\"name\":\"bare.example\",\"ns\":[{\"name\":"
    "\"ns.bare.example\",\"addresses\":[\"192.0.2.53\",\"2001:db8::53\"]}]}],"
    "\"regions\":[{\"name\":\"eu\",\"at\":[51.5,-0.1]},{\"name\":\"us\",\"at\":[39,-77.5]},"
    "{\"name\":\"ap\",\"at\":[35.7,139.7]}],"
    "\"maps\":[{\"name\":\"m\",\"rules\":[{\"where\":\"net:1.2.0.0/20\",\"regions\":[\"us\"]},"
    "{\"where\":\"net:1.2.3.16/28\",\"regions\":[\"eu\"]},"
    "{\"where\":\"net:10.0.0.0/8\",\"regions\":[\"eu\"]},"
    "{\"where\":\"net:2001:db8:1::/48\",\"regions\":[\"eu\",\"us\"]},"
    "{\"where\":\"default\",\"regions\":[\"us\",\"eu\"]}]}],"
    "\"services\":[" SERVICE("www", "\"policy\":\"geo | sticky\",\"map\":\"m\"") "," SERVICE(
        "api",
        "\"policy\":\"fence | all\",\"map\":\"m\",\"answers\":2") "," SERVICE("f",
                                                                              "\"policy\":"
                                                                              "\"failover\","
                                                                              "\"on_"
                                                                              "empty\":"
                                                                              "\"nodata"
                                                                              "\"") "," SERVICE("s",
                                                                                                "\""
                                                                                                "po"
                                                                                                "li"
                                                                                                "cy"
                                                                                                "\""
                                                                                                ":"
                                                                                                "\""
                                                                                                "fe"
                                                                                                "nc"
                                                                                                "e "
                                                                                                "| "
                                                                                                "st"
                                                                                                "ic"
                                                                                                "ky"
                                                                                                "\""
                                                                                                ","
                                                                                                "\""
                                                                                                "ma"
                                                                                                "p"
                                                                                                "\""
                                                                                                ":"
                                                                                                "\""
                                                                                                "m"
                                                                                                "\""
                                                                                                ","
                                                                                                "\""
                                                                                                "on"
                                                                                                "_e"
                                                                                                "mp"
                                                                                                "ty"
                                                                                                "\""
                                                                                                ":"
                                                                                                "\""
                                                                                                "f."
                                                                                                "gs"
                                                                                                "lb"
                                                                                                ".e"
                                                                                                "xa"
                                                                                                "mp"
                                                                                                "le"
                                                                                                "\"") ","
                                                                                                      "{\"name\":\"host.gslb.example\",\"endpoints\":[{\"region\":\"eu\",\"address\":"
                                                                                                      "\"origin.example.net\"}]},"
                                                                                                      "{\"name\":\"bare.example\",\"policy\":\"all\",\"endpoints\":" EPS
                                                                                                      "}]}";

static struct snapshot *the_world;

static void world_end(void) /* its arena is mapped: the leak checker does not look there */
{
    snapshot_unref(&the_world);
}

static struct snapshot *world(void)
{
    if (the_world)
        return the_world;
    atexit(world_end);
    struct diag diag = {0};
    char text[600];
    int64_t revision;
    struct model *m = model_create();
    struct snapshot_cache *cache = snapshot_cache_create();
    struct snapshot_options options = {.workers = 1};
    enum err e = config_import(m, config, strlen(config), &revision, &diag);
    if (!e)
        e = model_validate(m, &diag);
    if (!e)
        e = snapshot_compile(m, cache, &options, &the_world, &diag);
    if (e) {
        fprintf(stderr, "%s\n", diag_first(&diag, text, sizeof text));
        CHECK(!e);
    }
    diag_fini(&diag);
    model_unref(&m);
    snapshot_cache_destroy(&cache);
    return the_world;
}

static void set_board(const struct snapshot *s, uint8_t how)
{
    static const uint32_t words[4] = {AVAIL_FULL, AVAIL_FULL / 2, 0, STEER_WORD_DRAIN};
    for (uint32_t i = 0; i < s->regions_n; i++)
        snapshot_board_set(s->steer.board.region, i,
                           how == 0xff ? STEER_WORD_OFF : words[how >> (2 * i) & 3]);
}

static void check_subnet(const struct dns_query *q, const struct reply *r)
{
    CHECK(r->ecs == q->ecs.present); /* RFC 7871 §7.2.1 */
    if (!r->ecs)
        return;
    CHECK(r->ecs_family == q->ecs.family && r->ecs_source == q->ecs.source);
    CHECK(r->ecs_octets == q->ecs.addr_octets);
    CHECK(memcmp(r->ecs_addr, q->ecs.ip.b, r->ecs_octets) == 0);
    CHECK(q->ecs.source > 0 || r->ecs_scope == 0);
}

static void check_reply(const uint8_t *msg, size_t len, const uint8_t *out, size_t out_len)
{
    static struct reply r;
    const char *bad = reply_read(out, out_len, &r);
    if (bad)
        fprintf(stderr, "%s\n", bad);
    CHECK(!bad);
    CHECK(out[0] == msg[0] && out[1] == msg[1]);
    ldns_pkt *pkt = NULL;
    CHECK(ldns_wire2pkt(&pkt, out, out_len) == LDNS_STATUS_OK);
    ldns_pkt_free(pkt);
    struct dns_query q;
    if (dns_query_parse(msg, len, &q) != DNS_PARSE_OK)
        return;
    CHECK(r.opt == q.edns && r.opt_do == (q.edns && q.edns_do));
    CHECK(r.qname.len == q.qname_len && memcmp(r.qname.wire, msg + 12, 1) == 0);
    CHECK(r.qtype == q.qtype && r.qclass == q.qclass);
    check_subnet(&q, &r);
    CHECK(!r.tc || r.n == 0);
    CHECK(r.rcode != DNS_NXDOMAIN || r.authorities == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[65535];
    static struct answer_worker w;
    if (size < 2)
        return 0;
    const struct snapshot *s = world();
    struct ip source = {.family = data[0] & 2 ? 6 : 4, .b = {data[0], data[1], 7, 7}};
    answer_worker_init(&w, 0, data[0]);
    set_board(s, data[1]);
    struct answer_request r = {.msg = data + 2,
                               .len = size - 2,
                               .source = source,
                               .tcp = data[0] & 1,
                               .out = out,
                               .cap = data[0] & 1 ? sizeof out : 1232};
    size_t len = answer_query(&w, s, &r);
    uint64_t counted = 0;
    for (int i = 0; i < ANSWER_OUTCOMES; i++)
        counted += atomic_load(&w.outcome[i]);
    CHECK(counted == 1);
    CHECK((len == 0) == (atomic_load(&w.outcome[ANSWER_dropped]) == 1));
    CHECK(len <= r.cap);
    if (len)
        check_reply(r.msg, r.len, out, len);
    return 0;
}
