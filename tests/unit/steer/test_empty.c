/* When nothing that the client may use is available: all, nodata, another service; and fences. */
#include "lab.h"

#include "dns/types.h"

#include <string.h>

#define REGIONS "'regions':[{'name':'eu'},{'name':'us'},{'name':'ap'}],"
#define MAP                                                                                        \
    "'maps':[{'name':'law','rules':[{'where':'net:198.51.100.0/24','regions':['eu']},"             \
    "{'where':'default','regions':['us','ap']}]}],"
#define WORLD(services) "{" LAB_ZONE REGIONS MAP "'services':[" services "]}"
#define SERVICE(name, policy, more, endpoints)                                                     \
    "{'name':'" name ".g.test','policy':'" policy "'," more "'endpoints':" endpoints "}"
#define E3(a, b, c)                                                                                \
    "[{'region':'eu','address':'" a "','priority':1},{'region':'us','address':'" b                 \
    "','priority':2},{'region':'ap','address':'" c "','priority':3}]"
#define FIRST E3("192.0.2.1", "192.0.2.2", "192.0.2.3")
#define SECOND E3("192.0.2.11", "192.0.2.12", "192.0.2.13")
#define FENCED "'map':'law',"

static const char inside[] = "198.51.100.0/24", outside[] = "203.0.113.0/24";

static void kill_service(struct lab *l, const char *service)
{
    static const char *const regions[] = {"eu", "us", "ap"};
    for (int i = 0; i < 3; i++)
        lab_set_site(l, service, regions[i], 0);
}

static void by_default_it_fails_open_and_counts_it(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("w", "failover", "", FIRST)));
    lab_set_all(&l, 0);
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.1");
    uint8_t msg[1024], out[512];
    struct lab_question q = {.name = "w.g.test", .type = DNS_A};
    struct answer_request r = {.msg = msg,
                               .len = lab_packet(&q, msg),
                               .source = lab_source(&q),
                               .out = out,
                               .cap = sizeof out};
    assert_true(answer_query(&l.worker, l.s, &r) > 0);
    assert_int_equal(l.s->tally[0].fail_open[0], 1);
    lab_close(&l);
}

static void nodata_is_for_the_whole_service_and_never_for_one_client(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("w", "fence | failover", FENCED "'on_empty':'nodata',", FIRST)));
    lab_set_region(&l, "eu", 0);
    /* The fenced client has nothing, others have: it gets what is behind its fence, dead or not. */
    assert_string_equal(lab_pick(&l, "w.g.test", inside), "192.0.2.1");
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.2");
    lab_set_all(&l, 0);
    assert_string_equal(lab_pick(&l, "w.g.test", inside), "nodata");
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "nodata");
    lab_set_endpoint(&l, "w.g.test", "192.0.2.3", 0.1);
    lab_set_site(&l, "w.g.test", "ap", 1);
    lab_set_region_word(&l, "ap", STEER_WORD_DRAIN); /* alive, if drained */
    lab_set_endpoint(&l, "w.g.test", "192.0.2.3", 1);
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.3");
    lab_close(&l);
}

static void nodata_says_so_to_everybody_with_scope_0(void **state)
{
    (void)state;
    struct lab l;
    struct answer_plan p;
    lab_open(&l, WORLD(SERVICE("w", "fence | failover", FENCED "'on_empty':'nodata',", FIRST)));
    lab_set_all(&l, 0);
    lab_decide(&l, &(struct lab_question){.name = "w.g.test", .type = DNS_A, .subnet = inside}, &p);
    assert_int_equal(p.kind, PLAN_NODATA);
    assert_int_equal(p.scope, 0); /* RFC 7871 section 7.4 */
    lab_close(&l);
}

static void another_service_answers_for_an_empty_one(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("w", "failover", "'on_empty':'x.g.test','ttl':60,",
                               FIRST) "," SERVICE("x", "failover", "'ttl':20,", SECOND)));
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.1");
    kill_service(&l, "w.g.test");
    struct answer_plan p;
    struct lab_question q = {.name = "w.g.test", .type = DNS_A, .subnet = outside};
    lab_decide(&l, &q, &p);
    assert_string_equal(lab_address(&l, p.steer.endpoint[0]), "192.0.2.11");
    assert_int_equal(p.ttl, 20); /* the smaller of the two */
    assert_int_equal(p.asked_service, lab_service(&l, "w.g.test"));
    kill_service(&l, "x.g.test"); /* the other fails open: it is alike or better */
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.11");
    lab_close(&l);
}

static void an_other_service_that_is_empty_too_never_makes_the_answer_empty(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("w", "failover", "'on_empty':'x.g.test',", FIRST) "," SERVICE(
                     "x", "failover", "'on_empty':'nodata',", SECOND)));
    lab_set_all(&l, 0);
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.1"); /* nodata is x's wish */
    assert_string_equal(lab_pick(&l, "x.g.test", outside), "nodata");
    lab_set_endpoint_word(&l, "x.g.test", "192.0.2.11", STEER_WORD_OFF);
    lab_set_endpoint_word(&l, "x.g.test", "192.0.2.12", STEER_WORD_OFF);
    lab_set_endpoint_word(&l, "x.g.test", "192.0.2.13", STEER_WORD_OFF);
    assert_string_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.1");
    lab_close(&l);
}

static void another_service_without_the_type_does_not_make_the_type_vanish(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l,
             WORLD(SERVICE("w", "failover", "'on_empty':'x.g.test',",
                           "[{'region':'eu','address':'192.0.2.1'},"
                           "{'region':'eu','address':'2001:db8::1'}]") "," SERVICE("x", "failover",
                                                                                   "", SECOND)));
    lab_set_all(&l, 0);
    struct ip_prefix net = lab_prefix(outside);
    assert_string_equal(lab_address(&l, lab_pick_net(&l, "w.g.test", &net, DNS_AAAA)),
                        "2001:db8::1");
    assert_string_equal(lab_address(&l, lab_pick_net(&l, "w.g.test", &net, DNS_A)), "192.0.2.11");
    lab_close(&l);
}

static void a_long_chain_of_services_ends_open(void **state)
{
    (void)state;
    struct lab l;
    lab_open(
        &l,
        WORLD(SERVICE("a", "failover", "'on_empty':'b.g.test',", FIRST) "," SERVICE(
            "b", "failover", "'on_empty':'c.g.test',",
            FIRST) "," SERVICE("c", "failover", "'on_empty':'d.g.test',",
                               FIRST) "," SERVICE("d", "failover", "'on_empty':'e.g.test',",
                                                  FIRST) "," SERVICE("e", "failover",
                                                                     "'on_empty':'f.g.test',",
                                                                     FIRST) "," SERVICE("f",
                                                                                        "failover",
                                                                                        "'on_empty'"
                                                                                        ":'h.g."
                                                                                        "test',",
                                                                                        FIRST) "," SERVICE("h",
                                                                                                           "failover",
                                                                                                           "",
                                                                                                           SECOND)));
    lab_set_all(&l, 0);
    assert_string_equal(lab_pick(&l, "a.g.test", outside), "192.0.2.1");
    assert_string_equal(lab_pick(&l, "d.g.test", outside), "192.0.2.11");
    lab_close(&l);
}

static void no_circle_of_services_compiles(void **state)
{
    (void)state;
    char text[600];
    lab_refused(WORLD(SERVICE("a", "failover", "'on_empty':'b.g.test',",
                              FIRST) "," SERVICE("b", "failover", "'on_empty':'a.g.test',", FIRST)),
                text, sizeof text);
    assert_non_null(strstr(text, "circle"));
}

static void a_fence_binds_where_on_empty_leads(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE("w", "fence | failover", FENCED "'on_empty':'x.g.test',",
                               FIRST) "," SERVICE("x", "failover", "", SECOND)));
    lab_set_site(&l, "w.g.test", "eu", 0);
    assert_string_equal(lab_pick(&l, "w.g.test", inside), "192.0.2.11"); /* eu, of x */
    lab_set_site(&l, "x.g.test", "eu", 0);
    assert_string_equal(lab_pick(&l, "w.g.test", inside), "192.0.2.11"); /* dead, but eu */
    lab_set_endpoint_word(&l, "x.g.test", "192.0.2.11", STEER_WORD_OFF);
    assert_string_equal(lab_pick(&l, "w.g.test", inside), "192.0.2.1"); /* open, behind its fence */
    assert_string_equal(lab_pick(&l, "x.g.test", inside), "192.0.2.12"); /* x itself has none */
    lab_close(&l);
}

static void a_fence_binds_where_on_empty_leads_to_another_first(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, WORLD(SERVICE(
                     "w", "fence | failover", FENCED "'on_empty':'x.g.test',",
                     FIRST) "," SERVICE("x", "failover", "",
                                        "[{'region':'us','address':'192.0.2.12','priority':1},"
                                        "{'region':'eu','address':'192.0.2.11','priority':2}]")));
    lab_set_site(&l, "w.g.test", "eu", 0);
    assert_string_equal(lab_pick(&l, "x.g.test", inside), "192.0.2.12");
    assert_string_equal(lab_pick(&l, "w.g.test", inside), "192.0.2.11");
    lab_close(&l);
}

static void a_fence_holds_whatever_dies(void **state)
{
    (void)state;
    struct lab l;
    static const char *const worlds[] = {WORLD(SERVICE("w", "fence", FENCED, FIRST)),
                                         WORLD(SERVICE("w", "fence | sticky", FENCED, FIRST)),
                                         WORLD(SERVICE("w", "fence | all", FENCED, FIRST)),
                                         WORLD(SERVICE("w", "fence | failover", FENCED, FIRST))};
    for (size_t w = 0; w < 4; w++) {
        lab_open(&l, worlds[w]);
        static const double at[] = {1, 0.5, 0};
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                for (int c = 0; c < 3; c++) {
                    lab_set_region(&l, "eu", at[a]);
                    lab_set_region(&l, "us", at[b]);
                    lab_set_region(&l, "ap", at[c]);
                    assert_string_equal(lab_pick(&l, "w.g.test", inside), "192.0.2.1");
                    for (int i = 0; i < 10; i++)
                        assert_string_not_equal(lab_pick(&l, "w.g.test", outside), "192.0.2.1");
                }
        lab_close(&l);
    }
}

/* A person has switched off all that is behind one client's fence. An empty answer would say to
 * every cache that the type does not exist, for others too: whether it exists never depends on the
 * client. */
static void a_fence_with_everything_switched_off_is_no_proof_of_absence(void **state)
{
    (void)state;
    struct lab l;
    struct answer_plan p;
    lab_open(&l, WORLD(SERVICE("w", "fence | failover", FENCED, FIRST)));
    lab_set_region_word(&l, "eu", STEER_WORD_OFF);
    lab_decide(&l, &(struct lab_question){.name = "w.g.test", .type = DNS_A, .subnet = inside}, &p);
    assert_int_equal(p.kind, PLAN_ERROR);
    assert_int_equal(p.rcode, DNS_SERVFAIL);
    lab_set_region_word(&l, "us", STEER_WORD_OFF);
    lab_set_region_word(&l, "ap", STEER_WORD_OFF);
    lab_decide(&l, &(struct lab_question){.name = "w.g.test", .type = DNS_A, .subnet = inside}, &p);
    assert_int_equal(p.kind, PLAN_NODATA);
    assert_int_equal(p.scope, 0);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_it_fails_open_and_counts_it),
        cmocka_unit_test(nodata_is_for_the_whole_service_and_never_for_one_client),
        cmocka_unit_test(nodata_says_so_to_everybody_with_scope_0),
        cmocka_unit_test(another_service_answers_for_an_empty_one),
        cmocka_unit_test(an_other_service_that_is_empty_too_never_makes_the_answer_empty),
        cmocka_unit_test(another_service_without_the_type_does_not_make_the_type_vanish),
        cmocka_unit_test(a_long_chain_of_services_ends_open),
        cmocka_unit_test(no_circle_of_services_compiles),
        cmocka_unit_test(a_fence_binds_where_on_empty_leads),
        cmocka_unit_test(a_fence_binds_where_on_empty_leads_to_another_first),
        cmocka_unit_test(a_fence_holds_whatever_dies),
        cmocka_unit_test(a_fence_with_everything_switched_off_is_no_proof_of_absence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
