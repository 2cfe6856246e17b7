/* server_priv: what server.c (connections) and request.c (answers) share. */
#pragma once

#include "admin/frame.h"
#include "admin/server.h"

struct client;

struct request { /* public part first: handlers see only that */
    struct admin_request pub;
    struct client *client; /* NULL: it has gone, or the server has stopped */
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
    size_t buffered;
    unsigned handles; /* not closed yet: listener and clients */
    struct admin_server_counts counts;
};

/* server.c */
void admin__client_send(struct client *c, const json_t *message);
void admin__client_close(struct client *c);
void admin__client_turn(struct client *c); /* its request was answered, or became a stream */
