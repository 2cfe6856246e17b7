/* ask: a question to the whole answer path, and the answer read back strictly. */
#pragma once

#include "lab.h"
#include "reply.h"

#include "dns/types.h"

/* Sends it, reads it, counts it: exactly one outcome must have moved. NULL: no answer was sent. */
const struct reply *ask(struct lab *l, const struct lab_question *q);
const struct reply *ask_bytes(struct lab *l, const void *msg, size_t len, bool tcp);
size_t ask_length(void);               /* octets of the last answer */
enum answer_outcome ask_outcome(void); /* of the last question */

/* "NOERROR aa www.g.test 30 A 192.0.2.1; ..." : rcode, flags, then the records; authority after
 * " | ", additional after " + ". */
const char *ask_line(struct lab *l, const struct lab_question *q);
#define assert_answer(l, q, want) assert_string_equal(ask_line((l), (q)), (want))
/* name and type only */
const char *ask_for(struct lab *l, const char *name, uint16_t type);
