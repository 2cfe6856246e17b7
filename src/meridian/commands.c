/* commands: everything that `meridian` can do, in the order of the manual. docs/cli.md is made from
 * these rows (`meridian help --markdown`) and a test compares the two. */
#include "command.h"
#include "runs.h"

#include "base/check.h"
#include <stdio.h>
#include <string.h>

#define NONE NOUN_COUNT

static const struct command_flag global_flags[] = {
    {"db", "PATH", "the database; else $MERIDIAN_DB, else /var/lib/meridian/meridian.db", 0},
    {"json", NULL, "output for programs", 0},
    {"help", NULL, "this command's flags and an example", 0},
};

static const struct command_flag grouped_flags[] = {
    {"dry-run", NULL, "show what would change, store nothing", FLAGS_EDIT},
    {"message", "TEXT", "why, for the history", FLAGS_EDIT},
    {"confirm-within", "DURATION",
     "take it back unless `meridian confirm` follows within this time; needs the daemon",
     FLAGS_EDIT},
    {"state", "STATE", "up, drain, down or auto: an override, given alone", FLAGS_STATE},
    {"over", "DURATION", "spread the move over this time", FLAGS_MOVE},
    {"to", "SHARE", "keep this share of the normal traffic: 0..1 or a percentage", FLAGS_MOVE},
    {"until", "TIME", "when it ends: RFC 3339, or a duration from now", FLAGS_ORDER},
    {"reason", "TEXT", "why, shown in status", FLAGS_ORDER},
    {"author", "NAME", "who does it; else $SUDO_USER, else your user name",
     FLAGS_EDIT | FLAGS_ORDER},
};

static const struct command_flag help_flags[] = {
    {"markdown", NULL, "the whole manual as Markdown", 0}, {0}};
static const struct command_flag log_flags[] = {
    {"service", "NAME", "only lines of this service", 0},
    {"region", "NAME", "only lines of this region", 0},
    {"endpoint", "ADDR", "only lines of this address", 0},
    {"kind", "KIND", "only this kind: " LOG_KINDS, 0},
    {"rule", "RULE",
     "only this rule: fall, rise, degrade, panic, region, ramp, load, override, until, hold, "
     "min-regions, min-capacity, max-move, capacity, witness, …",
     0},
    {"level", "LEVEL", "only lines of this level and worse: info, notice, warn, error", 0},
    {"since", "TIME", "from then on: RFC 3339, or a duration back from now", 0},
    {"until", "TIME", "up to then", 0},
    {"reverse", NULL, "newest first", 0},
    {"follow", NULL, "go on with new lines as they come; needs the daemon", 0},
    {"limit", "N", "the newest N lines: 100 if neither this nor --since is given, 10 with --follow",
     0},
    {0}};
static const struct command_flag timeline_flags[] = {
    {"since", "TIME", "from then on: RFC 3339, or a duration back from now; 1d if not given", 0},
    {"until", "TIME", "up to then; now if not given", 0},
    {"width", "N", "columns; else those of the terminal, 80 in a pipe", 0},
    {0}};
static const struct command_flag history_flags[] = {
    {"limit", "N", "the newest N revisions, 20 if not given; 0: all", 0}, {0}};
static const struct command_flag explain_flags[] = {
    {"client", "ADDR", "address or network of the client", 0},
    {"type", "TYPE", "record type, A if not given", 0},
    {0}};
static const struct command_flag what_if_flags[] = {
    {"region", "NAME=SHARE", "this region at that availability: 0..1 or a percentage",
     FLAGS_REPEAT},
    {"apply", "FILE|-", "the configuration of this document, as `apply` reads it", 0},
    {"service", "NAME", "clients of this service only", 0},
    {0}};
static const struct command_flag report_flags[] = {
    {"service", "NAME", "of this service in the region; else of the whole region", 0},
    {"endpoint", "ADDR", "of this endpoint of the service", 0},
    {"ok", "N", "requests that succeeded", 0},
    {"errors", "N", "requests that failed", 0},
    {"covers", "DURATION", "the time counted; else since the report before it", 0},
    {"latency", "QUANTILES", "p50=12ms,p99=80ms, or one of the two; shown only", 0},
    {"load", "N", "of the region: in the unit of its capacity, or as a percentage of it", 0},
    {"source", "NAME", "who reports, \"report\" if not given: each name is judged by itself", 0},
    {0}};
static const struct command_flag doctor_flags[] = {
    {"parent", "ADDR[:PORT]",
     "a name server of the parent zone; else the system's resolver is asked", 0},
    {0}};
static const struct command_flag author_flags[] = {
    {"author", "NAME", "who does it; else $SUDO_USER, else your user name", 0}, {0}};
static const struct command_flag maintenance_flags[] = {
    {"from", "TIME", "when the region is to be empty: RFC 3339, or a duration from now", 0},
    {"state", "STATE", "drain, if not given, or down from then on", 0},
    {0}};
static const struct command_flag token_flags[] = {
    {"region", "NAME", "the only region that it may report of; any if not given", 0}, {0}};
static const struct command_flag export_flags[] = {
    {"local", NULL, "with what belongs to this host: listen, workers, control, admin, nsid", 0},
    {0}};
static const struct command_flag apply_flags[] = {
    {"force", NULL, "also when a newer revision than the document's exists", 0}, {0}};

#define ADD FLAGS_EDIT | FLAGS_FIELDS
#define SET FLAGS_EDIT | FLAGS_FIELDS
#define ORDER FLAGS_ORDER | FLAGS_MOVE | FLAGS_STATE

static const struct command table[] = {
    /* Begin */
    {"init", "", "Makes the database; refuses to touch one that exists.",
     "meridian init --db ./meridian.db", run_init, 0, NONE, NULL},

    /* Zones */
    {"zone add", "NAME", "Adds a DNS zone that Meridian is authoritative for.",
     "meridian zone add gslb.example.com --ns ns1.gslb.example.com=192.0.2.53 --ns "
     "ns2.gslb.example.com=198.51.100.53",
     run_add, ADD, NOUN_ZONE, NULL},
    {"zone set", "NAME", "Changes a zone; --ns replaces all name servers.",
     "meridian zone set gslb.example.com --file gslb.example.com.zone", run_set, SET, NOUN_ZONE,
     NULL},
    {"zone show", "NAME", "Shows one zone and its services.", "meridian zone show gslb.example.com",
     run_show, 0, NOUN_ZONE, NULL},
    {"zone list", "", "Lists the zones.", "meridian zone list", run_list, 0, NOUN_ZONE, NULL},
    {"zone remove", "NAME", "Removes a zone that no service is in.",
     "meridian zone remove gslb.example.com", run_remove, FLAGS_EDIT, NOUN_ZONE, NULL},
    {"zone delegation", "NAME", "Prints the NS and glue records to put in the parent zone.",
     "meridian zone delegation gslb.example.com", run_zone_delegation, 0, NOUN_ZONE, NULL},

    /* Regions */
    {"region add", "NAME", "Adds a site that clients can be sent to.",
     "meridian region add eu-west --at 53.34,-6.26 --capacity 40000", run_add, ADD, NOUN_REGION,
     NULL},
    {"region set", "NAME", "Changes a region; with --state says that it is up, drained or down.",
     "meridian region set eu-west --capacity 50000\nmeridian region set eu-west --state down "
     "--reason "
     "\"fibre cut\" --until 2h",
     run_set, SET | ORDER, NOUN_REGION, NULL},
    {"region show", "NAME", "Shows one region, its override and its endpoints.",
     "meridian region show eu-west", run_show, 0, NOUN_REGION, NULL},
    {"region list", "", "Lists the regions.", "meridian region list", run_list, 0, NOUN_REGION,
     NULL},
    {"region remove", "NAME", "Removes a region that nothing refers to.",
     "meridian region remove eu-west", run_remove, FLAGS_EDIT, NOUN_REGION, NULL},
    {"drain", "REGION", "Moves a region's traffic away, at once, over a time, or in part.",
     "meridian drain eu-west --over 10m --reason \"db move\" --until 2h", run_drain,
     FLAGS_ORDER | FLAGS_MOVE, NONE, NULL},
    {"undrain", "REGION", "Takes a drain, or any other override of the region, back.",
     "meridian undrain eu-west", run_undrain, FLAGS_ORDER, NONE, NULL},
    {"maintenance add", "REGION",
     "Plans a drain: it is done when the window begins, and ends with it by itself.",
     "meridian maintenance add eu-west --from 2026-11-28T02:00:00Z --until 2026-11-28T04:00:00Z "
     "--over 10m --reason \"db move\"",
     run_maintenance_add, FLAGS_ORDER | FLAGS_MOVE, NONE, maintenance_flags},
    {"maintenance list", "", "Lists the windows that are planned or open.",
     "meridian maintenance list", run_maintenance_list, 0, NONE, NULL},
    {"maintenance remove", "ID", "Removes a window; one that is open ends at once.",
     "meridian maintenance remove 3", run_maintenance_remove, 0, NONE, author_flags},
    {"release", "REGION", "Lets a region back in that `--failback hold` keeps out.",
     "meridian release eu-west", run_release, 0, NONE, NULL},

    /* Probes */
    {"probe add", "NAME", "Adds a health check for endpoints.",
     "meridian probe add web --type http --port 80 --path /healthz --interval 5s --timeout 2s "
     "--fall 3 "
     "--rise 2",
     run_add, ADD, NOUN_PROBE, NULL},
    {"probe set", "NAME", "Changes a probe.", "meridian probe set web --interval 10s", run_set, SET,
     NOUN_PROBE, NULL},
    {"probe show", "NAME", "Shows one probe.", "meridian probe show web", run_show, 0, NOUN_PROBE,
     NULL},
    {"probe list", "", "Lists the probes.", "meridian probe list", run_list, 0, NOUN_PROBE, NULL},
    {"probe remove", "NAME", "Removes a probe that nothing uses.", "meridian probe remove web",
     run_remove, FLAGS_EDIT, NOUN_PROBE, NULL},
    {"probe run", "NAME [SERVICE] [REGION] [ADDRESS]",
     "Tries a probe now against one endpoint, or its own target, and prints what it saw.",
     "meridian probe run web 203.0.113.10\nmeridian probe run web www.gslb.example.com eu-west "
     "203.0.113.20",
     run_probe_run, 0, NOUN_PROBE, NULL},

    /* Maps and latencies */
    {"map add", "NAME", "Adds a map from client location to regions, without rules yet.",
     "meridian map add world", run_add, ADD, NOUN_MAP, NULL},
    {"map set", "MAP WHERE REGION[,REGION...]", "Changes a rule of a map, as `map rule set` does.",
     "meridian map set world default us-east,eu-west", run_set, FLAGS_EDIT, NOUN_RULE, NULL},
    {"map show", "NAME", "Shows a map with its rules.", "meridian map show world", run_show, 0,
     NOUN_MAP, NULL},
    {"map list", "", "Lists the maps.", "meridian map list", run_list, 0, NOUN_MAP, NULL},
    {"map remove", "NAME", "Removes a map that no service uses.", "meridian map remove world",
     run_remove, FLAGS_EDIT, NOUN_MAP, NULL},
    {"map rule add", "MAP WHERE REGION[,REGION...]",
     "Adds a rule: net:10.0.0.0/8, asn:3320, country:DE, subdivision:US-CA, city:GB/London, "
     "continent:EU or default, then the regions, best first.",
     "meridian map rule add world continent:EU eu-west,us-east", run_add, FLAGS_EDIT, NOUN_RULE,
     NULL},
    {"map rule set", "MAP WHERE REGION[,REGION...]", "Changes the regions of a rule.",
     "meridian map rule set world default us-east,eu-west", run_set, FLAGS_EDIT, NOUN_RULE, NULL},
    {"map rule list", "[MAP]", "Lists the rules of one map or of all, most specific first.",
     "meridian map rule list world", run_list, 0, NOUN_RULE, NULL},
    {"map rule show", "MAP WHERE", "Shows one rule.", "meridian map rule show world continent:EU",
     run_show, 0, NOUN_RULE, NULL},
    {"map rule remove", "MAP WHERE", "Removes a rule.",
     "meridian map rule remove world continent:EU", run_remove, FLAGS_EDIT, NOUN_RULE, NULL},
    {"latency import", "FILE.csv",
     "Replaces the latency table with the rows where,region,milliseconds of a file (- is standard "
     "input). The header alone empties it.",
     "meridian latency import latency.csv", run_latency_import, FLAGS_EDIT, NOUN_LATENCY, NULL},
    {"latency list", "", "Lists the latency table.", "meridian latency list", run_list, 0,
     NOUN_LATENCY, NULL},

    /* Services */
    {"service add", "NAME", "Adds a DNS name that is answered dynamically.",
     "meridian service add www.gslb.example.com --policy latency --ttl 30 --probe web", run_add,
     ADD, NOUN_SERVICE, NULL},
    {"service set", "NAME", "Changes a service.",
     "meridian service set www.gslb.example.com --policy \"failover | geo\"", run_set, SET,
     NOUN_SERVICE, NULL},
    {"service show", "NAME", "Shows one service with its endpoints.",
     "meridian service show www.gslb.example.com", run_show, 0, NOUN_SERVICE, NULL},
    {"service list", "", "Lists the services.", "meridian service list", run_list, 0, NOUN_SERVICE,
     NULL},
    {"service remove", "NAME", "Removes a service and its endpoints.",
     "meridian service remove www.gslb.example.com", run_remove, FLAGS_EDIT, NOUN_SERVICE, NULL},
    {"endpoint add", "SERVICE REGION ADDRESS",
     "Adds an address or host name that a service has in a region.",
     "meridian endpoint add www.gslb.example.com eu-west 203.0.113.20 --weight 100", run_add, ADD,
     NOUN_ENDPOINT, NULL},
    {"endpoint set", "SERVICE REGION ADDRESS",
     "Changes an endpoint; with --state says that it is up, drained or down.",
     "meridian endpoint set www.gslb.example.com eu-west 203.0.113.20 --weight 50\nmeridian "
     "endpoint set "
     "www.gslb.example.com eu-west 203.0.113.20 --state drain",
     run_set, SET | ORDER, NOUN_ENDPOINT, NULL},
    {"endpoint show", "SERVICE REGION ADDRESS", "Shows one endpoint.",
     "meridian endpoint show www.gslb.example.com eu-west 203.0.113.20", run_show, 0, NOUN_ENDPOINT,
     NULL},
    {"endpoint list", "[SERVICE]", "Lists the endpoints of one service or of all.",
     "meridian endpoint list www.gslb.example.com", run_list, 0, NOUN_ENDPOINT, NULL},
    {"endpoint remove", "SERVICE REGION ADDRESS", "Removes an endpoint.",
     "meridian endpoint remove www.gslb.example.com eu-west 203.0.113.20", run_remove, FLAGS_EDIT,
     NOUN_ENDPOINT, NULL},

    /* Settings and geo databases */
    {"set", "KEY VALUE", "Changes a setting of the daemon; `show` lists them.",
     "meridian set geo /var/lib/GeoIP/GeoLite2-City.mmdb", run_setting_set, FLAGS_EDIT,
     NOUN_SETTING, NULL},
    {"unset", "KEY", "Gives a setting its default back.", "meridian unset geo", run_setting_unset,
     FLAGS_EDIT, NOUN_SETTING, NULL},
    {"show", "[KEY]", "Shows all settings with value, default and meaning, or the value of one.",
     "meridian show\nmeridian show listen", run_settings, 0, NOUN_SETTING, NULL},
    {"geo lookup", "ADDR", "Says what the geo databases know of an address.",
     "meridian geo lookup 81.2.69.160", run_geo_lookup, 0, NONE, NULL},
    {"geo status", "", "Says which geo databases are loaded, their build date and size.",
     "meridian geo status", run_geo_status, 0, NONE, NULL},

    /* Watch */
    {"status", "[SERVICE]",
     "Shows what is set, observed and in effect for regions, or for one service.",
     "meridian status\nmeridian status www.gslb.example.com", run_status, 0, NONE, NULL},
    {"log", "", "Prints the probe and failover log.",
     "meridian log --follow --region eu-west\nmeridian log --since 1h --kind "
     "availability\nmeridian log "
     "--rule fall --reverse --limit 20",
     run_log, 0, NONE, log_flags},
    {"timeline", "REGION|SERVICE[/REGION]",
     "Shows when a region, or a service in each region, was up, degraded, drained or down.",
     "meridian timeline eu-west --since 1d\nmeridian timeline www.gslb.example.com/eu-west --since "
     "2h",
     run_timeline, 0, NONE, timeline_flags},
    {"explain", "NAME", "Says why a client gets the answer it gets.",
     "meridian explain www.gslb.example.com --client 81.2.69.160", run_explain, 0, NONE,
     explain_flags},
    {"what-if", "",
     "Says who would move where, without touching what serves: regions at other availabilities, "
     "another configuration, or both.",
     "meridian what-if --region eu-west=0\nmeridian what-if --apply meridian.json --region "
     "us-east=50%",
     run_what_if, 0, NONE, what_if_flags},

    {"report", "REGION",
     "Hands in what a load balancer counted: evidence of its own, beside the probes.",
     "meridian report eu-west --service www.gslb.example.com --ok 4970 --errors 30 --source "
     "haproxy\nmeridian report eu-west --ok 51200 --errors 12 --latency p50=12ms,p99=80ms --load "
     "36000",
     run_report, 0, NONE, report_flags},

    {"token add", "NAME",
     "Makes a token for a reporter over HTTP and prints it, once; only its hash is stored.",
     "meridian token add haproxy-eu --region eu-west", run_token_add, FLAGS_EDIT, NONE,
     token_flags},
    {"token list", "", "Lists who has a token.", "meridian token list", run_token_list, 0, NONE,
     NULL},
    {"token remove", "NAME", "Takes a token back: it is void at once.",
     "meridian token remove haproxy-eu", run_token_remove, FLAGS_EDIT, NONE, NULL},

    /* Revisions */
    {"history", "", "Lists the revisions of the configuration: who, when, why.", "meridian history",
     run_history, 0, NONE, history_flags},
    {"diff", "[A] [B]",
     "Shows what changed from revision A to B: B is the newest if left out, A the one before it.",
     "meridian diff\nmeridian diff 3 7", run_diff, 0, NONE, NULL},
    {"rollback", "REVISION", "Makes a new revision with the configuration of an old one.",
     "meridian rollback 3 --message \"back to before the move\"", run_rollback, FLAGS_EDIT, NONE,
     NULL},
    {"confirm", "", "Keeps the edit that was made with --confirm-within.", "meridian confirm",
     run_confirm, 0, NONE, author_flags},
    {"export", "", "Writes the whole configuration as one JSON document.",
     "meridian export > meridian.json", run_export, 0, NONE, export_flags},
    {"apply", "FILE|-",
     "Makes the configuration equal to a document; paths in it are meant from its folder.",
     "meridian apply meridian.json --dry-run", run_apply, FLAGS_EDIT, NONE, apply_flags},
    {"doctor", "ZONE",
     "Asks the parent zone and every name server of a zone, and looks for traps in its "
     "configuration; 1 if there is a problem.",
     "meridian doctor gslb.example.com", run_doctor, 0, NONE, doctor_flags},
    {"check", "", "Judges configuration, zone files and geo databases, without a daemon.",
     "meridian check", run_check, 0, NONE, NULL},
    {"reload", "", "Makes the daemon read zone files and geo databases that changed.",
     "meridian reload", run_reload, 0, NONE, NULL},

    /* Help */
    {"help", "[COMMAND...]", "Explains a command, or lists them all.", "meridian help region add",
     run_help, 0, NONE, help_flags},
    {"completion", "bash", "Prints the completion script of a shell.",
     "meridian completion bash > /etc/bash_completion.d/meridian", run_completion, 0, NONE, NULL},
};

const struct command *commands(size_t *n)
{
    *n = ARRAY_LEN(table);
    return table;
}

const struct command_flag *flags_global(size_t *n)
{
    *n = ARRAY_LEN(global_flags);
    return global_flags;
}

static bool each_own(const struct command *c, bool (*fn)(void *, const struct flag_view *),
                     void *ctx)
{
    for (const struct command_flag *f = c->own; f && f->name; f++) {
        struct flag_view v = {f->name, f->value,         f->help,
                              NULL,    f->value != NULL, (f->group & FLAGS_REPEAT) != 0};
        if (!fn(ctx, &v))
            return false;
    }
    return true;
}

static bool each_field(const struct command *c, bool (*fn)(void *, const struct flag_view *),
                       void *ctx)
{
    size_t n;
    const struct config_field *fields = config_fields(c->noun, &n);
    for (size_t i = 0; i < n; i++) {
        const struct config_field *f = &fields[i];
        if (!f->flag || !f->flag[0])
            continue;
        struct flag_view v = {f->flag, f->value, f->help, f, f->kind != FIELD_BOOL, f->repeat};
        if (!fn(ctx, &v))
            return false;
    }
    return true;
}

void command_flags_each(const struct command *c, bool (*fn)(void *ctx, const struct flag_view *f),
                        void *ctx)
{
    if (c->groups & FLAGS_FIELDS && !each_field(c, fn, ctx))
        return;
    if (!each_own(c, fn, ctx))
        return;
    for (size_t i = 0; i < ARRAY_LEN(grouped_flags); i++) {
        const struct command_flag *f = &grouped_flags[i];
        struct flag_view v = {f->name, f->value, f->help, NULL, f->value != NULL, false};
        if (f->group & c->groups && !fn(ctx, &v))
            return;
    }
}
