#!/usr/bin/python3
"""HAProxy with a failing backend while every probe is green: its own counts move the region's traffic."""

import http.client
import re
import signal
import socket
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


# The feeder's own words, one a second: "london/… : 12 ok, 3 errors in 1.0 s".
SAID = r"meridian_feed: %s: (\d+) ok, (\d+) errors"


def told(feeder, target):
    """What the feeder has reported of a target so far, (ok, errors)."""
    parts = re.findall(SAID % re.escape(target), feeder.log())
    return sum(int(p[0]) for p in parts), sum(int(p[1]) for p in parts)


def get(path, n=1, timeout=10):
    """Asks London n times; the statuses, or the kind of failure."""
    out = []
    for _ in range(n):
        c = http.client.HTTPConnection(LONDON, 80, timeout=timeout)
        try:
            c.request("GET", path)
            out.append(c.getresponse().status)
        except (OSError, http.client.HTTPException) as e:
            out.append(type(e).__name__)
        finally:
            c.close()
    return out


def broken_server(t, address):
    """A server that says what the path asks for: half an answer, none, or none in time."""
    listener = socket.create_server((address, 80), backlog=64)

    def serve(c):
        with c:
            path = c.recv(4096).split(b" ")[1]
            if path == b"/half":
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            elif path == b"/hang":
                time.sleep(4)

    def accept():
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(c,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return listener


def test_every_kind_of_failure_is_counted_once_as_clients_saw_it(t):
    bad, dead = "127.1.0.21", "127.1.0.22"
    common.Backend(t, "web", BACKEND)
    listener = broken_server(t, bad)
    proxy = common.HAProxy(t, "haproxy", LONDON, BACKEND, more="""
    use_backend bad if { path /half /hang /none }
    use_backend dead if { path /dead }
    use_backend two if { path /two }
backend bad
    retries 0
    server s1 %s:80
backend dead
    server s1 %s:80
backend two
    server s1 %s:80
    server s2 %s:80
listen tcp
    mode tcp
    bind 127.1.0.11:80
    server s1 %s:80
    server s2 %s:80
""" % (bad, dead, dead, BACKEND, dead, BACKEND))
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=%s" % SERVER)
    t.meridian("region add london --at 1,1")
    froms = ("www", "www/web1", "bad", "bad/s1", "dead", "dead/s1", "two", "two/s1", "two/s2", "tcp", "tcp/s1", "tcp/s2")
    maps = []
    for name in froms:
        t.meridian("service add %s.gslb.example --policy all" % name.replace("/", "-"))
        t.meridian("endpoint add %s.gslb.example london %s" % (name.replace("/", "-"), LONDON))
        maps += ["--map", "%s=%s.gslb.example" % (name, name.replace("/", "-"))]
    t.daemon(listen=[SERVER + ":53"])
    feeder = common.feeder(t, "--region", "london", "--haproxy", proxy.socket, "--meridian", t.command,
                           "--timeout", "5s", *maps, env={"MERIDIAN_DB": t.db})
    time.sleep(2)
    assert get("/?i=9", 7) == [200] * 7 and get("/missing", 3) == [404] * 3
    assert get("/close", 2) == [502] * 2
    assert get("/half", 2) == [200] * 2 and get("/none", 3) == [502] * 3 and get("/hang") == [504]
    assert get("/dead", 2) == [503] * 2
    assert get("/two", 4) == [200] * 4
    for _ in range(4):
        c = http.client.HTTPConnection("127.1.0.11", 80, timeout=10)
        c.request("GET", "/?i=9")
        assert c.getresponse().status == 200
        c.close()
    time.sleep(2.5)
    got = {name: told(feeder, "london/%s.gslb.example" % name.replace("/", "-")) for name in froms}
    # "retries 1": two attempts where nothing else can be tried, else the next server.
    tried = got["two/s1"][1]
    want = {"www": (10, 2), "www/web1": (10, 2), "bad": (0, 6), "bad/s1": (0, 6), "dead": (0, 2), "dead/s1": (0, 4),
            "two": (4, 0), "two/s1": (0, tried), "two/s2": (4, 0), "tcp": (4, 0), "tcp/s2": (4, 0),
            "tcp/s1": (0, got["tcp/s1"][1])}
    assert got == want, "\n%s\n%s" % (got, want)
    assert tried >= 2 and got["tcp/s1"][1] >= 2, got
    assert "refused" not in feeder.log(), feeder.log()
    listener.close()


def test_reload_and_absences_are_told_once_and_count_nothing_twice(t):
    d, web, proxy, feeder, load = start(t)
    lab.wait_for("reports", lambda: told(feeder, "london/" + WWW)[0] > RATE)
    proxy.popen.send_signal(signal.SIGUSR2)  # a new process; the old one goes on with its connection
    lab.wait_for("the new one answers", lambda: get("/?i=9") == [200])
    time.sleep(2.5)
    assert get("/?i=9", 50) == [200] * 50
    time.sleep(2)
    d.stop()
    feeder.wait_for_log(r"meridian_feed: 127\.53\.0\.9:9053: cannot connect: connection refused")
    time.sleep(2.5)
    d = t.daemon(listen=[SERVER + ":53"])
    feeder.wait_for_log(r"meridian_feed: over after \d+ s: 127\.53\.0\.9:9053: cannot connect")
    asked = sum(load.result().values())
    proxy.stop()
    feeder.wait_for_log(r"meridian_feed: \S*stats.sock: (connection refused|no such file)")
    time.sleep(2.5)
    common.HAProxy(t, "haproxy", LONDON, BACKEND)
    feeder.wait_for_log(r"meridian_feed: over after \d+ s: \S*stats\.sock: ")
    ok, errors = told(feeder, "london/" + WWW)
    print("    %d requests, %d reported" % (asked, ok))
    assert errors == 0 and 50 < ok <= asked + 52 + 60, (ok, errors, asked)  # and the probes', one a second
    problems = [x for x in feeder.log().splitlines() if not re.search(r" ok, \d+ errors in ", x)]
    assert len(problems) == 4, problems
    assert feeder.stop() == -signal.SIGTERM


if __name__ == "__main__":
    lab.run(globals())
