/* world: what is answered without sockets: services under a policy, each with an A and an AAAA in three regions,
 * and queries for them, of random names and clients. Any thread, with packets and room of its own. */
#pragma once

#include "answer/answer.h"
#include "base/random.h"

struct bench_packet {
    uint8_t len;
    uint8_t bytes[79];
};

/* A configuration as JSON, to be freed; mmdb: a database, or NULL. */
char *bench_config(unsigned services, const char *policy, const char *mmdb);
/* For one of the services, from a random client subnet; or with a client cookie instead. p->len is 0. */
void bench_packet(struct rng *rng, unsigned services, struct bench_packet *p);
void bench_cookie_packet(struct rng *rng, unsigned services, struct bench_packet *p);

#define BENCH_OUT 1232
/* Answers ANSWER_BATCH_MAX packets into out, and says how many octets that was. */
size_t bench_answer(struct answer_worker *w, const struct snapshot *s, const struct bench_packet *p,
                    uint8_t (*out)[BENCH_OUT]);
