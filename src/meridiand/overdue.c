/* overdue: what waited in vain for its confirmation while no daemon ran is taken back before anything
 * serves: with some edits, as of where to listen, no daemon starts. */
#include "base/clock.h"
#include "keeper_priv.h"

/* What served before is compiled again by whoever starts. */
static enum err as_it_was(void *ctx, struct model *m, struct diag *diag)
{
    (void)ctx;
    (void)m;
    (void)diag;
    return ERR_OK;
}

static enum err take_back(struct store *store, struct model **head, struct diag *diag)
{
    struct store_waiting w;
    struct store_revised revised = {0};
    struct store_take_back_words words;
    enum err e = store_waiting_get(store, &w, diag);
    if (e || !w.revision || w.until_wall_ms > clock_wall_ms())
        return e;
    const struct store_revise what = store_take_back(&w, clock_wall_ms(), &words);
    e = store_revise(store, head, &what, as_it_was, NULL, &revised, diag);
    if (!e)
        log_write(LOG_NOTICE, "config", "revision %lld is stored: %s by meridiand: %s",
                  (long long)revised.revision, words.verb, words.message);
    store_revised_fini(&revised);
    return e;
}

void keeper__overdue(struct keeper *k)
{
    struct diag diag = {0};
    char text[512];
    if (take_back(k->store, &k->head, &diag)) /* it is tried again when all runs */
        log_write(LOG_ERROR, "store", "what nobody confirmed cannot be taken back: %s",
                  diag_first(&diag, text, sizeof text));
    diag_fini(&diag);
}
