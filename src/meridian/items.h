/* items: the configuration's items as columns and fields, for list and show. */
#pragma once

#include "command.h"
#include "table.h"

/* A JSON value as the command line would take it: "5s", "51.51,-0.13", "ns1.example=192.0.2.1".
 * Caller frees; NULL out of memory. */
char *item_text(const json_t *value);
/* An endpoint as a list shows it: with its service; a rule with its map. New reference. */
json_t *item_json(const struct model *m, enum config_noun noun, const char *parent,
                  const void *item);
/* The endpoints of a service (NULL: of all), the rules of a map (NULL: of all). */
void items_endpoints(const struct model *m, const char *service, const char *region,
                     struct table *t);
void items_rules(const struct model *m, const char *map, struct table *t);
const struct model_endpoint *item_endpoint(const struct model_service *s, const char *region,
                                           const char *address);
const struct model_rule *item_rule(const struct model_map *map, const char *where);
/* The item's name as the model writes it, for looking it up. */
void item_host(const char *text, char out[MODEL_HOST_TEXT_MAX]);
void item_name(const char *text, char out[MODEL_NAME_TEXT_MAX]);
