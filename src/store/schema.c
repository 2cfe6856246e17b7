/* The tables of both files. A released step is never edited: a change is a new step. */
#include "store_priv.h"

static const char *const config_steps[] = {
    /* 0 -> 1 */
    "CREATE TABLE setting("
    " key TEXT NOT NULL PRIMARY KEY,"
    " value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE zone("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " file TEXT,"
    " ttl_s INTEGER NOT NULL,"
    " negative_ttl_s INTEGER NOT NULL) STRICT;"
    "CREATE TABLE zone_ns("
    " zone_id INTEGER NOT NULL REFERENCES zone(id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " PRIMARY KEY(zone_id, position)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE zone_ns_address("
    " zone_id INTEGER NOT NULL,"
    " ns_position INTEGER NOT NULL,"
    " position INTEGER NOT NULL,"
    " address TEXT NOT NULL,"
    " PRIMARY KEY(zone_id, ns_position, position),"
    " FOREIGN KEY(zone_id, ns_position) REFERENCES zone_ns(zone_id, position) ON DELETE CASCADE)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE region("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " position INTEGER NOT NULL," /* ascending in the order they were declared */
    " latitude REAL,"
    " longitude REAL,"
    " capacity INTEGER NOT NULL,"
    " bias_km REAL NOT NULL,"
    " CHECK((latitude IS NULL) = (longitude IS NULL))) STRICT;"
    "CREATE TABLE probe("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " type TEXT NOT NULL CHECK(type IN ('http', 'https', 'tcp', 'dns', 'exec')),"
    " port INTEGER NOT NULL,"
    " path TEXT, host TEXT, status TEXT, body TEXT,"
    " verify INTEGER NOT NULL CHECK(verify IN (0, 1)),"
    " follow INTEGER NOT NULL CHECK(follow IN (0, 1)),"
    " send TEXT, expect TEXT, qname TEXT, qtype TEXT, command TEXT,"
    " interval_ms INTEGER NOT NULL,"
    " timeout_ms INTEGER NOT NULL,"
    " fall INTEGER NOT NULL,"
    " rise INTEGER NOT NULL) STRICT;"
    "CREATE TABLE probe_arg("
    " probe_id INTEGER NOT NULL REFERENCES probe(id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL,"
    " value TEXT NOT NULL,"
    " PRIMARY KEY(probe_id, position)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE map("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE map_rule("
    " map_id INTEGER NOT NULL REFERENCES map(id) ON DELETE CASCADE,"
    " place TEXT NOT NULL,"
    " PRIMARY KEY(map_id, place)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE map_rule_region("
    " map_id INTEGER NOT NULL,"
    " place TEXT NOT NULL,"
    " position INTEGER NOT NULL,"
    " region_id INTEGER NOT NULL REFERENCES region(id) DEFERRABLE INITIALLY DEFERRED,"
    " PRIMARY KEY(map_id, place, position),"
    " FOREIGN KEY(map_id, place) REFERENCES map_rule(map_id, place) ON DELETE CASCADE)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE latency("
    " place TEXT NOT NULL,"
    " region_id INTEGER NOT NULL REFERENCES region(id) DEFERRABLE INITIALLY DEFERRED,"
    " ms REAL NOT NULL,"
    " PRIMARY KEY(place, region_id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE service("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " policy TEXT NOT NULL,"
    " map_id INTEGER REFERENCES map(id) DEFERRABLE INITIALLY DEFERRED,"
    " ttl_s INTEGER NOT NULL,"
    " ttl_moving_s INTEGER,"
    " probe_id INTEGER REFERENCES probe(id) DEFERRABLE INITIALLY DEFERRED,"
    " answers INTEGER NOT NULL,"
    " on_empty TEXT NOT NULL CHECK(on_empty IN ('all', 'nodata', 'service')),"
    " on_empty_service TEXT REFERENCES service(name) DEFERRABLE INITIALLY DEFERRED,"
    " degrade REAL, fail REAL, panic REAL, min_capacity REAL,"
    " ramp_ms INTEGER,"
    " hold_ms INTEGER," /* -2: auto */
    " window_ms INTEGER,"
    " min_regions INTEGER,"
    " failback TEXT CHECK(failback IN ('auto', 'after', 'hold')),"
    " failback_after_ms INTEGER) STRICT;"
    "CREATE TABLE endpoint("
    " service_id INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,"
    " region_id INTEGER NOT NULL REFERENCES region(id) DEFERRABLE INITIALLY DEFERRED,"
    " address TEXT NOT NULL,"
    " weight INTEGER NOT NULL,"
    " priority INTEGER NOT NULL,"
    " probe_id INTEGER REFERENCES probe(id) DEFERRABLE INITIALLY DEFERRED,"
    " PRIMARY KEY(service_id, region_id, address)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE revision("
    " revision INTEGER PRIMARY KEY,"
    " wall_ms INTEGER NOT NULL,"
    " author TEXT NOT NULL,"
    " message TEXT NOT NULL,"
    " verb TEXT NOT NULL,"
    " changes INTEGER NOT NULL) STRICT;"
    "CREATE TABLE revision_change("
    " revision INTEGER NOT NULL REFERENCES revision(revision) DEFERRABLE INITIALLY DEFERRED,"
    " position INTEGER NOT NULL,"
    " noun TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " before TEXT," /* JSON; NULL where the item did not exist */
    " after TEXT,"
    " PRIMARY KEY(revision, position)) STRICT;"
    "CREATE TABLE override("
    " region TEXT NOT NULL,"
    " service TEXT NOT NULL,"
    " address TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN ('up', 'drain', 'down')),"
    " keep REAL NOT NULL,"
    " over_ms INTEGER NOT NULL,"
    " since_wall_ms INTEGER NOT NULL,"
    " until_wall_ms INTEGER NOT NULL,"
    " author TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " PRIMARY KEY(region, service, address)) STRICT, WITHOUT ROWID;",
    /* 1 -> 2 */
    "ALTER TABLE service ADD COLUMN max_move REAL;",
    /* 2 -> 3: AUTOINCREMENT, so that a number that the log names is never another window's */
    "CREATE TABLE maintenance("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " region TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN ('drain', 'down')),"
    " keep REAL NOT NULL,"
    " over_ms INTEGER NOT NULL,"
    " created_wall_ms INTEGER NOT NULL,"
    " from_wall_ms INTEGER NOT NULL,"
    " until_wall_ms INTEGER NOT NULL,"
    " author TEXT NOT NULL,"
    " reason TEXT NOT NULL) STRICT;",
    /* 3 -> 4: a CHECK cannot be changed in place, so what combines probes has a column of its own
     */
    "ALTER TABLE region ADD COLUMN depends_on TEXT"
    " REFERENCES probe(name) DEFERRABLE INITIALLY DEFERRED;"
    "ALTER TABLE probe ADD COLUMN target TEXT;"
    "ALTER TABLE probe ADD COLUMN combine TEXT CHECK(combine IN ('all', 'any', 'quorum'));"
    "ALTER TABLE probe ADD COLUMN quorum INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE probe_of("
    " probe_id INTEGER NOT NULL REFERENCES probe(id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL,"
    " name TEXT NOT NULL REFERENCES probe(name) DEFERRABLE INITIALLY DEFERRED,"
    " PRIMARY KEY(probe_id, position)) STRICT, WITHOUT ROWID;",
    /* 4 -> 5: who goes was looked for in all that stay, 20 ms among 100,000 services */
    "CREATE INDEX service_on_empty ON service(on_empty_service)"
    " WHERE on_empty_service IS NOT NULL;",
    /* 5 -> 6: an edit that waits for its confirmation */
    "CREATE TABLE IF NOT EXISTS waiting("
    " one INTEGER PRIMARY KEY CHECK(one = 1),"
    " revision INTEGER NOT NULL,"
    " back_to INTEGER NOT NULL,"
    " until_wall_ms INTEGER NOT NULL) STRICT;",
};

static const char *const history_steps[] = {
    /* 0 -> 1; AUTOINCREMENT, so that a follower's last id is never given out again after a trim */
    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " wall_ms INTEGER NOT NULL,"
    " level TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " service TEXT NOT NULL,"
    " region TEXT NOT NULL,"
    " endpoint TEXT NOT NULL,"
    " revision INTEGER NOT NULL,"
    " line TEXT NOT NULL) STRICT;"
    "CREATE INDEX event_time ON event(wall_ms);"
    "CREATE INDEX event_service ON event(service, region);"
    "CREATE INDEX event_region ON event(region);"
    "CREATE TABLE state("
    " service TEXT NOT NULL,"
    " region TEXT NOT NULL,"
    " address TEXT NOT NULL,"
    " observed INTEGER NOT NULL,"
    " avail INTEGER NOT NULL,"
    " hold_left_ms INTEGER NOT NULL,"
    " since_wall_ms INTEGER NOT NULL,"
    " released INTEGER NOT NULL,"
    " kept_out INTEGER NOT NULL,"
    " why TEXT NOT NULL,"
    " PRIMARY KEY(service, region, address)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE state_saved("
    " one INTEGER PRIMARY KEY CHECK(one = 1),"
    " wall_ms INTEGER NOT NULL) STRICT;",
    /* 1 -> 2: what a line says, in columns, and an index for each filter. Rows come by id, which an
     * index carries anyway. */
    "ALTER TABLE event ADD COLUMN rule TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE event ADD COLUMN cause TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE event ADD COLUMN state_before TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE event ADD COLUMN state_after TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE event ADD COLUMN avail_before REAL;"
    "ALTER TABLE event ADD COLUMN avail_after REAL;"
    "ALTER TABLE event ADD COLUMN avail_would REAL;"
    "ALTER TABLE event ADD COLUMN blocked_by TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE event ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE event ADD COLUMN samples INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE event ADD COLUMN effect TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE event ADD COLUMN heir TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE event ADD COLUMN moved_by_ms INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX event_service;"
    "CREATE INDEX event_service ON event(service);"
    "CREATE INDEX event_endpoint ON event(endpoint);"
    "CREATE INDEX event_kind ON event(kind);"
    "CREATE INDEX event_rule ON event(rule);"
    "CREATE INDEX event_alarm ON event(id) WHERE level IN ('warn', 'error');",
    /* 2 -> 3: counts of outages go on over a restart */
    "ALTER TABLE state ADD COLUMN falls INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE state ADD COLUMN down_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE state ADD COLUMN counted_since_wall_ms INTEGER NOT NULL DEFAULT 0;",
};

/* journal_size_limit: the log of a large import is cut back after its checkpoint. */
const struct schema store__config_schema = {
    .application_id = STORE_APPLICATION_ID,
    .steps = config_steps,
    .version = sizeof config_steps / sizeof config_steps[0],
    .begin = "",
    .pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
               "PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 16777216;",
};

/* A few events may be lost with the power, never the file; secure_delete is Debian's default and
 * makes trimming slow for nothing. */
const struct schema store__history_schema = {
    .application_id = HISTORY_APPLICATION_ID,
    .steps = history_steps,
    .version = sizeof history_steps / sizeof history_steps[0],
    .begin = "PRAGMA auto_vacuum = INCREMENTAL;",
    .pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
               "PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 16777216;"
               "PRAGMA secure_delete = OFF;",
};
