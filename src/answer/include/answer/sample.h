/* sample: one answer in so many, remembered for the control thread: who asked for what.
 * Shape     a ring of a worker's own. Between two samples a random number of answers is left out, from 0
 *           to twice the gap, so that no rhythm of the traffic is met; each sample says how many answers
 *           it stands for. While nobody takes them a full ring drops what comes.
 * Cost      of an answer: one count down. A sample: 36 octets written; 9 KiB a worker in all.
 * Threads   written by the worker; answer_samples_take and answer_samples_gap: the control thread. No
 *           lock: the ring is a queue with one writer and one reader.
 * Privacy   addresses stay in memory: they are neither logged nor stored. */
#pragma once

#include "base/addr.h"

#include <stdatomic.h>
#include <stddef.h>

#define ANSWER_SAMPLES 256u /* a power of two */

struct answer_sample {
    struct ip client;  /* as it was looked up, unmapped */
    bool subnet;       /* known by its client subnet */
    uint8_t family;    /* enum steer_family that was asked for */
    uint32_t revision; /* low bits of the snapshot's: whose numbering service is of */
    uint32_t service;  /* asked for */
    uint32_t weight;   /* answers that it stands for */
};

struct answer_samples {
    uint32_t until;           /* [worker] answers left out before the next sample */
    uint32_t weight;          /* [worker] of the next one; 0: 1 */
    _Atomic uint32_t written; /* [worker] */
    _Atomic uint32_t taken __attribute__((aligned(64))); /* [control] */
    _Atomic uint32_t gap;                                /* [control] mean distance; 0: 1 */
    struct answer_sample ring[ANSWER_SAMPLES];
};

/* Up to cap of those that wait, oldest first; how many. */
size_t answer_samples_take(struct answer_samples *a, struct answer_sample *out, size_t cap);
void answer_samples_gap(struct answer_samples *a, uint32_t gap);
