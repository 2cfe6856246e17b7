#include "probe_priv.h"

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One escaped octet at *s, which is moved past it; -1: not one. */
static int escaped(const char **s)
{
    static const char from[] = "rnt0\\\"", to[] = "\r\n\t\0\\\"";
    const char *at = *s + 1;
    if (*at == 'x') {
        int high = hex(at[1]), low = high < 0 ? -1 : hex(at[2]);
        if (low < 0)
            return -1;
        *s = at + 3;
        return high * 16 + low;
    }
    for (size_t i = 0; i < sizeof from - 1; i++)
        if (*at == from[i]) {
            *s = at + 1;
            return (unsigned char)to[i];
        }
    return -1;
}

int probe__unescape(const char *text, uint8_t *out, size_t cap, const char **bad)
{
    size_t n = 0;
    for (const char *s = text; *s;) {
        *bad = s;
        int c = *s == '\\' ? escaped(&s) : (unsigned char)*s++;
        if (c < 0 || n == cap)
            return -1;
        out[n++] = (uint8_t)c;
    }
    return (int)n;
}

void probe__match_start(struct probe_match *m)
{
    m->at = 0;
    m->border[0] = 0;
    for (uint16_t i = 1, k = 0; i < m->len; i++) {
        while (k > 0 && m->pattern[i] != m->pattern[k])
            k = m->border[k - 1];
        if (m->pattern[i] == m->pattern[k])
            k++;
        m->border[i] = k;
    }
}

bool probe__match_feed(struct probe_match *m, const void *bytes, size_t len)
{
    const uint8_t *s = bytes;
    for (size_t i = 0; i < len && m->at < m->len; i++) {
        while (m->at > 0 && s[i] != m->pattern[m->at])
            m->at = m->border[m->at - 1];
        if (s[i] == m->pattern[m->at])
            m->at++;
    }
    return m->at == m->len;
}
