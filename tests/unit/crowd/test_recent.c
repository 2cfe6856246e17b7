/* Who was answered lately: from a worker's ring into the window, through changes of the configuration. */
#include "ask.h"

#include "crowd/recent.h"

#include <stdlib.h>

#define SERVICE(name)                                                                              \
    "{'name':'" name ".g.test','policy':'geo','endpoints':[{'region':'eu','address':'192.0.2.1'}"  \
    "]}"
#define WORLD(services)                                                                            \
    "{" LAB_GEO LAB_ZONE "'regions':[{'name':'eu','at':[51.5,-0.1]}],'services':[" services "]}"

static void ask_from(struct lab *l, const char *name, uint32_t i)
{
    struct lab_question q = {.name = name, .type = DNS_A, .net = lab_client(i)};
    assert_non_null(ask(l, &q));
}

static void a_sample_says_who_asked_for_what(void **state)
{
    struct lab l;
    struct answer_sample got[8];
    (void)state;
    lab_open(&l, WORLD(SERVICE("a") "," SERVICE("b")));
    struct lab_question subnet = {
        .name = "b.g.test", .type = DNS_A, .subnet = "81.2.69.0/24", .source = "9.1.1.1"};
    struct lab_question source = {.name = "a.g.test", .type = DNS_A, .source = "58.1.2.3"};
    struct lab_question nobody = {.name = "no.g.test", .type = DNS_A, .source = "58.1.2.3"};
    ask(&l, &subnet);
    ask(&l, &nobody);
    ask(&l, &source);
    assert_int_equal(answer_samples_take(&l.worker.samples, got, 8), 2);
    struct ip london = lab_ip("81.2.69.0"), tokyo = lab_ip("58.1.2.3");
    assert_memory_equal(&got[0].client, &london, sizeof london);
    assert_true(got[0].subnet);
    assert_int_equal(got[0].service, lab_service(&l, "b.g.test"));
    assert_int_equal(got[0].weight, 1);
    assert_int_equal(got[0].revision, 1);
    assert_memory_equal(&got[1].client, &tokyo, sizeof tokyo);
    assert_false(got[1].subnet);
    assert_int_equal(got[1].service, lab_service(&l, "a.g.test"));
    assert_int_equal(answer_samples_take(&l.worker.samples, got, 8), 0);
    lab_close(&l);
}

/* Together the samples stand for all answers, whatever the gap. */
static void samples_weigh_what_was_answered(void **state)
{
    struct lab l;
    struct answer_sample got[ANSWER_SAMPLES];
    (void)state;
    lab_open(&l, WORLD(SERVICE("a")));
    answer_samples_gap(&l.worker.samples, 50);
    double stands_for = 0;
    uint32_t n = 0, answers = 100000;
    for (uint32_t i = 0; i < answers; i++) {
        ask_from(&l, "a.g.test", i);
        if (i % 1000 == 0 || i == answers - 1) {
            size_t k = answer_samples_take(&l.worker.samples, got, ANSWER_SAMPLES);
            for (size_t j = 0; j < k; j++)
                stands_for += got[j].weight;
            n += (uint32_t)k;
        }
    }
    /* 2,000 samples, the distances uniform on 1..99: within 4 standard deviations, 50 each. */
    assert_near(n, 2000, 110);
    assert_near(stands_for, answers, 5500);
    lab_close(&l);
}

static void a_full_ring_drops_and_goes_on(void **state)
{
    struct lab l;
    struct answer_sample got[2 * ANSWER_SAMPLES];
    (void)state;
    lab_open(&l, WORLD(SERVICE("a")));
    for (uint32_t i = 0; i < 3 * ANSWER_SAMPLES; i++)
        ask_from(&l, "a.g.test", i);
    assert_int_equal(answer_samples_take(&l.worker.samples, got, 2 * ANSWER_SAMPLES),
                     ANSWER_SAMPLES);
    struct ip_prefix first = lab_client(0);
    assert_memory_equal(&got[0].client, &first.ip, sizeof first.ip);
    ask_from(&l, "a.g.test", 7);
    assert_int_equal(answer_samples_take(&l.worker.samples, got, 2 * ANSWER_SAMPLES), 1);
    lab_close(&l);
}

static struct crowd_client client_of(uint32_t service, uint32_t i)
{
    return (struct crowd_client){
        .address = lab_client(i).ip, .subnet = true, .service = service, .weight = 1};
}

static void the_window_is_ten_minutes_and_bounded(void **state)
{
    struct crowd_recent *r = crowd_recent_create();
    struct crowd c;
    uint32_t seen;
    (void)state;
    for (uint32_t i = 0; i < 99; i++) {
        struct crowd_client x = client_of(i % 3, i);
        crowd_recent_add(r, &x, 1000);
    }
    assert_false(crowd_recent_copy(r, CROWD_ANY, 2000, &c, &seen));
    assert_int_equal(seen, 99); /* too few */
    for (uint32_t i = 0; i < 300; i++) {
        struct crowd_client x = client_of(1, i);
        crowd_recent_add(r, &x, 100000 + i);
    }
    assert_true(crowd_recent_copy(r, 1, 101000, &c, &seen));
    assert_int_equal(c.n, 333);
    assert_int_equal(c.span_ms, 100000);
    assert_int_equal(c.basis, CROWD_ANSWERS);
    crowd_fini(&c);
    assert_true(crowd_recent_copy(r, CROWD_ANY, 1000 + CROWD_WINDOW_MS, &c, &seen));
    assert_int_equal(c.n, 300); /* the first are too old */
    crowd_fini(&c);
    for (uint32_t i = 0; i < 3 * CROWD_CLIENTS_MAX; i++) {
        struct crowd_client x = client_of(2, i);
        crowd_recent_add(r, &x, 101000);
    }
    assert_true(crowd_recent_copy(r, CROWD_ANY, 101000, &c, &seen));
    assert_int_equal(c.n, CROWD_CLIENTS_MAX);
    crowd_fini(&c);
    crowd_recent_destroy(&r);
}

static void the_window_outlives_a_change_of_services(void **state)
{
    struct lab l;
    struct crowd c;
    (void)state;
    lab_open(&l, WORLD(SERVICE("b") "," SERVICE("c") "," SERVICE("d")));
    struct crowd_recent *r = crowd_recent_create();
    for (uint32_t i = 0; i < 600; i++) { /* round the end of the ring */
        struct crowd_client x = client_of(i % 3, i);
        for (uint32_t k = 0; k < (i == 0 ? CROWD_CLIENTS_MAX : 1); k++)
            crowd_recent_add(r, &x, i == 0 ? -2 * CROWD_WINDOW_MS : 5);
    }
    struct model *before = model_ref(l.s->model);
    lab_reopen(&l, WORLD(SERVICE("a") "," SERVICE("c") "," SERVICE("d") "," SERVICE("e")));
    crowd_recent_renumber(r, before, l.s->model);
    model_unref(&before);
    assert_true(crowd_recent_copy(r, CROWD_ANY, 10, &c, NULL));
    assert_int_equal(c.n, 400); /* b is gone */
    for (uint32_t i = 0; i < c.n; i++) {
        uint32_t was = 1 + i % 2; /* they alternate, oldest first */
        assert_int_equal(c.client[i].service, lab_service(&l, was == 1 ? "c.g.test" : "d.g.test"));
    }
    crowd_fini(&c);
    struct crowd_client x = client_of(0, 1);
    crowd_recent_add(r, &x, 11);
    assert_true(crowd_recent_copy(r, CROWD_ANY, 12, &c, NULL));
    assert_int_equal(c.n, 401);
    crowd_fini(&c);
    crowd_recent_destroy(&r);
    lab_close(&l);
}

static void the_gap_fills_the_ring_once_a_window(void **state)
{
    (void)state;
    assert_int_equal(crowd_recent_gap(0), 1);
    assert_int_equal(crowd_recent_gap(20), 1);
    double rate = 1e6, gap = crowd_recent_gap(rate);
    assert_near(rate / gap * CROWD_WINDOW_MS / 1000, CROWD_CLIENTS_MAX, CROWD_CLIENTS_MAX / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_says_who_asked_for_what),
        cmocka_unit_test(samples_weigh_what_was_answered),
        cmocka_unit_test(a_full_ring_drops_and_goes_on),
        cmocka_unit_test(the_window_is_ten_minutes_and_bounded),
        cmocka_unit_test(the_window_outlives_a_change_of_services),
        cmocka_unit_test(the_gap_fills_the_ring_once_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
