/* Prints docs/configuration.md from the tables that the code reads: config_doc > docs/configuration.md.
 * A test compares the two, so that the page cannot say something else than the program does. */
#include "base/check.h"
#include "config/config.h"

#include <stdio.h>
#include <string.h>

static void put_cell(const char *text) /* a bar would end the cell */
{
    for (; *text; text++)
        if (*text == '|')
            fputs("\\|", stdout);
        else
            putchar(*text);
}

static void put_row(const char *const *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fputs("| ", stdout);
        put_cell(cells[i]);
        putchar(' ');
    }
    puts("|");
}

static void put_settings(void)
{
    size_t n;
    const struct model_setting_info *s = model_settings_table(&n);
    puts("## Settings\n\n"
         "`meridian set KEY VALUE` stores one, `meridian show` lists them; in the document they "
         "are the object `settings`, values as texts. Settings marked *host* belong to one host: "
         "they are exported only with `--local`, and `apply` leaves them alone unless the "
         "document names them. The thresholds among them are the defaults of what a service does "
         "not say itself.\n\n"
         "| key | default | accepted | |\n| --- | --- | --- | --- |");
    for (size_t i = 0; i < n; i++) {
        char key[80], fallback[80], help[300];
        snprintf(key, sizeof key, "`%s`", s[i].key);
        snprintf(fallback, sizeof fallback, *s[i].fallback ? "`%s`" : "%s", s[i].fallback);
        snprintf(help, sizeof help, "%s%s", s[i].help, s[i].local ? " (*host*)" : "");
        put_row((const char *[]){key, fallback, model_setting_accepted(s[i].kind), help}, 4);
    }
}

static const char *const intros[NOUN_COUNT] = {
    [NOUN_ZONE] = "## Zone\n\nA DNS zone that is answered with authority. SOA, NS and glue come "
                  "from its zone file where it has them, else from here.",
    [NOUN_REGION] = "## Region\n\nA site that clients can be sent to. Regions keep the order in "
                    "which they were declared; a client that no map places takes them in this "
                    "order. At most 64.",
    [NOUN_PROBE] = "## Probe\n\nHow an endpoint is checked.",
    [NOUN_MAP] = "## Map\n\nClient location to an ordered list of regions. In the document a map "
                 "holds its list `rules`; on the command line they are `meridian map rule "
                 "add|set|remove MAP WHERE REGION[,REGION...]`.",
    [NOUN_RULE] = "### Rule\n\nOne rule a place; the most specific place wins: `net:` (longest "
                  "prefix first), `asn:`, `city:`, `subdivision:`, `country:`, `continent:`, "
                  "`default`.",
    [NOUN_LATENCY] = "## Latency\n\nMeasured milliseconds from clients to a region: the list "
                     "`latency` of the document, or `meridian latency import FILE.csv` with rows "
                     "`where,region,milliseconds`, which replaces the whole table.",
    [NOUN_SERVICE] = "## Service\n\nA DNS name inside a zone that is answered dynamically. What "
                     "is left out of the thresholds has the setting of that name. In the document "
                     "a service holds its list `endpoints`.",
    [NOUN_ENDPOINT] = "### Endpoint\n\nWhat a service has in a region; known by service, region "
                      "and address. At most 256 a service, all addresses or all host names.",
};

static void put_noun(enum config_noun noun)
{
    size_t n;
    const struct config_field *f = config_fields(noun, &n);
    printf("\n%s\n\n| field | flag | value | default | |\n| --- | --- | --- | --- | --- |\n",
           intros[noun]);
    for (size_t i = 0; i < n; i++) {
        char key[80], flag[160] = "", fallback[80], help[300];
        snprintf(key, sizeof key, "`%s`", f[i].key);
        if (f[i].flag)
            snprintf(flag, sizeof flag, "`--%s %s`%s", f[i].flag, f[i].value,
                     f[i].repeat ? ", repeatable" : "");
        snprintf(fallback, sizeof fallback, *f[i].fallback ? "`%s`" : "%s", f[i].fallback);
        snprintf(help, sizeof help, "%s", f[i].help);
        put_row((const char *[]){key, flag, f[i].accepted, fallback, help}, 5);
    }
}

int main(void)
{
    static const enum config_noun nouns[] = {NOUN_ZONE, NOUN_REGION,  NOUN_PROBE,   NOUN_MAP,
                                             NOUN_RULE, NOUN_LATENCY, NOUN_SERVICE, NOUN_ENDPOINT};
    puts("# Configuration\n\n"
         "Every noun, field, setting and default. This page is printed by `config_doc` from the "
         "tables that the programs read (`src/model/include/model/settings.def`, "
         "`src/config/fields.def`); a test keeps them equal.\n\n"
         "The configuration lives in SQLite and is edited with `meridian NOUN VERB`, or as a "
         "whole with `meridian export` and `meridian apply`. The document is one JSON object with "
         "the keys `settings`, `zones`, `regions`, `probes`, `maps`, `latency`, `services` and "
         "`revision`. A key that is absent is left alone by `apply`; an empty list removes. What "
         "an item leaves out has its default; `null` says the same. Unknown keys are errors.\n\n"
         "Durations are texts such as `500ms`, `5s`, `10m`, `2h`, `1d`; a bare number is seconds. "
         "Shares are numbers from 0 to 1 or percentages. Names may be written in any case, domain "
         "names with or without the last dot; they are kept in lower case without it, addresses "
         "in their canonical form. On the command line an empty value (`--probe \"\"`) resets a "
         "field to its default.\n\n"
         "```json\n"
         "{\"settings\": {\"geo\": \"/var/lib/GeoIP/GeoLite2-City.mmdb\"},\n"
         " \"zones\": [{\"name\": \"gslb.example\", \"ns\": [{\"name\": \"ns1.gslb.example\", "
         "\"addresses\": [\"192.0.2.53\"]}]}],\n"
         " \"regions\": [{\"name\": \"eu\", \"at\": [51.51, -0.13]}, {\"name\": \"us\", \"at\": "
         "[39.04, -77.49]}],\n"
         " \"probes\": [{\"name\": \"web\", \"type\": \"http\", \"path\": \"/healthz\"}],\n"
         " \"maps\": [{\"name\": \"world\", \"rules\": [\n"
         "   {\"where\": \"continent:EU\", \"regions\": [\"eu\", \"us\"]},\n"
         "   {\"where\": \"default\", \"regions\": [\"us\", \"eu\"]}]}],\n"
         " \"services\": [{\"name\": \"www.gslb.example\", \"policy\": \"geo\", \"map\": "
         "\"world\", \"probe\": \"web\", \"endpoints\": [\n"
         "   {\"region\": \"eu\", \"address\": \"203.0.113.20\"},\n"
         "   {\"region\": \"us\", \"address\": \"203.0.113.10\"}]}]}\n"
         "```\n");
    put_settings();
    for (size_t i = 0; i < ARRAY_LEN(nouns); i++)
        put_noun(nouns[i]);
    return 0;
}
