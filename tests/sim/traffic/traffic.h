/* traffic: user requests under failover rules, on a virtual clock, from a seed.
 *
 *   world.c       regions with capacities, classes of clients, resolvers and their caches
 *   fault.c       what goes wrong and when; what a request or a probe meets at a time
 *   load.c        who asks when, where the requests go, which of them fail
 *   room.c        what could be carried at best
 *   meridian.c    the real engine and the real steering, wired by src/signal
 *   peers.c       models of other rules, from their public documentation
 *   check.c       what must hold of Meridian after each second
 *   movement.c    who moves when one region fails, and who is back afterwards
 *   table.c       rules side by side, as Markdown
 *   hindsight.c   the fewest changes that any rule needs for so few failures
 *
 * Time      whole seconds. World and faults come from the seed alone and are the same for every
 *           rule; each rule has its own load, since load follows its answers.
 * Request   fails with the chance that faults give it, or when a region has more load than capacity:
 *           then as many fail as are too many. A probe succeeds as a request does.
 * Asker     one entry of a resolver's cache: a client network (with EDNS Client Subnet) or all the
 *           networks of a resolver. It asks when its answer has expired, which is later than the TTL
 *           says for a share of the resolvers.
 * Units     requests a second, seconds, shares from 0 to 1. */
#pragma once

#include "base/random.h"
#include "geo/client.h"

#include <stdbool.h>
#include <stdint.h>

#define REGIONS_MAX 50
#define ENDPOINTS_MAX 4 /* of one region */
#define CLASSES_MAX 100
#define ASKERS_MAX 4000
#define FAULTS_MAX 16
#define NOWHERE (-1)
#define TTL_S 30
#define REPORT_S 10

enum fault_kind {
    FAULT_CRASH,     /* a region, every request */
    FAULT_ENDPOINT,  /* one endpoint, every request */
    FAULT_BROWN,     /* a region, a share of the requests */
    FAULT_SLOW,      /* the same by time-outs: a probe learns of it later */
    FAULT_FLAP,      /* a region, down for half of each period */
    FAULT_LOSS,      /* the prober loses a share of its probes, on their way to all regions */
    FAULT_ISOLATION, /* the prober reaches nobody */
    FAULT_ONE_WAY,   /* the prober does not reach one region, its clients do */
    FAULT_CUT,       /* some classes do not reach one region, all others do */
    FAULT_SURGE,     /* a multiple of the usual load from the classes of one region */
    FAULT_KINDS
};

struct fault {
    enum fault_kind kind;
    int region, endpoint;
    int from, to; /* [from, to) */
    double p;     /* share, or multiple of the load */
    int period;
    bool refuses; /* fails at once, not by time-out */
};

struct region {
    double x, y; /* on the map, for distances */
    double capacity;
    int endpoints;
};

struct class
{
    int order[REGIONS_MAX]; /* nearest first; a fence has cut off the rest */
    int order_n;
    bool fenced;
    int home; /* the nearest */
    double demand;
};

struct asker {
    int class;
    struct ip ip;
    bool subnet; /* ECS: ip is a client network, else the resolver's own address */
    int networks;
    double demand;
    double stretch; /* of the TTL */
    int floor_s;    /* TTLs below it are taken for it */
};

struct world {
    uint64_t seed;
    int end_s;
    int regions, classes, askers, faults, networks;
    bool fenced;
    bool weighted;   /* regions are one group, chosen by weight */
    bool capacities; /* they are configured */
    struct region region[REGIONS_MAX];
    struct class class[CLASSES_MAX];
    struct asker asker[ASKERS_MAX];
    struct fault fault[FAULTS_MAX];
};

struct answer {
    int region, endpoint; /* NOWHERE: none */
    int ttl_s;
};

/* What a request meets now. */
struct truth {
    double fails[REGIONS_MAX][ENDPOINTS_MAX];
    double times_out[REGIONS_MAX]; /* the part of failures that takes a time-out to see */
    bool silent[REGIONS_MAX];      /* nobody is there to report */
    bool cut[CLASSES_MAX][REGIONS_MAX];
    double surge[CLASSES_MAX];
    double probe_loss; /* of the prober's own network */
    bool isolated;
    bool one_way[REGIONS_MAX];
};

struct reported { /* of a region, since the last report */
    double ok, errors;
    double load; /* requests a second */
};

enum over_kind { /* a region has more load than capacity by steering; each is part of the one before */
                 OVER_ANY,
                 OVER_SENT, /* the rule could have known, and could have sent them elsewhere */
                 OVER_OPEN, /* where it sends others */
                 OVER_KINDS
};

struct over {
    double s, failed; /* seconds; requests that were too many then */
    uint64_t regions; /* each once a seed */
};

struct sums {
    double requests, failed;
    double failed_by[FAULT_KINDS + 1]; /* by what was wrong at the time; the last: nothing */
    struct over over[OVER_KINDS];
    double over_peak; /* the largest load of these, as a multiple of the capacity */
    double flips;     /* client networks whose answer changed region */
};

struct room {                  /* what could be carried at best */
    bool carries[REGIONS_MAX]; /* what would come to it at best is not too much */
    bool open[REGIONS_MAX];    /* it is one that could carry */
    bool stuck[CLASSES_MAX];   /* whichever of those it goes to has too much */
    uint64_t state;            /* of the world, for which that was found */
    int since_s;               /* when it became so */
};

struct rule;
struct run { /* one rule in one world */
    const struct world *w;
    const struct rule *rule;
    void *state;
    int now;
    struct truth truth;
    struct rng rng; /* of probes */
    struct answer cached[ASKERS_MAX];
    int first[ASKERS_MAX]; /* region of the first answer: no fault has begun */
    int expires[ASKERS_MAX];
    double load[REGIONS_MAX], home[REGIONS_MAX];
    double overload[REGIONS_MAX]; /* share of the requests that are too many */
    bool counted[OVER_KINDS][REGIONS_MAX];
    struct room room, steady; /* with all regions that work, and with those that do so for good */
    struct room open;         /* with those of the latter to which the rule sends others */
    bool works[REGIONS_MAX];  /* for good */
    int fails_s[REGIONS_MAX]; /* when it last did not work */
    bool decided;             /* the rule's answers may be others than in the second before */
    double sent[REGIONS_MAX]; /* the load, if everybody asked now */
    double load_of[REGIONS_MAX][CLASSES_MAX], sent_of[REGIONS_MAX][CLASSES_MAX]; /* of each class */
    int sent_s[OVER_KINDS][REGIONS_MAX]; /* when last too many were sent there */
    int said_s[REGIONS_MAX];             /* for --show */
    int fault;                           /* what began last; FAULTS_MAX: nothing */
    double sent_by[FAULTS_MAX + 1];      /* seconds of OVER_SENT, by it */
    struct reported reported[REGIONS_MAX];
    struct sums sums;
    uint64_t digest;
    bool checked;
    char failure[300];
};

struct rule {
    const char *name, *about;
    void *(*open)(struct run *r);
    void (*close)(void *state);
    void (*second)(struct run *r); /* evidence of this second is there: judge */
    struct answer (*ask)(struct run *r, int asker);
    double (*keeps)(const struct run *r, int region); /* its own clients; 1: takes others, too */
    int option;
};

void world_draw(struct world *w, uint64_t seed);
void fault_draw(struct world *w, struct rng *rng);
void fault_truth(const struct world *w, int now, struct truth *out);
const char *fault_name(enum fault_kind kind);

/* A probe of a region's endpoint now; lost: it is sent by the prober that faults concern. */
bool probe_succeeds(struct run *r, struct rng *rng, int region, int endpoint, bool own_network,
                    bool *timed_out);
/* Could the regions that work carry all demand, if everybody were sent where there is room? */
void room_find(struct run *r);
void room_find_open(struct run *r);
void load_second(struct run *r);
void run_rule(const struct world *w, const struct rule *rule, struct run *r);
void run_fail(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

extern const struct rule rule_meridian;
extern const struct rule rules_of_peers[];
extern const int rules_of_peers_n;

void check_second(struct run *r); /* of Meridian, when r->checked */
int movement_test(uint64_t first, int worlds);
int table_print(uint64_t first, int seeds);
int hindsight_print(uint64_t first, int seeds);
int table_alone(uint64_t first, int seeds);
int table_marks(uint64_t first, int seeds);
