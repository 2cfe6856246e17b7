"""Geo databases and zone files change, break and vanish under a daemon: the last good one stays."""

import os
import shutil
import signal
import sys
import time

import dns.rcode

import common
from common import EU, NAME, US, lab

HEAD = "network,continent,country,subdivision,city,lat,lon\n"
BRITISH = HEAD + "81.2.69.0/24,EU,GB,,London,51.5,-0.1\n"
AMERICAN = HEAD + "81.2.69.0/24,NA,US,,Ashburn,39.0,-77.5\n"
SUBNET = "81.2.69.0/24"
ZONE = "gslb.example"


def geo_world(t, csv=BRITISH):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=127.0.0.1")
    t.meridian("set geo " + t.geo(csv))
    t.british, t.american = t.geo(BRITISH, "british.mmdb"), t.geo(AMERICAN, "american.mmdb")
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("region add us --at 39.0,-77.5")
    t.meridian("service add %s --policy nearest --ttl 30" % NAME)
    t.meridian("endpoint add %s eu %s" % (NAME, EU))
    t.meridian("endpoint add %s us %s" % (NAME, US))
    t.path = os.path.join(t.folder, "geo.mmdb")
    return t.daemon()


def where(d):
    return lab.rdata(d.ask(NAME, subnet=SUBNET))[0]


def swap(t, source):
    """As a person's script does it: a new file takes the place of the old one."""
    shutil.copyfile(source, t.path + ".new")
    os.rename(t.path + ".new", t.path)


def taken(d, address, seconds=2.0):
    watch = lab.Stopwatch()
    lab.wait_for("the new file is in force", lambda: where(d) == address, seconds + 8, 0.02)
    took = watch.stop()
    assert took <= (5 * seconds if common.SLOW else seconds), "in force only after %.1f s" % took


def test_a_geo_database_is_swapped_under_load(t):
    d = geo_world(t)
    load = common.Load(8)
    assert where(d) == EU
    for source, address in ((t.american, US), (t.british, EU), (t.american, US)):
        swap(t, source)
        taken(d, address)
    load.check()
    assert len(common.lines_of(d, "geo databases changed")) == 3, d.log()


def bad_geo(t, harm, told):
    """The old one stays, one line says so; a good one is taken again, by rename and in place."""
    d = geo_world(t)
    assert where(d) == EU
    asker = common.Asker()
    harm(t.path)
    lab.wait_for("the log says so", lambda: common.lines_of(d, told), 5)
    time.sleep(1.5)
    said = [x for x in common.lines_of(d, "geo.mmdb") if " warn " in x or " error " in x]
    assert len(said) == 1, "said %d times: %s" % (len(said), said[:5])
    assert where(d) == EU
    common.edit(d, 1)  # an edit of something else goes through
    assert where(d) == EU
    swap(t, t.american)
    taken(d, US)
    asker.check(100)
    assert not common.degraded(d)


def test_a_geo_database_of_garbage_is_refused_once(t):
    bad_geo(t, lambda path: write(path, os.urandom(5000)), "stays in use")


def test_a_truncated_geo_database_is_refused_once(t):
    bad_geo(t, lambda path: os.truncate(path, os.path.getsize(path) // 2), "stays in use")


def test_an_emptied_geo_database_is_refused_once(t):
    bad_geo(t, lambda path: os.truncate(path, 0), "stays in use")


def test_a_deleted_geo_database_is_missed_once(t):
    bad_geo(t, os.unlink, "stays in use")


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def test_a_geo_database_rewritten_in_place_is_taken_when_it_is_whole(t):
    d = geo_world(t)
    asker = common.Asker()
    with open(t.american, "rb") as f:
        data = f.read()
    with open(t.path, "r+b", buffering=0) as f:
        f.truncate(0)
        for at in range(0, len(data), max(1, len(data) // 8)):
            f.write(data[at:at + max(1, len(data) // 8)])
            time.sleep(0.15)
    taken(d, US)
    asker.check(100)


def test_a_geo_database_that_is_missing_at_the_start_is_taken_when_it_comes(t):
    d = geo_world(t)
    d.stop()
    os.unlink(t.path)
    d = t.daemon()
    assert lab.rdata(d.ask(NAME, subnet=SUBNET)), "answers without a geo database"
    common.edit(d, 5)
    swap(t, t.american)
    taken(d, US)
    swap(t, t.british)
    taken(d, EU)


def test_an_edit_that_names_a_bad_geo_database_is_refused(t):
    d = geo_world(t)
    before = d.status()["revision"]
    bad = t.write("bad.mmdb", "garbage")
    for path in (bad, "/nonexistent.mmdb", t.folder):
        got = d.meridian("set geo " + path, ok=False)
        assert path in common.sentence(got.stderr), got.stderr
    assert d.status()["revision"] == before and where(d) == EU
    assert common.degraded(d) is None, "a bad file is no trouble of the database"


# -------------------------------------------------------------------------------------------- zone files

ZONE_TEXT = """$ORIGIN gslb.example.
$TTL 300
@ IN SOA ns1.gslb.example. hostmaster.gslb.example. 1 3600 600 86400 60
@ IN NS ns1.gslb.example.
ns1 IN A 127.0.0.1
static IN A %s
"""


def zone_world(t):
    t.meridian("init")
    t.zone = t.write("gslb.zone", ZONE_TEXT % "192.0.2.1")
    t.meridian("zone add gslb.example --file " + t.zone)
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("service add %s --policy failover --ttl 30" % NAME)
    t.meridian("endpoint add %s eu %s" % (NAME, EU))
    return t.daemon()


def static(d):
    return lab.rdata(d.ask("static.gslb.example"))


def test_a_zone_file_is_read_again_when_asked(t):
    d = zone_world(t)
    assert static(d) == ["192.0.2.1"]
    t.write("gslb.zone", ZONE_TEXT % "192.0.2.2")
    d.meridian("reload")
    assert static(d) == ["192.0.2.2"]
    t.write("gslb.zone", ZONE_TEXT % "192.0.2.3")
    os.kill(d.pid, signal.SIGHUP)
    lab.wait_for("the signal's reload", lambda: static(d) == ["192.0.2.3"], 5)


def bad_zone(t, d, harm, told):
    asker = common.Asker("static.gslb.example")
    harm(t.zone)
    os.kill(d.pid, signal.SIGHUP)
    lab.wait_for("the log says so", lambda: common.lines_of(d, told), 5)
    assert static(d) == ["192.0.2.1"], "the old zone stays"
    got = d.meridian("reload", ok=None)
    assert got.returncode == 1, "exit %d: %s" % (got.returncode, got.stdout)
    assert told in common.sentence(got.stderr), got.stderr
    common.edit(d, 3)  # an edit of something else
    assert static(d) == ["192.0.2.1"] and lab.rdata(d.ask(NAME)) == [EU]
    t.write("gslb.zone", ZONE_TEXT % "192.0.2.4")
    d.meridian("reload")
    assert static(d) == ["192.0.2.4"]
    asker.check(2)


def test_a_zone_file_with_an_error_leaves_the_old_zone(t):
    d = zone_world(t)
    bad_zone(t, d, lambda path: t.write("gslb.zone", ZONE_TEXT % "not-an-address"), "gslb.zone:6")


def test_a_zone_file_that_is_gone_leaves_the_old_zone(t):
    d = zone_world(t)
    bad_zone(t, d, os.unlink, "gslb.zone")


def test_a_zone_file_that_is_emptied_leaves_the_old_zone(t):
    d = zone_world(t)
    asker = common.Asker("static.gslb.example")
    os.truncate(t.zone, 0)
    got = d.meridian("reload", ok=None)
    assert (got.returncode == 1) == (static(d) == ["192.0.2.1"]), (got, static(d))
    assert static(d) == ["192.0.2.1"], "an empty file emptied the zone"
    asker.check(1)


def test_a_name_that_is_static_and_a_service_is_refused_on_reload(t):
    d = zone_world(t)
    t.write("gslb.zone", ZONE_TEXT % "192.0.2.9" + "www IN A 192.0.2.77\n")
    got = d.meridian("reload", ok=None)
    assert got.returncode == 1, got.stdout
    common.sentence(got.stderr)
    assert lab.rdata(d.ask(NAME)) == [EU] and static(d) == ["192.0.2.1"]
    common.edit(d, 1)


def test_an_edit_that_attaches_a_bad_zone_file_is_refused(t):
    d = common.world(t)
    before = d.status()["revision"]
    bad = t.write("bad.zone", ZONE_TEXT % "oops")
    got = d.meridian("zone set gslb.example --file " + bad, ok=False)
    assert "bad.zone:6" in common.sentence(got.stderr), got.stderr
    got = d.meridian("zone set gslb.example --file /nonexistent.zone", ok=False)
    common.sentence(got.stderr)
    assert d.status()["revision"] == before
    assert common.degraded(d) is None, "a bad file is no trouble of the database"
    assert lab.rdata(d.ask(NAME)) == [EU]


# RFC 2308 section 7.1: what nobody knows is SERVFAIL.
def test_a_start_with_a_bad_zone_file_serves_the_rest_and_says_so(t):
    d = zone_world(t)
    d.stop()
    t.write("gslb.zone", ZONE_TEXT % "oops")
    d = t.daemon()
    assert lab.rdata(d.ask(NAME)) == [EU]
    assert "gslb.zone:6" in d.log()
    for name, type in (("static", "A"), ("absent", "A"), ("", "MX"), ("", "SOA")):
        r = d.ask((name + "." if name else "") + "gslb.example", type)
        assert r.rcode() == dns.rcode.SERVFAIL and not r.authority, "%s %s:\n%s" % (name, type, r)
    assert "could not be read yet" in d.meridian("explain static.gslb.example").stdout
    t.write("gslb.zone", ZONE_TEXT % "192.0.2.5")
    d.meridian("reload")
    assert static(d) == ["192.0.2.5"]


if __name__ == "__main__":
    lab.run(globals())
