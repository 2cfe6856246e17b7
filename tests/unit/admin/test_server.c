/* The server on a loop in this thread; clients are plain sockets, or admin/client in a second
 * thread. */
#include "admin/client.h"
#include "admin/server.h"
#include "admin/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LATER_MAX 128

struct world {
    uv_loop_t loop;
    struct admin_lock *lock;
    struct admin_server *server;
    char folder[64], db[128], path[128];
    struct admin_request *later[LATER_MAX]; /* answered by the test */
    size_t later_n;
    struct admin_request *stream;
    int gone;
};

static void op_echo(void *ctx, struct admin_request *r)
{
    (void)ctx;
    json_t *j = json_object();
    json_object_set(j, "n", json_object_get(r->body, "n"));
    admin_reply(r, j);
}

static void op_text(void *ctx, struct admin_request *r)
{
    (void)ctx;
    if (!r->text) {
        admin_refuse(r, ADMIN_USAGE, "no text", NULL);
        return;
    }
    assert_int_equal(strlen(r->text), r->text_len); /* a zero follows it */
    char ends[3] = {r->text_len ? r->text[0] : '-', r->text_len ? r->text[r->text_len - 1] : '-'};
    admin_reply(r, json_pack("{s:s, s:I}", "ends", ends, "len", (json_int_t)r->text_len));
}

static void op_later(void *ctx, struct admin_request *r)
{
    struct world *w = ctx;
    assert_true(w->later_n < LATER_MAX);
    w->later[w->later_n++] = r;
}

static void op_no(void *ctx, struct admin_request *r)
{
    (void)ctx;
    struct diag d = {0};
    enum err e = diag_error(&d, ERR_NOT_FOUND, "region", "\"eu\" does not exist");
    diag_error(&d, ERR_INVALID, "ttl", "0 is too small");
    admin_refuse_diag(r, e, &d);
    diag_fini(&d);
}

static void on_gone(void *arg)
{
    struct world *w = arg;
    w->gone++;
    w->stream = NULL;
}

static void op_stream(void *ctx, struct admin_request *r)
{
    struct world *w = ctx;
    w->stream = r;
    admin_stream_begin(r, on_gone, w);
}

static const struct admin_op ops[] = {{"echo", op_echo},
                                      {"later", op_later},
                                      {"no", op_no},
                                      {"stream", op_stream},
                                      {"text", op_text}};

static void config_of(struct world *w, struct admin_server_config *c)
{
    *c = (struct admin_server_config){
        .path = w->path, .lock = w->lock, .ops = ops, .ops_n = sizeof ops / sizeof *ops, .ctx = w};
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    strcpy(w->folder, "/tmp/meridian-admin-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->db, sizeof w->db, "%s/m.db", w->folder);
    snprintf(w->path, sizeof w->path, "%s/m.db.sock", w->folder);
    uv_loop_init(&w->loop);
    assert_int_equal(admin_lock_take(w->db, w->path, &w->lock, NULL), ERR_OK);
    struct admin_server_config c;
    config_of(w, &c);
    struct diag d = {0};
    assert_int_equal(admin_server_start(&w->loop, &c, &w->server, &d), ERR_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    admin_server_stop(&w->server);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_not_equal(access(w->path, F_OK), 0); /* the socket file is gone */
    admin_lock_drop(&w->lock);
    char lock[200];
    snprintf(lock, sizeof lock, "%s.lock", w->db);
    unlink(lock);
    rmdir(w->folder);
    free(w);
    return 0;
}

static void turn(struct world *w, int times)
{
    for (int i = 0; i < times; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
}

static int dial(struct world *w)
{
    int fd = -1;
    assert_int_equal(admin_socket_connect(w->path, &fd), ERR_OK);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Turns the loop until a line came; the connection's end gives "". */
static const char *hear(struct world *w, int fd)
{
    static char line[4096];
    size_t n = 0;
    for (int i = 0; i < 2000; i++) {
        turn(w, 1);
        char c;
        ssize_t got;
        while ((got = recv(fd, &c, 1, MSG_DONTWAIT)) == 1) {
            if (c == '\n') {
                line[n] = '\0';
                return line;
            }
            if (n < sizeof line - 1)
                line[n++] = c;
        }
        if (got == 0)
            return "";
        poll(NULL, 0, 1);
    }
    fail_msg("no answer");
    return NULL;
}

static void several_requests_on_a_connection_are_answered_in_order(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "{\"op\":\"echo\",\"n\":1}\n{\"op\":\"later\"}\n{\"op\":\"echo\",\"n\":3}\n");
    assert_string_equal(hear(w, fd), "{\"n\":1,\"ok\":true}");
    turn(w, 5);
    assert_int_equal(w->later_n, 1); /* the third waits for the second */
    admin_reply(w->later[0], json_pack("{s:i}", "n", 2));
    assert_string_equal(hear(w, fd), "{\"n\":2,\"ok\":true}");
    assert_string_equal(hear(w, fd), "{\"n\":3,\"ok\":true}");
    close(fd);
    turn(w, 5);
    assert_int_equal(admin_server_counts(w->server).clients, 0);
}

static void a_bad_line_is_refused_and_the_connection_lives_on(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "nonsense\n");
    assert_non_null(strstr(hear(w, fd), "\"code\":2"));
    say(fd, "{\"op\":\"frobnicate\"}\n");
    assert_non_null(strstr(hear(w, fd), "frobnicate"));
    say(fd, "{\"op\":\"no\"}\n");
    json_t *j = json_loads(hear(w, fd), 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(j, "code")), 3);
    assert_string_equal(json_string_value(json_object_get(j, "error")),
                        "region: \"eu\" does not exist");
    assert_int_equal(json_array_size(json_object_get(j, "findings")), 2);
    json_decref(j);
    say(fd, "{\"op\":\"echo\",\"n\":4}\n");
    assert_string_equal(hear(w, fd), "{\"n\":4,\"ok\":true}");
    close(fd);
}

static void a_text_follows_its_request(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd,
        "{\"op\":\"text\",\"octets\":6}\n{\"a\":}{\"op\":\"echo\",\"n\":1}\n"); /* all at once */
    assert_string_equal(hear(w, fd), "{\"ends\":\"{}\",\"len\":6,\"ok\":true}");
    assert_string_equal(hear(w, fd), "{\"n\":1,\"ok\":true}");
    say(fd, "{\"op\":\"text\",\"octets\":4}\na");
    turn(w, 5);
    say(fd, "\n\n"); /* in pieces, and no line of its own */
    turn(w, 5);
    say(fd, "z{\"op\":\"text\",\"octets\":0}\n");
    assert_string_equal(hear(w, fd), "{\"ends\":\"az\",\"len\":4,\"ok\":true}");
    assert_string_equal(hear(w, fd), "{\"ends\":\"--\",\"len\":0,\"ok\":true}");
    say(fd, "{\"op\":\"text\"}\n");
    assert_non_null(strstr(hear(w, fd), "no text"));
    say(fd, "{\"op\":\"text\",\"octets\":100}\nhalf of it");
    turn(w, 5);
    close(fd);
    turn(w, 5);
    assert_int_equal(admin_server_counts(w->server).clients, 0);
}

/* Nobody can tell where the next line would begin. */
static void a_text_that_cannot_be_taken_ends_the_connection(void **state)
{
    static const char *const bad[] = {"{\"op\":\"text\",\"octets\":-1}\n",
                                      "{\"op\":\"text\",\"octets\":1073741825}\n",
                                      "{\"op\":\"text\",\"octets\":\"six\"}\n", "{\"octets\":6}\n",
                                      "{\"op\":\"frobnicate\",\"octets\":6}\n"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = dial(w);
        say(fd, bad[i]);
        assert_non_null(strstr(hear(w, fd), "\"code\":2"));
        assert_string_equal(hear(w, fd), "");
        close(fd);
    }
}

static void a_client_that_vanishes_under_way_leaves_a_safe_request(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "{\"op\":\"later\"}\n");
    turn(w, 5);
    assert_int_equal(w->later_n, 1);
    close(fd);
    turn(w, 5);
    admin_reply(w->later[0], NULL);
    turn(w, 5);
    assert_int_equal(admin_server_counts(w->server).clients, 0);
}

static void who_closes_its_sending_side_still_gets_the_answer(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "{\"op\":\"later\"}\n");
    shutdown(fd, SHUT_WR);
    turn(w, 5);
    admin_reply(w->later[0], NULL);
    assert_string_equal(hear(w, fd), "{\"ok\":true}");
    assert_string_equal(hear(w, fd), "");
    close(fd);
}

static void a_request_outlives_the_server(void **state)
{
    struct world *w = *state;
    int fd = dial(w), fd2 = dial(w);
    say(fd, "{\"op\":\"later\"}\n");
    say(fd2, "{\"op\":\"stream\"}\n");
    turn(w, 5);
    assert_non_null(w->stream);
    admin_server_stop(&w->server);
    turn(w, 5);
    assert_int_equal(w->gone, 1);
    admin_refuse(w->later[0], ADMIN_REFUSED, "stopping", NULL);
    close(fd);
    close(fd2);
}

static void a_stream_tells_when_its_client_goes(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "{\"op\":\"stream\"}\n");
    assert_string_equal(hear(w, fd), "{\"ok\":true}");
    admin_stream(w->stream, json_pack("{s:i}", "id", 1));
    assert_string_equal(hear(w, fd), "{\"id\":1}");
    say(fd, "talking into a stream\n");
    turn(w, 5);
    assert_int_equal(w->gone, 0);
    close(fd);
    turn(w, 5);
    assert_int_equal(w->gone, 1);
}

static void a_stream_that_began_later_is_watched_too(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "{\"op\":\"later\"}\n");
    turn(w, 5);
    w->stream = w->later[0];
    admin_stream_begin(w->stream, on_gone, w);
    assert_string_equal(hear(w, fd), "{\"ok\":true}");
    close(fd);
    turn(w, 5);
    assert_int_equal(w->gone, 1);
}

static void the_server_can_end_a_stream(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "{\"op\":\"stream\"}\n");
    hear(w, fd);
    admin_stream_end(w->stream);
    assert_string_equal(hear(w, fd), "");
    assert_int_equal(w->gone, 0);
    close(fd);
}

static void a_reader_that_does_not_read_is_cut(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(fd, "{\"op\":\"stream\"}\n");
    turn(w, 5);
    char big[1001];
    memset(big, 'x', 1000);
    big[1000] = '\0';
    int lines = 0;
    while (w->gone == 0 && lines < 10000) {
        admin_stream(w->stream, json_pack("{s:s}", "line", big));
        lines++;
        turn(w, 1);
    }
    assert_int_equal(w->gone, 1);
    assert_int_equal(admin_server_counts(w->server).cut_slow, 1);
    close(fd);
}

static void one_connection_too_many_is_told_so(void **state)
{
    struct world *w = *state;
    int fd[ADMIN_CLIENTS_MAX];
    for (int i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        fd[i] = dial(w);
        turn(w, 1);
    }
    turn(w, 5);
    assert_int_equal(admin_server_counts(w->server).clients, ADMIN_CLIENTS_MAX);
    int extra = dial(w);
    assert_non_null(strstr(hear(w, extra), "too many"));
    assert_string_equal(hear(w, extra), "");
    close(extra);
    assert_int_equal(admin_server_counts(w->server).refused_full, 1);
    for (int i = 0; i < ADMIN_CLIENTS_MAX; i++)
        close(fd[i]);
    turn(w, 10);
    extra = dial(w);
    say(extra, "{\"op\":\"echo\",\"n\":1}\n");
    assert_string_equal(hear(w, extra), "{\"n\":1,\"ok\":true}");
    close(extra);
}

static void a_socket_left_by_a_dead_daemon_is_replaced_a_living_one_is_not(void **state)
{
    struct world *w = *state;
    struct admin_server_config c;
    config_of(w, &c);
    struct admin_server *second = NULL;
    struct diag d = {0};
    assert_int_equal(admin_server_start(&w->loop, &c, &second, &d), ERR_EXISTS);
    assert_null(second);
    assert_int_equal(access(w->path, F_OK), 0);
    diag_fini(&d);
    admin_server_stop(&w->server);
    turn(w, 3);
    int fd = -1; /* bound and never listened on: what a crash leaves behind */
    assert_int_equal(admin_socket_bind(w->path, &fd), ERR_OK);
    close(fd);
    assert_int_equal(admin_server_start(&w->loop, &c, &w->server, &d), ERR_OK);
}

struct caller {
    const char *path;
    uv_async_t done;
    enum err e;
    json_t *reply;
    struct diag diag;
    int64_t timeout_ms;
    size_t padding;
    bool as_text; /* the padding follows the request */
};

static void on_done(uv_async_t *a)
{
    uv_close((uv_handle_t *)a, NULL);
    uv_stop(a->loop);
}

static void *call_echo(void *arg)
{
    struct caller *c = arg;
    char *pad = malloc(c->padding + 1);
    memset(pad, 'p', c->padding);
    pad[c->padding] = '\0';
    json_t *j = c->as_text
                    ? json_pack("{s:s}", "op", "text")
                    : json_pack("{s:s, s:s}", "op", c->timeout_ms ? "later" : "echo", "n", pad);
    c->e = c->as_text ? admin_call_with(c->path, j, pad, c->padding, 0, &c->reply, &c->diag)
                      : admin_call(c->path, j, c->timeout_ms, &c->reply, &c->diag);
    free(pad);
    json_decref(j);
    uv_async_send(&c->done);
    return NULL;
}

static void run_caller(struct world *w, struct caller *c)
{
    c->path = w->path;
    uv_async_init(&w->loop, &c->done, on_done);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_echo, c), 0);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    pthread_join(thread, NULL);
}

static void a_large_request_and_its_answer_travel_whole(void **state)
{
    struct caller c = {.padding = 3 * 1024 * 1024};
    run_caller(*state, &c);
    assert_int_equal(c.e, ERR_OK);
    assert_int_equal(json_string_length(json_object_get(c.reply, "n")), c.padding);
    json_decref(c.reply);
}

static void a_text_longer_than_any_line_travels_whole(void **state)
{
    struct caller c = {.padding = 80u * 1024 * 1024, .as_text = true};
    run_caller(*state, &c);
    assert_int_equal(c.e, ERR_OK);
    assert_int_equal(json_integer_value(json_object_get(c.reply, "len")), c.padding);
    assert_string_equal(json_string_value(json_object_get(c.reply, "ends")), "pp");
    json_decref(c.reply);
}

static void a_call_without_an_answer_ends_with_its_time(void **state)
{
    struct world *w = *state;
    struct caller c = {.timeout_ms = 50};
    run_caller(w, &c);
    assert_int_equal(c.e, ERR_UNREACHABLE);
    assert_null(c.reply);
    assert_int_equal(w->later_n, 1);
    admin_reply(w->later[0], NULL);
    diag_fini(&c.diag);
}

static void nobody_on_the_path_is_unreachable(void **state)
{
    (void)state;
    struct diag d = {0};
    json_t *reply, *j = json_pack("{s:s}", "op", "ping");
    assert_int_equal(admin_call("/tmp/no-such-socket-here", j, 1000, &reply, &d), ERR_UNREACHABLE);
    assert_int_equal(admin_code_of(ERR_UNREACHABLE), 4);
    json_decref(j);
    diag_fini(&d);
}

#define story(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        story(several_requests_on_a_connection_are_answered_in_order),
        story(a_bad_line_is_refused_and_the_connection_lives_on),
        story(a_text_follows_its_request),
        story(a_text_that_cannot_be_taken_ends_the_connection),
        story(a_client_that_vanishes_under_way_leaves_a_safe_request),
        story(who_closes_its_sending_side_still_gets_the_answer),
        story(a_request_outlives_the_server),
        story(a_stream_tells_when_its_client_goes),
        story(a_stream_that_began_later_is_watched_too),
        story(the_server_can_end_a_stream),
        story(a_reader_that_does_not_read_is_cut),
        story(one_connection_too_many_is_told_so),
        story(a_socket_left_by_a_dead_daemon_is_replaced_a_living_one_is_not),
        story(a_large_request_and_its_answer_travel_whole),
        story(a_text_longer_than_any_line_travels_whole),
        story(a_call_without_an_answer_ends_with_its_time),
        story(nobody_on_the_path_is_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
