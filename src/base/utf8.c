#include "base/utf8.h"

#include <string.h>

size_t utf8_length(const unsigned char *s, size_t len)
{
    size_t want = s[0] < 0x80   ? 1
                  : s[0] < 0xc2 ? 0
                  : s[0] < 0xe0 ? 2
                  : s[0] < 0xf0 ? 3
                  : s[0] < 0xf5 ? 4
                                : 0;
    if (want == 0 || want > len)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || /* overlong, surrogate */
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return want;
}

char *utf8_clean(char *text)
{
    unsigned char *s = (unsigned char *)text;
    size_t len = strlen(text), begun = len; /* where a character begins that may be cut off */
    while (begun > 0 && len - begun < 3 && (s[begun - 1] & 0xc0) == 0x80)
        begun--;
    if (begun > 0 && s[begun - 1] >= 0xc0 && utf8_length(s + begun - 1, len - begun + 1) == 0)
        text[begun - 1] = '\0';
    len = strlen(text);
    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        n = utf8_length(s + i, len - i);
        if (n == 0)
            s[i] = '?';
    }
    return text;
}
