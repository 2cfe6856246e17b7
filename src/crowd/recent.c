#include "crowd/recent.h"

#include "crowd_priv.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct crowd_client client;
    int64_t mono_ms;
};

struct crowd_recent {
    uint32_t next, n;
    struct entry ring[CROWD_CLIENTS_MAX];
};

struct crowd_recent *crowd_recent_create(void)
{
    return calloc(1, sizeof(struct crowd_recent));
}

void crowd_recent_destroy(struct crowd_recent **r)
{
    free(*r);
    *r = NULL;
}

void crowd_recent_add(struct crowd_recent *r, const struct crowd_client *c, int64_t mono_ms)
{
    r->ring[r->next] = (struct entry){*c, mono_ms};
    r->next = (r->next + 1) % CROWD_CLIENTS_MAX;
    r->n += r->n < CROWD_CLIENTS_MAX;
}

/* The i-th oldest. */
static const struct entry *nth(const struct crowd_recent *r, uint32_t i)
{
    return &r->ring[(r->next + CROWD_CLIENTS_MAX - r->n + i) % CROWD_CLIENTS_MAX];
}

/* Both lists are sorted by name. */
uint32_t *crowd__match_services(const struct model *from, const struct model *to)
{
    uint32_t *map = malloc((from->services_n + 1) * sizeof *map);
    for (uint32_t i = 0, k = 0; map && i < from->services_n; i++) {
        int order = 1;
        while (k < to->services_n &&
               (order = strcmp(to->services[k].name, from->services[i].name)) < 0)
            k++;
        map[i] = k < to->services_n && order == 0 ? k : CROWD_ANY;
    }
    return map;
}

void crowd_recent_renumber(struct crowd_recent *r, const struct model *from, const struct model *to)
{
    if (from == to || r->n == 0)
        return;
    uint32_t *map = crowd__match_services(from, to), kept = 0, n = r->n;
    uint32_t first = (r->next + CROWD_CLIENTS_MAX - n) % CROWD_CLIENTS_MAX;
    for (uint32_t i = 0; map && i < n; i++) {
        struct entry e = r->ring[(first + i) % CROWD_CLIENTS_MAX];
        e.client.service = map[e.client.service];
        if (e.client.service != CROWD_ANY)
            r->ring[(first + kept++) % CROWD_CLIENTS_MAX] = e;
    }
    free(map);
    r->n = kept; /* out of memory: all are forgotten, and soon there are others */
    r->next = (first + kept) % CROWD_CLIENTS_MAX;
}

static bool counts(const struct entry *e, uint32_t service, int64_t mono_ms)
{
    return mono_ms - e->mono_ms < CROWD_WINDOW_MS &&
           (service == CROWD_ANY || e->client.service == service);
}

bool crowd_recent_copy(const struct crowd_recent *r, uint32_t service, int64_t mono_ms,
                       struct crowd *out, uint32_t *seen)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++)
        n += counts(nth(r, i), service, mono_ms);
    if (seen)
        *seen = n;
    *out = (struct crowd){.basis = CROWD_ANSWERS};
    out->client = n < CROWD_ANSWERS_MIN ? NULL : malloc(n * sizeof *out->client);
    if (!out->client)
        return false;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct entry *e = nth(r, i);
        if (!counts(e, service, mono_ms))
            continue;
        if (out->n == 0)
            out->span_ms = mono_ms - e->mono_ms;
        out->client[out->n++] = e->client;
    }
    return true;
}

uint32_t crowd_recent_gap(double answers_per_s)
{
    double gap = answers_per_s * (CROWD_WINDOW_MS / 1000.0) / CROWD_CLIENTS_MAX;
    return gap < 1 ? 1 : gap > 1e8 ? 100000000 : (uint32_t)gap + 1;
}
