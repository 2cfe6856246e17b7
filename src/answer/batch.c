/* Queries side by side: what each of them will read lies on lines that are far away, and each says where
 * the next is. All take a step, which asks for what the next step reads, then all the next; so a part of a
 * batch waits once for each step and not once for each query. */
#include "answer_priv.h"

/* More would not find room in the cache nearest by, with all that they ask for; fewer wait longer. */
#define PART 32u
#define AHEAD 4u /* decisions that are made before the first is written */

/* What is wrong with an option that means something here. RFC 7828 §3.1: only a server says how long; by
 * UDP the option means nothing. RFC 7873 §5.2.2; without cookies the option is like any unknown one. */
static void parse(const struct snapshot *s, const struct answer_request *r, struct underway *u)
{
    u->parsed = dns_query_parse(r->msg, r->len, &u->q);
    bool bad = (u->q.keepalive_bad && r->tcp) || (u->q.cookie_bad && s->guard.cookies);
    if (bad && u->parsed == DNS_PARSE_OK)
        u->parsed = DNS_PARSE_FORMERR;
}

/* Slot, node and service of a name lie each on a line of their own, and a long name too. */
static void seek(const struct snapshot *s, struct underway *under, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct underway *u = &under[i];
        u->looked_up = answer__decided(u) && !answer__elsewhere(&u->q);
        if (u->looked_up)
            zone_tree_seek_slot(&s->tree, &u->q, &u->seek);
    }
    for (size_t i = 0; i < n; i++)
        if (under[i].looked_up)
            zone_tree_seek_node(&s->tree, &under[i].seek);
    for (size_t i = 0; i < n; i++) {
        uint32_t service = ZONE_NONE;
        if (under[i].looked_up)
            service = zone_tree_seek_service(&s->tree, &under[i].seek);
        if (service != ZONE_NONE)
            __builtin_prefetch(&s->steer.service[service]);
    }
}

/* What decides where the client is. */
static const struct ip *client_ip(const struct underway *u, const struct answer_request *r)
{
    return u->q.ecs.used ? &u->q.ecs.ip : &r->source;
}

/* The service's tables. */
static void fetch(const struct snapshot *s, const struct answer_request *r, struct underway *u)
{
    const struct steer_service *svc = &s->steer.service[u->service];
    const _Atomic uint32_t *words = steer_words(&s->steer, u->service);
    __builtin_prefetch(words);
    if (svc->slots > 3)
        __builtin_prefetch(words + STEER_LINE_WORDS);
    u->view = s->views[svc->view];
    geo_view_seek_root(u->view->map, client_ip(u, r), &u->place);
}

static void find(const struct snapshot *s, const struct answer_request *r, struct underway *u)
{
    u->service = ZONE_NONE;
    if (!u->looked_up)
        return;
    u->hit = zone_tree_seek_end(&s->tree, &u->q, &u->seek);
    if (u->hit.kind == ZONE_HIT_NODE || u->hit.kind == ZONE_HIT_WILDCARD)
        u->service = s->tree.nodes[u->hit.node].service;
    if (u->service != ZONE_NONE)
        fetch(s, r, u);
}

/* A subnet of which fewer bits are believed than were given was looked up with bits too many. */
static void locate(const struct answer_request *r, struct underway *u)
{
    if (u->service == ZONE_NONE)
        return;
    u->plan.located = true;
    struct geo_found found = geo_view_seek_end(u->view->map, client_ip(u, r), &u->place);
    if (u->q.ecs.used == 0 || u->q.ecs.used < u->q.ecs.source ||
        !geo_client_found(&u->q.ecs.ip, found, &u->plan.client))
        answer__locate(&u->q, &r->source, u->view, &u->plan.client);
}

static void decide(struct answer_worker *w, const struct snapshot *s,
                   const struct answer_request *r, struct underway *u)
{
    if (!answer__decided(u))
        return;
    answer__decide(s, &u->q, &r->source, &w->rng, u->hit, &u->plan);
    if (u->plan.steer.n == 0)
        return;
    uint32_t endpoint = u->plan.steer.endpoint[0];
    if (u->plan.family != STEER_V4)
        __builtin_prefetch(s->steer.rdata +
                           steer_address_of(&s->steer, u->plan.service, endpoint)->at);
    __builtin_prefetch(&s->tally[w->index].endpoint[endpoint], 1);
}

static void answer_part(struct answer_worker *w, const struct snapshot *s, struct answer_request *r,
                        size_t n)
{
    struct underway under[PART];
    for (size_t i = 0; i < n; i++) {
        struct underway *u = &under[i];
        parse(s, &r[i], u);
        answer__screen(w, s, &r[i], &u->q, u->parsed, &u->screened);
        answer__plan_init(&u->plan);
    }
    seek(s, under, n);
    for (size_t i = 0; i < n; i++)
        find(s, &r[i], &under[i]);
    for (size_t i = 0; i < n; i++)
        if (under[i].service != ZONE_NONE)
            geo_view_seek_node(under[i].view->map, &under[i].place);
    for (size_t i = 0; i < n; i++)
        if (under[i].service != ZONE_NONE)
            geo_view_seek_entry(under[i].view->map, client_ip(&under[i], &r[i]), &under[i].place);
    for (size_t i = 0; i < n; i++)
        locate(&r[i], &under[i]);
    for (size_t i = 0; i < n + AHEAD; i++) {
        if (i < n)
            decide(w, s, &r[i], &under[i]);
        if (i >= AHEAD)
            r[i - AHEAD].out_len = answer__write(w, s, &under[i - AHEAD], &r[i - AHEAD]);
    }
}

void answer_batch(struct answer_worker *w, const struct snapshot *s, struct answer_request *r,
                  size_t n)
{
    for (size_t i = 0; i < n; i += PART)
        answer_part(w, s, r + i, n - i < PART ? n - i : PART);
}

size_t answer_query(struct answer_worker *w, const struct snapshot *s,
                    const struct answer_request *r)
{
    struct answer_request one = *r;
    answer_batch(w, s, &one, 1);
    return one.out_len;
}
