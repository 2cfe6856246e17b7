/* Any octets as a zone file: findings or a tree, in which every record can be found again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "zone/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* ldns 1.8.3 loses a few octets when it refuses some records (an IPSECKEY with a broken key). */
const char *__lsan_default_suppressions(void)
{
    return "leak:libldns\n";
}

static void check_tree(const struct zone_records *records, const struct dns_name *origin,
                       struct arena *arena)
{
    struct zone_tree tree;
    struct zone_input zone = {.name = *origin, .records = records};
    if (zone_tree_build(&zone, 1, NULL, 0, arena, &tree, NULL) != ERR_OK)
        return;
    for (size_t i = 0; i < records->n; i++) {
        const struct zone_rrset *set = &records->rrset[i];
        struct zone_hit hit =
            zone_tree_find_name(&tree, set->owner.wire, set->owner.len, set->type);
        CHECK(hit.kind == ZONE_HIT_NODE || hit.kind == ZONE_HIT_DELEGATION);
        uint32_t node = zone_tree_node(&tree, set->owner.wire, set->owner.len);
        CHECK(node != ZONE_NONE && zone_node_rrset(&tree, node, set->type)->n == set->n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("zone", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    CHECK(write(fd, data, size) == (ssize_t)size);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct dns_name origin;
    CHECK(dns_name_from_text("example", &origin));
    struct arena *arena = arena_create(64u << 20);
    struct zone_records *records = NULL;
    struct diag diag = {0};
    enum err e = zone_load_file(path, &origin, arena, &records, &diag);
    CHECK((e == ERR_OK) == (records != NULL) && (e == ERR_OK) == (diag.errors == 0));
    if (records)
        check_tree(records, &origin, arena);
    diag_fini(&diag);
    arena_destroy(arena);
    close(fd);
    return 0;
}
