#!/usr/bin/python3
"""nginx: its access log moves the region's traffic, its stub_status tells load and dropped connections."""

import os
import re
import signal
import socket
import time

import common
from common import WINDOW_S, WWW, lab

LONDON = common.REGIONS["london"][0]
NETWORKS = ["20.1.%d.0/24" % i for i in range(256)]


def start(t, *args, connections=256):
    web = common.Backend(t, "web", LONDON, connections)
    for name in ("virginia", "tokyo"):
        t.region(name, common.REGIONS[name][0])
    d, token = common.world(t)
    args = [a.replace("LOG", web.feed_log).replace("STATUS", web.status_url) for a in args]
    feeder = common.feeder(t, "--region", "london", "--to", "http://" + common.ADMIN, "--token-file",
                           t.write("token", token), *args)
    return d, web, feeder


def told(feeder):
    parts = re.findall(r"meridian_feed: london\S*: (\d+) ok, (\d+) errors", feeder.log())
    return sum(int(p[0]) for p in parts), sum(int(p[1]) for p in parts)


def loads(feeder):
    return [float(x) for x in re.findall(r"meridian_feed: london: load (\S+)", feeder.log())]


def test_the_access_log_moves_a_region_over_a_rotation(t):
    d, web, feeder = start(t, "--nginx-log", "LOG", "--map", "www.example=" + WWW, "--load", "requests=www.example")
    lab.wait_for("the feeder reads, and has seen a probe", lambda: told(feeder)[0] > 0)
    load = common.Load(t, LONDON, 300)
    lab.wait_for("reports", lambda: told(feeder)[0] > 300)
    os.rename(web.feed_log, web.feed_log + ".1")
    web.popen.send_signal(signal.SIGUSR1)
    lab.wait_for("a new log", lambda: os.path.exists(web.feed_log) and os.path.getsize(web.feed_log))
    web.fall_ill("broken")
    line = d.wait_for_log(r"\[%s/london\] availability .* -> 0\.00 rule=degrade .*source=nginx.*" % re.escape(WWW),
                          WINDOW_S + 2)
    assert LONDON not in common.dig_many(t, NETWORKS), line.group(0)
    assert all(e["observed"] == "up" for e in common.site(d, "london")["endpoints"])
    assert not re.search(r"probe web 127\.1\.0\.10\S* fail", d.log())
    (source,) = common.site(d, "london")["sources"]
    assert source["source"] == "nginx" and source["p99_ms"] >= source["p50_ms"] >= 1, source
    time.sleep(1.5)
    asked = load.result()
    lab.wait_for("all is reported", lambda: sum(told(feeder)) > sum(asked.values()), 5)
    ok, errors = told(feeder)
    # One may have been on its way when the load was ended.
    assert asked["500"] <= errors <= asked["500"] + 1, (errors, asked)
    assert asked["200"] <= ok <= asked["200"] + 60, (ok, asked)  # and the probes'
    assert max(loads(feeder)) > 150, loads(feeder)


def open_busy(n):
    """n connections, one after another, each with a request that takes a minute: (those that serve, how
    many were dropped). nginx closes one that only waits for a request to make room for another."""
    busy, dropped = [], 0
    for _ in range(n):
        s = socket.create_connection((LONDON, 80), 5)
        try:
            s.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
            served = s.recv(1)
        except ConnectionError:
            served = b""
        if served:
            busy.append(s)
        else:
            dropped += 1
            s.close()
    return busy, dropped


def test_stub_status_tells_connections_that_were_dropped(t):
    d, _, feeder = start(t, "--nginx-status", "STATUS", "--map", "connections=" + WWW, "--load", "sessions",
                         connections=32)
    lab.wait_for("a first reading", lambda: loads(feeder))
    busy, n = open_busy(15)
    assert n == 0
    lab.wait_for("the load of connections that are held", lambda: max(loads(feeder)) in (15, 16))
    more, n = open_busy(40)
    assert n >= 20, n
    served = len(busy) + len(more)
    for s in busy + more:
        s.close()
    lab.wait_for("errors", lambda: told(feeder)[1] >= n)
    ok, errors = told(feeder)
    # A probe or a reading may have been dropped as well.
    assert n <= errors <= n + 8 and served <= ok <= served + 30, (n, served, ok, errors)
    d.wait_for_log(r"\[%s/london\] report source=nginx ok=\d+ errors=\d+.* fresh" % re.escape(WWW))


if __name__ == "__main__":
    lab.run(globals())
