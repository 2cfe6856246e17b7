#include "by_ldns.h"

#include <ldns/ldns.h>

#define ADDRESSES 2
#define TTL_S 30

static ldns_rr *address(const ldns_rr *question, uint32_t number)
{
    uint8_t octets[4] = {10, 0, 0, (uint8_t)number};
    ldns_rr *rr = ldns_rr_new();
    ldns_rr_set_owner(rr, ldns_rdf_clone(ldns_rr_owner(question)));
    ldns_rr_set_type(rr, LDNS_RR_TYPE_A);
    ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(rr, TTL_S);
    ldns_rr_push_rdf(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, sizeof octets, octets));
    return rr;
}

static ldns_pkt *reply_to(const ldns_pkt *query)
{
    ldns_pkt *reply = ldns_pkt_new();
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
    ldns_pkt_set_id(reply, ldns_pkt_id(query));
    ldns_pkt_set_qr(reply, true);
    ldns_pkt_set_aa(reply, true);
    ldns_pkt_set_rd(reply, ldns_pkt_rd(query));
    ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION, ldns_rr_clone(question));
    for (uint32_t i = 0; i < ADDRESSES; i++)
        ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, address(question, i));
    ldns_pkt_set_edns_udp_size(reply, ldns_pkt_edns_udp_size(query));
    if (ldns_pkt_edns_data(query))
        ldns_pkt_set_edns_data(reply, ldns_rdf_clone(ldns_pkt_edns_data(query)));
    return reply;
}

size_t by_ldns(const uint8_t *query, size_t len)
{
    ldns_pkt *read = NULL;
    if (ldns_wire2pkt(&read, query, len) != LDNS_STATUS_OK)
        return 0;
    ldns_pkt *reply = reply_to(read);
    uint8_t *wire = NULL;
    size_t size = 0;
    if (ldns_pkt2wire(&wire, reply, &size) != LDNS_STATUS_OK)
        size = 0;
    free(wire);
    ldns_pkt_free(reply);
    ldns_pkt_free(read);
    return size;
}
