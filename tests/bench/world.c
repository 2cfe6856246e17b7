#include "world.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *bench_config(unsigned services, const char *policy, const char *mmdb)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    fprintf(f, "{\"settings\":{%s%s%s},", mmdb ? "\"geo\":\"" : "", mmdb ? mmdb : "",
            mmdb ? "\"" : "");
    fputs("\"zones\":[{\"name\":\"gslb.example\",\"ns\":[{\"name\":\"ns1.gslb.example\","
          "\"addresses\":[\"192.0.2.53\"]}]}],"
          "\"regions\":[{\"name\":\"us\",\"at\":[38.9,-77.0]},{\"name\":\"eu\",\"at\":[50.1,8.7]},"
          "{\"name\":\"as\",\"at\":[35.7,139.7]}],"
          "\"maps\":[{\"name\":\"m\",\"rules\":["
          "{\"where\":\"continent:NA\",\"regions\":[\"us\",\"eu\",\"as\"]},"
          "{\"where\":\"continent:EU\",\"regions\":[\"eu\",\"us\",\"as\"]},"
          "{\"where\":\"continent:AS\",\"regions\":[\"as\",\"us\",\"eu\"]},"
          "{\"where\":\"default\",\"regions\":[\"us\",\"eu\",\"as\"]}]}],\"services\":[",
          f);
    static const char *const regions[] = {"us", "eu", "as"};
    for (unsigned i = 0; i < services; i++) {
        fprintf(f,
                "%s{\"name\":\"svc%06u.gslb.example\",\"policy\":\"%s\",\"map\":\"m\",\"ttl\":30,"
                "\"endpoints\":[",
                i ? "," : "", i, policy);
        for (unsigned r = 0; r < 3; r++)
            fprintf(f,
                    "%s{\"region\":\"%s\",\"address\":\"10.%u.%u.%u\",\"priority\":%u},"
                    "{\"region\":\"%s\",\"address\":\"2001:db8:%x::%x:%x\",\"priority\":%u}",
                    r ? "," : "", regions[r], (i >> 16 & 63) + 64 * r, i >> 8 & 255, i & 255, r + 1,
                    regions[r], r + 1, i >> 16, i & 0xffff, r + 1);
        fputs("]}", f);
    }
    fputs("]}", f);
    fclose(f);
    return text;
}

static void put_name(struct bench_packet *p, unsigned service)
{
    char label[16];
    int n = snprintf(label, sizeof label, "svc%06u", service);
    p->bytes[p->len++] = (uint8_t)n;
    memcpy(p->bytes + p->len, label, (size_t)n);
    p->len = (uint8_t)(p->len + n);
    memcpy(p->bytes + p->len, "\4gslb\7example", 14);
    p->len += 14;
}

void bench_cookie_packet(struct rng *rng, unsigned services, struct bench_packet *p)
{
    static const uint8_t header[12] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    uint8_t tail[] = {0,  1, 0,  1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0,
                      12, 0, 10, 0, 8, 0, 0,  0, 0,   0, 0, 0, 0};
    p->len = 12;
    memcpy(p->bytes, header, 12);
    put_name(p, rng_below(rng, services));
    tail[1] = rng_below(rng, 5) ? 1 : 28;
    for (unsigned i = 19; i < sizeof tail; i++)
        tail[i] = (uint8_t)rng_below(rng, 256);
    memcpy(p->bytes + p->len, tail, sizeof tail);
    p->len = (uint8_t)(p->len + sizeof tail);
}

void bench_packet(struct rng *rng, unsigned services, struct bench_packet *p)
{
    static const uint8_t header[12] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    uint8_t tail[] = {0, 1,  0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0,
                      0, 11, 0, 8, 0, 7, 0,  1, 24,  0, 0, 0, 0};
    p->len = 12;
    memcpy(p->bytes, header, 12);
    put_name(p, rng_below(rng, services));
    tail[1] = rng_below(rng, 5) ? 1 : 28;
    uint32_t net = 1 + rng_below(rng, 223);
    tail[23] = (uint8_t)net;
    tail[24] = (uint8_t)rng_below(rng, 256);
    tail[25] = (uint8_t)rng_below(rng, 256);
    memcpy(p->bytes + p->len, tail, sizeof tail);
    p->len = (uint8_t)(p->len + sizeof tail);
}

size_t bench_answer(struct answer_worker *w, const struct snapshot *s, const struct bench_packet *p,
                    uint8_t (*out)[BENCH_OUT])
{
    struct answer_request r[ANSWER_BATCH_MAX];
    size_t bytes = 0;
    for (unsigned i = 0; i < ANSWER_BATCH_MAX; i++)
        r[i] = (struct answer_request){.msg = p[i].bytes,
                                       .len = p[i].len,
                                       .source = {.family = 4, .b = {127, 0, 0, 1}},
                                       .out = out[i],
                                       .cap = sizeof out[i]};
    answer_batch(w, s, r, ANSWER_BATCH_MAX);
    for (unsigned i = 0; i < ANSWER_BATCH_MAX; i++)
        bytes += r[i].out_len;
    return bytes;
}
