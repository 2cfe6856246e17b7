/* lab: a configuration in one string, compiled, with its availabilities in the test's hands.
 * Text      JSON as `meridian apply` reads it, with ' for " so that it can be written in C.
 *           @GEO stands for the path of a small city database, written for the run:
 *             81.0.0.0/8, 2a00::/16   London, GB-ENG, EU, AS100
 *             80.1.0.0/16             Berlin, DE-BE, EU, AS3320
 *             9.0.0.0/8, 2600::/16    Ashburn, US-VA, NA; in it 9.9.9.0/24 San Francisco, US-CA
 *             58.0.0.0/8              Tokyo, JP-13, AS
 *             200.0.0.0/8             Brazil, no city, no coordinates, SA
 * Owns      snapshot and cache, from lab_open to lab_close. A configuration that does not compile
 *           fails the test with the finding. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "answer/answer.h"

struct lab {
    struct snapshot *s;
    struct snapshot_cache *cache;
    struct answer_worker worker;
};

#define assert_near(actual, wanted, tolerance)                                                     \
    assert_true((double)(actual) <= (double)(wanted) + (tolerance) &&                              \
                (double)(actual) >= (double)(wanted) - (tolerance))

/* The seed of this run: SEED from the environment, else a fixed one; printed once. */
uint64_t lab_seed(void);

void lab_open(struct lab *l, const char *json);
/* The same lab with another configuration: the cache stays. */
void lab_reopen(struct lab *l, const char *json);
void lab_close(struct lab *l);
/* Compiles and expects a refusal; the finding is left in text. */
void lab_refused(const char *json, char *text, size_t cap);

uint32_t lab_service(const struct lab *l, const char *name);
uint32_t lab_region(const struct lab *l, const char *name);
uint32_t lab_endpoint(const struct lab *l, const char *service, const char *address);
const char *lab_address(const struct lab *l, uint32_t endpoint);
uint32_t lab_region_of(const struct lab *l, uint32_t endpoint);

/* Board: availability 0..1, or a whole word. "svc/region" is a site. */
void lab_set_region(struct lab *l, const char *region, double avail);
void lab_set_region_word(struct lab *l, const char *region, uint32_t word);
void lab_set_site(struct lab *l, const char *service, const char *region, double avail);
void lab_set_endpoint(struct lab *l, const char *service, const char *address, double avail);
void lab_set_endpoint_word(struct lab *l, const char *service, const char *address, uint32_t word);
/* Of its guests: all of them, and those behind a fence. */
void lab_set_spill(struct lab *l, const char *region, double admit, double admit_fenced);
void lab_set_all(struct lab *l, double avail); /* every region, site and endpoint */

struct ip lab_ip(const char *text);
struct ip_prefix lab_prefix(const char *text);

/* What a query is made of; only name and type are needed. */
struct lab_question {
    const char *name;
    uint16_t type;
    uint16_t class;       /* 0: IN */
    const char *subnet;   /* "192.0.2.0/24" */
    struct ip_prefix net; /* the same as a value; family 0: none */
    const char *source;   /* of the packet; default 198.18.0.1 */
    struct ip source_ip;  /* the same as a value */
    bool tcp, nsid, edns_do;
    uint16_t edns; /* UDP size; 0: none, or 1232 where an option needs it */
    uint8_t edns_version;
    bool subnet_zero;       /* a client subnet with SOURCE 0 */
    const uint8_t *options; /* more of them, as they are on the wire */
    size_t options_len;
    bool bare; /* no question at all */
};
bool lab_has_opt(const struct lab_question *q);
size_t lab_packet(const struct lab_question *q, uint8_t out[1024]);
struct ip lab_source(const struct lab_question *q);
/* Through parser and answer_decide. */
void lab_decide(struct lab *l, const struct lab_question *q, struct answer_plan *out);
/* One endpoint's address for a client network under A, or what the plan came to: "nodata". */
const char *lab_pick(struct lab *l, const char *service, const char *subnet);
uint32_t lab_pick_net(struct lab *l, const char *service, const struct ip_prefix *net,
                      uint16_t type); /* endpoint, STEER_NONE */
/* The i-th of many different client /24 networks. */
struct ip_prefix lab_client(uint32_t i);
/* "eu > us = ap": the order of regions for a client, groups apart by '>'. */
const char *lab_row(struct lab *l, const char *service, const char *subnet);

#define LAB_GEO "'settings':{'geo':'@GEO'},"
#define LAB_ZONE                                                                                   \
    "'zones':[{'name':'g.test','ns':[{'name':'ns1.g.test','addresses':['192.0.2.53']}]}],"
