/* timer: when each item is to be looked at again; a binary heap with one entry per item. */
#include "engine_priv.h"

static void place(struct health *h, uint32_t pos, uint32_t item)
{
    h->heap[pos] = item;
    h->timer_pos[item] = pos;
}

static bool before(const struct health *h, uint32_t a, uint32_t b)
{
    /* The item number decides a tie: the order is the same in every run. */
    return h->timer_due[a] < h->timer_due[b] || (h->timer_due[a] == h->timer_due[b] && a < b);
}

static void sift_up(struct health *h, uint32_t pos, uint32_t item)
{
    while (pos > 1 && before(h, item, h->heap[pos / 2])) {
        place(h, pos, h->heap[pos / 2]);
        pos /= 2;
    }
    place(h, pos, item);
}

static void sift_down(struct health *h, uint32_t pos, uint32_t item)
{
    for (;;) {
        uint32_t child = pos * 2;
        if (child > h->heap_n)
            break;
        if (child < h->heap_n && before(h, h->heap[child + 1], h->heap[child]))
            child++;
        if (!before(h, h->heap[child], item))
            break;
        place(h, pos, h->heap[child]);
        pos = child;
    }
    place(h, pos, item);
}

static void take_out(struct health *h, uint32_t item)
{
    uint32_t pos = h->timer_pos[item];
    uint32_t last = h->heap[h->heap_n--];
    h->timer_pos[item] = 0;
    if (last == item)
        return;
    if (pos > 1 && before(h, last, h->heap[pos / 2]))
        sift_up(h, pos, last);
    else
        sift_down(h, pos, last);
}

void health__timer_set(struct health *h, uint32_t item, int64_t due_ms)
{
    if (due_ms == NEVER_MS) {
        if (h->timer_pos[item])
            take_out(h, item);
        return;
    }
    if (!h->timer_pos[item]) {
        h->timer_due[item] = due_ms;
        sift_up(h, ++h->heap_n, item);
        return;
    }
    int64_t was = h->timer_due[item];
    if (was == due_ms)
        return;
    h->timer_due[item] = due_ms;
    if (due_ms < was)
        sift_up(h, h->timer_pos[item], item);
    else
        sift_down(h, h->timer_pos[item], item);
}
