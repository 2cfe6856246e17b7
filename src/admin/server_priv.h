/* server_priv: what server.c (connections) and request.c (answers) share. */
#pragma once

#include "admin/frame.h"
#include "admin/server.h"

struct client;

struct request { /* public part first: handlers see only that */
    struct admin_request pub;
    struct client *client; /* NULL: it has gone, or the server has stopped */
    char *text;            /* pub.text */
    bool streaming;
    void (*gone)(void *arg);
    void *gone_arg;
    void (*drained)(void *arg);
    void *drained_arg;
};

struct client {
    uv_pipe_t pipe;
    struct admin_server *server;
    struct client *next, *prev;
    struct admin_frame frame;
    struct request *request; /* under way */
    struct {
        struct request *request; /* its text is on the way; NULL: none is */
        const struct admin_op *op;
        size_t got;
    } coming;
    bool reading, eof, closing, pumping;
    size_t buffered; /* counted in the server's sum */
};

struct admin_server {
    uv_pipe_t listener;
    uv_loop_t *loop;
    const struct admin_op *ops;
    size_t ops_n;
    void *ctx;
    char *path;
    struct client *clients;
    size_t buffered, texts; /* octets of unfinished lines; of texts that have come so far */
    unsigned handles;       /* not closed yet: listener and clients */
    struct admin_server_counts counts;
};

void admin__request_free(struct request *q); /* that was answered, or never will be */

/* server.c */
void admin__client_send(struct client *c, const json_t *message);
void admin__client_close(struct client *c);
void admin__client_turn(struct client *c); /* its request was answered, or became a stream */
