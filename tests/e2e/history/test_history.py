#!/usr/bin/python3
"""The log in columns, the timeline, and what becomes of old lines."""

import calendar
import json
import os
import re
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

SERVER = "127.53.0.1"
SITES = {"london": ("127.1.0.10", "51.51,-0.13"), "virginia": ("127.2.0.10", "39.04,-77.49")}
LONDON, VIRGINIA = (SITES[name][0] for name in ("london", "virginia"))
WWW = "www.gslb.example"
TTL = 6
EVENT = {"id", "time", "level", "kind", "service", "region", "endpoint", "revision", "rule", "cause", "state_before",
         "state_after", "before", "after", "would", "blocked_by", "failures", "samples", "effect", "to", "moved_by",
         "line"}


def start(t, more=""):
    """Two regions; London has two endpoints, so that one alone moves nothing out of the region."""
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=%s" % SERVER)
    t.meridian("set", "geo", t.geo())
    t.meridian("probe add web --type http --path /healthz --interval 1s --timeout 500ms --fall 3 --rise 2")
    t.meridian("service add %s --probe web --policy nearest --ttl %d --hold 2s --ramp 2s %s" % (WWW, TTL, more))
    for name, (address, at) in SITES.items():
        t.meridian("region add %s --at %s --capacity 40000" % (name, at))
        t.meridian("endpoint", "add", WWW, name, address)
    t.meridian("endpoint", "add", WWW, "london", "127.1.0.11")
    regions = {a: t.region("r" + a, a) for a in (LONDON, "127.1.0.11", VIRGINIA)}
    return t.daemon(listen=[SERVER + ":53"]), regions


def all_up(d):
    lab.wait_for("first verdicts", lambda: all(
        e["observed"] == "up" for s in d.status(WWW)["services"][0]["sites"] for e in s["endpoints"]))


def log(t, *args):
    return [json.loads(line) for line in t.meridian("log", "--json", *args).stdout.splitlines()]


def event(t, what, *args):
    """The newest event that is so; the history is written a tenth of a second behind."""
    return lab.wait_for("such an event", lambda: next((e for e in log(t, "--reverse", *args) if what(e)), None), 30, 0.2)


def seconds(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(text[19:-1] or 0)


def moved_in(e):
    """Seconds from the event until all clients have moved; the line says the same."""
    assert e["moved_by"], e
    assert "moved-by=" + e["moved_by"][:19] in e["line"], e
    return seconds(e["moved_by"]) - seconds(e["time"])


def test_every_event_has_its_facts_under_names_that_stay(t):
    d, regions = start(t)
    all_up(d)
    regions[LONDON].stop()
    regions["127.1.0.11"].stop()
    e = event(t, lambda e: e["rule"] == "fall" and e["kind"] == "availability" and not e["endpoint"])
    assert all(set(x) == EVENT for x in log(t, "--since", "1h")), "the same names in each"
    assert (e["service"], e["region"], e["before"], e["after"], e["to"]) == (WWW, "london", 1, 0, "virginia"), e
    assert e["cause"] == "no endpoint up" and e["level"] == "notice" and e["revision"] > 0, e
    e = event(t, lambda e: e["kind"] == "endpoint" and e["state_after"] == "down")
    assert (e["state_before"], e["cause"], e["failures"], e["samples"]) == ("up", "3 failures in a row", 3, 3), e
    e = event(t, lambda e: e["kind"] == "daemon" and e["rule"] == "start")
    assert e["before"] is None and e["cause"] is None and e["service"] == "", e


def test_filters_go_together_and_the_same_for_followers(t):
    d, regions = start(t)
    all_up(d)
    follower = subprocess.Popen([t.command, "log", "--follow", "--json", "--limit", "0", "--region", "london", "--rule",
                                 "fall", "--level", "notice"], env=dict(t.env, MERIDIAN_DB=t.db),
                                stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)
        regions[VIRGINIA].sicken()
        lab.wait_for("Virginia is out", lambda: d.region("virginia")["effective"] == 0)
        regions[VIRGINIA].heal()
        regions[LONDON].stop()
        event(t, lambda e: e["endpoint"] == LONDON and e["rule"] == "fall")
        told = [json.loads(follower.stdout.readline())]
    finally:
        follower.terminate()
        rest = follower.communicate(timeout=10)[0]
    told += [json.loads(line) for line in rest.splitlines()]
    assert told and all(e["region"] == "london" and e["rule"] == "fall" for e in told), told

    everything = log(t, "--since", "1h")
    for name, value in (("service", WWW), ("region", "virginia"), ("endpoint", LONDON), ("kind", "probe"),
                        ("rule", "rise")):
        wanted = [e for e in everything if e[name] == value]
        assert wanted and log(t, "--since", "1h", "--" + name, value, "--until", "0s")[:len(wanted)] == wanted, name
    alarms = log(t, "--since", "1h", "--level", "notice", "--kind", "endpoint")
    assert alarms == [e for e in everything if e["kind"] == "endpoint" and e["level"] != "info"]
    half = everything[len(everything) // 2]["time"]
    early = log(t, "--since", "1h", "--until", half)
    assert early == [e for e in everything if e["time"] <= half]
    assert log(t, "--limit", "3", "--until", half) == early[-3:]
    assert log(t, "--limit", "3", "--until", half, "--reverse") == early[:-4:-1]
    for wrong in ("--since yesterday", "--until x", "--level loud", "--limit many"):
        t.meridian("log " + wrong, ok=False)
    t.meridian("log --follow --reverse", ok=False)
    t.meridian("log --follow --until 1h", ok=False)


def rows(t, *args):
    answer = t.json("timeline", *args)
    return answer, {(r["service"], r["region"], r["endpoint"]): r for r in answer["rows"]}


def states(row):
    return [s["state"] for s in row["spans"]]


def test_the_timeline_tells_a_fall_a_drain_and_a_restart(t):
    d, regions = start(t)
    all_up(d)
    regions[LONDON].stop()
    regions["127.1.0.11"].stop()
    lab.wait_for("London is out", lambda: d.region("london")["effective"] == 0)
    time.sleep(1.2)
    t.region("again", LONDON)
    lab.wait_for("London is back", lambda: d.region("london")["effective"] == 1, 60)
    t.meridian("drain london --reason \"db move\"")
    lab.wait_for("it is in the log", lambda: event(t, lambda e: e["state_after"] == "drain"))
    time.sleep(0.3)
    t.meridian("undrain london")
    event(t, lambda e: e["state_before"] == "drain")
    d.stop()
    time.sleep(1.2)
    d = t.daemon(listen=[SERVER + ":53"])
    lab.wait_for("the start is in the log", lambda: len(log(t, "--rule", "start")) == 2)

    answer, by = rows(t, "london", "--since", "10m")
    assert set(by) == {("", "london", ""), (WWW, "london", "")}, by.keys()
    for row in by.values():
        seen = states(row)
        assert seen[0] == "unknown" and "down" in seen and "drained" in seen and "stopped" in seen, seen
        assert seen[-1] == "up", seen
        assert row["falls"] == 1 and 1000 < row["down_ms"] < 60000, row
        for a, b in zip(row["spans"], row["spans"][1:]):
            assert a["until"] == b["from"] and a["state"] + str(a["availability"]) != b["state"] + str(b["availability"])
        down = next(s for s in row["spans"] if s["state"] == "down")
        assert down["rule"] == "fall" and down["cause"], down
    assert len(answer["daemon_starts"]) == 2, answer["daemon_starts"]
    site = by[WWW, "london", ""]
    assert any(0 < s["availability"] < 1 and s["state"] == "degraded" for s in site["spans"] if s["availability"]), \
        "the ramp is a way"

    _, by = rows(t, WWW, "--since", "10m")
    assert set(by) == {(WWW, "london", ""), (WWW, "virginia", ""), (WWW, "london", LONDON),
                       (WWW, "london", "127.1.0.11"), (WWW, "virginia", VIRGINIA)}, by.keys()
    assert states(by[WWW, "london", "127.1.0.11"])[-1] == "down", "it never came back"
    assert "down" not in states(by[WWW, "virginia", ""]) and by[WWW, "virginia", ""]["falls"] == 0
    _, by = rows(t, WWW + "/virginia", "--since", "10m")
    assert len(by) == 2, by.keys()
    # Nothing happened in the time that is shown: it is as it is now, not unknown.
    lab.wait_for("London is known again", lambda: any(
        e["address"] == LONDON and e["observed"] == "up"
        for s in d.status(WWW)["services"][0]["sites"] for e in s["endpoints"]))
    time.sleep(1.5)
    _, by = rows(t, WWW + "/london", "--since", "1s")
    assert states(by[WWW, "london", ""]) == ["up"] and states(by[WWW, "london", "127.1.0.11"]) == ["down"], by


def test_the_timeline_is_drawn_for_any_terminal(t):
    d, regions = start(t)
    all_up(d)
    regions[LONDON].stop()
    regions["127.1.0.11"].stop()
    lab.wait_for("London is out", lambda: d.region("london")["effective"] == 0)
    event(t, lambda e: e["rule"] == "fall" and e["kind"] == "availability" and not e["endpoint"])

    def draw(width, since="12s", **env):
        out = t.meridian("timeline", "london", "--since", since, "--width", str(width), env=dict(t.env, **env)).stdout
        lines = out.splitlines()
        assert all(len(x) <= max(width, 60) for x in lines), out
        return lines

    plain = draw(80, LC_ALL="C")
    assert all(ord(c) < 128 for c in "\n".join(plain)), "ASCII where the locale is"
    assert any("#" in x and x.startswith("london") for x in plain), plain
    assert any("#" in x and "  " + WWW in x for x in plain), plain
    assert any(x.startswith("UTC") and "|" in x for x in plain), plain
    assert any("# down" in x and "? unknown" in x and "_ up" in x and "^ daemon started" in x for x in plain), plain
    wide = draw(80, LC_ALL="C.UTF-8")
    assert any("█" in x for x in wide) and len(wide) == len(plain), wide
    narrow = draw(24, LC_ALL="C")
    assert len([x for x in narrow if "#" in x]) >= 2 and any("1 fall" in x for x in narrow), narrow
    for wrong in ("timeline nowhere", "timeline %s/nowhere" % WWW, "timeline london --width 5", "timeline london --since x",
                  "timeline london --until 2h --since 1h"):
        t.meridian(wrong, ok=False)


def counts(d, address):
    site = next(s for s in d.status(WWW)["services"][0]["sites"] if s["region"] == "london")
    e = next(e for e in site["endpoints"] if e["address"] == address)
    return e["falls"], e["down_ms"], e["counted_since"]


def test_counts_of_outages_survive_a_crash(t):
    d, regions = start(t)
    all_up(d)
    began = counts(d, LONDON)[2]
    regions[LONDON].sicken()
    lab.wait_for("one is out", lambda: counts(d, LONDON)[0] == 1)
    regions[LONDON].heal()
    event(t, lambda e: e["endpoint"] == LONDON and e["rule"] == "ramp" and e["after"] == 1)
    before = counts(d, LONDON)
    assert before[0] == 1 and before[1] > 0, before
    lab.pause(1)  # the state is written at least that soon
    d.stop(sig=9)
    d = t.daemon(listen=[SERVER + ":53"])
    assert counts(d, LONDON) == (1, before[1], began), counts(d, LONDON)
    assert d.status()["state_age_ms"] is None, "counts alone are no old state"
    regions[LONDON].sicken()
    lab.wait_for("it is out again", lambda: counts(d, LONDON)[0] == 2)


def shift(t, what, *args):
    e = event(t, what, *args)
    assert abs(moved_in(e) - TTL) < 0.01, e
    return e


def test_every_kind_of_shift_says_until_when_its_clients_have_moved(t):
    d, regions = start(t, "--degrade 5%% --fail 50%%" % ())
    all_up(d)
    # A fall of one of two endpoints moves clients inside the region: no other region takes them.
    regions[LONDON].stop()
    e = shift(t, lambda e: e["rule"] == "fall" and e["endpoint"] == LONDON)
    assert e["kind"] == "endpoint" and e["to"] is None, e
    regions["127.1.0.11"].stop()
    e = shift(t, lambda e: e["rule"] == "fall" and e["region"] == "london" and not e["endpoint"])
    assert e["to"] == "virginia", e
    t.region("again", LONDON)
    t.region("again2", "127.1.0.11")
    shift(t, lambda e: e["rule"] == "ramp" and e["region"] == "london" and not e["endpoint"] and e["after"] > e["before"])
    lab.wait_for("London is back", lambda: d.region("london")["effective"] == 1, 60)
    # By error rate and by load, as they are reported.
    t.meridian("report london --service %s --ok 3500 --errors 1500 --source lb" % WWW)
    e = shift(t, lambda e: e["rule"] == "degrade" and not e["endpoint"])
    assert (e["failures"], e["samples"], e["to"]) == (1500, 5000, "virginia") and e["after"] < 1, e
    t.meridian("report virginia --ok 1000 --errors 0 --load 40000 --source lb")
    shift(t, lambda e: e["rule"] == "load" and e["region"] == "virginia" and e["after"] < e["before"])
    # A person's word, on a region and on an endpoint, at once and back.
    t.meridian("drain virginia --reason \"db move\"")
    e = shift(t, lambda e: e["state_after"] == "drain" and e["region"] == "virginia")
    assert (e["kind"], e["rule"], e["cause"], e["before"] > 0, e["after"]) == ("override", "override", "db move", True, 0), e
    t.meridian("undrain virginia")
    shift(t, lambda e: e["state_before"] == "drain" and e["region"] == "virginia")
    t.meridian("endpoint set %s virginia %s --state down" % (WWW, VIRGINIA))
    shift(t, lambda e: e["state_after"] == "down" and e["endpoint"] == VIRGINIA and e["kind"] == "override")
    t.meridian("endpoint set %s virginia %s --state auto" % (WWW, VIRGINIA))
    # A drain over a time: its order says the end of all of it, each step its own.
    t.meridian("drain virginia --over 6s")
    e = event(t, lambda e: e["state_after"] == "drain" and e["before"] == e["after"])
    assert abs(moved_in(e) - (TTL + 6 + TTL)) < 0.01, "a TTL ahead, the way, a TTL behind: %s" % e
    step = shift(t, lambda e: e["kind"] == "availability" and e["rule"] == "override" and e["after"] == 0)
    assert abs(seconds(step["moved_by"]) - seconds(e["moved_by"])) < 1.5, (e, step)
    # A word that ends by its time.
    t.meridian("region set virginia --state down --until 2s")
    event(t, lambda e: e["rule"] == "until")
    shift(t, lambda e: e["kind"] == "availability" and e["rule"] == "override" and e["after"] > e["before"])
    # What moves nobody says nothing of the kind.
    quiet = [e for e in log(t, "--since", "1h") if e["moved_by"] and e["before"] == e["after"] and e["kind"] != "override"]
    assert not quiet, quiet


def rows_in(t, where="1"):
    with sqlite3.connect("file:%s-history?mode=ro" % t.db, uri=True) as db:
        return db.execute("SELECT count(*) FROM event WHERE " + where).fetchone()[0]


def test_old_lines_and_too_many_go_and_it_is_said_once(t):
    d, _ = start(t)
    all_up(d)
    t.meridian("set history-days 10")
    t.meridian("set history-size 16M")
    for wrong in ("0", "15M", "2T", "100", "16m", "-1G", "16Mx"):
        t.meridian("set", "history-size", wrong, ok=False)
    d.stop()
    now = int(time.time() * 1000)
    line = "2026-11-22T02:14:56.121Z info   [www.gslb.example/london] probe web 127.1.0.10:80 fail: time-out" + 200 * "."
    with sqlite3.connect(t.db + "-history") as db:
        # A flood as it may have come since the last look: 70,000 lines of today, and 3,000 too old.
        db.executemany("INSERT INTO event(wall_ms, level, kind, service, region, endpoint, revision, line, rule) "
                       "VALUES(?, 'info', 'probe', 'flood', 'london', '127.1.0.10', 9, ?, 'probe')",
                       [(now - 20 * 86400000 if i < 3000 else now - 70000 + i, line) for i in range(73000)])
    size = os.path.getsize(t.db + "-history")
    assert size > 24 << 20, size
    d = t.daemon(listen=[SERVER + ":53"], wait=True)

    def said():
        assert lab.ask(WWW, server=SERVER).answer
        return len(log(t, "--rule", "prune")) >= 2

    lab.wait_for("it is said", said, 60)
    time.sleep(1)
    told = log(t, "--rule", "prune")
    assert len(told) == 2, told
    assert re.search(r"3000 events dropped, older than .*: history-days is 10", told[0]["line"]), told
    assert re.search(r"\d{5} events dropped, up to .*: history-size is 16M", told[1]["line"]), told
    assert rows_in(t, "wall_ms < %d" % (now - 10 * 86400000)) == 0
    left = rows_in(t, "service = 'flood'")
    assert 1000 < left < 60000, left
    assert rows_in(t, "service = 'flood' AND wall_ms >= %d" % (now + 2990)) > 0, "the newest stay"
    d.stop()
    assert os.path.getsize(t.db + "-history") < 20 << 20, "the disk has its pages back"


if __name__ == "__main__":
    lab.run(globals())
