/* turn: who has the processor first where threads must share one. Answers come before all else, and what
 * takes long comes last; nobody is kept from running.
 *
 * Threads   each call is about the thread that calls, and about those that it starts later.
 * Errors    none: on a system that refuses, everything works, and waits longer for its turn.
 * Source    sched(7), sched_setattr(2): a slice of SCHED_OTHER, from Linux 6.12 on */
#pragma once

/* A worker: short slices, so that it is put before what has run for longer than that. */
void turn_answers(void);

/* The control thread: a probe that ends wakes it up and does not interrupt a worker, but whatever else
 * runs on the machine: how long a probe took is measured. */
void turn_controls(void);

/* The keeper: databases and tables, a second of work at times. There is no way back. */
void turn_keeps(void);
