#include "server_priv.h"

#include "base/check.h"
#include <stdlib.h>

static struct request *request_of(struct admin_request *r)
{
    return (struct request *)(void *)r;
}

void admin__request_free(struct request *q)
{
    if (!q)
        return;
    json_decref(q->pub.body);
    free(q->text);
    free(q);
}

static void request_finish(struct request *q, const json_t *answer)
{
    struct client *c = q->client;
    if (c) {
        CHECK(c->request == q);
        c->request = NULL;
        if (answer)
            admin__client_send(c, answer);
    }
    admin__request_free(q);
    if (c)
        admin__client_turn(c);
}

void admin_reply(struct admin_request *r, json_t *answer)
{
    struct request *q = request_of(r);
    CHECK(!q->streaming);
    json_t *j = answer ? answer : json_object();
    json_object_set_new(j, "ok", json_true());
    request_finish(q, j);
    json_decref(j);
}

void admin_refuse(struct admin_request *r, enum admin_code code, const char *error,
                  json_t *findings)
{
    struct request *q = request_of(r);
    CHECK(!q->streaming);
    json_t *j = admin_refusal(code, error, findings);
    request_finish(q, j);
    json_decref(j);
}

void admin_refuse_diag(struct admin_request *r, enum err e, const struct diag *diag)
{
    char sentence[1024];
    diag_first(diag, sentence, sizeof sentence);
    admin_refuse(r, admin_code_of(e), sentence[0] ? sentence : err_text(e),
                 admin_findings(diag, DIAG_ERROR));
}

void admin_stream_begin(struct admin_request *r, void (*gone)(void *arg), void *arg)
{
    struct request *q = request_of(r);
    CHECK(!q->streaming);
    q->streaming = true;
    q->gone = gone;
    q->gone_arg = arg;
    if (!q->client)
        return;
    json_t *first = json_pack("{s:b}", "ok", 1);
    admin__client_send(q->client, first);
    json_decref(first);
    admin__client_turn(q->client);
}

void admin_stream(struct admin_request *r, json_t *line)
{
    struct request *q = request_of(r);
    CHECK(q->streaming);
    if (q->client)
        admin__client_send(q->client, line);
    json_decref(line);
}

size_t admin_stream_queued(const struct admin_request *r)
{
    const struct request *q = (const struct request *)(const void *)r;
    return q->client ? uv_stream_get_write_queue_size((const uv_stream_t *)&q->client->pipe) : 0;
}

void admin_stream_on_drained(struct admin_request *r, void (*drained)(void *arg), void *arg)
{
    struct request *q = request_of(r);
    q->drained = drained;
    q->drained_arg = arg;
}

void admin_stream_end(struct admin_request *r)
{
    struct request *q = request_of(r);
    CHECK(q->streaming);
    struct client *c = q->client;
    request_finish(q, NULL);
    if (c)
        admin__client_close(c);
}
