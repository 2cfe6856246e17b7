/* Says when a rate limit or a list bites: one whom it met, asking what, and how many since the last
 * such line. One line when it begins, then one each LIMIT_SAY_MS while it goes on: an attacker can
 * fill neither disk nor log. */
#include "base/clock.h"
#include "daemon.h"

#include <string.h>

#define LIMIT_SAY_MS 10000

static void count_all(const struct daemon *d, uint64_t out[LIMITS_SAID])
{
    out[0] = serve_outcomes(d, ANSWER_limited_dropped);
    out[1] = serve_outcomes(d, ANSWER_limited_slipped);
    out[2] = serve_counts(d, ANSWER_COUNT_limited_dry);
    out[3] = serve_counts(d, ANSWER_COUNT_denied);
}

static const char *what(const struct answer_note *n)
{
    switch (n->kind) {
    case ANSWER_NOTE_LIMIT:
        return "rate-limit";
    case ANSWER_NOTE_LIMIT_TOTAL:
        return "rate-limit-total";
    case ANSWER_NOTE_DENIED:
        return "denied";
    }
    return "";
}

static void say(struct daemon *d, const struct answer_note *n, int64_t since_ms)
{
    uint64_t now[LIMITS_SAID];
    char source[IP_TEXT_MAX], name[DNS_NAME_TEXT_MAX] = "-", type[16];
    count_all(d, now);
    if (n->name_len)
        dns_name_to_text(n->name, name);
    events_say(d, LOG_WARN, "limit", "limit",
               "%s%s source=%s name=%.255s type=%s dropped=%llu slipped=%llu dry=%llu denied=%llu "
               "in=%llds",
               what(n), n->dry_run ? " (dry run)" : "", ip_format(&n->source, source), name,
               n->name_len ? dns_type_text(n->type, type) : "-",
               (unsigned long long)(now[0] - d->limits_said[0]),
               (unsigned long long)(now[1] - d->limits_said[1]),
               (unsigned long long)(now[2] - d->limits_said[2]),
               (unsigned long long)(now[3] - d->limits_said[3]), (long long)since_ms / 1000);
    memcpy(d->limits_said, now, sizeof now);
}

void limits_look(struct daemon *d)
{
    int64_t now_ms = clock_mono_ms(), since_ms = now_ms - d->limits_said_ms;
    struct answer_note note;
    if (d->limits_said_ms && since_ms < LIMIT_SAY_MS)
        return; /* a note waits, and keeps the worker from leaving more */
    bool any = false;
    for (unsigned w = 0; w < d->workers; w++)
        any |= answer_note_take(d->answer[w], &note);
    if (!any)
        return;
    say(d, &note, d->limits_said_ms ? since_ms : 0);
    d->limits_said_ms = now_ms;
}
