/* Every file of zones/ loads without a finding, and its names are looked up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>

#include "dns/types.h"
#include "zone_util.h"

#define ZONES MERIDIAN_SOURCE_DIR "/zones"

struct look {
    const char *zone, *name;
    uint16_t type;
    enum zone_hit_kind kind;
    unsigned n; /* records of that type at the node that is hit */
};

static const struct look looks[] = {
    {"gslb.example", "gslb.example", DNS_SOA, ZONE_HIT_NODE, 1},
    {"gslb.example", "gslb.example", DNS_NS, ZONE_HIT_NODE, 2},
    {"gslb.example", "gslb.example", DNS_MX, ZONE_HIT_NODE, 2},
    {"gslb.example", "gslb.example", DNS_CAA, ZONE_HIT_NODE, 1},
    {"gslb.example", "ns1.gslb.example", DNS_AAAA, ZONE_HIT_NODE, 1},
    {"gslb.example", "_tcp.gslb.example", DNS_A, ZONE_HIT_NODE, 0},
    {"gslb.example", "_sip._tcp.gslb.example", DNS_SRV, ZONE_HIT_NODE, 1},
    {"gslb.example", "svc.gslb.example", DNS_HTTPS, ZONE_HIT_NODE, 1},
    {"gslb.example", "odd.gslb.example", 65280, ZONE_HIT_NODE, 1},
    {"gslb.example", "shop.gslb.example", DNS_CNAME, ZONE_HIT_NODE, 1},
    {"gslb.example", "store.gslb.example", DNS_CNAME, ZONE_HIT_NODE, 1},
    {"gslb.example", "any.thing.pop.gslb.example", DNS_A, ZONE_HIT_WILDCARD, 1},
    {"gslb.example", "edge.pop.gslb.example", DNS_A, ZONE_HIT_NODE, 1},
    {"gslb.example", "x.edge.pop.gslb.example", DNS_A, ZONE_HIT_NXDOMAIN, 1},
    {"gslb.example", "x.lab.gslb.example", DNS_A, ZONE_HIT_DELEGATION, 0},
    {"gslb.example", "lab.gslb.example", DNS_DS, ZONE_HIT_NODE, 1},
    {"gslb.example", "_dmarc.gslb.example", DNS_TXT, ZONE_HIT_NODE, 1},
    {"gslb.example", "_dmarc.eu.gslb.example", DNS_TXT, ZONE_HIT_NODE, 1},
    {"gslb.example", "eu.gslb.example", DNS_MX, ZONE_HIT_NODE, 2},
    {"gslb.example", "missing.gslb.example", DNS_A, ZONE_HIT_NXDOMAIN, 0},
    {"minimal.example", "txt.minimal.example", DNS_TXT, ZONE_HIT_NODE, 1},
    {"minimal.example", "minimal.example", DNS_SOA, ZONE_HIT_NODE, 1},
    {"moved.example", "x.old.moved.example", DNS_A, ZONE_HIT_DNAME, 0},
    {"moved.example", "old.moved.example", DNS_DNAME, ZONE_HIT_NODE, 1},
    {"moved.example", "c.moved.example", DNS_A, ZONE_HIT_NODE, 0},
    {"moved.example", "a.new.moved.example", DNS_A, ZONE_HIT_NODE, 1},
    {"services.example", "services.example", DNS_HTTPS, ZONE_HIT_NODE, 1},
    {"services.example", "web.services.example", DNS_HTTPS, ZONE_HIT_NODE, 2},
    {"services.example", "_8443._https.services.example", DNS_HTTPS, ZONE_HIT_NODE, 1},
    {"services.example", "_dns.resolver.services.example", DNS_SVCB, ZONE_HIT_NODE, 2},
    {"services.example", "gone.services.example", DNS_HTTPS, ZONE_HIT_NODE, 1},
    {"services.example", "raw.services.example", DNS_HTTPS, ZONE_HIT_NODE, 1},
    {"services.example", "a\\000b.odd.services.example", DNS_A, ZONE_HIT_NODE, 1},
    {"services.example", "a\\.b.odd.services.example", DNS_A, ZONE_HIT_NODE, 1},
    {"services.example", "\\255.odd.services.example", DNS_A, ZONE_HIT_NODE, 1},
    {"services.example", "long.services.example", DNS_TXT, ZONE_HIT_NODE, 1},
    {"2.0.192.in-addr.arpa", "53.2.0.192.in-addr.arpa", DNS_PTR, ZONE_HIT_NODE, 1},
    {"2.0.192.in-addr.arpa", "1.2.0.192.in-addr.arpa", DNS_CNAME, ZONE_HIT_NODE, 1},
    {"2.0.192.in-addr.arpa", "1.0/26.2.0.192.in-addr.arpa", DNS_PTR, ZONE_HIT_DELEGATION, 0},
};
#define LOOKS_N (sizeof looks / sizeof looks[0])

static unsigned look_up_all(const struct zone_tree *t, const char *zone)
{
    unsigned done = 0;
    for (size_t i = 0; i < LOOKS_N; i++) {
        const struct look *l = &looks[i];
        if (strcmp(l->zone, zone) != 0)
            continue;
        struct dns_name name = nm(l->name);
        struct zone_hit hit = zone_tree_find_name(t, name.wire, name.len, l->type);
        const struct zone_tree_rrset *set =
            hit.node == ZONE_NONE ? NULL : zone_node_rrset(t, hit.node, l->type);
        if (hit.kind != l->kind || (set ? set->n : 0) != l->n)
            fail_msg("%s type %u: kind %d with %u records", l->name, l->type, hit.kind,
                     set ? set->n : 0u);
        done++;
    }
    return done;
}

/* Each record of the file is in the tree, octet for octet. */
static void compare_all(const struct zone_tree *t, const struct zone_records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        const struct zone_rrset *want = &records->rrset[i];
        uint32_t node = zone_tree_node(t, want->owner.wire, want->owner.len);
        assert_int_not_equal(node, ZONE_NONE);
        const struct zone_tree_rrset *have = zone_node_rrset(t, node, want->type);
        assert_non_null(have);
        assert_int_equal(have->n, want->n);
        assert_int_equal(have->ttl, want->ttl);
        const uint8_t *p = t->rdata + have->rdata;
        for (unsigned k = 0; k < want->n; k++) {
            assert_int_equal(p[0] << 8 | p[1], want->rr[k].rdata_len);
            assert_memory_equal(p + 2, want->rr[k].rdata, want->rr[k].rdata_len);
            p += 2 + want->rr[k].rdata_len;
        }
        assert_ptr_equal(p, t->rdata + have->rdata + have->rdata_bytes);
    }
}

static void example_check(const char *file, const char *zone)
{
    struct arena *arena = arena_create(0);
    struct diag diag = {0};
    struct zone_records *records;
    struct zone_tree tree;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", ZONES, file);
    /* As the database would give them. */
    struct zone_records *made =
        load_good(zone, "$TTL 60\n@ SOA ns.test. host.test. 1 2 3 4 5\n@ NS ns.test.\n", arena);
    struct zone_input in = {.name = nm(zone), .extra = made->rrset, .extra_n = made->n};
    enum err e = zone_load_file(path, &in.name, arena, &records, &diag);
    in.records = records;
    if (e == ERR_OK)
        e = zone_tree_build(&in, 1, NULL, 0, arena, &tree, &diag);
    if (e != ERR_OK || diag.n != 0) {
        diag_print(&diag);
        fail_msg("%s", file);
    }
    arena_freeze(arena);
    compare_all(&tree, records);
    if (look_up_all(&tree, zone) == 0)
        fail_msg("nothing looks a name up in %s: add a row", file);
    arena_destroy(arena);
}

static void every_example_loads_and_answers(void **state)
{
    (void)state;
    DIR *d = opendir(ZONES);
    assert_non_null(d);
    unsigned files = 0;
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 6 || strcmp(e->d_name + n - 5, ".zone") != 0)
            continue;
        char zone[256];
        snprintf(zone, sizeof zone, "%.*s", (int)(n - 5), e->d_name);
        example_check(e->d_name, zone);
        files++;
    }
    closedir(d);
    assert_true(files >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_example_loads_and_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
