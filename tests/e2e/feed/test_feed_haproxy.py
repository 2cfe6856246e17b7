#!/usr/bin/python3
"""HAProxy with a failing backend while every probe is green: its own counts move the region's traffic."""

import http.client
import os
import re
import signal
import socket
import subprocess
import threading
import time

import common
from common import SERVER, WINDOW_S, WWW, lab

LONDON = common.REGIONS["london"][0]
BACKEND = "127.1.0.20"
# Nobody knows where these are: they prefer the region that was declared first, London.
NETWORKS = ["20.%d.%d.0/24" % (a, b) for a in range(16) for b in range(256)]
RATE = 700


def start(t):
    web = common.Backend(t, "web", BACKEND)
    proxy = common.HAProxy(t, "haproxy", LONDON, BACKEND)
    for name in ("virginia", "tokyo"):
        t.region(name, common.REGIONS[name][0])
    d, token = common.world(t)
    feeder = common.feeder(t, "--region", "london", "--haproxy", proxy.socket, "--map", "www=" + WWW,
                           "--to", "http://" + common.ADMIN, env={"MERIDIAN_TOKEN": token})
    load = common.Load(t, LONDON, RATE)
    lab.wait_for("reports", lambda: common.site(d, "london").get("sources"), 15)
    return d, web, proxy, feeder, load


def moves(d):
    """What the log says of London's availability, oldest first: [(before, after, line)]."""
    found = re.finditer(r"^.*\[%s/london\] availability (\d\.\d\d) -> (\d\.\d\d) .*$" % re.escape(WWW), d.log(), re.M)
    return [(float(m.group(1)), float(m.group(2)), m.group(0)) for m in found]


def probes_are_green(d):
    ends = common.site(d, "london")["endpoints"]
    assert all(e["observed"] == "up" for e in ends), ends
    assert not re.search(r"probe web 127\.1\.0\.10\S* fail", d.log()), "a probe failed"


def test_a_failing_backend_behind_green_probes_moves_the_region_and_it_returns(t):
    d, web, _, feeder, load = start(t)
    few = NETWORKS[:512]
    before = common.dig_many(t, few)
    assert set(before) == {LONDON}, set(before)
    assert common.site(d, "london")["effective"] == 1 and moves(d) == []

    web.fall_ill("broken")
    d.wait_for_log(r"\[%s/london\] availability .* -> 0\.00 rule=degrade cause=\"error rate .*source=haproxy.*"
                   r" to=virginia" % re.escape(WWW), WINDOW_S)
    assert LONDON not in common.dig_many(t, few), "somebody is still sent there"
    probes_are_green(d)
    why = common.site(d, "london")["why"]
    assert "reported by haproxy" in why, why

    web.heal("broken")
    lab.wait_for("London is back", lambda: common.site(d, "london")["effective"] == 1, WINDOW_S + 30)
    assert common.dig_many(t, few) == before, "a client network did not come back"
    ways = [b > a for a, b, _ in moves(d)]
    assert ways == sorted(ways), "down, then up, and no other way: %s" % moves(d)
    counts = load.result()
    assert counts["500"] > RATE and set(counts) == {"200", "500"}, counts
    assert feeder.alive() and "Traceback" not in feeder.log(), feeder.log()


def test_a_brown_out_of_30_percent_moves_its_share(t):
    d, web, _, _, load = start(t)
    assert set(common.dig_many(t, NETWORKS[:256])) == {LONDON}
    web.fall_ill("brown")
    d.wait_for_log(r"\[%s/london\] availability 1\.00 -> 0\.\d\d rule=degrade .*source=haproxy" % re.escape(WWW), WINDOW_S)

    def settled():
        (source,) = [s for s in common.site(d, "london")["sources"] if s["source"] == "haproxy"]
        return source if source["error_rate"] > 0.295 else None
    source = lab.wait_for("the window is full of it", settled, WINDOW_S + 10)
    assert source["samples"] >= 5000 and source["error_rate"] < 0.305, source
    _, logged, _ = moves(d)[-1]
    got = common.dig_many(t, NETWORKS)
    assert moves(d)[-1][1] == logged, "it moved while it was measured"
    share = common.percent(got, LONDON)
    print("    logged %.0f %%, dig measured %.1f %% of %d networks; %d requests, %.1f %% errors" % (
        100 * logged, share, len(got), source["samples"], 100 * source["error_rate"]))
    assert 0.4 < logged < 0.6 and abs(share - 100 * logged) < 3, (share, logged)
    assert all(b < a for a, b, _ in moves(d)), "a fall that turned back: %s" % moves(d)
    probes_are_green(d)
    counts = load.result()
    assert counts["500"] >= 0.3 * 5000 and set(counts) == {"200", "500"}, counts


if __name__ == "__main__":
    lab.run(globals())
