/* probe: one probe now, from where the daemon stands. */
#include "runs.h"
#include "session.h"

#include <stdlib.h>

static void print_timings(const json_t *timings)
{
    static const char *const keys[][2] = {{"connect_ms", "connect"},
                                          {"tls_ms", "tls"},
                                          {"first_byte_ms", "first byte"},
                                          {"total_ms", "total"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(timings, keys[i][0]);
        if (json_number_value(value) > 0) /* what it did not come to took no time */
            printf("  %-11s %.1f ms\n", keys[i][1], json_number_value(value));
    }
}

/* PROBE ADDRESS, PROBE alone where it has a target, or PROBE SERVICE REGION ADDRESS. */
int run_probe_run(struct call *c)
{
    if (c->args_n == 3)
        return session_fail_text(ADMIN_USAGE,
                                 "probe run takes an address, or service, region and address");
    json_t *request = json_pack("{s:s, s:s}", "op", "probe-run", "probe", call_arg(c, 0));
    if (c->args_n > 1)
        json_object_set_new(request, "address", json_string(call_arg(c, c->args_n - 1)));
    if (c->args_n == 4) {
        json_object_set_new(request, "service", json_string(call_arg(c, 1)));
        json_object_set_new(request, "region", json_string(call_arg(c, 2)));
    }
    json_t *reply;
    int code = session_ask(c, request, CALL_TIMEOUT_MS, &reply);
    if (code)
        return code;
    bool passed = json_is_true(json_object_get(reply, "ok_probe"));
    if (c->json) {
        json_object_del(reply, "ok");
        code = session_json(reply);
    } else {
        const char *target = json_string_value(json_object_get(reply, "target"));
        const char *text = json_string_value(json_object_get(reply, "text"));
        printf("%s: %s: ", target ? target : call_arg(c, c->args_n - 1), passed ? "ok" : "FAIL");
        session_line(text ? text : "-");
        print_timings(json_object_get(reply, "timings"));
        json_decref(reply);
    }
    return passed ? code : ADMIN_REFUSED;
}
