#include "ask.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct reply reply;
static uint8_t out[65535];
static size_t out_len;
static enum answer_outcome outcome;

size_t ask_length(void)
{
    return out_len;
}

enum answer_outcome ask_outcome(void)
{
    return outcome;
}

static void ask_raw(struct lab *l, const void *msg, size_t len, struct ip source, bool tcp)
{
    uint64_t before[ANSWER_OUTCOMES];
    uint8_t *exact = malloc(len ? len : 1);
    CHECK(exact);
    memcpy(exact, msg, len);
    for (int i = 0; i < ANSWER_OUTCOMES; i++)
        before[i] = atomic_load(&l->worker.outcome[i]);
    struct answer_request r = {.msg = exact,
                               .len = len,
                               .source = source,
                               .tcp = tcp,
                               .out = out,
                               .cap = tcp ? sizeof out : 4096};
    out_len = answer_query(&l->worker, l->s, &r);
    unsigned moved = 0;
    for (int i = 0; i < ANSWER_OUTCOMES; i++) {
        uint64_t by = atomic_load(&l->worker.outcome[i]) - before[i];
        assert_true(by <= 1);
        moved += (unsigned)by;
        if (by)
            outcome = (enum answer_outcome)i;
    }
    assert_int_equal(moved, 1); /* each query has exactly one outcome */
    free(exact);
}

static const struct reply *read_back(void)
{
    if (out_len == 0) {
        assert_true(outcome == ANSWER_dropped || outcome == ANSWER_limited_dropped);
        return NULL;
    }
    const char *bad = reply_read(out, out_len, &reply);
    if (bad)
        fail_msg("the answer has %s", bad);
    return &reply;
}

const struct reply *ask_bytes(struct lab *l, const void *msg, size_t len, bool tcp)
{
    ask_raw(l, msg, len, lab_ip("198.18.0.1"), tcp);
    return read_back();
}

const struct reply *ask(struct lab *l, const struct lab_question *q)
{
    uint8_t msg[1024];
    size_t len = lab_packet(q, msg);
    ask_raw(l, msg, len, lab_source(q), q->tcp);
    const struct reply *r = read_back();
    if (!r)
        return NULL;
    assert_int_equal(r->id, 0x4d52);
    assert_true(r->rd && !r->ra);
    size_t limit = q->tcp ? sizeof out : q->edns < 512 ? 512 : q->edns > 1232 ? 1232 : q->edns;
    bool opt = lab_has_opt(q);
    if (opt && !q->edns && !q->tcp)
        limit = 1232;
    assert_true(out_len <= limit);
    assert_int_equal(r->opt, opt); /* RFC 6891 section 6.1.1 */
    assert_int_equal(r->tc, outcome == ANSWER_truncated ||
                                (outcome == ANSWER_limited_slipped && !r->cookie_len));
    return r;
}

static const char *rdata_text(const struct reply_rr *rr)
{
    static char text[600];
    struct ip ip = {.family = rr->type == DNS_A ? 4 : 6};
    switch (rr->type) {
    case DNS_A:
    case DNS_AAAA:
        memcpy(ip.b, rr->rdata, rr->rdata_len);
        return ip_format(&ip, text);
    case DNS_CNAME:
    case DNS_DNAME:
    case DNS_NS:
    case DNS_PTR:
    case DNS_SOA:
        return reply_text(&rr->target);
    default:
        snprintf(text, sizeof text, "#%u", rr->rdata_len);
        return text;
    }
}

const char *ask_line(struct lab *l, const struct lab_question *q)
{
    static char line[60000];
    char type[16];
    const struct reply *r = ask(l, q);
    if (!r)
        return "nothing";
    size_t n = (size_t)sprintf(line, "%s%s%s",
                               r->rcode == 6             ? "YXDOMAIN"
                               : r->rcode == DNS_BADVERS ? "BADVERS"
                                                         : dns_rcode_text(r->rcode),
                               r->aa ? " aa" : "", r->tc ? " tc" : "");
    unsigned section = 1;
    for (unsigned i = 0; i < r->n; i++) {
        const struct reply_rr *rr = &r->rr[i];
        const char *glue = i == 0 ? " " : "; ";
        if (rr->section != section)
            glue = rr->section == 2 ? " | " : " + ";
        section = rr->section;
        n += (size_t)sprintf(line + n, "%s%s %u %s %s", glue, reply_text(&rr->owner), rr->ttl,
                             dns_type_text(rr->type, type), rdata_text(rr));
    }
    return line;
}

const char *ask_for(struct lab *l, const char *name, uint16_t type)
{
    return ask_line(l, &(struct lab_question){.name = name, .type = type});
}
