#include "base/err.h"

#include <string.h>

const char *err_text(enum err e)
{
    switch (e) {
    case ERR_OK:
        return "done";
#define ERR(name, number, text, remedy)                                                            \
    case name:                                                                                     \
        return text;
#include "base/err.def"
#undef ERR
    }
    return strerror(-(int)e);
}

const char *err_remedy(enum err e)
{
    switch (e) {
    case ERR_OK:
        return "";
#define ERR(name, number, text, remedy)                                                            \
    case name:                                                                                     \
        return remedy;
#include "base/err.def"
#undef ERR
    }
    return "";
}
