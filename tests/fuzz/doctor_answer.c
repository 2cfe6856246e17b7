/* Any octets as the answer of a name server that `doctor` asks: what is read of them are names and
 * addresses, whole and within bounds. */
#include "ask.h"
#include "base/check.h"
#include "dns/types.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const struct asked_record *r)
{
    struct dns_name name;
    struct ip ip;
    CHECK(r->section >= 1 && r->section <= 3 && r->type != DNS_OPT);
    CHECK(dns_name_from_text(r->owner, &name));
    if (r->data[0])
        CHECK(r->type == DNS_A || r->type == DNS_AAAA ? ip_parse(r->data, &ip)
                                                      : dns_name_from_text(r->data, &name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct asked out;
    memset(&out, 0, sizeof out);
    bool ours = ask_read(data, size, (const uint8_t *)"\0", &out);
    CHECK(ours || (size < 12 || data[0] || data[1] || !(data[2] & 0x80)));
    CHECK(out.n <= ASK_RECORDS_MAX && out.rcode < 16 && (!out.subnet || out.edns));
    CHECK(memchr(out.error, 0, sizeof out.error));
    for (size_t i = 0; ours && !out.error[0] && i < out.n; i++)
        check_record(&out.record[i]);
    return 0;
}
