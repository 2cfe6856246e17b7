/* Bytes as they may arrive on the control socket: framed, parsed, and where they are an edit or a
 * document, applied to an empty configuration and validated. The first byte says how the rest is
 * cut. */
#include "admin/frame.h"
#include "admin/protocol.h"
#include "config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EDITS_MAX 64

static void try_edits(struct model *m, json_t *list, struct diag *diag)
{
    struct config_edit edits[EDITS_MAX];
    size_t n = 0, i;
    json_t *j;
    json_array_foreach(list, i, j)
    {
        if (n == EDITS_MAX || config_edit_from_json(j, &edits[n], diag) != ERR_OK)
            return;
        n++;
    }
    if (config_apply_edits(m, edits, n, diag) == ERR_OK)
        (void)!model_validate(m, diag);
}

static void try_document(struct model *m, json_t *document, struct diag *diag)
{
    int64_t revision;
    if (json_is_string(document) &&
        config_import(m, json_string_value(document), json_string_length(document), &revision,
                      diag) == ERR_OK)
        (void)!model_validate(m, diag);
}

static void try_line(const char *line, size_t len)
{
    struct diag diag = {0};
    json_t *j;
    const char *op;
    struct model *m = model_create();
    if (m && admin_request_parse(line, len, &j, &op, &diag) == ERR_OK) {
        if (strcmp(op, "edit") == 0)
            try_edits(m, json_object_get(j, "edits"), &diag);
        else if (strcmp(op, "apply") == 0)
            try_document(m, json_object_get(j, "document"), &diag);
        json_decref(j);
    }
    json_t *refusal = admin_refusal(ADMIN_REFUSED, "refused", admin_findings(&diag, DIAG_ERROR));
    size_t answer_len;
    char *answer = admin_line(refusal, &answer_len);
    if (!answer || answer[answer_len - 1] != '\n' || memchr(answer, '\n', answer_len - 1))
        abort(); /* an answer is one line, whatever was asked */
    free(answer);
    json_decref(refusal);
    model_unref(&m);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece = data[0] ? data[0] : size, at = 1;
    struct admin_frame frame = {0};
    while (at < size) {
        size_t n = size - at < piece ? size - at : piece;
        if (admin_frame_append(&frame, (const char *)data + at, n, 65536) != ERR_OK)
            break;
        at += n;
        const char *line;
        size_t len;
        while (admin_frame_take(&frame, &line, &len))
            try_line(line, len);
    }
    admin_frame_fini(&frame);
    return 0;
}
