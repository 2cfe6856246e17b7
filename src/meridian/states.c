#include "states.h"

#include "base/arena.h"
#include "base/hash.h"
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

enum word { WORD_AUTO, WORD_UP, WORD_DRAIN, WORD_DOWN };

struct item {             /* a region, a site or an endpoint: the levels of the engine */
    struct state_row row; /* first: states_next */
    double avail;         /* its own, by evidence */
    double cap;           /* what a person leaves it */
    uint8_t word;         /* a person's, enum word */
    bool unknown;         /* observed */
    bool avail_set, cap_set, word_set, unknown_set; /* that of the beginning is known */
    uint32_t parent, first_child, next;             /* NONE */
};

struct states {
    struct arena *arena;
    int64_t from_ms, until_ms, known_ms;
    struct item *item;
    uint32_t items_n, items_cap;
    uint32_t *table; /* by key, 1-based */
    uint32_t table_n;
    struct store_event *event;
    size_t events_n, events_cap;
    int64_t *start;
    size_t starts_n;
    bool stood, failed;
};

const char *state_name(enum state s)
{
    static const char *const names[] = {"unknown",  "stopped", "up",  "drained",
                                        "degraded", "off",     "down"};
    return names[s];
}

struct states *states_create(int64_t from_ms, int64_t until_ms, int64_t known_ms)
{
    struct states *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct states){.arena = arena_create(0),
                         .from_ms = from_ms,
                         .until_ms = until_ms > from_ms ? until_ms : from_ms,
                         .known_ms = known_ms};
    s->failed = !s->arena;
    return s;
}

void states_destroy(struct states **sp)
{
    struct states *s = *sp;
    if (!s)
        return;
    for (uint32_t i = 0; i < s->items_n; i++)
        free(s->item[i].row.span);
    arena_destroy(s->arena);
    free(s->item);
    free(s->table);
    free(s->event);
    free(s->start);
    free(s);
    *sp = NULL;
}

/* ---------------------------------------------------------------------------------------- items */

/* Room for one more of size in an array of cap; the array, or NULL. */
static void *grown(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 64;
    void *out = realloc(array, more * size);
    if (out)
        *cap = more;
    return out;
}

static const char *keep(struct states *s, const char *text)
{
    const char *out = text && *text ? arena_strdup(s->arena, text) : "";
    s->failed |= !out;
    return out ? out : "";
}

static uint64_t key_hash(const char *service, const char *region, const char *endpoint)
{
    uint64_t h = hash_bytes(service, strlen(service), 1);
    h = hash_bytes(region, strlen(region), h);
    return hash_bytes(endpoint, strlen(endpoint), h);
}

/* The slot of the key, or the free one where it would go. */
static uint32_t *slot_of(struct states *s, const char *service, const char *region,
                         const char *endpoint)
{
    for (uint64_t i = key_hash(service, region, endpoint);; i++) {
        uint32_t *slot = &s->table[i & (s->table_n - 1)];
        const struct state_row *r = *slot ? &s->item[*slot - 1].row : NULL;
        if (!r || (strcmp(r->service, service) == 0 && strcmp(r->region, region) == 0 &&
                   strcmp(r->endpoint, endpoint) == 0))
            return slot;
    }
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static struct item *find(struct states *s, const char *service, const char *region,
                         const char *endpoint)
{
    if (!s->table)
        return NULL;
    uint32_t at = *slot_of(s, or_empty(service), or_empty(region), or_empty(endpoint));
    return at ? &s->item[at - 1] : NULL;
}

static bool table_grow(struct states *s)
{
    uint32_t n = s->table_n ? s->table_n * 2 : 128;
    uint32_t *table = calloc(n, sizeof *table);
    if (!table)
        return false;
    free(s->table);
    s->table = table;
    s->table_n = n;
    for (uint32_t i = 0; i < s->items_n; i++) {
        const struct state_row *r = &s->item[i].row;
        *slot_of(s, r->service, r->region, r->endpoint) = i + 1;
    }
    return true;
}

static uint32_t add(struct states *s, const char *service, const char *region, const char *endpoint,
                    uint32_t parent, bool shown)
{
    size_t cap = s->items_cap;
    struct item *items = grown(s->item, s->items_n, &cap, sizeof *items);
    if (items) {
        s->item = items;
        s->items_cap = (uint32_t)cap;
    }
    if (!items || (s->items_n * 2 >= s->table_n && !table_grow(s))) {
        s->failed = true;
        return NONE;
    }
    uint32_t i = s->items_n;
    s->item[i] = (struct item){.row = {.service = keep(s, service),
                                       .region = keep(s, region),
                                       .endpoint = keep(s, endpoint),
                                       .shown = shown},
                               .avail = 1,
                               .cap = 1,
                               .parent = parent,
                               .first_child = NONE,
                               .next = NONE};
    *slot_of(s, s->item[i].row.service, s->item[i].row.region, s->item[i].row.endpoint) = i + 1;
    s->items_n++;
    return i;
}

/* Children in the order they came. */
static void hang(struct states *s, uint32_t parent, uint32_t child)
{
    if (parent == NONE || child == NONE)
        return;
    uint32_t *at = &s->item[parent].first_child;
    while (*at != NONE)
        at = &s->item[*at].next;
    *at = child;
}

static void add_site(struct states *s, const struct model_service *svc, const char *region,
                     uint32_t parent, bool endpoints_shown)
{
    uint32_t site = add(s, svc->name, region, "", parent, true), last = NONE;
    for (uint32_t k = 0; k < svc->endpoints_n && site != NONE; k++) {
        if (strcmp(svc->endpoints[k].region, region) != 0)
            continue;
        uint32_t e = add(s, svc->name, region, svc->endpoints[k].address, site, endpoints_shown);
        if (e == NONE)
            return;
        if (last == NONE)
            hang(s, site, e);
        else
            s->item[last].next = e;
        last = e;
    }
}

static bool serves_in(const struct model_service *svc, const char *region)
{
    for (uint32_t k = 0; k < svc->endpoints_n; k++)
        if (strcmp(svc->endpoints[k].region, region) == 0)
            return true;
    return false;
}

void states_region(struct states *s, const struct model *m, const char *region)
{
    uint32_t top = add(s, "", region, "", NONE, true), last = NONE;
    for (uint32_t i = 0; i < m->services_n && !s->failed; i++) {
        if (!serves_in(&m->services[i], region))
            continue;
        uint32_t site = s->items_n;
        add_site(s, &m->services[i], region, top, false);
        if (s->failed)
            return;
        if (last == NONE)
            hang(s, top, site);
        else
            s->item[last].next = site;
        last = site;
    }
}

void states_service(struct states *s, const struct model *m, const struct model_service *service,
                    const char *region)
{
    for (uint32_t r = 0; r < m->regions_n; r++) {
        const char *name = m->regions[r].name;
        if ((region && strcmp(region, name) != 0) || !serves_in(service, name))
            continue;
        uint32_t top = add(s, "", name, "", NONE, false), site = s->items_n;
        add_site(s, service, name, top, true);
        if (s->failed)
            return;
        hang(s, top, site);
    }
}

/* --------------------------------------------------------------------------------- what goes in */

static uint8_t word_of(const char *text)
{
    static const char *const words[] = {"auto", "up", "drain", "down"};
    for (uint8_t i = 0; i < 4; i++)
        if (text && strcmp(text, words[i]) == 0)
            return i;
    return WORD_AUTO;
}

/* In 1/65536, as the engine counts. */
void states_saved(struct states *s, const struct store_state *row)
{
    struct item *i = find(s, row->service, row->region, row->address);
    if (i)
        i->avail = (double)row->avail / 65536;
}

void states_override(struct states *s, const struct store_override *o)
{
    struct item *i = find(s, o->service, o->region, o->address);
    if (!i)
        return;
    i->word = word_of(o->state);
    i->cap = i->word == WORD_DOWN ? 0 : i->word == WORD_DRAIN ? o->to : 1;
}

void states_stood(struct states *s)
{
    s->stood = true;
}

static bool of_daemon(const struct store_event *e, const char *rule)
{
    return strcmp(e->kind, "daemon") == 0 && strcmp(or_empty(e->facts.rule), rule) == 0;
}

/* What moves a row, or begins or ends a run of the daemon. */
static bool matters(struct states *s, const struct store_event *e)
{
    if (of_daemon(e, "start") || of_daemon(e, "stop"))
        return true;
    return *or_empty(e->facts.rule) &&
           (strcmp(e->kind, "availability") == 0 || strcmp(e->kind, "endpoint") == 0 ||
            strcmp(e->kind, "override") == 0) &&
           find(s, e->service, e->region, e->endpoint);
}

void states_event(struct states *s, const struct store_event *e)
{
    if (!matters(s, e))
        return;
    struct store_event *events = grown(s->event, s->events_n, &s->events_cap, sizeof *events);
    if (!events) {
        s->failed = true;
        return;
    }
    s->event = events;
    struct store_event *out = &events[s->events_n++];
    *out = *e;
    out->level = out->line = "";
    out->kind = keep(s, e->kind);
    out->service = keep(s, e->service);
    out->region = keep(s, e->region);
    out->endpoint = keep(s, e->endpoint);
    out->facts.rule = keep(s, e->facts.rule);
    out->facts.cause = keep(s, e->facts.cause);
    out->facts.was = keep(s, e->facts.was);
    out->facts.is = keep(s, e->facts.is);
    out->facts.blocked_by = out->facts.effect = out->facts.to = "";
}

/* ----------------------------------------------------------------------------------- the folding */

enum subject { OF_AVAIL, OF_CAP, OF_WORD };

/* What an event is about: evidence, the way of an order, or the order itself. */
static enum subject subject_of(const struct store_event *e)
{
    if (strcmp(e->kind, "override") == 0)
        return OF_WORD;
    bool ordered = strcmp(e->facts.rule, "override") == 0 &&
                   (!*or_empty(e->service) || *or_empty(e->endpoint));
    return ordered ? OF_CAP : OF_AVAIL;
}

/* A value in force is the smaller of evidence and order: it tells the order only below evidence. */
static double cap_from(const struct item *i, double in_force)
{
    return in_force < i->avail ? in_force : 1;
}

static void begin_with(struct item *i, const struct store_event *e, bool started)
{
    const struct store_facts *f = &e->facts;
    enum subject of = subject_of(e);
    if (of == OF_AVAIL && f->has_avail && !i->avail_set) {
        i->avail = f->before;
        i->avail_set = true;
    }
    if (strcmp(e->kind, "endpoint") == 0 && !i->unknown_set) {
        i->unknown = strcmp(f->was, "unknown") == 0 && !started; /* a start makes all unknown */
        i->unknown_set = true;
    }
    if (of != OF_AVAIL && f->has_avail && !i->cap_set) {
        i->cap = cap_from(i, f->before);
        i->cap_set = true;
    }
    if (of == OF_WORD && *f->was && !i->word_set) {
        i->word = word_of(f->was);
        i->word_set = true;
        if (i->word == WORD_AUTO || i->word == WORD_UP)
            i->cap = 1;
        i->cap_set = true;
    }
}

static void apply(struct item *i, const struct store_event *e)
{
    const struct store_facts *f = &e->facts;
    enum subject of = subject_of(e);
    if (of == OF_AVAIL && f->has_avail)
        i->avail = f->after;
    if (strcmp(e->kind, "endpoint") == 0)
        i->unknown = strcmp(f->is, "unknown") == 0;
    if (of == OF_WORD && *f->is)
        i->word = word_of(f->is);
    if (of == OF_CAP || (of == OF_WORD && f->has_avail))
        i->cap = cap_from(i, f->after);
    if (of == OF_WORD && (i->word == WORD_UP || (i->word == WORD_AUTO && !f->has_avail)))
        i->cap = 1;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

struct shown {
    enum state state;
    double avail;
};

static struct shown by_word(uint8_t word, double avail, double cap, bool unknown)
{
    if (word == WORD_DOWN)
        return (struct shown){STATE_OFF, 0};
    if (word == WORD_UP)
        return (struct shown){STATE_UP, 1};
    double v = smaller(avail, cap);
    if (avail <= 0)
        return (struct shown){STATE_DOWN, 0};
    if (cap < 1 && (word == WORD_DRAIN || cap < avail))
        return (struct shown){STATE_DRAINED, v};
    if (v < 1)
        return (struct shown){STATE_DEGRADED, v};
    return (struct shown){unknown ? STATE_UNKNOWN : STATE_UP, v};
}

static struct shown endpoint_now(const struct item *e)
{
    return by_word(e->word, e->avail, e->cap, e->unknown);
}

/* The best endpoint of a site says what it can do. */
static struct shown best_of(const struct states *s, const struct item *site)
{
    struct shown best = {STATE_UP, -1};
    for (uint32_t k = site->first_child; k != NONE; k = s->item[k].next) {
        struct shown one = endpoint_now(&s->item[k]);
        bool better = best.state == STATE_UNKNOWN || one.state < best.state;
        if (one.avail > best.avail ||
            (one.avail == best.avail && one.state != STATE_UNKNOWN && better))
            best = one;
    }
    return best.avail < 0 ? (struct shown){STATE_UP, 1} : best;
}

static struct shown site_now(const struct states *s, const struct item *site)
{
    const struct item *r = site->parent != NONE ? &s->item[site->parent] : NULL;
    struct shown best = best_of(s, site);
    double avail = smaller(site->avail, best.avail);
    if (r && r->word == WORD_UP && best.state != STATE_OFF)
        return (struct shown){STATE_UP, 1};
    if (r && (r->word != WORD_AUTO || r->cap < 1)) {
        struct shown by = by_word(r->word, smaller(avail, r->avail), r->cap, false);
        if (by.state == STATE_OFF || by.state == STATE_DRAINED)
            return by;
    }
    if (best.state == STATE_OFF || best.state == STATE_DRAINED)
        return site->avail <= 0 ? (struct shown){STATE_DOWN, 0} : best;
    return by_word(WORD_AUTO, smaller(avail, r ? r->avail : 1), 1, best.state == STATE_UNKNOWN);
}

/* A region is down when it is itself, or all of its services are; degraded when any is less than up. */
static struct shown region_now(const struct states *s, const struct item *r)
{
    uint32_t n = 0, down = 0, less = 0, unknown = 0, off = 0;
    double best = 0;
    for (uint32_t k = r->first_child; k != NONE; k = s->item[k].next, n++) {
        struct shown one = site_now(s, &s->item[k]);
        best = one.avail > best ? one.avail : best;
        down += one.state == STATE_DOWN;
        off += one.state == STATE_OFF || one.state == STATE_DRAINED;
        less += one.state == STATE_DEGRADED;
        unknown += one.state == STATE_UNKNOWN;
    }
    if (r->word == WORD_DOWN || r->word == WORD_UP)
        return by_word(r->word, 1, 1, false);
    if (n && down + off == n && down)
        return (struct shown){STATE_DOWN, 0};
    struct shown own = by_word(r->word, r->avail, r->cap, n && unknown == n);
    if (own.state == STATE_UP && (down || less))
        return (struct shown){STATE_DEGRADED, best};
    return own;
}

static struct shown now_of(const struct states *s, const struct item *i)
{
    return i->row.endpoint[0]  ? endpoint_now(i)
           : i->row.service[0] ? site_now(s, i)
                               : region_now(s, i);
}

static void span(struct states *s, struct state_row *r, int64_t at_ms, struct shown v,
                 const char *rule, const char *cause)
{
    struct state_span *last = r->spans_n ? &r->span[r->spans_n - 1] : NULL;
    if (last && last->state == v.state && last->avail == v.avail)
        return;
    if (last && at_ms < last->from_ms)
        at_ms = last->from_ms; /* the clock was set back */
    struct state_span *spans = grown(r->span, r->spans_n, &r->spans_cap, sizeof *spans);
    if (!spans) {
        s->failed = true;
        return;
    }
    r->span = spans;
    if (v.state == STATE_DOWN && last && last->state >= STATE_UP && last->state != STATE_OFF)
        r->falls++;
    spans[r->spans_n++] = (struct state_span){at_ms, v.state, v.avail, rule, cause};
}

static void show(struct states *s, struct item *i, int64_t at_ms, const struct store_event *e)
{
    span(s, &i->row, at_ms, now_of(s, i), e ? e->facts.rule : "", e ? e->facts.cause : "");
}

/* An event of one level shows in those above it, and of a region in all below. */
static void show_around(struct states *s, struct item *i, int64_t at_ms,
                        const struct store_event *e)
{
    show(s, i, at_ms, e);
    if (!i->row.service[0])
        for (uint32_t k = i->first_child; k != NONE; k = s->item[k].next)
            show(s, &s->item[k], at_ms, e);
    for (uint32_t p = i->parent; p != NONE; p = s->item[p].parent)
        show(s, &s->item[p], at_ms, e);
}

static void show_all(struct states *s, int64_t at_ms, bool stopped)
{
    for (uint32_t k = 0; k < s->items_n; k++)
        if (stopped)
            span(s, &s->item[k].row, at_ms, (struct shown){STATE_STOPPED, 0}, "stop", "");
        else
            show(s, &s->item[k], at_ms, NULL);
}

static void begin(struct states *s)
{
    bool started = false;
    for (size_t i = 0; i < s->events_n; i++) {
        const struct store_event *e = &s->event[i];
        started |= of_daemon(e, "start");
        struct item *it = find(s, e->service, e->region, e->endpoint);
        if (it)
            begin_with(it, e, started);
    }
    if (s->known_ms > s->from_ms)
        for (uint32_t k = 0; k < s->items_n; k++)
            span(s, &s->item[k].row, s->from_ms, (struct shown){STATE_UNKNOWN, 0}, "", "");
    if (s->known_ms <= s->until_ms)
        show_all(s, s->known_ms > s->from_ms ? s->known_ms : s->from_ms, s->stood);
}

static void replay(struct states *s)
{
    bool stopped = s->stood;
    for (size_t i = 0; i < s->events_n && !s->failed; i++) {
        const struct store_event *e = &s->event[i];
        int64_t at_ms = e->wall_ms < s->from_ms ? s->from_ms : e->wall_ms;
        if (at_ms > s->until_ms)
            break;
        if (of_daemon(e, "stop") || of_daemon(e, "start")) {
            stopped = of_daemon(e, "stop");
            if (!stopped)
                s->start[s->starts_n++] = at_ms;
            show_all(s, at_ms, stopped);
            continue;
        }
        struct item *it = find(s, e->service, e->region, e->endpoint);
        apply(it, e);
        if (!stopped) /* what is said while it stops shows when it is there again */
            show_around(s, it, at_ms, e);
    }
}

static void add_up(struct states *s, struct state_row *r)
{
    for (size_t i = 0; i < r->spans_n; i++) {
        int64_t end = i + 1 < r->spans_n ? r->span[i + 1].from_ms : s->until_ms;
        int64_t ms = end - r->span[i].from_ms;
        if (r->span[i].state == STATE_DOWN)
            r->down_ms += ms;
        if (r->span[i].state >= STATE_UP)
            r->known_ms += ms;
    }
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct store_event *)a)->id, y = ((const struct store_event *)b)->id;
    return (x > y) - (x < y);
}

bool states_fold(struct states *s)
{
    if (s->events_n)
        qsort(s->event, s->events_n, sizeof *s->event, by_id);
    s->start = calloc(s->events_n + 1, sizeof *s->start);
    if (s->failed || !s->start)
        return false;
    begin(s);
    replay(s);
    for (uint32_t i = 0; i < s->items_n; i++)
        add_up(s, &s->item[i].row);
    return !s->failed;
}

const struct state_row *states_next(const struct states *s, const struct state_row *row)
{
    const struct item *i = row ? (const struct item *)(const void *)row + 1 : s->item;
    for (; i && i < s->item + s->items_n; i++)
        if (i->row.shown)
            return &i->row;
    return NULL;
}

const int64_t *states_starts(const struct states *s, size_t *n)
{
    *n = s->starts_n;
    return s->start;
}
