/* meridian: the command line. Read the arguments, run the row of the table, see that the output
 * arrived. */
#include "help.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A closed standard stream would be taken by the first file that is opened: the database would then
 * receive our messages. */
static void fill_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Names travel and are stored as UTF-8. */
static bool arguments_are_text(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        json_t *text = json_string(argv[i]);
        json_decref(text);
        if (!text) {
            fprintf(stderr, "meridian: argument %d is not UTF-8 text\n", i);
            return false;
        }
    }
    return true;
}

/* --help, --version, and nothing at all. */
static int answer_without_command(const struct call *c, enum admin_code code)
{
    FILE *out = code ? stderr : stdout;
    bool noun;
    if (c->version)
        puts("meridian " MERIDIAN_VERSION);
    else if (c->command)
        help_command(out, c->command);
    else if (c->args_n > 0 && (help_find(c->arg, c->args_n, &noun), noun))
        help_noun(out, c->arg, c->args_n);
    else
        help_summary(out);
    return (int)code;
}

/* Output that did not arrive is a failure, unless its reader had enough (`| head`). */
static int finish(int code)
{
    bool arrived = fflush(stdout) == 0;
    if (arrived && !ferror(stdout))
        return code;
    struct pollfd p = {.fd = STDOUT_FILENO};
    if (poll(&p, 1, 0) > 0 && p.revents & POLLERR) /* the reader closed the pipe */
        return code;
    fprintf(stderr, "meridian: the output cannot be written%s%s\n", arrived ? "" : ": ",
            arrived ? "" : strerror(errno));
    return code ? code : ADMIN_REFUSED;
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    if (!arguments_are_text(argc, argv))
        return ADMIN_USAGE;
    static struct call call;
    struct diag diag = {0};
    enum admin_code code = call_parse(&call, argc, argv, &diag);
    if (call.help || call.version)
        return finish(answer_without_command(&call, code));
    if (code)
        return session_fail(ERR_USAGE, &diag);
    diag_fini(&diag);
    return finish(call.command->run(&call));
}
