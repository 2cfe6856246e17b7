/* runs: the functions behind the rows of commands.c, by the file that holds them. */
#pragma once

/* Of the lines of the log; as help and refusals show them. */
#define LOG_KINDS                                                                                  \
    "probe, endpoint, availability, hold, isolated, override, report, spill, config, daemon, "     \
    "fail-open, limit"

struct call;

/* nouns.c: add, set and remove of any noun */
int run_add(struct call *c);
int run_set(struct call *c);
int run_remove(struct call *c);
int run_setting_set(struct call *c);
int run_setting_unset(struct call *c);
/* list.c, show.c */
int run_list(struct call *c);
int run_show(struct call *c);
int run_settings(struct call *c);
/* database.c */
int run_init(struct call *c);
int run_check(struct call *c);
int run_reload(struct call *c);
/* zone.c */
int run_doctor(struct call *c);
int run_zone_delegation(struct call *c);
/* override.c */
int run_drain(struct call *c);
int run_undrain(struct call *c);
int run_release(struct call *c);
/* maintenance.c */
int run_maintenance_add(struct call *c);
int run_maintenance_list(struct call *c);
int run_maintenance_remove(struct call *c);
/* latency.c */
int run_latency_import(struct call *c);
/* geo.c */
int run_geo_lookup(struct call *c);
int run_geo_status(struct call *c);
/* token.c */
int run_token_add(struct call *c);
int run_token_list(struct call *c);
int run_token_remove(struct call *c);
/* revisions.c */
int run_history(struct call *c);
int run_diff(struct call *c);
int run_confirm(struct call *c);
int run_rollback(struct call *c);
int run_export(struct call *c);
int run_apply(struct call *c);
/* status.c, log.c, timeline.c, explain.c, probe.c, report.c */
int run_report(struct call *c);
int run_status(struct call *c);
int run_log(struct call *c);
int run_timeline(struct call *c);
int run_explain(struct call *c);
int run_what_if(struct call *c);
int run_probe_run(struct call *c);
/* help.c, completion.c */
int run_help(struct call *c);
int run_completion(struct call *c);
