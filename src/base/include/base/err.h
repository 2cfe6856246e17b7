/* err: the one error space of the project.
 * Units     enum err is 0 for success or negative; errno and libuv codes pass through negated.
 * Threads   any.
 * Rule      a function that can fail because the world failed returns enum err and is warn-unused;
 *           the sentence for the person goes into a struct diag (base/diag.h). */
#pragma once

enum err {
    ERR_OK = 0,
#define ERR(name, number, text, remedy) name = number,
#include "base/err.def"
#undef ERR
};

#define WARN_UNUSED __attribute__((warn_unused_result))

/* Never NULL; for errno codes the text of strerror. */
const char *err_text(enum err e);
const char *err_remedy(enum err e);
