/* Validation, written as documents: what is refused with which sentence, what is warned of. */
#include "testing.h"

#define REGIONS "\"regions\": [{\"name\": \"eu\", \"at\": [51, 0]}, {\"name\": \"us\"}]"
#define ZONE "\"zones\": [{\"name\": \"z\", \"ns\": [\"ns.z=192.0.2.1\"]}]"
#define DOC(more) "{" ZONE ", " REGIONS ", " more "}"
#define SERVICE(more) DOC("\"services\": [{\"name\": \"s.z\", " more "}]")

static void warned(const char *text, const char *sentence)
{
    struct diag d = {0};
    struct model *m = model_create();
    int64_t revision;
    assert_int_equal(config_import(m, text, strlen(text), &revision, &d), ERR_OK);
    enum err e = model_validate(m, &d);
    listen_to(&d);
    assert_string_equal(said, sentence);
    assert_int_equal(e, ERR_OK);
    model_unref(&m);
}

static void ranges_are_kept(void **state)
{
    (void)state;
    import_refused(SERVICE("\"ttl\": 86401"),
                   "service s.z: ttl 86401 is not accepted: give 0 to 86400 seconds");
    import_refused(SERVICE("\"ttl\": 10, \"ttl_moving\": 11"),
                   "service s.z: ttl_moving 11 is not accepted: give 0 to the ttl, which is 10");
    import_refused(SERVICE("\"endpoints\": [{\"region\": \"eu\", \"address\": \"192.0.2.1\", "
                           "\"weight\": 1000001}]"),
                   "service s.z: weight 1000001 is not accepted: give 0 to 1000000");
    import_refused(SERVICE("\"endpoints\": [{\"region\": \"eu\", \"address\": \"192.0.2.1\", "
                           "\"weight\": 4294967296}]"),
                   "services[0].endpoints[0].weight: 4294967296 is not accepted: give 0 to "
                   "1000000");
    import_refused(SERVICE("\"endpoints\": [{\"region\": \"eu\", \"address\": \"192.0.2.1\", "
                           "\"priority\": 65537}]"),
                   "services[0].endpoints[0].priority: 65537 is not accepted: give 1 to 1000");
    import_refused(SERVICE("\"endpoints\": [{\"region\": \"eu\", \"address\": \"192.0.2.1\", "
                           "\"priority\": 0}]"),
                   "service s.z: priority 0 is not accepted: give 1 to 1000");
    import_refused(
        DOC("\"settings\": {\"load-low\": \"90%\"}"),
        "setting load-low: 0.9 must be below load-high, which is 0.9: a region sheds load "
        "above the one and takes it back below the other");
    import_refused(SERVICE("\"degrade\": 0.6"),
                   "service s.z: degrade 0.6 must be below fail, which is 0.5: weight moves "
                   "between the two");
    import_refused(DOC("\"settings\": {\"fail\": \"5%\"}"),
                   "setting degrade: 0.05 must be below fail, which is 0.05: weight moves between "
                   "the two");
    import_refused("{\"settings\": {\"tcp-idle\": \"0s\"}}",
                   "setting tcp-idle: 0s is not accepted: give at least 100ms");
    import_refused("{\"settings\": {\"tcp-idle\": \"99ms\"}}",
                   "setting tcp-idle: 99ms is not accepted: give at least 100ms");
    import_refused("{\"regions\": [{\"name\": \"eu\", \"at\": [91, 0]}]}",
                   "region eu: at 91,0 is not on earth: give latitude -90 to 90 and longitude -180 "
                   "to 180");
}

static void probes_are_checked_by_type(void **state)
{
    (void)state;
    import_refused("{\"probes\": [{\"name\": \"p\", \"interval\": \"2s\", \"timeout\": \"2s\"}]}",
                   "probe p: timeout 2s must be below the interval, which is 2s");
    import_refused("{\"probes\": [{\"name\": \"p\", \"type\": \"tcp\"}]}",
                   "probe p: a probe of type tcp needs a port: give --port N");
    import_refused("{\"probes\": [{\"name\": \"p\", \"type\": \"exec\"}]}",
                   "probe p: a probe of type exec needs a command: give --command PATH");
    import_refused("{\"probes\": [{\"name\": \"p\", \"path\": \"x\"}]}",
                   "probe p: path \"x\" is not accepted: it starts with \"/\" and holds no space");
    import_refused("{\"probes\": [{\"name\": \"p\", \"status\": \"20\"}]}",
                   "probe p: status \"20\" is not accepted: give codes and ranges such as 200-399 "
                   "or 200,204");
    import_refused("{\"probes\": [{\"name\": \"p\", \"type\": \"dns\", \"qtype\": \"B\"}]}",
                   "probe p: qtype \"B\" is not a record type such as A, AAAA or SOA");
    import_refused("{\"probes\": [{\"name\": \"p\"}, {\"name\": \"P\"}]}",
                   "probe p: is there twice; names are unique");
    warned("{\"probes\": [{\"name\": \"p\", \"type\": \"tcp\", \"port\": 1, \"body\": \"x\"}]}",
           "probe p: body has no effect in a probe of type tcp");
    warned("{\"probes\": [{\"name\": \"p\", \"of\": [\"q\"]}, {\"name\": \"q\"}]}",
           "probe p: of has no effect in a probe of type http");
    import_refused("{\"probes\": [{\"name\": \"p\", \"target\": \"a b\"}]}",
                   "probe p: target \"a b\" is neither an address nor a host name");
}

static void probes_of_probes_are_of_probes_that_check_something(void **state)
{
    (void)state;
    import_refused("{\"probes\": [{\"name\": \"p\", \"type\": \"all\"}]}",
                   "probe p: a probe of type all is of 1 to 8 probes: give --of NAME");
    import_refused(
        "{\"probes\": [{\"name\": \"p\", \"type\": \"any\", \"of\": [\"wep\"]}, {\"name\": "
        "\"web\"}]}",
        "probe p: probe \"wep\" does not exist; did you mean \"web\"?");
    import_refused(
        "{\"probes\": [{\"name\": \"p\", \"type\": \"any\", \"of\": [\"web\", \"web\"]}, "
        "{\"name\": \"web\"}]}",
        "probe p: names probe web twice");
    import_refused(
        "{\"probes\": [{\"name\": \"p\", \"type\": \"any\", \"of\": [\"q\"]}, {\"name\": "
        "\"q\", \"type\": \"all\", \"of\": [\"p\"]}]}",
        "probe p: probe q is of type all: name probes that check something themselves");
    import_refused("{\"probes\": [{\"name\": \"p\", \"type\": \"quorum\", \"quorum\": 2, \"of\": "
                   "[\"web\"]}, {\"name\": \"web\"}]}",
                   "probe p: quorum 2 is not accepted: give 1 to 1");
}

static void a_region_depends_on_what_has_a_target(void **state)
{
    (void)state;
    import_refused("{\"regions\": [{\"name\": \"eu\", \"depends_on\": \"db\"}]}",
                   "region eu: depends_on: probe \"db\" does not exist");
    import_refused(
        "{\"regions\": [{\"name\": \"eu\", \"depends_on\": \"db\"}], \"probes\": [{\"name\": "
        "\"db\"}]}",
        "region eu: depends_on: probe db has no target of its own: give it, or each "
        "probe that it is of, --target ADDRESS");
    import_refused(
        "{\"regions\": [{\"name\": \"eu\", \"depends_on\": \"two\"}], \"probes\": [{\"name\": "
        "\"db\", \"target\": \"192.0.2.1\"}, {\"name\": \"lb\"}, {\"name\": \"two\", \"type\": "
        "\"any\", \"of\": [\"db\", \"lb\"]}]}",
        "region eu: depends_on: probe two has no target of its own: give it, or each "
        "probe that it is of, --target ADDRESS");
    import_refused(
        "{\"regions\": [{\"name\": \"eu\", \"depends_on\": \"ns\"}], \"probes\": [{\"name\": "
        "\"ns\", \"type\": \"dns\", \"target\": \"192.0.2.1\"}]}",
        "region eu: depends_on: probe ns asks for the service's name: give it --qname");
}

static void references_must_exist(void **state)
{
    (void)state;
    import_refused(SERVICE("\"probe\": \"x\""), "service s.z: probe \"x\" does not exist");
    import_refused(SERVICE("\"map\": \"x\""), "service s.z: map \"x\" does not exist");
    import_refused(SERVICE("\"endpoints\": [{\"region\": \"ue\", \"address\": \"192.0.2.1\"}]"),
                   "service s.z: region \"ue\" does not exist; did you mean \"eu\"?");
    import_refused(DOC("\"latency\": [{\"where\": \"asn:1\", \"region\": \"x\", \"ms\": 1}]"),
                   "latency asn:1: region \"x\" does not exist");
    import_refused(DOC("\"services\": [{\"name\": \"s.other\"}]"),
                   "service s.other: lies in no zone: the zones are z");
    import_refused("{\"services\": [{\"name\": \"s.other\"}]}",
                   "service s.other: lies in no zone, and there is none yet: add one with zone "
                   "add");
}

static void the_longest_zone_holds_a_service(void **state)
{
    (void)state;
    struct model *m = model_of("{\"zones\": [{\"name\": \"z\", \"ns\": [\"n\"]}, {\"name\": "
                               "\"b.z\", \"ns\": [\"n\"]}], \"services\": [{\"name\": \"a.b.z\"}, "
                               "{\"name\": \"ab.z\"}, {\"name\": \"b.z\"}]}");
    assert_string_equal(model_service(m, "a.b.z")->zone, "b.z");
    assert_string_equal(model_service(m, "ab.z")->zone, "z");
    assert_string_equal(model_service(m, "b.z")->zone, "b.z");
    model_unref(&m);
}

#define HOST(policy)                                                                               \
    "\"policy\": \"" policy "\", \"endpoints\": [{\"region\": \"eu\", \"address\": \"t.example\"}"

static void host_names_and_addresses_do_not_mix(void **state)
{
    (void)state;
    import_refused(SERVICE(HOST("weighted") ", {\"region\": \"eu\", \"address\": \"192.0.2.1\"}]"),
                   "service s.z: has both addresses and host names as endpoints: they are all one "
                   "or the other");
    import_refused(SERVICE(HOST("all") "]"),
                   "service s.z: host names cannot be endpoints under the policy step all, since a "
                   "name has one CNAME: give addresses or another policy");
    import_refused(DOC("\"services\": [{\"name\": \"z\", " HOST("weighted") "]}]"),
                   "service z: host names cannot be endpoints at a zone's apex, where no CNAME may "
                   "stand: give addresses");
    import_refused(SERVICE("\"endpoints\": [{\"region\": \"eu\", \"address\": \"S.Z.\"}]"),
                   "service s.z: an endpoint cannot be the service's own name");
    import_refused(DOC("\"services\": [{\"name\": \"ns.z\"}]"),
                   "service ns.z: is a name server of zone z with an address; a name is either "
                   "static or a service");
    import_refused(SERVICE("\"endpoints\": [{\"region\": \"eu\", \"address\": \"192.0.2.1\"}, "
                           "{\"region\": \"eu\", \"address\": \"192.0.2.1\", \"priority\": 2}]"),
                   "service s.z: endpoint 192.0.2.1 is in region eu twice");
}

#define MAP(rules) "\"maps\": [{\"name\": \"m\", \"rules\": [" rules "]}]"
#define TO_EU "{\"where\": \"continent:EU\", \"regions\": [\"eu\"]}"
#define REST_US "{\"where\": \"default\", \"regions\": [\"us\"]}"
#define FENCED(map, endpoints)                                                                     \
    DOC(map ", \"services\": [{\"name\": \"s.z\", \"policy\": \"fence\", \"map\": \"m\", "         \
            "\"endpoints\": [" endpoints "]}]")
#define AT(region, address) "{\"region\": \"" region "\", \"address\": \"" address "\"}"

static void a_fence_leaves_nobody_without_an_answer(void **state)
{
    (void)state;
    import_refused(SERVICE("\"policy\": \"fence\""),
                   "service s.z: the policy step fence needs a map: give --map NAME");
    import_refused(FENCED(MAP(TO_EU), AT("eu", "192.0.2.1")),
                   "service s.z: the policy step fence needs a default rule in map m: add one with "
                   "map rule add m default REGION");
    import_refused(FENCED(MAP(TO_EU ", " REST_US), AT("eu", "192.0.2.1")),
                   "service s.z: no region of rule default of map m has an endpoint, so that the "
                   "policy step fence would leave these clients without an answer");
    import_refused(
        FENCED(MAP(TO_EU ", " REST_US),
               AT("eu", "192.0.2.1") ", " AT("us", "192.0.2.2") ", " AT("eu", "2001:db8::1")),
        "service s.z: no region of rule default of map m has an endpoint of each type, A "
        "and AAAA, so that the policy step fence would leave these clients without an "
        "answer");
    struct model *m =
        model_of(FENCED(MAP(TO_EU ", " REST_US), AT("eu", "192.0.2.1") ", " AT("us", "192.0.2.2")));
    model_unref(&m);
}

static void distance_needs_coordinates(void **state)
{
    (void)state;
    import_refused(SERVICE("\"policy\": \"nearest\", \"endpoints\": [" AT("us", "192.0.2.1") "]"),
                   "service s.z: the policy step nearest needs to know where region us is: give it "
                   "--at LAT,LON");
    import_refused(SERVICE("\"policy\": \"latency\", \"endpoints\": [" AT("us", "192.0.2.1") "]"),
                   "service s.z: the policy step latency needs measurements of region us or where "
                   "it is: give it --at LAT,LON");
    warned(
        DOC("\"latency\": [{\"where\": \"asn:1\", \"region\": \"us\", \"ms\": 5}], \"services\": "
            "[{\"name\": \"s.z\", \"policy\": \"latency\", \"endpoints\": [" AT("us",
                                                                                "192.0.2.1") "]}]"),
        "service s.z: region us has no coordinates: where its latency is not measured it comes "
        "last");
    warned(SERVICE("\"policy\": \"geo\", \"endpoints\": [" AT("us", "192.0.2.1") "]"),
           "service s.z: the policy step geo has no map and goes by distance alone: give --map "
           "NAME");
}

static void on_empty_leads_somewhere_else(void **state)
{
    (void)state;
#define CHAIN(a, b, c)                                                                             \
    DOC("\"services\": [{\"name\": \"a.z\", \"on_empty\": \"" a "\"}, {\"name\": \"b.z\", "        \
        "\"on_empty\": \"" b "\"}, {\"name\": \"c.z\", \"on_empty\": \"" c "\"}]")
    import_refused(CHAIN("x.z", "all", "all"),
                   "service a.z: on_empty: service \"x.z\" does not exist; did you mean \"a.z\"?");
    import_refused(CHAIN("a.z", "all", "all"),
                   "service a.z: on_empty cannot name the service itself");
    import_refused(CHAIN("b.z", "c.z", "a.z"),
                   "service c.z: on_empty: a.z leads back to it, in a circle");
    struct model *m = model_of(CHAIN("c.z", "c.z", "nodata"));
    model_unref(&m);
    import_refused(
        DOC("\"services\": [{\"name\": \"a.z\", \"on_empty\": \"b.z\", \"endpoints\": [" AT(
            "us", "192.0.2.1") "]}, {\"name\": \"b.z\", \"endpoints\": [" AT("us",
                                                                             "host.example") "]}]"),
        "service a.z: on_empty: b.z answers with host names, this service with "
        "addresses; both must be alike");
}

static void odd_but_possible_things_are_warned_of(void **state)
{
    (void)state;
    warned("{\"settings\": {\"rate-limit\": 50, \"rate-limit-total\": 10}}",
           "setting rate-limit-total: 10 is below rate-limit, which is 50 and is never met");
    warned(SERVICE("\"ttl\": 1"),
           "service s.z: has no endpoints: queries for it get an empty answer");
    warned(
        SERVICE("\"endpoints\": [{\"region\": \"eu\", \"address\": \"192.0.2.1\", \"weight\": "
                "0}]"),
        "service s.z: every endpoint has weight 0: they share the clients equally, as if nothing "
        "was said");
    warned(SERVICE("\"endpoints\": [" AT("eu", "192.0.2.1") ", " AT("eu", "2001:db8::1") ", " AT(
               "us", "192.0.2.2") "]"),
           "service s.z: region us has no AAAA endpoint, though another has: clients that ask for "
           "AAAA are sent past it");
    warned("{\"zones\": [{\"name\": \"z\"}]}",
           "zone z: has neither a zone file nor name servers, and cannot be delegated: give --ns "
           "NAME=ADDRESS or --file PATH");
    import_refused(
        "{\"zones\": [{\"name\": \"z\", \"ns\": [\"ns.z\"]}]}",
        "zone z: name server ns.z lies inside the zone and needs an address (glue): give "
        "--ns ns.z=ADDRESS");
}

static void limits_are_refused_by_name(void **state)
{
    (void)state;
    struct model *m = model_create();
    enum err e = ERR_OK;
    for (int i = 0; !e && i <= MODEL_REGIONS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        e = edit(m, VERB_ADD, NOUN_REGION, name, NULL, NULL, NULL);
    }
    assert_string_equal(said, "regions: there are 65 regions, at most 64 are possible");
    assert_int_equal(m->regions_n, 65);
    model_unref(&m);
    m = model_of(BASE);
    e = ERR_OK;
    for (int i = 0; !e && i < 300; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.0.%d.%d", i / 256, i % 256);
        e = edit(m, VERB_ADD, NOUN_ENDPOINT, "www.gslb.example", "eu", address, NULL);
    }
    assert_string_equal(said,
                        "service www.gslb.example: has 257 endpoints, at most 256 are possible");
    model_unref(&m);
}

static void thresholds_fall_back_to_the_settings(void **state)
{
    (void)state;
    struct model *m = model_of(DOC(
        "\"settings\": {\"ramp\": \"90s\", \"panic\": \"25%\", \"failback\": \"after 10m\", "
        "\"hold\": \"20s\"}, \"probes\": [{\"name\": \"slow\", \"interval\": \"10s\"}], "
        "\"services\": [{\"name\": \"a.z\", \"ttl\": 300, \"probe\": \"slow\"}, {\"name\": "
        "\"b.z\", "
        "\"ttl\": 60, \"ramp\": \"5s\", \"panic\": 0, \"failback\": \"hold\", \"hold\": \"auto\", "
        "\"window\": \"70s\", \"ttl_moving\": 2}, {\"name\": \"c.z\", \"ttl\": 4, \"probe\": "
        "\"slow\"}]"));
    struct model_effective a = model_service_effective(m, model_service(m, "a.z"));
    struct model_effective b = model_service_effective(m, model_service(m, "b.z"));
    struct model_effective c = model_service_effective(m, model_service(m, "c.z"));
    assert_int_equal(a.ramp_ms, 90000);
    assert_true(a.panic == 0.25 && a.degrade == 0.05 && a.fail == 0.5);
    assert_int_equal(a.failback, FAILBACK_AFTER);
    assert_int_equal(a.failback_after_ms, 600000);
    assert_int_equal(a.hold_ms, 20000);
    assert_int_equal(a.window_ms, 200000);
    assert_int_equal(a.ttl_moving_s, 150);
    assert_int_equal(a.min_regions, 1);
    assert_int_equal(b.ramp_ms, 5000);
    assert_true(b.panic == 0);
    assert_int_equal(b.failback, FAILBACK_HOLD);
    assert_int_equal(b.hold_ms, 60000);
    assert_int_equal(b.window_ms, 70000);
    assert_int_equal(b.ttl_moving_s, 2);
    assert_int_equal(c.ttl_moving_s, 4);
    model_unref(&m);
}

/* ---- an edit is judged like the whole ---- */

static const struct diag_finding *find(const struct diag *d, const struct diag_finding *f)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->findings[i].level == f->level && strcmp(d->findings[i].text, f->text) == 0 &&
            strcmp(d->findings[i].where, f->where) == 0)
            return &d->findings[i];
    return NULL;
}

/* All that was found of the whole and not of the edit, was there before; and nothing else was found. */
static void assert_same_findings(const struct diag *whole, const struct diag *part,
                                 const struct diag *before)
{
    for (size_t i = 0; i < part->n; i++)
        if (!find(whole, &part->findings[i]))
            fail_msg("only of the edit: %s: %s", part->findings[i].where, part->findings[i].text);
    for (size_t i = 0; i < whole->n; i++)
        if (!find(part, &whole->findings[i]) &&
            (whole->findings[i].level == DIAG_ERROR || !find(before, &whole->findings[i])))
            fail_msg("not of the edit: %s: %s", whole->findings[i].where, whole->findings[i].text);
}

static void assert_same_derived(const struct model *a, const struct model *b)
{
    assert_int_equal(a->services_n, b->services_n);
    for (uint32_t i = 0; i < a->services_n; i++) {
        const struct model_service *x = &a->services[i], *y = &b->services[i];
        assert_string_equal(x->name, y->name);
        assert_string_equal(x->zone, y->zone);
        assert_memory_equal(x->parsed, y->parsed, sizeof *x->parsed);
    }
}

static uint32_t dice(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

static enum err apply(struct model *m, enum config_verb verb, enum config_noun noun,
                      const char *name, const char *region, const char *address, const char *fields)
{
    struct diag d = {0};
    json_t *j = fields ? json_loads(fields, 0, NULL) : NULL;
    struct config_edit e = {verb, noun, name, region, address, j};
    enum err err = config_apply_edits(m, &e, 1, &d);
    diag_fini(&d);
    json_decref(j);
    return err;
}

static enum err random_edit(struct model *m, uint64_t seed)
{
    static const char *const service[] = {"{\"policy\": \"geo | weighted\", \"map\": \"m\"}",
                                          "{\"policy\": \"fence | failover\", \"map\": \"m\"}",
                                          "{\"policy\": \"nearest\"}",
                                          "{\"policy\": \"latency | all\", \"answers\": 2}",
                                          "{\"map\": null}",
                                          "{\"on_empty\": \"service c.z\"}",
                                          "{\"on_empty\": \"service b.z\"}",
                                          "{\"on_empty\": \"all\"}",
                                          "{\"degrade\": 0.3}",
                                          "{\"degrade\": null}",
                                          "{\"ttl\": 90000}",
                                          "{\"ttl\": 20}",
                                          "{\"probe\": \"p\"}"};
    static const char *const setting[] = {"10%", "20%", "70%"};
    static const char *const names[] = {"a.z", "b.z", "c.z", "d.z", "n.z", "deep.y.z"};
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1",
                                            "host.example"};
    const char *name = names[dice(&seed, 6)], *address = addresses[dice(&seed, 4)];
    const char *region = dice(&seed, 2) ? "eu" : "us";
    switch (dice(&seed, 9)) {
    case 0:
        return apply(m, VERB_ADD, NOUN_SERVICE, name, NULL, NULL, "{}");
    case 1:
        return apply(m, VERB_REMOVE, NOUN_SERVICE, name, NULL, NULL, NULL);
    case 2:
    case 3:
        return apply(m, VERB_SET, NOUN_SERVICE, name, NULL, NULL, service[dice(&seed, 13)]);
    case 4:
    case 5:
        return apply(m, VERB_ADD, NOUN_ENDPOINT, name, region, address, "{}");
    case 6:
        return apply(m, VERB_REMOVE, NOUN_ENDPOINT, name, region, address, NULL);
    case 7:
        if (dice(&seed, 2))
            return apply(m, dice(&seed, 2) ? VERB_ADD : VERB_REMOVE, NOUN_ZONE, "y.z", NULL, NULL,
                         NULL);
        return apply(m, VERB_SET, NOUN_REGION, "us", NULL, NULL,
                     dice(&seed, 2) ? "{\"at\": \"1,1\"}" : "{\"at\": null}");
    default: {
        char value[40];
        snprintf(value, sizeof value, "{\"value\": \"%s\"}", setting[dice(&seed, 3)]);
        return apply(m, VERB_SET, NOUN_SETTING, dice(&seed, 2) ? "degrade" : "fail", NULL, NULL,
                     value);
    }
    }
}

static void an_edit_is_judged_like_the_whole(void **state)
{
    (void)state;
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20261126;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    struct model *head = model_of(
        DOC("\"probes\": [{\"name\": \"p\"}], \"maps\": [{\"name\": \"m\", \"rules\": "
            "[{\"where\": \"continent:EU\", \"regions\": [\"eu\"]}, {\"where\": \"default\", "
            "\"regions\": [\"us\", \"eu\"]}]}], \"services\": [{\"name\": \"a.z\"}, {\"name\": "
            "\"b.z\"}, {\"name\": \"c.z\"}, {\"name\": \"d.z\"}]"));
    unsigned accepted = 0, refused = 0, fewer = 0;
    for (unsigned i = 0; i < 4000; i++, seed += 0x9e3779b97f4a7c15u) {
        struct diag before = {0}, whole = {0}, part = {0};
        struct model *a = model_clone(head), *b = model_clone(head), *c = model_clone(head);
        if (random_edit(a, seed) == ERR_OK) {
            assert_int_equal(random_edit(b, seed), ERR_OK);
            assert_int_equal(model_validate(c, &before), ERR_OK);
            enum err e = model_validate(a, &whole);
            assert_int_equal(model_validate_edit(b, head, &part), e);
            assert_same_findings(&whole, &part, &before);
            fewer += part.n < whole.n;
            accepted += !e;
            refused += e != ERR_OK;
            if (!e) {
                assert_same_derived(a, b);
                model_unref(&head);
                head = model_ref(b);
            }
        }
        model_unref(&a);
        model_unref(&b);
        model_unref(&c);
        diag_fini(&before);
        diag_fini(&whole);
        diag_fini(&part);
    }
    model_unref(&head);
    print_message("%u accepted, %u refused, %u said less\n", accepted, refused, fewer);
    assert_true(accepted > 100 && refused > 50 && fewer > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_kept),
        cmocka_unit_test(probes_are_checked_by_type),
        cmocka_unit_test(probes_of_probes_are_of_probes_that_check_something),
        cmocka_unit_test(a_region_depends_on_what_has_a_target),
        cmocka_unit_test(references_must_exist),
        cmocka_unit_test(the_longest_zone_holds_a_service),
        cmocka_unit_test(host_names_and_addresses_do_not_mix),
        cmocka_unit_test(a_fence_leaves_nobody_without_an_answer),
        cmocka_unit_test(distance_needs_coordinates),
        cmocka_unit_test(on_empty_leads_somewhere_else),
        cmocka_unit_test(odd_but_possible_things_are_warned_of),
        cmocka_unit_test(limits_are_refused_by_name),
        cmocka_unit_test(thresholds_fall_back_to_the_settings),
        cmocka_unit_test(an_edit_is_judged_like_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
