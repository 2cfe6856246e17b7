/* scenario FILE...: runs stories on a virtual clock; the language is in README.md. */
#include "world.h"

#include "base/check.h"
#include "base/clock.h"
#include "dns/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

struct line { /* split into words; "..." is one */
    char text[2000];
    char *word[WORDS_MAX];
    unsigned n;
};

static bool dirty; /* edits that no world has yet */

static void split(struct line *l, const char *text)
{
    snprintf(l->text, sizeof l->text, "%s", text);
    l->n = 0;
    for (char *p = l->text; *p;) {
        while (*p == ' ' || *p == '\t' || *p == '\n')
            p++;
        if (!*p || *p == '#')
            break;
        if (l->n == WORDS_MAX)
            world_fatal("more than %d words", WORDS_MAX);
        bool quoted = *p == '"';
        l->word[l->n++] = p += quoted;
        p += strcspn(p, quoted ? "\"" : " \t\n");
        if (*p)
            *p++ = '\0';
    }
}

static const char *word(const struct line *l, unsigned i)
{
    if (i >= l->n)
        world_fatal("something is missing after \"%s\"", l->word[l->n - 1]);
    return l->word[i];
}

static bool is(const struct line *l, unsigned i, const char *text)
{
    return i < l->n && strcmp(l->word[i], text) == 0;
}

static int64_t span(const char *text)
{
    int64_t ms;
    if (!duration_parse(text, &ms))
        world_fatal("\"%s\" is not a duration", text);
    return ms;
}

static double number(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (*end == '%')
        return v / 100;
    if (*end || end == text)
        world_fatal("\"%s\" is not a number", text);
    return v;
}

/* ------------------------------------------------------------------------------- configuration */

static void edit(struct world *w, struct config_edit e)
{
    struct diag diag = {0};
    char text[600];
    if (config_apply_edits(w->model, &e, 1, &diag))
        world_fatal("%s", diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
    if (e.fields)
        json_decref(e.fields);
    dirty = true;
}

/* KEY VALUE pairs from word i on, by their JSON names. */
static json_t *fields(const struct line *l, unsigned i)
{
    json_t *o = json_object();
    for (; i < l->n; i += 2)
        json_object_set_new(o, word(l, i), json_string(word(l, i + 1)));
    return o;
}

static void add_zone(struct world *w, const struct line *l)
{
    char ns[300];
    snprintf(ns, sizeof ns, "ns1.%s", word(l, 1));
    json_t *f = fields(l, 2);
    json_object_set_new(f, "ns",
                        json_pack("[{s:s, s:[s]}]", "name", ns, "addresses", "192.0.2.53"));
    edit(w, (struct config_edit){.noun = NOUN_ZONE, .name = word(l, 1), .fields = f});
}

/* map NAME WHERE REGION,REGION ; WHERE REGION ... */
static void add_map(struct world *w, const struct line *l)
{
    edit(w, (struct config_edit){.noun = NOUN_MAP, .name = word(l, 1)});
    for (unsigned i = 2; i + 1 < l->n; i += 3)
        edit(w, (struct config_edit){.noun = NOUN_RULE,
                                     .name = word(l, 1),
                                     .address = word(l, i),
                                     .fields = json_pack("{s:s}", "regions", word(l, i + 1))});
}

static bool configure(struct world *w, const struct line *l)
{
    bool set = is(l, 0, "set"), remove = is(l, 0, "remove");
    unsigned at = set || remove;
    enum config_verb verb = set ? VERB_SET : remove ? VERB_REMOVE : VERB_ADD;
    struct config_edit e = {.verb = verb, .name = at + 1 < l->n ? l->word[at + 1] : NULL};
    if (is(l, 0, "zone")) {
        add_zone(w, l);
        return true;
    }
    if (is(l, 0, "map")) {
        add_map(w, l);
        return true;
    }
    if (is(l, 0, "setting")) {
        e.verb = VERB_SET;
        e.noun = NOUN_SETTING;
        e.fields = json_pack("{s:s}", "value", word(l, 2));
    } else if (is(l, at, "endpoint")) {
        e.noun = NOUN_ENDPOINT;
        e.region = word(l, at + 2);
        e.address = word(l, at + 3);
        e.fields = remove ? NULL : fields(l, at + 4);
    } else if (is(l, at, "region") || is(l, at, "probe") || is(l, at, "service")) {
        if (is(l, at, "probe") && !set && !remove && (is(l, 2, "ok") || is(l, 2, "fail")))
            return false;
        CHECK(config_noun_parse(l->word[at], &e.noun));
        e.fields = remove ? NULL : fields(l, at + 2);
    } else
        return false;
    edit(w, e);
    return true;
}

/* ----------------------------------------------------------------------- endpoints by their names */

typedef void (*each_fn)(struct world *w, uint32_t endpoint, const struct line *l);
static void expect_avail(struct world *w, uint32_t endpoint, const struct line *l);

/* WHO is a region, an address, SERVICE/REGION, or a probe that a region depends on. */
static void each(struct world *w, const char *who, const struct line *l, each_fn fn)
{
    unsigned hits = 0;
    const struct model *m = w->s->model;
    for (uint32_t i = 0; i < w->s->services_n; i++)
        for (uint32_t k = 0; k < m->services[i].endpoints_n; k++) {
            const struct model_endpoint *e = &m->services[i].endpoints[k];
            char site[400];
            snprintf(site, sizeof site, "%s/%s", m->services[i].name, e->region);
            if (strcmp(who, e->region) && strcmp(who, e->address) && strcmp(who, site))
                continue;
            hits++;
            fn(w, w->s->service_endpoint_first[i] + k, l);
        }
    uint32_t n;
    const struct signal_dependency *d = signal_dependencies(w->config, &n);
    for (uint32_t i = 0; i < n && fn != expect_avail; i++)
        if (d[i].first == d[i].slot && strcmp(who, d[i].probe->name) == 0) {
            hits++;
            fn(w, d[i].slot, l);
        }
    if (!hits)
        world_fatal("no endpoint is known as %s", who);
}

static void behave(struct world *w, uint32_t endpoint, const struct line *l)
{
    struct target *t = &w->target[endpoint];
    t->habit = is(l, 1, "recovers") ? HABIT_OK : l->n > 2 ? HABIT_FLAKY : HABIT_FAIL;
    if (l->n > 2)
        t->flaky = number(l->word[2]);
}

static void probe_once(struct world *w, uint32_t endpoint, const struct line *l)
{
    world_probe(w, endpoint, is(l, 2, "ok"), false);
}

static void expect_avail(struct world *w, uint32_t endpoint, const struct line *l)
{
    uint32_t service = snapshot_service_with(w->s, w->s->service_endpoint_first, endpoint);
    double got = avail_to_double(steer_effective(&w->s->steer, service, endpoint, NULL));
    double low = number(word(l, 2)), high = low;
    if (is(l, 3, "to"))
        high = number(word(l, 4));
    if (got < low - 0.006 || got > high + 0.006)
        world_fatal("%s is at %.3f, not at %s%s%s\n%s", l->word[1], got, l->word[2],
                    l->n > 3 ? " to " : "", l->n > 3 ? l->word[4] : "", w->log);
}

/* ---------------------------------------------------------------------------------------- reports */

static void report_at(struct world *w, const struct line *l, struct health_report r)
{
    r.source = "haproxy";
    r.now_ms = w->now_ms;
    r.wall_ms = w->wall_ms;
    for (unsigned i = 2; i < l->n; i += 2) {
        if (is(l, i, "ok"))
            r.ok = strtoull(word(l, i + 1), NULL, 10);
        else if (is(l, i, "errors"))
            r.errors = strtoull(word(l, i + 1), NULL, 10);
        else if (is(l, i, "covers"))
            r.covered_ms = span(word(l, i + 1));
        else if (is(l, i, "source"))
            r.source = word(l, i + 1);
        else if (is(l, i, "load")) {
            r.has_load = true;
            r.utilisation = number(word(l, i + 1));
        } else
            world_fatal("\"%s\" is not ok, errors, covers, load or source", l->word[i]);
    }
    enum err e = health_report(w->h, &r);
    if (e)
        world_fatal("the report is refused: %s", err_text(e));
    world_settle(w);
}

static struct health_report place_of(const struct world *w, uint32_t endpoint)
{
    uint32_t service = snapshot_service_with(w->s, w->s->service_endpoint_first, endpoint);
    uint32_t site = snapshot_board_site(w->s, service, endpoint);
    return (struct health_report){
        .region = w->s->board_site_region[site], .site = site, .endpoint = endpoint};
}

static void report_endpoint(struct world *w, uint32_t endpoint, const struct line *l)
{
    report_at(w, l, place_of(w, endpoint));
}

static uint32_t site_seen;

static void find_site(struct world *w, uint32_t endpoint, const struct line *l)
{
    (void)l;
    site_seen = place_of(w, endpoint).site;
}

/* report WHO [ok N] [errors N] [covers D] [load SHARE] [source NAME] */
static void report(struct world *w, const struct line *l)
{
    struct health_report r = {.site = HEALTH_NONE, .endpoint = HEALTH_NONE};
    int region = model_region_index(w->s->model, word(l, 1));
    if (region >= 0) {
        r.region = (uint32_t)region;
        report_at(w, l, r);
    } else if (strchr(l->word[1], '/')) {
        each(w, l->word[1], l, find_site);
        r.site = site_seen;
        r.region = w->s->board_site_region[site_seen];
        report_at(w, l, r);
    } else {
        each(w, l->word[1], l, report_endpoint);
    }
}

/* -------------------------------------------------------------------------------- a person's word */

static void give_endpoint(struct world *w, uint32_t endpoint, const struct line *l)
{
    struct health_order o = {.state = is(l, 0, "down")    ? HEALTH_DOWN
                                      : is(l, 0, "up")    ? HEALTH_UP
                                      : is(l, 0, "drain") ? HEALTH_DRAIN
                                                          : HEALTH_AUTO,
                             .author = "ana",
                             .reason = "story"};
    health_order_endpoint(w->h, endpoint, &o, w->now_ms, w->wall_ms);
}

/* An order AUTO takes back the windows in force too: their keeper forgets them. */
static void forget_begun(struct world *w, uint32_t region)
{
    for (uint32_t i = 0; i < WORLD_WINDOWS; i++)
        if (w->window[i].m.id && health_maintenance_begun(w->h, region, w->window[i].m.id))
            w->window[i].m.id = 0;
}

static void give_order(struct world *w, const struct line *l)
{
    int region = model_region_index(w->s->model, word(l, 1));
    struct health_order o = {.state = is(l, 0, "down")    ? HEALTH_DOWN
                                      : is(l, 0, "up")    ? HEALTH_UP
                                      : is(l, 0, "drain") ? HEALTH_DRAIN
                                                          : HEALTH_AUTO,
                             .author = "ana",
                             .reason = "story"};
    for (unsigned i = 2; i < l->n; i += 2) {
        if (is(l, i, "to"))
            o.to = avail_from_double(number(word(l, i + 1)));
        else if (is(l, i, "over"))
            o.over_ms = span(word(l, i + 1));
        else if (is(l, i, "for"))
            o.until_wall_ms = w->wall_ms + span(word(l, i + 1));
        else
            world_fatal("\"%s\" is not to, over or for", l->word[i]);
    }
    if (region < 0)
        each(w, word(l, 1), l, give_endpoint);
    else {
        if (o.state == HEALTH_AUTO)
            forget_begun(w, (uint32_t)region);
        health_order_region(w->h, (uint32_t)region, &o, w->now_ms, w->wall_ms);
    }
    world_settle(w);
}

/* maintenance N REGION [drain|down] in D for D [to SHARE] [over D]; maintenance N remove */
static void maintenance(struct world *w, const struct line *l)
{
    uint32_t id = (uint32_t)number(word(l, 1));
    if (id < 1 || id > WORLD_WINDOWS)
        world_fatal("windows are 1 to %u", WORLD_WINDOWS);
    struct window *one = &w->window[id - 1];
    int region = model_region_index(w->s->model, is(l, 2, "remove") ? one->region : word(l, 2));
    if (region < 0)
        world_fatal("maintenance N REGION ... or maintenance N remove");
    if (is(l, 2, "remove")) {
        one->m.id = 0;
        health_maintenance_remove(w->h, (uint32_t)region, id, "ana", w->now_ms, w->wall_ms);
        world_settle(w);
        return;
    }
    bool named = is(l, 3, "drain") || is(l, 3, "down");
    snprintf(one->region, sizeof one->region, "%s", l->word[2]);
    one->m = (struct health_maintenance){.id = id,
                                         .state = is(l, 3, "down") ? HEALTH_DOWN : HEALTH_DRAIN,
                                         .created_wall_ms = w->wall_ms,
                                         .author = "ana",
                                         .reason = "story"};
    for (unsigned i = named ? 4 : 3; i < l->n; i += 2) {
        if (is(l, i, "in"))
            one->m.from_wall_ms = w->wall_ms + span(word(l, i + 1));
        else if (is(l, i, "for"))
            one->m.until_wall_ms = one->m.from_wall_ms + span(word(l, i + 1));
        else if (is(l, i, "to"))
            one->m.to = avail_from_double(number(word(l, i + 1)));
        else if (is(l, i, "over"))
            one->m.over_ms = span(word(l, i + 1));
        else
            world_fatal("\"%s\" is not in, for, to or over", l->word[i]);
    }
    world_windows(w);
}

/* clock forward 1h, clock back 1h: it is set, and no time passes. */
static void set_clock(struct world *w, const struct line *l)
{
    w->wall_ms += is(l, 1, "back") ? -span(word(l, 2)) : span(word(l, 2));
    health_advance(w->h, w->now_ms, w->wall_ms);
    world_settle(w);
    world_windows(w);
}

/* ------------------------------------------------------------------------------------- answers */

static int order_of_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "192.0.2.1,192.0.2.2", a host name, or the name of the rcode; TTL and scope beside it. */
static const char *read_answer(const uint8_t *out, size_t len, uint32_t *ttl, unsigned *scope)
{
    static char text[64 * DNS_NAME_TEXT_MAX];
    static const char *const rcodes[] = {"nodata",   "formerr", "servfail",
                                         "nxdomain", "notimp",  "refused"};
    char one[64][DNS_NAME_TEXT_MAX];
    unsigned n = (unsigned)out[6] << 8 | out[7];
    size_t at = 12 + dns_name_length(out + 12, len - 12) + 4;
    *scope = 0;
    for (unsigned i = 0; i < n && i < 64; i++) {
        unsigned type = (unsigned)out[at + 2] << 8 | out[at + 3], rdlen = out[at + 11];
        *ttl = (uint32_t)out[at + 6] << 24 | (uint32_t)out[at + 7] << 16 |
               (uint32_t)out[at + 8] << 8 | out[at + 9];
        struct ip ip = {.family = type == DNS_A ? 4 : 6};
        if (type == DNS_CNAME)
            dns_name_to_text(out + at + 12, one[i]);
        else {
            memcpy(ip.b, out + at + 12, type == DNS_A ? 4 : 16);
            ip_format(&ip, one[i]);
        }
        at += 12 + rdlen;
    }
    if (out[11] && out[9] == 0) { /* OPT follows at once: scope is octet 7 of its first option */
        size_t option = at + 11 + 4;
        *scope = option + 3 < len ? out[option + 3] : 0;
    }
    if (n == 0)
        return rcodes[(out[3] & 15) < 6 ? out[3] & 15 : 2];
    qsort(one, n, sizeof one[0], order_of_texts);
    char *end = text;
    for (unsigned i = 0; i < n && i < 64; i++) {
        if (i)
            *end++ = ',';
        end = stpcpy(end, one[i]);
    }
    return text;
}

/* query NAME TYPE [from ADDRESS|NETWORK] -> ANSWER [ttl N] [scope N] */
static void query(struct world *w, const struct line *l)
{
    uint8_t out[4096];
    uint16_t type;
    unsigned i = 3, scope = 0;
    uint32_t ttl = 0;
    struct ip source = {.family = 4, .b = {198, 18, 0, 1}};
    struct ip_prefix subnet = {.ip = {.family = 0}};
    if (!dns_type_from_text(word(l, 2), &type))
        world_fatal("\"%s\" is not a type", l->word[2]);
    if (is(l, i, "from")) {
        bool net = strchr(word(l, i + 1), '/') != NULL;
        if (!(net ? ip_prefix_parse(l->word[i + 1], &subnet) : ip_parse(l->word[i + 1], &source)))
            world_fatal("\"%s\" is neither an address nor a network", l->word[i + 1]);
        i += 2;
    }
    if (!is(l, i, "->"))
        world_fatal("a query ends in -> ANSWER");
    size_t len = world_ask(w, word(l, 1), type, source, &subnet, out);
    const char *got = len ? read_answer(out, len, &ttl, &scope) : "nothing";
    if (strcmp(got, word(l, i + 1)) != 0)
        world_fatal("the answer is %s, not %s\n%s", got, l->word[i + 1], w->log);
    for (i += 2; i + 1 < l->n; i += 2) {
        uint32_t is_now = is(l, i, "ttl") ? ttl : scope;
        if (is_now != (uint32_t)number(l->word[i + 1]))
            world_fatal("%s is %u, not %s\n%s", l->word[i], is_now, l->word[i + 1], w->log);
    }
}

/* share SERVICE REGION 55% +-2 over 5000 */
static void share(struct world *w, const struct line *l)
{
    int region = model_region_index(w->s->model, word(l, 2));
    uint32_t n = (uint32_t)number(word(l, 6)), hits = 0;
    double off = number(word(l, 4) + 2) / 100;
    if (region < 0 || strncmp(l->word[4], "+-", 2) != 0 || !is(l, 5, "over"))
        world_fatal("share SERVICE REGION 55%% +-2 over 5000");
    for (uint32_t i = 0; i < n; i++)
        hits += world_region_for(w, word(l, 1), i) == (uint32_t)region;
    double got = (double)hits / n, want = number(l->word[3]);
    if (got < want - off || got > want + off)
        world_fatal("%s has %.2f%%, not %s\n%s", l->word[2], got * 100, l->word[3], w->log);
}

/* watch SERVICE [same | leaving REGION | joining REGION]: against the last look at it. */
static void watch(struct world *w, const struct line *l)
{
    int region = l->n > 3 ? model_region_index(w->s->model, l->word[3]) : -1;
    unsigned moved = 0;
    for (uint32_t i = 0; i < WORLD_WATCH; i++) {
        uint32_t now = world_region_for(w, word(l, 1), i), was = w->watch[i];
        w->watch[i] = now;
        if (l->n == 2 || now == was)
            continue;
        moved++;
        bool fine = is(l, 2, "leaving") ? was == (uint32_t)region
                                        : is(l, 2, "joining") && now == (uint32_t)region;
        if (!fine)
            world_fatal("client %u went from region %u to region %u\n%s", i, was, now, w->log);
    }
    if (l->n > 3 && !moved)
        world_fatal("nobody moved");
}

/* counters noerror=5 else=0: since the last line of this kind. */
static void counters(struct world *w, const struct line *l)
{
    bool named[ANSWER_OUTCOMES] = {false}, rest = false;
    uint64_t moved[ANSWER_OUTCOMES];
    for (int k = 0; k < ANSWER_OUTCOMES; k++) {
        uint64_t now = atomic_load(&w->worker.outcome[k]);
        moved[k] = now - w->counted[k];
        w->counted[k] = now;
    }
    for (unsigned i = 1; i < l->n; i++) {
        char *value = strchr(l->word[i], '=');
        if (!value)
            world_fatal("\"%s\" is not NAME=NUMBER", l->word[i]);
        *value++ = '\0';
        bool found = rest = strcmp(l->word[i], "else") == 0;
        for (int k = 0; k < ANSWER_OUTCOMES; k++) {
            bool own = strcmp(answer_outcome_name((enum answer_outcome)k), l->word[i]) == 0;
            found = found || own;
            named[k] = named[k] || own;
            if ((own || (rest && !named[k])) && moved[k] != (uint64_t)number(value))
                world_fatal("%s is %llu, not %s", answer_outcome_name((enum answer_outcome)k),
                            (unsigned long long)moved[k], value);
        }
        if (!found)
            world_fatal("there is no counter %s", l->word[i]);
    }
}

static void look_in_log(struct world *w, const struct line *l)
{
    unsigned hits = 0;
    if (is(l, 1, "clear")) {
        w->log_n = 0;
        w->log[0] = '\0';
        return;
    }
    bool times = is(l, 1, "counts"); /* log counts N "text" */
    const char *text = word(l, times ? 3 : 2);
    for (const char *p = w->log; (p = strstr(p, text)); p++)
        hits++;
    bool fine = is(l, 1, "contains") ? hits > 0
                : is(l, 1, "lacks")  ? hits == 0
                                     : times && hits == (unsigned)number(word(l, 2));
    if (!fine)
        world_fatal("the log has \"%s\" %u times:\n%s", text, hits, w->log);
}

/* --------------------------------------------------------------------------------------- the run */

static void act(struct world *w, const struct line *l)
{
    if (dirty) {
        world_publish(w);
        dirty = false;
    }
    if (is(l, 0, "start"))
        return;
    if (is(l, 0, "advance"))
        world_advance(w, span(word(l, 1)));
    else if (is(l, 0, "query"))
        query(w, l);
    else if (is(l, 0, "share"))
        share(w, l);
    else if (is(l, 0, "watch"))
        watch(w, l);
    else if (is(l, 0, "counters"))
        counters(w, l);
    else if (is(l, 0, "log"))
        look_in_log(w, l);
    else if (is(l, 0, "available"))
        each(w, word(l, 1), l, expect_avail);
    else if (is(l, 0, "probe"))
        for (int n = l->n > 3 ? atoi(l->word[3] + 1) : 1; n-- > 0;)
            each(w, word(l, 1), l, probe_once);
    else if (is(l, 0, "report"))
        report(w, l);
    else if (is(l, 0, "prober"))
        w->isolated = is(l, 1, "isolated");
    else if (is(l, 0, "release"))
        health_release_region(w->h, (uint32_t)model_region_index(w->s->model, word(l, 1)),
                              w->now_ms, w->wall_ms),
            world_settle(w);
    else if (is(l, 0, "drain") || is(l, 0, "down") || is(l, 0, "up") || is(l, 0, "undrain"))
        give_order(w, l);
    else if (is(l, 0, "maintenance"))
        maintenance(w, l);
    else if (is(l, 0, "clock"))
        set_clock(w, l);
    else if (is(l, 1, "fails") || is(l, 1, "recovers"))
        each(w, l->word[0], l, behave);
    else
        world_fatal("\"%s\" is not something a scenario can say", l->word[0]);
}

static void run(const char *path)
{
    struct world w;
    struct line l;
    char text[2000];
    FILE *f = fopen(path, "r");
    const char *slash = strrchr(path, '/');
    world_script = slash ? slash + 1 : path;
    world_line = 0;
    if (!f)
        world_fatal("cannot be read");
    world_init(&w);
    dirty = false;
    while (fgets(text, sizeof text, f)) {
        world_line++;
        split(&l, text);
        if (l.n == 0)
            continue;
        if (is(&l, 0, "scenario"))
            printf("%s: %s\n", world_script, word(&l, 1));
        else if (is(&l, 0, "seed")) {
            rng_seed(&w.rng, strtoull(word(&l, 1), NULL, 0));
            rng_seed(&w.worker.rng, strtoull(word(&l, 1), NULL, 0));
        } else if (!configure(&w, &l))
            act(&w, &l);
    }
    fclose(f);
    world_fini(&w);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    return argc > 1 ? 0 : 2;
}
