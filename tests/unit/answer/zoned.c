#include "zoned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_file(char path[40], const char *text)
{
    strcpy(path, "/tmp/meridian-zoned-XXXXXX");
    int fd = mkstemp(path);
    size_t len = strlen(text);
    assert_true(fd >= 0 && write(fd, text, len) == (ssize_t)len && !close(fd));
}

void zoned_open(struct zoned *z, const struct zoned_zone *zones, unsigned n, const char *services)
{
    char json[4096];
    assert_true(n <= ZONED_MAX && strlen(services) < 2000);
    memset(z, 0, sizeof *z);
    size_t at = (size_t)sprintf(json, "{'regions':[{'name':'eu'}],'zones':[");
    for (z->n = 0; z->n < n; z->n++) {
        write_file(z->path[z->n], zones[z->n].text);
        at += (size_t)sprintf(json + at, "%s{'name':'%s','file':'%s'}", z->n ? "," : "",
                              zones[z->n].name, z->path[z->n]);
    }
    sprintf(json + at, "],'services':[%s]}", services);
    lab_open(&z->lab, json);
}

void zoned_refused(const char *text, const char *services, char *said, size_t cap)
{
    char json[2400], path[40];
    assert_true(strlen(services) < 2000);
    write_file(path, text);
    sprintf(json,
            "{'regions':[{'name':'eu'}],'zones':[{'name':'z.test','file':'%s'}],'services':[%s]}",
            path, services);
    lab_refused(json, said, cap);
    assert_int_equal(unlink(path), 0);
}

void zoned_close(struct zoned *z)
{
    lab_close(&z->lab);
    for (unsigned i = 0; i < z->n; i++)
        assert_int_equal(unlink(z->path[i]), 0);
}

const struct reply *zoned_ask(struct zoned *z, const void *name, size_t len, uint16_t type,
                              uint16_t class)
{
    uint8_t msg[600] = {0x4d, 0x52, 1, 0, 0, 1};
    assert_true(len < 500);
    memcpy(msg + 12, name, len);
    uint8_t tail[4] = {(uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(class >> 8), (uint8_t) class};
    memcpy(msg + 12 + len, tail, 4);
    return ask_bytes(&z->lab, msg, 12 + len + 4, false);
}

const char *zoned_line(struct zoned *z, const char *name, uint16_t type)
{
    return ask_for(&z->lab, name, type);
}
