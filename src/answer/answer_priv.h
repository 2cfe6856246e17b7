/* What the files of the answer room share. */
#pragma once

#include "answer/answer.h"

/* What was looked up before the decision; the same that the decision would look up. */
struct answer_known {
    struct zone_hit hit; /* of the question's name, unless answer__elsewhere */
    bool located;
    struct geo_client client; /* for the view of the service at the hit's node, where located */
};

/* A class or type that no name is looked up for. */
bool answer__elsewhere(const struct dns_query *q);
void answer__locate(const struct dns_query *q, const struct ip *source,
                    const struct snapshot_view *view, struct geo_client *out);
void answer__decide(const struct snapshot *s, const struct dns_query *q, const struct ip *source,
                    struct rng *rng, const struct answer_known *known, struct answer_plan *p);
