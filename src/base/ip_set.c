#include "base/ip_set.h"

#include <stdlib.h>
#include <string.h>

static struct ip last_of(const struct ip_prefix *p)
{
    struct ip ip = p->ip;
    for (unsigned i = p->len; i < ip_bits(&ip); i++)
        ip.b[i / 8] |= (uint8_t)(0x80u >> (i % 8));
    return ip;
}

static int by_first(const void *a, const void *b)
{
    const struct ip_range *x = a, *y = b;
    return ip_compare(&x->first, &y->first);
}

/* The address after the last one of a range; of no family behind the end of the family. */
static struct ip behind(const struct ip_range *r)
{
    struct ip ip = r->last;
    for (unsigned i = ip_bits(&ip) / 8; i-- > 0;)
        if (++ip.b[i] != 0)
            return ip;
    return (struct ip){0};
}

static uint32_t merge(struct ip_range *r, uint32_t n)
{
    uint32_t out = 0;
    if (n > 0)
        qsort(r, n, sizeof *r, by_first);
    for (uint32_t i = 0; i < n; i++) {
        struct ip next = out > 0 ? behind(&r[out - 1]) : (struct ip){0};
        bool same_family = out > 0 && r[out - 1].last.family == r[i].first.family;
        if (same_family && (next.family == 0 || ip_compare(&r[i].first, &next) <= 0)) {
            if (ip_compare(&r[i].last, &r[out - 1].last) > 0)
                r[out - 1].last = r[i].last;
            continue;
        }
        r[out++] = r[i];
    }
    return out;
}

/* The next piece of a list, without the blanks around it; false at the end. */
static bool next_piece(const char **text, char piece[PREFIX_TEXT_MAX], bool *fits)
{
    const char *p = *text + strspn(*text, " ");
    if (!*p)
        return false;
    size_t len = strcspn(p, ","), used = len;
    *text = p + len + (p[len] == ',');
    while (used > 0 && p[used - 1] == ' ')
        used--;
    *fits = used > 0 && used < PREFIX_TEXT_MAX;
    if (used >= PREFIX_TEXT_MAX)
        used = PREFIX_TEXT_MAX - 1;
    memcpy(piece, p, used);
    piece[used] = '\0';
    return true;
}

bool ip_set_parse(const char *text, struct arena *arena, struct ip_set *out,
                  char bad[PREFIX_TEXT_MAX])
{
    char piece[PREFIX_TEXT_MAX];
    bool fits;
    uint32_t n = 0;
    *out = (struct ip_set){0};
    bad[0] = '\0';
    for (const char *p = text; next_piece(&p, piece, &fits); n++) {
        struct ip_prefix prefix;
        if (n == IP_SET_MAX)
            return false;
        if (!fits || !ip_prefix_parse(piece, &prefix)) {
            memcpy(bad, piece[0] ? piece : ",", piece[0] ? sizeof piece : 2);
            return false;
        }
    }
    if (!arena || n == 0)
        return true;
    struct ip_range *r = ARENA_ARRAY(arena, struct ip_range, n);
    if (!r)
        return false;
    n = 0;
    for (const char *p = text; next_piece(&p, piece, &fits); n++) {
        struct ip_prefix prefix;
        (void)ip_prefix_parse(piece, &prefix);
        r[n] = (struct ip_range){.first = prefix.ip, .last = last_of(&prefix)};
    }
    *out = (struct ip_set){.range = r, .n = merge(r, n)};
    return true;
}

bool ip_set_contains(const struct ip_set *s, const struct ip *ip)
{
    uint32_t lo = 0, hi = s->n; /* the first range that begins behind ip */
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (ip_compare(&s->range[mid].first, ip) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && ip_compare(ip, &s->range[lo - 1].last) <= 0;
}
