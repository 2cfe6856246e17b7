"""Maintenance windows on real sockets: they begin and end by themselves, over restarts, below a person's word."""

import datetime
import signal

import common
from common import lab

EU, US = "203.0.113.1", "203.0.113.2"


def world(t):
    common.base_world(t)
    for name in ("eu", "us"):
        t.meridian("region add %s" % name)
    t.meridian("service add www.gslb.example --policy failover --ttl 2")
    t.meridian("endpoint add www.gslb.example eu %s --priority 1" % EU)
    t.meridian("endpoint add www.gslb.example us %s --priority 2" % US)


def now(d):
    return lab.rdata(d.ask("www.gslb.example"))[0]


def wait_for_answer(d, address, seconds=30):
    lab.wait_for("the answer is %s" % address, lambda: now(d) == address, seconds)


def time_of(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def test_a_window_begins_and_ends_by_itself(t):
    world(t)
    d = t.daemon()
    t.meridian("maintenance add us --from 10h --until 11h --to 40% --reason later")
    out = t.meridian("maintenance add eu --from 6s --until 12s --reason 'db move'").stdout
    assert "maintenance 2: eu drain from 2" in out and "; the drain begins at 2" in out, out
    planned = d.status()["maintenance"]
    assert [w["id"] for w in planned] == [2, 1], planned
    # The work begins at `from`: the drain begins a moving TTL before it, the notice a TTL before that.
    assert (time_of(planned[0]["from"]) - time_of(planned[0]["start"])).total_seconds() == 2, planned
    assert (time_of(planned[0]["start"]) - time_of(planned[0]["notice"])).total_seconds() == 2, planned
    wait_for_answer(d, US)
    region = d.region("eu")
    assert region["set"] == "drain" and region["set_maintenance"] == 2 and region["observed"] == "up", region
    text = t.meridian("status").stdout
    assert "maintenance 2 until " in text and ": db move" in text, text
    assert "next: maintenance 1 of us, drain to 40% from " in text and ": later" in text, text
    assert "maintenance    2: drain from" in t.meridian("region show eu").stdout
    wait_for_answer(d, EU)
    assert [w["id"] for w in d.status()["maintenance"]] == [1]
    log = d.log()
    begin, end = log.index("state auto -> drain rule=maintenance"), log.index("state drain -> auto rule=maintenance")
    assert begin < end and "maintenance=2" in log, log


def test_a_daemon_that_was_down_begins_where_the_window_is(t):
    world(t)
    out = t.meridian("maintenance add eu --state down --from 1s --until 2h --reason disks").stdout
    assert "stored, no daemon runs" in out, out
    lab.wait_for("the window is open", lambda: t.json("maintenance", "list")[0]["open"])
    d = t.daemon()
    assert now(d) == US  # with its first answer
    d.stop(signal.SIGKILL)
    d = t.daemon(name="again")
    assert now(d) == US
    assert d.region("eu")["set"] == "down"
    # An edit in the middle changes nothing.
    t.meridian("service set www.gslb.example --ttl 3")
    t.meridian("service remove www.gslb.example")
    t.meridian("rollback 6")
    assert now(d) == US
    assert d.log().count("rule=maintenance") == 1, d.log()


def test_a_persons_word_beats_the_window_and_undrain_ends_it(t):
    world(t)
    d = t.daemon()
    t.meridian("maintenance add eu --from 0s --until 2h --reason disks")
    t.meridian("maintenance add eu --from 5h --until 6h --reason more")
    wait_for_answer(d, US)
    t.meridian("region set eu --state up --reason no")
    assert now(d) == EU
    assert d.region("eu")["set"] == "up" and d.region("eu")["set_maintenance"] is None
    # The window goes on below it: a drain of a few seconds leaves no gap at its end.
    t.meridian("drain eu --until 3s")
    lab.wait_for("the person's word has ended", lambda: d.region("eu")["set_maintenance"] == 1)
    assert now(d) == US
    out = t.meridian("undrain eu").stdout
    assert "maintenance 1: ended" in out, out
    assert now(d) == EU
    assert [w["id"] for w in t.json("maintenance", "list")] == [2]
    d.stop()
    d = t.daemon(name="again")
    assert now(d) == EU  # for good
    # And without a daemon as with it.
    t.meridian("maintenance add eu --from 0s --until 2h --reason disks")
    wait_for_answer(d, US)
    d.stop()
    t.meridian("undrain eu")
    assert [w["id"] for w in t.json("maintenance", "list")] == [2]
    assert now(t.daemon(name="third")) == EU


def test_a_window_that_is_removed_ends_at_once(t):
    world(t)
    d = t.daemon()
    t.meridian("maintenance add eu --from 0s --until 2h --over 1h --reason disks")
    lab.wait_for("it is on its way", lambda: d.status()["maintenance"][0]["phase"] == "open")
    t.meridian("maintenance remove 1 --author bob")
    assert d.region("eu")["effective"] == 1 and d.status()["maintenance"] == []
    lab.wait_for("the log says so", lambda: 'cause="removed by bob"' in t.meridian("log --kind override").stdout)
    got = t.meridian("maintenance remove 1", ok=None)
    assert got.returncode == 3 and "no maintenance window 1" in got.stderr, got


def test_a_region_that_is_removed_and_comes_back_is_under_its_window(t):
    world(t)
    d = t.daemon()
    t.meridian("maintenance add eu --from 0s --until 2h --reason disks")
    wait_for_answer(d, US)
    head = d.status()["revision"]
    t.meridian("endpoint remove www.gslb.example eu %s" % EU)
    t.meridian("region remove eu")
    t.meridian("rollback %d" % head)
    assert now(d) == US


if __name__ == "__main__":
    lab.run(globals())
