/* Any octets as a query: the outcome must hold together, and what it says must be fit to be written
 * back into a buffer of any size. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "dns/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_question(const struct dns_query *q, const uint8_t *data, size_t size)
{
    CHECK(q->question_end <= size);
    CHECK(dns_name_length(q->lower, q->qname_len) == q->qname_len);
    CHECK(dns_name_labels(q->lower) == q->labels);
    CHECK(q->lower[q->qname_len - 1] == 0);
    uint8_t lower[DNS_NAME_MAX];
    memcpy(lower, data + q->qname_off, q->qname_len);
    dns_name_lower(lower, q->qname_len);
    CHECK(memcmp(lower, q->lower, q->qname_len) == 0);
    char text[DNS_NAME_TEXT_MAX];
    struct dns_name again;
    CHECK(dns_name_from_text(dns_name_to_text(q->lower, text), &again));
    CHECK(again.len == q->qname_len && memcmp(again.wire, q->lower, again.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_query q;
    enum dns_parse got = dns_query_parse(data, size, &q);
    if (got == DNS_PARSE_DROP)
        return 0;
    CHECK(q.has_question ||
          (got != DNS_PARSE_OK && got != DNS_PARSE_BADVERS && got != DNS_PARSE_TSIG));
    if (q.has_question)
        check_question(&q, data, size);
    CHECK(!q.ecs.present || (q.edns && q.ecs.addr_octets == (q.ecs.source + 7) / 8));
    CHECK(!q.cookie_len || (q.edns && q.cookie_off + q.cookie_len <= size));
    uint8_t buf[DNS_UDP_PLAIN_MAX];
    struct dns_writer w;
    dns_writer_begin(&w, buf, sizeof buf, data, &q);
    struct dns_opt_reply opt = {.rcode = DNS_FORMERR, .nsid = "n", .nsid_len = 1};
    size_t before = w.len;
    dns_writer_opt(&w, &q, &opt);
    CHECK(!w.overflow && w.len - before == dns_opt_size(&q, &opt));
    size_t len = dns_writer_finish(&w, &q, &(struct dns_reply_flags){.rcode = DNS_FORMERR});
    buf[2] &= 0x7f; /* as a query, our own message must read back */
    struct dns_query again;
    got = dns_query_parse(buf, len, &again);
    CHECK(q.opcode != DNS_OP_QUERY ? got == DNS_PARSE_NOTIMP
          : q.has_question         ? got == DNS_PARSE_OK
                                   : got == DNS_PARSE_FORMERR);
    CHECK(q.opcode != DNS_OP_QUERY || again.edns == q.edns);
    return 0;
}
