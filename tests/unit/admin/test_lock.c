/* One daemon a database, found by every name of it. */
#include "admin/lock.h"
#include "admin/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/meridian-lock-XXXXXX";
static char db[200], link_[200];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(db, sizeof db, "%s/m.db", folder);
    snprintf(link_, sizeof link_, "%s/other.db", folder);
    int fd = open(db, O_CREAT | O_WRONLY, 0600);
    close(fd);
    return symlink(db, link_);
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"m.db", "other.db", "m.db.lock", "new.db.lock"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void without_a_daemon_nobody_holds_the_lock(void **state)
{
    (void)state;
    struct admin_holder h;
    struct diag d = {0};
    assert_int_equal(admin_lock_find(db, &h, &d), ERR_OK);
    assert_false(h.held);
    assert_int_equal(admin_lock_find("/nowhere/at/all.db", &h, &d), ERR_OK);
    assert_false(h.held);
    diag_fini(&d);
}

static void the_holder_is_found_through_a_symbolic_link(void **state)
{
    (void)state;
    struct admin_lock *lock = NULL;
    struct diag d = {0};
    assert_int_equal(admin_lock_take(db, "/run/here \"quoted\".sock", &lock, &d), ERR_OK);
    struct admin_holder h;
    assert_int_equal(admin_lock_find(link_, &h, &d), ERR_OK);
    assert_true(h.held);
    assert_int_equal(h.pid, getpid());
    assert_string_equal(h.control, "/run/here \"quoted\".sock");
    struct admin_lock *second = NULL;
    assert_int_equal(admin_lock_take(link_, "/run/b.sock", &second, &d), ERR_BUSY);
    char text[300];
    assert_non_null(strstr(diag_first(&d, text, sizeof text), "another meridiand"));
    assert_null(second);
    admin_lock_drop(&lock);
    assert_int_equal(admin_lock_find(db, &h, &d), ERR_OK);
    assert_false(h.held);
    diag_fini(&d);
}

static void a_killed_daemon_leaves_no_lock_behind(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct admin_lock *lock = NULL;
        enum err e = admin_lock_take(db, "/run/c.sock", &lock, NULL);
        ssize_t n = write(ready[1], e ? "n" : "y", 1);
        (void)n;
        pause();
        _exit(0);
    }
    char c = 0;
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    struct admin_holder h;
    assert_int_equal(admin_lock_find(db, &h, NULL), ERR_OK);
    assert_true(h.held);
    assert_int_equal(h.pid, child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(admin_lock_find(db, &h, NULL), ERR_OK);
    assert_false(h.held);
    close(ready[0]);
    close(ready[1]);
}

static void a_database_that_is_not_made_yet_has_a_place_for_its_lock(void **state)
{
    (void)state;
    char path[200], control[PATH_MAX];
    snprintf(path, sizeof path, "%s/new.db", folder);
    struct admin_lock *lock = NULL;
    assert_int_equal(admin_lock_take(path, "x", &lock, NULL), ERR_OK);
    admin_lock_drop(&lock);
    assert_int_equal(admin_control_path(path, control), ERR_OK);
    assert_non_null(strstr(control, "/new.db.sock"));
}

static void a_path_longer_than_sun_path_is_bound_and_reached(void **state)
{
    (void)state;
    char path[1000];
    size_t n = (size_t)snprintf(path, sizeof path, "%s", folder);
    for (int i = 0; i < 5; i++) {
        n += (size_t)snprintf(path + n, sizeof path - n,
                              "/a-folder-with-a-name-that-is-rather-long-%d", i);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path + n, sizeof path - n, "/s.sock");
    assert_true(strlen(path) > 150);
    int fd = -1, client = -1;
    assert_int_equal(admin_socket_bind(path, &fd), ERR_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(admin_socket_connect(path, &client), ERR_OK);
    int again = -1;
    assert_int_equal(admin_socket_bind(path, &again), ERR_EXISTS); /* someone answers */
    close(client);
    close(fd);
    assert_int_equal(admin_socket_bind(path, &fd), ERR_OK); /* nobody does: replaced */
    close(fd);
    unlink(path);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(admin_socket_bind(path, &fd), -ENOTSOCK); /* a file of somebody's is kept */
    unlink(path);
    for (char *slash; strlen(path) > strlen(folder) && (slash = strrchr(path, '/'));) {
        *slash = '\0';
        if (strlen(path) > strlen(folder))
            rmdir(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_daemon_nobody_holds_the_lock),
        cmocka_unit_test(the_holder_is_found_through_a_symbolic_link),
        cmocka_unit_test(a_killed_daemon_leaves_no_lock_behind),
        cmocka_unit_test(a_database_that_is_not_made_yet_has_a_place_for_its_lock),
        cmocka_unit_test(a_path_longer_than_sun_path_is_bound_and_reached),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
