#include "probe/schedule.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"

#include <string.h>

/* Two heap entries a target: 2 * i is its next regular probe, 2 * i + 1 the extra one. */
#define ENTRY_REGULAR(i) (2 * (i))
#define ENTRY_EXTRA(i) (2 * (i) + 1)
#define ENTRY_TARGET(e) ((e) / 2)
#define ENTRY_IS_EXTRA(e) (((e)&1) != 0)

struct item {
    const char *key;
    int64_t interval_ms;
    int64_t grid_ms; /* the next regular turn, without its jitter */
    bool running;
    bool extra_confirm;
    bool extra_parked; /* was due while the target was under way: waits for its end */
};

struct probe_schedule {
    struct arena *arena;
    struct item *item;
    uint32_t n, concurrency, running;
    int64_t *due_ms;   /* by entry */
    uint32_t *heap;    /* entries, least due time first */
    uint32_t *heap_at; /* by entry: where it is in the heap, or PROBE_NONE */
    uint32_t heap_n;
    uint32_t *bucket; /* by hash of key, open addressing: target or PROBE_NONE */
    uint32_t bucket_mask;
    struct probe_schedule_counters counters;
};

/* ---- heap ---- */

static bool before(const struct probe_schedule *s, uint32_t a, uint32_t b)
{
    return s->due_ms[a] != s->due_ms[b] ? s->due_ms[a] < s->due_ms[b] : a < b;
}

static void heap_place(struct probe_schedule *s, uint32_t at, uint32_t entry)
{
    s->heap[at] = entry;
    s->heap_at[entry] = at;
}

static void heap_up(struct probe_schedule *s, uint32_t at, uint32_t entry)
{
    while (at > 0 && before(s, entry, s->heap[(at - 1) / 2])) {
        heap_place(s, at, s->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(s, at, entry);
}

static void heap_down(struct probe_schedule *s, uint32_t at, uint32_t entry)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= s->heap_n)
            break;
        if (child + 1 < s->heap_n && before(s, s->heap[child + 1], s->heap[child]))
            child++;
        if (!before(s, s->heap[child], entry))
            break;
        heap_place(s, at, s->heap[child]);
        at = child;
    }
    heap_place(s, at, entry);
}

/* Adds the entry or moves it to a new time. */
static void heap_set(struct probe_schedule *s, uint32_t entry, int64_t due_ms)
{
    uint32_t at = s->heap_at[entry];
    if (at == PROBE_NONE) {
        s->due_ms[entry] = due_ms;
        heap_up(s, s->heap_n++, entry);
    } else if (due_ms < s->due_ms[entry]) {
        s->due_ms[entry] = due_ms;
        heap_up(s, at, entry);
    } else {
        s->due_ms[entry] = due_ms;
        heap_down(s, at, entry);
    }
}

static void heap_pop(struct probe_schedule *s)
{
    s->heap_at[s->heap[0]] = PROBE_NONE;
    uint32_t last = s->heap[--s->heap_n];
    if (s->heap_n > 0)
        heap_down(s, 0, last);
}

/* ---- the grid ---- */

static uint64_t key_hash(const char *key)
{
    return hash_mix(hash_bytes(key, strlen(key), 0));
}

/* Uniform within PROBE_JITTER_PERCENT of the interval to either side. */
static int64_t jitter_ms(int64_t interval_ms, struct rng *rng)
{
    double most = (double)interval_ms * PROBE_JITTER_PERCENT / 100.0;
    return (int64_t)((rng_unit(rng) * 2 - 1) * most);
}

/* The first turn at or after now. What the jitter pushes out of the first interval is reflected
 * back into it, so that its ends are as full as its middle. */
static int64_t first_due(struct item *it, int64_t now_ms, struct rng *rng)
{
    int64_t phase = (int64_t)(key_hash(it->key) % (uint64_t)it->interval_ms);
    int64_t past = (now_ms - phase) % it->interval_ms;
    if (past < 0)
        past += it->interval_ms;
    it->grid_ms = past == 0 ? now_ms : now_ms + it->interval_ms - past;
    int64_t due = it->grid_ms + jitter_ms(it->interval_ms, rng);
    int64_t end = now_ms + it->interval_ms;
    if (due < now_ms)
        due = 2 * now_ms - due;
    if (due > end)
        due = 2 * end - due;
    return due;
}

/* The turn after the one that has just been taken or skipped at now; turns that have passed
 * meanwhile are counted. The next start is at least half an interval away, however late this one
 * was. */
static int64_t next_due(struct probe_schedule *s, struct item *it, int64_t now_ms, struct rng *rng)
{
    it->grid_ms += it->interval_ms;
    if (it->grid_ms <= now_ms) {
        int64_t passed = (now_ms - it->grid_ms) / it->interval_ms + 1;
        s->counters.overdue += (uint64_t)passed;
        it->grid_ms += passed * it->interval_ms;
    }
    int64_t due = it->grid_ms + jitter_ms(it->interval_ms, rng);
    int64_t soonest = now_ms + it->interval_ms / 2;
    return due > soonest ? due : soonest;
}

static bool is_late(const struct item *it, int64_t due_ms, int64_t now_ms)
{
    int64_t most = it->interval_ms / 2;
    return now_ms - due_ms > (most < PROBE_LATE_MS_MAX ? most : PROBE_LATE_MS_MAX);
}

/* ---- keys ---- */

static uint32_t *bucket_of(const struct probe_schedule *s, const char *key)
{
    uint32_t at = (uint32_t)key_hash(key) & s->bucket_mask;
    while (s->bucket[at] != PROBE_NONE && strcmp(s->item[s->bucket[at]].key, key) != 0)
        at = (at + 1) & s->bucket_mask;
    return &s->bucket[at];
}

uint32_t probe_schedule_find(const struct probe_schedule *s, const char *key)
{
    return *bucket_of(s, key);
}

/* ---- create ---- */

static struct probe_schedule *allocate(uint32_t n)
{
    struct arena *a = arena_create(0);
    if (!a)
        return NULL;
    struct probe_schedule *s = ARENA_NEW(a, struct probe_schedule);
    uint32_t buckets = 4;
    while (buckets < 2 * n)
        buckets *= 2;
    struct item *item = ARENA_ARRAY(a, struct item, n ? n : 1);
    int64_t *due_ms = ARENA_ARRAY(a, int64_t, 2 * n + 1);
    uint32_t *heap = ARENA_ARRAY(a, uint32_t, 2 * n + 1);
    uint32_t *heap_at = ARENA_ARRAY(a, uint32_t, 2 * n + 1);
    uint32_t *bucket = ARENA_ARRAY(a, uint32_t, buckets);
    if (arena_failed(a)) {
        arena_destroy(a);
        return NULL;
    }
    memset(bucket, 0xff, buckets * sizeof *bucket); /* PROBE_NONE */
    memset(heap_at, 0xff, (2 * (size_t)n + 1) * sizeof *heap_at);
    *s = (struct probe_schedule){.arena = a,
                                 .item = item,
                                 .n = n,
                                 .due_ms = due_ms,
                                 .heap = heap,
                                 .heap_at = heap_at,
                                 .bucket = bucket,
                                 .bucket_mask = buckets - 1};
    return s;
}

/* Takes over what old knows of target i; false if its next regular turn has to be found anew. */
static bool adopt(struct probe_schedule *s, uint32_t i, const struct probe_schedule *old)
{
    struct item *it = &s->item[i];
    uint32_t was = old ? probe_schedule_find(old, it->key) : PROBE_NONE;
    if (was == PROBE_NONE)
        return false;
    const struct item *o = &old->item[was];
    it->running = o->running;
    s->running += o->running;
    it->extra_confirm = o->extra_confirm;
    it->extra_parked = o->extra_parked;
    if (old->heap_at[ENTRY_EXTRA(was)] != PROBE_NONE)
        heap_set(s, ENTRY_EXTRA(i), old->due_ms[ENTRY_EXTRA(was)]);
    if (o->interval_ms != it->interval_ms)
        return false;
    it->grid_ms = o->grid_ms;
    heap_set(s, ENTRY_REGULAR(i), old->due_ms[ENTRY_REGULAR(was)]);
    return true;
}

enum err probe_schedule_create(const struct probe_schedule_target *targets, uint32_t n,
                               uint32_t concurrency, int64_t now_ms, struct rng *rng,
                               const struct probe_schedule *old, struct probe_schedule **out)
{
    if (n > PROBE_TARGETS_MAX)
        return ERR_LIMIT;
    struct probe_schedule *s = allocate(n);
    if (!s)
        return ERR_NOMEM;
    s->concurrency = concurrency ? concurrency : 1;
    if (old)
        s->counters = old->counters;
    for (uint32_t i = 0; i < n; i++) {
        struct item *it = &s->item[i];
        it->interval_ms = targets[i].interval_ms > 0 ? targets[i].interval_ms : 1;
        it->key = arena_strdup(s->arena, targets[i].key);
        if (!it->key) {
            probe_schedule_destroy(&s);
            return ERR_NOMEM;
        }
        uint32_t *bucket = bucket_of(s, it->key);
        bool first = *bucket == PROBE_NONE; /* of this key: a double adopts nothing */
        if (first)
            *bucket = i;
        if (!first || !adopt(s, i, old))
            heap_set(s, ENTRY_REGULAR(i), first_due(it, now_ms, rng));
    }
    *out = s;
    return ERR_OK;
}

void probe_schedule_destroy(struct probe_schedule **s)
{
    if (*s)
        arena_destroy((*s)->arena);
    *s = NULL;
}

/* ---- use ---- */

int64_t probe_schedule_due(const struct probe_schedule *s)
{
    if (s->heap_n == 0 || s->running >= s->concurrency)
        return INT64_MAX;
    return s->due_ms[s->heap[0]];
}

/* The entry's target is under way: a regular turn is skipped, an extra probe waits. */
static void pass_over(struct probe_schedule *s, uint32_t entry, int64_t now_ms, struct rng *rng)
{
    struct item *it = &s->item[ENTRY_TARGET(entry)];
    if (ENTRY_IS_EXTRA(entry)) {
        heap_pop(s);
        it->extra_parked = true;
        return;
    }
    s->counters.overdue++;
    heap_set(s, entry, next_due(s, it, now_ms, rng));
}

size_t probe_schedule_take(struct probe_schedule *s, int64_t now_ms, struct rng *rng,
                           struct probe_schedule_due *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && s->heap_n > 0 && s->running < s->concurrency) {
        uint32_t entry = s->heap[0];
        int64_t due_ms = s->due_ms[entry];
        if (due_ms > now_ms)
            break;
        struct item *it = &s->item[ENTRY_TARGET(entry)];
        if (it->running) {
            pass_over(s, entry, now_ms, rng);
            continue;
        }
        bool extra = ENTRY_IS_EXTRA(entry);
        out[n] = (struct probe_schedule_due){.target = ENTRY_TARGET(entry),
                                             .due_ms = due_ms,
                                             .confirm = extra && it->extra_confirm,
                                             .late = is_late(it, due_ms, now_ms)};
        s->counters.taken++;
        s->counters.extra += extra;
        s->counters.late += out[n].late;
        it->running = true;
        s->running++;
        if (extra)
            heap_pop(s);
        else
            heap_set(s, entry, next_due(s, it, now_ms, rng));
        n++;
    }
    return n;
}

void probe_schedule_done(struct probe_schedule *s, uint32_t target, int64_t now_ms)
{
    CHECK(target < s->n && s->item[target].running);
    struct item *it = &s->item[target];
    it->running = false;
    s->running--;
    if (it->extra_parked) {
        it->extra_parked = false;
        heap_set(s, ENTRY_EXTRA(target), now_ms);
    }
}

void probe_schedule_soon(struct probe_schedule *s, uint32_t target, int64_t at_ms, bool confirm)
{
    CHECK(target < s->n);
    struct item *it = &s->item[target];
    uint32_t entry = ENTRY_EXTRA(target);
    bool asked = it->extra_parked || s->heap_at[entry] != PROBE_NONE;
    it->extra_confirm = confirm && (!asked || it->extra_confirm);
    if (it->extra_parked)
        return; /* as soon as it can already */
    if (!asked || at_ms < s->due_ms[entry])
        heap_set(s, entry, at_ms);
}

uint32_t probe_schedule_targets(const struct probe_schedule *s)
{
    return s->n;
}

uint32_t probe_schedule_running(const struct probe_schedule *s)
{
    return s->running;
}

void probe_schedule_counters(const struct probe_schedule *s, struct probe_schedule_counters *out)
{
    *out = s->counters;
}
