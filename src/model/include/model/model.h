/* model: the configuration as typed values.
 * Shape     one array per noun; items are plain structs with borrowed strings; names are
 *           lower-case. Arrays are kept in the order given below, so that two models compare item
 *           by item.
 * Owns      nothing: all of it lives in the arena of its struct model.
 * Lifetime  model_create to model_unref; a published model is never changed: an edit works on a
 *           clone.
 * Threads   building: one; immutable afterwards, the reference count is atomic.
 * Units     durations in milliseconds, TTLs in seconds, coordinates in degrees, shares 0..1. */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "base/diag.h"
#include "model/policy.h"
#include "model/settings.h"

#define MODEL_REGIONS_MAX 64
#define MODEL_ENDPOINTS_PER_SERVICE_MAX 256
#define MODEL_TTL_MAX 86400
#define MODEL_NAME_TEXT_MAX 64  /* regions, probes, maps: [a-z0-9][a-z0-9_-]{0,62} */
#define MODEL_HOST_TEXT_MAX 254 /* host names without the last dot, with NUL */
#define MODEL_UNSET (-1)        /* of a number or duration: the setting of that name */
#define MODEL_AUTO (-2)         /* of hold and window: computed from TTL or interval */

struct model_setting { /* sorted by key */
    const char *key, *value;
};

struct model_ns {
    const char *name;             /* host name of the name server */
    const char *const *addresses; /* glue, address texts in canonical form */
    uint32_t addresses_n;
};
struct model_zone {   /* sorted by name */
    const char *name; /* lower-case text without the last dot */
    const char *file; /* NULL: none; as the user gave it, made absolute */
    const struct model_ns *ns;
    uint32_t ns_n;
    int64_t ttl_s;          /* of NS and glue made from here; default 3600 */
    int64_t negative_ttl_s; /* SOA MINIMUM where there is no file; default 60 */
};

struct model_region { /* in the order they were declared */
    const char *name;
    bool placed; /* has coordinates */
    double lat, lon;
    int64_t capacity; /* 0: none given */
    double bias_km;
    const char *depends_on; /* a probe with a target of its own; NULL */
    int64_t order; /* ascending in the array; keeps a region's place through diff and undo */
};

enum model_probe_type {
    PROBE_HTTP,
    PROBE_HTTPS,
    PROBE_TCP,
    PROBE_DNS,
    PROBE_EXEC,
    PROBE_ALL, /* and the two below: of other probes */
    PROBE_ANY,
    PROBE_QUORUM
};
#define MODEL_PROBE_OF_MAX 8
struct model_probe { /* sorted by name */
    const char *name;
    enum model_probe_type type;
    int64_t port;              /* 0: the type's default (80, 443, 53; tcp needs one) */
    const char *path;          /* http(s): "/" */
    const char *host;          /* Host header and SNI; NULL: the service's name */
    const char *status;        /* accepted codes, "200-399" or "200,204"; default "200-399" */
    const char *body;          /* text that the body must hold; NULL */
    bool verify;               /* https: certificate; default true */
    bool follow;               /* redirects; default false */
    const char *send, *expect; /* tcp: text to send (C escapes), text to find; NULL */
    const char *qname, *qtype; /* dns: question; NULL: the service's name, A */
    const char *command;       /* exec: path of the program */
    const char *const *args;   /* exec: with {address} {service} {region} {port} replaced */
    uint32_t args_n;
    const char *target;    /* what it checks instead of the endpoint; NULL: the endpoint */
    const char *const *of; /* all, any, quorum: names of probes */
    uint32_t of_n;
    int64_t quorum;                  /* quorum: how many of them must succeed */
    int64_t interval_ms, timeout_ms; /* 10 s, 5 s; timeout below interval */
    int64_t fall, rise;              /* 3, 2 */
};

enum model_where {
    WHERE_NET,
    WHERE_ASN,
    WHERE_CITY,
    WHERE_SUBDIVISION,
    WHERE_COUNTRY,
    WHERE_CONTINENT,
    WHERE_DEFAULT
};
struct model_place { /* WHERE of a map rule or a latency row, most specific kind first */
    enum model_where kind;
    struct ip_prefix net; /* WHERE_NET */
    uint32_t asn;         /* WHERE_ASN */
    const char *text;     /* canonical text of all: "net:10.0.0.0/8", "city:GB/London", "default" */
};
struct model_rule { /* within a map sorted by kind, then text; one rule per place */
    struct model_place where;
    const char *const *regions; /* names, best first */
    uint32_t regions_n;
};
struct model_map { /* sorted by name */
    const char *name;
    const struct model_rule *rules;
    uint32_t rules_n;
};

struct model_latency {        /* sorted by place, then region */
    struct model_place where; /* net, asn, country, continent */
    const char *region;
    double ms;
};

enum model_on_empty { ON_EMPTY_ALL, ON_EMPTY_NODATA, ON_EMPTY_SERVICE };
enum model_failback { FAILBACK_AUTO, FAILBACK_AFTER, FAILBACK_HOLD };
struct model_thresholds { /* per service; negative (or FAILBACK_UNSET): the setting of that name */
    double degrade, fail, panic, min_capacity, max_move;
    int64_t ramp_ms, hold_ms, window_ms, min_regions;
    int failback; /* -1 unset, else enum model_failback */
    int64_t failback_after_ms;
};

struct model_endpoint { /* within a service sorted by region (declared order), priority, address */
    const char *region;
    const char *address; /* canonical address text, or lower-case host name without the last dot */
    const char *probe;   /* NULL: the service's */
    int32_t weight;      /* 0..1000000, default 100 */
    int16_t priority;    /* 1..1000, default 1; lowest first */
    uint8_t family; /* of the address: 4, 6, or 0 for a host name; its octets are parsed again */
};
struct model_service { /* sorted by name */
    const char *name;
    const char *zone;            /* found by longest suffix; set by validation */
    const char *policy;          /* canonical text */
    const struct policy *parsed; /* NULL: not yet; shared by neighbours with the same text */
    const char *map;             /* NULL */
    const char *probe;           /* NULL */
    const char *on_empty_service;
    const struct model_thresholds
        *thresholds; /* never NULL; shared by services that have the same */
    const struct model_endpoint *endpoints;
    uint32_t endpoints_n;
    int32_t ttl_s;        /* default 30 */
    int32_t ttl_moving_s; /* -1: half of ttl, at least 5 */
    int16_t answers;      /* for `all`; 0: no bound */
    uint8_t on_empty;     /* enum model_on_empty */
};

/* Effective values of a service, settings applied. */
struct model_effective {
    double degrade, fail, panic, min_capacity, max_move;
    int64_t ramp_ms, hold_ms, window_ms, min_regions, ttl_moving_s, failback_after_ms;
    enum model_failback failback;
};

struct model {
    struct arena *arena; /* of what the arrays point to */
    int64_t revision;
    struct model_setting *settings;
    struct model_zone *zones;
    struct model_region *regions;
    struct model_probe *probes;
    struct model_map *maps;
    struct model_latency *latency;
    struct model_service *services;
    uint32_t settings_n, zones_n, regions_n, probes_n, maps_n, latency_n, services_n;
    struct model_effective defaults; /* the settings parsed, hold and window MODEL_AUTO where so;
                                      * filled by model_validate */
};

struct model *model_create(void); /* empty, revision 0; NULL out of memory */
/* Shares nothing that the original frees: strings and nested arrays are shared by reference count
 * until too much of them is out of use, then copied. NULL out of memory. */
struct model *model_clone(const struct model *m);
/* A model that differs from m in its settings alone, for a run: all else is m's, which it keeps. Only
 * settings may be changed, and it cannot be cloned. m must be validated. NULL out of memory. */
struct model *model_over(struct model *m);
void model_unref(struct model **m);
struct model *model_ref(struct model *m);

/* Lookup by key; NULL when there is none. Binary search where sorted. */
const char *
model_setting(const struct model *m,
              const char *key); /* the default of model/settings.def where unset; NULL if unknown */
const struct model_zone *model_zone(const struct model *m, const char *name);
const struct model_region *model_region(const struct model *m, const char *name);
int model_region_index(const struct model *m, const char *name); /* -1 */
const struct model_probe *model_probe(const struct model *m, const char *name);
const struct model_map *model_map(const struct model *m, const char *name);
const struct model_service *model_service(const struct model *m, const char *name);

/* Everything that can be judged without opening a file: names, ranges, references, policies against
 * maps and endpoints, fences, loops of on-empty, endpoints all addresses or all host names,
 * duplicate endpoints, a service at an apex with host names, two services under one name. Also
 * fills the derived fields (parsed, zone). Errors refuse; warnings are what `check` shows. */
enum err model_validate(struct model *m, struct diag *diag) WARN_UNUSED;
/* The same for a clone of head that was edited: where head was found valid, and all but services is as it
 * was there, only services that differ from head's are judged, and warnings are only of them. */
enum err model_validate_edit(struct model *m, const struct model *head,
                             struct diag *diag) WARN_UNUSED;
/* Has model_validate found nothing wrong? Of a clone that is not known yet. */
bool model_valid(const struct model *m);
/* The same for what model_over made: only what the settings decide is judged, and derived again. */
enum err model_validate_settings(struct model *m, struct diag *diag) WARN_UNUSED;

/* hold auto: the larger of 30 s and the TTL; window auto: the larger of 60 s and 20 intervals;
 * ttl_moving: half the TTL, at least 5 s, never more than the TTL. Validated models only. */
struct model_effective model_service_effective(const struct model *m,
                                               const struct model_service *s);

/* "www.GSLB.example." to lower case without the last dot; false: not a host name (letters, digits,
 * '-' and '_', labels up to 63). */
bool model_host_canonical(const char *text, char out[MODEL_HOST_TEXT_MAX]);
/* Region, probe and map names to lower case; false: not one. */
bool model_name_canonical(const char *text, char out[MODEL_NAME_TEXT_MAX]);
/* child equal to parent or below it; both canonical. */
bool model_host_within(const char *child, const char *parent);

/* WHERE of rules and latency rows: "net:10.0.0.0/8", "asn:3320", "city:GB/London",
 * "subdivision:US-CA", "country:DE", "continent:EU", "default". The canonical text goes to a. */
enum err model_place_parse(const char *text, struct arena *a, struct model_place *out,
                           const char *where, struct diag *diag) WARN_UNUSED;
int model_place_compare(const struct model_place *a, const struct model_place *b);
const char *model_probe_type_name(enum model_probe_type type);
bool model_probe_combines(const struct model_probe *p); /* all, any, quorum */
/* Does it check something that is named in it, whatever the endpoint? */
bool model_probe_targeted(const struct model *m, const struct model_probe *p);
