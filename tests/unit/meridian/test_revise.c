/* One edit as one transaction, as the daemon and the command both make it. */
#include "store/revise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[100];
static struct store *store;
static struct model *head;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/meridian-revise-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.db", folder);
    struct diag diag = {0};
    assert_int_equal(store_init(path, &diag), ERR_OK);
    assert_int_equal(store_open(path, &store, &diag), ERR_OK);
    diag_fini(&diag);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[200];
    model_unref(&head);
    store_close(&store);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

struct judge {
    enum err says;
    int asked;
    int64_t revision;
};

static enum err compile(void *ctx, struct model *m, struct diag *diag)
{
    struct judge *j = ctx;
    j->asked++;
    j->revision = m->revision;
    return j->says ? diag_error(diag, j->says, "geo", "cannot be served") : ERR_OK;
}

static enum err revise(struct store *s, struct model **model, const struct store_revise *what,
                       struct judge *judge, struct store_revised *out)
{
    struct diag diag = {0};
    enum err e = store_revise(s, model, what, compile, judge, out, &diag);
    assert_true((e != ERR_OK) == (diag.errors > 0)); /* a refusal has a sentence */
    diag_fini(&diag);
    return e;
}

static const struct store_meta meta = {"ana", "", "test", 1000};

static enum err add_region(struct store *s, struct model **model, const char *name, bool dry_run,
                           struct judge *judge, struct store_revised *out)
{
    struct config_edit edit = {.verb = VERB_ADD, .noun = NOUN_REGION, .name = name};
    struct store_revise what = {.edits = &edit, .edits_n = 1, .dry_run = dry_run, .meta = meta};
    return revise(s, model, &what, judge, out);
}

static int64_t stored(void)
{
    int64_t revision;
    struct diag diag = {0};
    assert_int_equal(store_head(store, &revision, &diag), ERR_OK);
    return revision;
}

static void an_edit_is_compiled_under_its_number_and_then_stored(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised out;
    int64_t before = stored();
    assert_int_equal(add_region(store, &head, "eu", false, &judge, &out), ERR_OK);
    assert_int_equal(out.revision, before + 1);
    assert_int_equal(judge.revision, out.revision);
    assert_int_equal(head->revision, out.revision);
    assert_non_null(model_region(head, "eu"));
    assert_true(out.changed);
    size_t more;
    json_t *lines = store_revised_take(&out, &more);
    assert_int_equal(json_array_size(lines), 1);
    assert_int_equal(more, 0);
    json_decref(lines);
    store_revised_fini(&out);
}

static void what_does_not_compile_is_not_stored_and_the_next_edit_works(void **state)
{
    (void)state;
    struct judge judge = {.says = ERR_CORRUPT};
    struct store_revised out;
    int64_t before = stored();
    assert_int_equal(add_region(store, &head, "eu", false, &judge, &out), ERR_CORRUPT);
    assert_int_equal(stored(), before);
    assert_null(model_region(head, "eu"));
    judge.says = ERR_OK;
    assert_int_equal(add_region(store, &head, "us", false, &judge, &out), ERR_OK);
    assert_int_equal(stored(), before + 1);
    store_revised_fini(&out);
}

static void a_dry_run_is_judged_and_leaves_nothing(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised out;
    int64_t before = stored();
    assert_int_equal(add_region(store, &head, "eu", true, &judge, &out), ERR_OK);
    assert_int_equal(judge.asked, 1);
    assert_true(out.changed);
    assert_int_equal(out.revision, before);
    assert_int_equal(out.changes.n, 1);
    store_revised_fini(&out);
    assert_int_equal(stored(), before);
    assert_null(model_region(head, "eu"));
}

static void a_head_that_another_process_moved_on_is_loaded_again(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised out;
    struct store *other = NULL;
    struct model *other_head = NULL;
    struct diag diag = {0};
    assert_int_equal(add_region(store, &head, "eu", false, &judge, &out), ERR_OK);
    store_revised_fini(&out);
    assert_int_equal(store_open(path, &other, &diag), ERR_OK);
    assert_int_equal(add_region(other, &other_head, "us", false, &judge, &out), ERR_OK);
    store_revised_fini(&out);
    assert_int_equal(add_region(store, &head, "us", false, &judge, &out), ERR_EXISTS);
    assert_int_equal(add_region(store, &head, "ap", false, &judge, &out), ERR_OK);
    store_revised_fini(&out);
    assert_int_equal(head->regions_n, 3);
    model_unref(&other_head);
    store_close(&other);
}

static void an_edit_without_effect_asks_nobody_and_makes_no_revision(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised out;
    assert_int_equal(add_region(store, &head, "eu", false, &judge, &out), ERR_OK);
    store_revised_fini(&out);
    int64_t before = stored();
    struct config_edit edit = {.verb = VERB_SET,
                               .noun = NOUN_REGION,
                               .name = "eu",
                               .fields = json_pack("{s:i}", "capacity", 0)};
    struct store_revise what = {.edits = &edit, .edits_n = 1, .meta = meta};
    judge.asked = 0;
    assert_int_equal(revise(store, &head, &what, &judge, &out), ERR_OK);
    assert_false(out.changed);
    assert_int_equal(out.revision, before);
    assert_int_equal(judge.asked, 0);
    store_revised_fini(&out);
    json_decref(edit.fields);
    assert_int_equal(stored(), before);
}

static void an_old_document_is_a_conflict_unless_forced(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised out;
    for (const char *name = "abc"; *name; name++) {
        char text[2] = {*name, '\0'};
        assert_int_equal(add_region(store, &head, text, false, &judge, &out), ERR_OK);
        store_revised_fini(&out);
    }
    const char *document = "{\"revision\":1,\"regions\":[{\"name\":\"z\"}]}";
    struct store_revise what = {.kind = REVISE_DOCUMENT,
                                .document = document,
                                .document_len = strlen(document),
                                .meta = meta};
    int64_t before = stored();
    assert_int_equal(revise(store, &head, &what, &judge, &out), ERR_CONFLICT);
    assert_int_equal(stored(), before);
    what.force = true;
    assert_int_equal(revise(store, &head, &what, &judge, &out), ERR_OK);
    assert_int_equal(head->regions_n, 1);
    store_revised_fini(&out);
    struct store_revise back = {.kind = REVISE_ROLLBACK, .rollback_to = before, .meta = meta};
    assert_int_equal(revise(store, &head, &back, &judge, &out), ERR_OK);
    assert_int_equal(out.revision, before + 2);
    assert_int_equal(head->regions_n, 3);
    store_revised_fini(&out);
    back.rollback_to = 999;
    assert_int_equal(revise(store, &head, &back, &judge, &out), ERR_NOT_FOUND);
}

static void an_edit_warns_of_what_it_brings_and_not_of_the_past(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised out;
    const char *names[] = {"a.z.example", "b.z.example"};
    struct config_edit zone = {.verb = VERB_ADD, .noun = NOUN_ZONE, .name = "z.example"};
    struct store_revise what = {.edits = &zone, .edits_n = 1, .meta = meta};
    assert_int_equal(revise(store, &head, &what, &judge, &out), ERR_OK);
    store_revised_fini(&out);
    for (size_t i = 0; i < 2; i++) { /* each is a service without endpoints: a warning of its own */
        struct config_edit edit = {.verb = VERB_ADD, .noun = NOUN_SERVICE, .name = names[i]};
        struct diag diag = {0};
        what.edits = &edit;
        assert_int_equal(store_revise(store, &head, &what, compile, &judge, &out, &diag), ERR_OK);
        assert_int_equal(diag.warnings, 1);
        assert_int_equal(diag.n, 1);
        assert_non_null(strstr(diag.findings[0].where, names[i]));
        diag_fini(&diag);
        store_revised_fini(&out);
    }
}

static enum err add_for(int64_t until_wall_ms, const char *name, struct store_revised *out)
{
    struct judge judge = {0};
    struct config_edit edit = {.verb = VERB_ADD, .noun = NOUN_REGION, .name = name};
    struct store_revise what = {
        .edits = &edit, .edits_n = 1, .confirm_until_wall_ms = until_wall_ms, .meta = meta};
    return revise(store, &head, &what, &judge, out);
}

static int64_t waits(void)
{
    struct store_waiting w;
    assert_int_equal(store_waiting_get(store, &w, NULL), ERR_OK);
    assert_true(w.revision == 0 || w.back_to == w.revision - 1);
    return w.revision;
}

static void an_edit_waits_for_its_confirmation_and_no_other_comes_on_top(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised r;
    assert_int_equal(add_for(5000, "eu", &r), ERR_OK);
    store_revised_fini(&r);
    assert_int_equal(waits(), 1);
    assert_int_equal(add_for(0, "us", &r), ERR_CONFLICT);
    assert_int_equal(add_for(9000, "us", &r), ERR_CONFLICT);
    assert_int_equal(add_region(store, &head, "us", true, &judge, &r), ERR_OK);
    store_revised_fini(&r);
    assert_int_equal(waits(), 1);
    assert_int_equal(store_waiting_end(store, NULL), ERR_OK);
    assert_int_equal(waits(), 0);
    assert_int_equal(add_for(0, "us", &r), ERR_OK);
    store_revised_fini(&r);
}

static void a_rollback_ends_the_waiting_or_waits_itself(void **state)
{
    (void)state;
    struct judge judge = {0};
    struct store_revised r;
    struct store_revise back = {.kind = REVISE_ROLLBACK, .rollback_to = 0, .meta = meta};
    assert_int_equal(add_for(5000, "eu", &r), ERR_OK);
    store_revised_fini(&r);
    assert_int_equal(revise(store, &head, &back, &judge, &r), ERR_OK);
    store_revised_fini(&r);
    assert_int_equal(waits(), 0);
    back.rollback_to = 1;
    back.confirm_until_wall_ms = 5000;
    assert_int_equal(revise(store, &head, &back, &judge, &r), ERR_OK);
    store_revised_fini(&r);
    assert_int_equal(waits(), 3);
}

static void what_is_refused_does_not_wait(void **state)
{
    (void)state;
    struct judge judge = {.says = ERR_INVALID};
    struct store_revised r;
    struct config_edit edit = {.verb = VERB_ADD, .noun = NOUN_REGION, .name = "eu"};
    struct store_revise what = {
        .edits = &edit, .edits_n = 1, .confirm_until_wall_ms = 5000, .meta = meta};
    assert_int_equal(revise(store, &head, &what, &judge, &r), ERR_INVALID);
    assert_int_equal(waits(), 0);
}

#define story(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        story(an_edit_is_compiled_under_its_number_and_then_stored),
        story(what_does_not_compile_is_not_stored_and_the_next_edit_works),
        story(a_dry_run_is_judged_and_leaves_nothing),
        story(a_head_that_another_process_moved_on_is_loaded_again),
        story(an_edit_without_effect_asks_nobody_and_makes_no_revision),
        story(an_old_document_is_a_conflict_unless_forced),
        story(an_edit_warns_of_what_it_brings_and_not_of_the_past),
        story(an_edit_waits_for_its_confirmation_and_no_other_comes_on_top),
        story(a_rollback_ends_the_waiting_or_waits_itself),
        story(what_is_refused_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
