/* Whatever the text: a policy that is accepted has its steps in order and reads back as itself. */
#include "base/check.h"
#include "model/policy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), out[POLICY_TEXT_MAX];
    struct policy p, again;
    struct diag d = {0};
    memcpy(text, data, size);
    text[size] = '\0';
    if (policy_parse(text, "policy", &p, &d) == ERR_OK) {
        CHECK(d.errors == 0 && p.n >= 1 && p.n <= POLICY_STEPS_MAX);
        CHECK(p.step[p.n - 1].kind >= STEP_WEIGHTED);
        CHECK(policy_parse(policy_format(&p, out), "policy", &again, &d) == ERR_OK);
        CHECK(memcmp(&p, &again, sizeof p) == 0);
    } else
        CHECK(d.errors == 1 && d.n == 1);
    diag_fini(&d);
    free(text);
    return 0;
}
