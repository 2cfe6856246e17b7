#include "testing.h"

#include "base/clock.h"
#include "base/random.h"

#include <signal.h>
#include <sys/wait.h>

static void a_new_database_is_empty_at_revision_zero(void **state)
{
    (void)state;
    struct store *s = made();
    int64_t head = -1;
    assert_int_equal(store_head(s, &head, NULL), ERR_OK);
    assert_int_equal(head, 0);
    struct model *m = loaded(s);
    assert_int_equal(m->services_n, 0);
    assert_string_equal(store_path(s), db);
    model_unref(&m);
    store_close(&s);
    assert_null(s);
}

static void what_is_committed_is_loaded(void **state)
{
    (void)state;
    struct store *s = made();
    must_apply(s, FULL_DOC, 1);
    struct model *m = loaded(s), *wanted = model_create();
    int64_t revision;
    assert_int_equal(config_import(wanted, FULL_DOC, strlen(FULL_DOC), &revision, NULL), ERR_OK);
    assert_int_equal(model_validate(wanted, NULL), ERR_OK);
    struct config_changes c;
    assert_int_equal(config_diff(wanted, m, &c), ERR_OK);
    assert_int_equal(c.n, 0);
    assert_int_equal(m->revision, 1);
    assert_string_equal(m->regions[0].name, "us");
    wanted->revision = 1;
    char *a = config_export(wanted, true), *b = config_export(m, true);
    assert_string_equal(a, b);
    free(a);
    free(b);
    config_changes_fini(&c);
    model_unref(&m);
    model_unref(&wanted);
    store_close(&s);
    s = opened(); /* and from the disk */
    m = loaded(s);
    assert_int_equal(m->services_n, 3);
    model_unref(&m);
    store_close(&s);
}

static void nothing_changed_is_no_revision(void **state)
{
    (void)state;
    struct store *s = made();
    must_apply(s, FULL_DOC, 1);
    must_apply(s, FULL_DOC, 1);
    must_apply(s, "{\"services\": []}", 2);
    store_close(&s);
}

static void an_abort_leaves_no_trace(void **state)
{
    (void)state;
    struct store *s = made();
    int64_t head;
    assert_int_equal(store_begin(s, &head, NULL), ERR_OK);
    store_abort(s);
    store_abort(s);
    must_apply(s, FULL_DOC, 1);
    int64_t revision;
    assert_int_not_equal(apply_text(s, "{\"regions\": []}", &revision), ERR_OK);
    assert_int_equal(store_head(s, &head, NULL), ERR_OK);
    assert_int_equal(head, 1);
    store_close(&s);
}

static void a_commit_from_an_older_revision_is_refused(void **state)
{
    (void)state;
    struct store *s = made();
    struct diag d = {0};
    struct store_meta meta = {"ana", "", "x", 1};
    must_apply(s, FULL_DOC, 1);
    struct model *old = loaded(s), *new = model_clone(old);
    must_apply(s, "{\"latency\": []}", 2);
    int64_t head, revision;
    assert_int_equal(store_begin(s, &head, &d), ERR_OK);
    struct config_changes none = {0};
    assert_int_equal(store_commit(s, old, new, &none, &meta, &revision, &d), ERR_CONFLICT);
    listen_to(&d);
    assert_string_equal(said, "the edit starts from revision 1, and 2 is the newest");
    assert_int_equal(store_begin(s, &head, &d), ERR_OK); /* the lock was given back */
    store_abort(s);
    model_unref(&old);
    model_unref(&new);
    store_close(&s);
}

static bool keep_revision(void *ctx, const struct store_revision *r)
{
    char *out = ctx;
    snprintf(out + strlen(out), 300 - strlen(out), "%lld %s %s %s %u;", (long long)r->revision,
             r->author, r->message, r->verb, r->changes_n);
    return r->revision != 2;
}

static void history_is_told_newest_first(void **state)
{
    (void)state;
    struct store *s = made();
    char out[300] = "";
    must_apply(s, "{\"regions\": [{\"name\": \"a\"}]}", 1);
    must_apply(s, "{\"regions\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}", 2);
    must_apply(s, "{\"regions\": []}", 3);
    assert_int_equal(store_history(s, 0, 10, keep_revision, out, NULL), ERR_OK);
    assert_string_equal(out, "3 ana a message apply 2;2 ana a message apply 1;");
    out[0] = '\0';
    assert_int_equal(store_history(s, 1, 10, keep_revision, out, NULL), ERR_OK);
    assert_string_equal(out, "1 ana a message apply 1;");
    out[0] = '\0';
    assert_int_equal(store_history(s, 0, 1, keep_revision, out, NULL), ERR_OK);
    assert_string_equal(out, "3 ana a message apply 2;");
    store_close(&s);
}

static void changes_are_merged_per_item(void **state)
{
    (void)state;
    struct store *s = made();
    struct config_changes c;
    struct diag d = {0};
    must_apply(s, "{\"regions\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}", 1);
    must_apply(s, "{\"regions\": [{\"name\": \"a\", \"capacity\": 1}, {\"name\": \"b\"}]}", 2);
    must_apply(s, "{\"regions\": [{\"name\": \"a\", \"capacity\": 2}]}", 3);
    must_apply(s,
               "{\"regions\": [{\"name\": \"a\", \"capacity\": 2}], \"settings\": {\"ramp\": "
               "\"1s\"}}",
               4);
    must_apply(s, "{\"settings\": {}}", 5);
    assert_int_equal(store_changes(s, 1, 5, &c, NULL), ERR_OK);
    assert_int_equal(c.n, 2);
    assert_string_equal(c.change[0].key, "a");
    assert_string_equal(c.change[0].before, "{\"name\": \"a\", \"order\": 1}");
    assert_string_equal(c.change[0].after, "{\"capacity\": 2, \"name\": \"a\", \"order\": 1}");
    assert_string_equal(c.change[1].key, "b");
    assert_null(c.change[1].after);
    config_changes_fini(&c);
    assert_int_equal(store_changes(s, 3, 3, &c, NULL), ERR_OK);
    assert_int_equal(c.n, 0);
    config_changes_fini(&c);
    assert_int_equal(store_changes(s, 1, 9, &c, &d), ERR_NOT_FOUND);
    listen_to(&d);
    assert_string_equal(said, "revision 9 does not exist: the newest is 5");
    assert_int_equal(store_changes(s, 3, 2, &c, &d), ERR_INVALID);
    diag_fini(&d);
    store_close(&s);
}

static void each_revision_can_be_loaded_again(void **state)
{
    (void)state;
    enum { REVISIONS = 40 };
    char *text[REVISIONS + 1];
    struct rng r;
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 11;
    printf("SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&r, seed);
    struct store *s = made();
    text[0] = exported(s);
    for (int n = 1; n <= REVISIONS; n++) {
        char doc[2000] = "{\"zones\": [{\"name\": \"z\", \"ns\": [\"n\"]}], \"regions\": [";
        bool has[5], first = true;
        for (int k = 0; k < 5; k++) {
            has[k] = rng_below(&r, 3);
            if (has[k])
                sprintf(doc + strlen(doc), "%s{\"name\": \"r%d\", \"capacity\": %u}",
                        first ? "" : ", ", k, rng_below(&r, 3));
            first = first && !has[k];
        }
        sprintf(doc + strlen(doc),
                "], \"services\": [{\"name\": \"s.z\", \"ttl\": %d, "
                "\"endpoints\": [",
                n);
        first = true;
        for (int k = 4; k >= 0; k--)
            for (int i = 0; has[k] && i < 2; i++) {
                sprintf(doc + strlen(doc),
                        "%s{\"region\": \"r%d\", \"address\": \"10.0.%d.%d\", "
                        "\"weight\": %u}",
                        first ? "" : ", ", k, k, i, rng_below(&r, 5));
                first = false;
            }
        strcat(doc, "]}]}");
        must_apply(s, doc, n);
        text[n] = exported(s);
    }
    for (int n = 0; n <= REVISIONS; n++) {
        struct model *m;
        struct diag d = {0};
        assert_int_equal(store_load_at(s, n, &m, &d), ERR_OK);
        assert_int_equal(m->revision, n);
        assert_int_equal(model_validate(m, &d), ERR_OK);
        diag_fini(&d);
        char *now = config_export(m, true);
        assert_string_equal(now, text[n]);
        free(now);
        free(text[n]);
        model_unref(&m);
    }
    struct model *none;
    assert_int_equal(store_load_at(s, REVISIONS + 1, &none, NULL), ERR_NOT_FOUND);
    assert_null(none);
    store_close(&s);
}

static void only_changed_rows_are_written(void **state)
{
    (void)state;
    struct store *s = made();
    must_apply(s, FULL_DOC, 1);
    struct model *before = loaded(s), *after = model_clone(before);
    json_t *fields = json_pack("{s:i}", "weight", 7);
    struct config_edit e = {VERB_SET, NOUN_ENDPOINT, "www.z.example", "us", NULL, fields};
    struct store_meta meta = {"bob", "", "endpoint set", 5};
    int64_t head, revision;
    assert_int_equal(config_apply_edits(after, &e, 1, NULL), ERR_OK);
    assert_int_equal(model_validate(after, NULL), ERR_OK);
    struct config_changes changes;
    assert_int_equal(config_diff(before, after, &changes), ERR_OK);
    assert_int_equal(store_begin(s, &head, NULL), ERR_OK);
    assert_int_equal(store_commit(s, before, after, &changes, &meta, &revision, NULL), ERR_OK);
    config_changes_fini(&changes);
    assert_int_equal(revision, 2);
    struct model *m = loaded(s);
    const struct model_service *www = model_service(m, "www.z.example");
    assert_int_equal(www->endpoints_n, 3);
    assert_int_equal(www->endpoints[0].weight, 7);
    json_decref(fields);
    model_unref(&m);
    model_unref(&before);
    model_unref(&after);
    store_close(&s);
}

static void another_connection_is_noticed(void **state)
{
    (void)state;
    struct store *a = made(), *b = opened();
    bool changed = true;
    assert_int_equal(store_changed(a, &changed, NULL), ERR_OK);
    assert_false(changed);
    must_apply(a, "{\"regions\": [{\"name\": \"a\"}]}", 1);
    assert_int_equal(store_changed(a, &changed, NULL), ERR_OK);
    assert_false(changed); /* its own */
    assert_int_equal(store_changed(b, &changed, NULL), ERR_OK);
    assert_true(changed);
    assert_int_equal(store_changed(b, &changed, NULL), ERR_OK);
    assert_false(changed);
    must_apply(b, "{\"regions\": []}", 2);
    assert_int_equal(store_changed(a, &changed, NULL), ERR_OK);
    assert_true(changed);
    store_close(&a);
    store_close(&b);
}

/* A child commits revision after revision and says each over a pipe; it is killed at a random
 * moment. What it said must be there. */
static void committing_child(int fd)
{
    struct store *s = opened();
    for (int i = 0;; i++) {
        char doc[200];
        int64_t revision;
        snprintf(doc, sizeof doc, "{\"regions\": [{\"name\": \"r\", \"capacity\": %lld}]}",
                 (long long)clock_mono_ms() * 1000 + i);
        if (apply_text(s, doc, &revision) != ERR_OK)
            _exit(1);
        if (write(fd, &revision, sizeof revision) != sizeof revision)
            _exit(2);
    }
}

static void acknowledged_commits_survive_kill_9(void **state)
{
    (void)state;
    struct store *s = made();
    struct rng r;
    const char *env = getenv("SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : (uint64_t)clock_wall_ms();
    int64_t last = 0, revision, all = 0;
    printf("SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&r, seed);
    store_close(&s);
    for (unsigned round = 0; round < 20 || all <= 20;
         round++) { /* as many as it takes, and longer ones */
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            committing_child(fds[1]);
        }
        close(fds[1]);
        usleep(5000 + rng_below(&r, 60000 * (1 + round / 20)));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(fds[0], &revision, sizeof revision) == sizeof revision) {
            assert_true(revision > last);
            last = revision;
            all++;
        }
        close(fds[0]);
        s = opened();
        assert_int_equal(store_head(s, &revision, NULL), ERR_OK);
        assert_true(revision == last || revision == last + 1); /* stored, not yet said */
        last = revision;
        struct model *m = loaded(s), *then;
        if (last > 0) {
            assert_int_equal(m->regions_n, 1);
            assert_int_equal(store_load_at(s, last, &then, NULL), ERR_OK);
            assert_true(then->regions[0].capacity == m->regions[0].capacity);
            model_unref(&then);
        }
        model_unref(&m);
        store_close(&s);
    }
}

static void several_processes_edit_one_after_another(void **state)
{
    (void)state;
    enum { PROCESSES = 4, EDITS = 10 };
    struct store *s = made();
    pid_t child[PROCESSES];
    int64_t head;
    store_close(&s);
    for (int p = 0; p < PROCESSES; p++) {
        child[p] = fork();
        if (child[p] == 0) {
            struct store *own = opened();
            for (int i = 0; i < EDITS; i++) {
                char doc[100];
                int64_t revision;
                snprintf(doc, sizeof doc, "{\"regions\": [{\"name\": \"r\", \"capacity\": %d}]}",
                         p * EDITS + i + 1);
                if (apply_text(own, doc, &revision) != ERR_OK)
                    _exit(1);
            }
            store_close(&own);
            _exit(0);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        waitpid(child[p], &status, 0);
        assert_int_equal(status, 0);
    }
    s = opened();
    assert_int_equal(store_head(s, &head, NULL), ERR_OK);
    assert_int_equal(head, PROCESSES * EDITS);
    store_close(&s);
}

static void keep_override(void *ctx, const struct store_override *o)
{
    char *out = ctx;
    snprintf(out + strlen(out), 400 - strlen(out), "%s %s %s %s %g %lld %lld %lld %s %s;",
             o->region, o->service ? o->service : "-", o->address ? o->address : "-", o->state,
             o->to, (long long)o->over_ms, (long long)o->since_wall_ms, (long long)o->until_wall_ms,
             o->author, o->reason);
}

static void overrides_live_outside_revisions(void **state)
{
    (void)state;
    struct store *s = made();
    struct diag d = {0};
    struct store_override region = {"eu", NULL, NULL, "drain", 0.4, 600000, 5, 9, "ana", "db move"};
    struct store_override endpoint = {"eu", "w.z", "192.0.2.1", "down", 0, 0, 6, 0, "bob", NULL};
    char out[400] = "";
    assert_int_equal(store_override_put(s, &region, NULL), ERR_OK);
    assert_int_equal(store_override_put(s, &endpoint, NULL), ERR_OK);
    region.to = 0.5;
    assert_int_equal(store_override_put(s, &region, NULL), ERR_OK);
    must_apply(s, FULL_DOC, 1);
    must_apply(s, "{\"services\": [], \"maps\": [], \"latency\": [], \"regions\": []}", 2);
    assert_int_equal(store_override_each(s, keep_override, out, NULL), ERR_OK);
    assert_string_equal(out, "eu - - drain 0.5 600000 5 9 ana db move;"
                             "eu w.z 192.0.2.1 down 0 0 6 0 bob ;");
    assert_int_equal(store_override_remove(s, "eu", NULL, NULL, NULL), ERR_OK);
    assert_int_equal(store_override_remove(s, "eu", NULL, NULL, &d), ERR_NOT_FOUND);
    listen_to(&d);
    assert_string_equal(said, "region eu has no override");
    assert_int_equal(store_override_remove(s, "eu", "w.z", "192.0.2.1", NULL), ERR_OK);
    endpoint.state = "sideways";
    assert_int_equal(store_override_put(s, &endpoint, NULL), ERR_INVALID);
    store_close(&s);
}

static void probes_of_probes_and_dependencies_come_back(void **state)
{
    (void)state;
    static const char doc[] =
        "{\"regions\": [{\"name\": \"eu\", \"depends_on\": \"both\"}, {\"name\": \"us\", "
        "\"depends_on\": \"db\"}], \"probes\": [{\"name\": \"db\", \"type\": \"tcp\", \"port\": "
        "5432, \"target\": \"192.0.2.5\"}, {\"name\": \"lb\", \"target\": \"lb.example\"}, "
        "{\"name\": \"both\", \"type\": \"quorum\", \"quorum\": 2, \"of\": [\"lb\", \"db\"]}]}";
    struct store *s = made();
    must_apply(s, doc, 1);
    struct model *m = loaded(s);
    const struct model_probe *both = model_probe(m, "both");
    assert_int_equal(both->type, PROBE_QUORUM);
    assert_int_equal(both->quorum, 2);
    assert_int_equal(both->of_n, 2);
    assert_string_equal(both->of[0], "lb");
    assert_string_equal(both->of[1], "db");
    assert_string_equal(model_region(m, "eu")->depends_on, "both");
    assert_string_equal(model_probe(m, "lb")->target, "lb.example");
    assert_true(model_probe_targeted(m, both));
    model_unref(&m);
    char *before = exported(s);
    must_apply(s, "{\"regions\": [], \"probes\": []}", 2);
    assert_int_equal(store_load_at(s, 1, &m, NULL), ERR_OK);
    assert_int_equal(model_validate(m, NULL), ERR_OK);
    m->revision = 1;
    char *again = config_export(m, true);
    assert_string_equal(again, before);
    free(before);
    free(again);
    model_unref(&m);
    store_close(&s);
}

static void keep_window(void *ctx, const struct store_maintenance *m)
{
    char *out = ctx;
    snprintf(out + strlen(out), 400 - strlen(out), "%lld %s %s %g %lld %lld %lld %lld %s %s;",
             (long long)m->id, m->region, m->state, m->to, (long long)m->over_ms,
             (long long)m->created_wall_ms, (long long)m->from_wall_ms, (long long)m->until_wall_ms,
             m->author, m->reason);
}

static void windows_are_numbered_once_and_listed_as_they_begin(void **state)
{
    (void)state;
    struct store *s = made();
    struct diag d = {0};
    char out[400] = "";
    int64_t id;
    struct store_maintenance m = {0, "eu", "drain", 0.4, 600000, 5, 90, 100, "ana", "db move"};
    struct store_maintenance n = {0, "us", "down", 0, 0, 6, 50, 60, "bob", NULL};
    assert_int_equal(store_maintenance_add(s, &m, &id, NULL), ERR_OK);
    assert_int_equal(store_maintenance_add(s, &n, &id, NULL), ERR_OK);
    assert_int_equal(id, 2);
    must_apply(s, FULL_DOC, 1);
    assert_int_equal(store_maintenance_each(s, keep_window, out, NULL), ERR_OK);
    assert_string_equal(out, "2 us down 0 0 6 50 60 bob ;"
                             "1 eu drain 0.4 600000 5 90 100 ana db move;");
    assert_int_equal(store_maintenance_remove(s, 2, NULL), ERR_OK);
    assert_int_equal(store_maintenance_remove(s, 2, &d), ERR_NOT_FOUND);
    listen_to(&d);
    assert_string_equal(said, "there is no maintenance window 2");
    assert_int_equal(store_maintenance_add(s, &n, &id, NULL), ERR_OK);
    assert_int_equal(id, 3);
    n.state = "up";
    assert_int_equal(store_maintenance_add(s, &n, &id, NULL), ERR_INVALID);
    store_close(&s);
}

static void count_window(void *ctx, const struct store_maintenance *m)
{
    (void)m;
    ++*(int *)ctx;
}

static void windows_that_are_over_make_room(void **state)
{
    (void)state;
    struct store *s = made();
    struct diag d = {0};
    int64_t id;
    int n = 0;
    struct store_maintenance m = {0, "eu", "drain", 0, 0, 5, 90, 100, "ana", ""};
    for (int i = 0; i < STORE_MAINTENANCE_MAX; i++) {
        m.until_wall_ms = i % 2 ? 100 : 1000;
        assert_int_equal(store_maintenance_add(s, &m, &id, NULL), ERR_OK);
    }
    m.created_wall_ms = 99;
    assert_int_equal(store_maintenance_add(s, &m, &id, &d), ERR_LIMIT);
    listen_to(&d);
    assert_string_equal(said, "1000 maintenance windows are planned already: remove one");
    m.created_wall_ms = 100;
    assert_int_equal(store_maintenance_add(s, &m, &id, NULL), ERR_OK);
    assert_int_equal(store_maintenance_each(s, count_window, &n, NULL), ERR_OK);
    assert_int_equal(n, STORE_MAINTENANCE_MAX / 2 + 1);
    store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(a_new_database_is_empty_at_revision_zero),
        scratch_test(what_is_committed_is_loaded),
        scratch_test(nothing_changed_is_no_revision),
        scratch_test(an_abort_leaves_no_trace),
        scratch_test(a_commit_from_an_older_revision_is_refused),
        scratch_test(history_is_told_newest_first),
        scratch_test(changes_are_merged_per_item),
        scratch_test(each_revision_can_be_loaded_again),
        scratch_test(only_changed_rows_are_written),
        scratch_test(another_connection_is_noticed),
        scratch_test(acknowledged_commits_survive_kill_9),
        scratch_test(several_processes_edit_one_after_another),
        scratch_test(overrides_live_outside_revisions),
        scratch_test(probes_of_probes_and_dependencies_come_back),
        scratch_test(windows_are_numbered_once_and_listed_as_they_begin),
        scratch_test(windows_that_are_over_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
