"""The main job: clients get their region, a region fails, they get the next one, it returns."""

import re
import time

import common
from common import lab

CLIENTS = {"london": "81.2.69.0/24", "virginia": "216.160.83.0/24", "tokyo": "2001:218::/48"}
ADDRESSES = {"london": "127.1.0.10", "virginia": "127.2.0.10", "tokyo": "127.3.0.10"}
PLACES = {"london": "51.51,-0.13", "virginia": "39.04,-77.49", "tokyo": "35.68,139.77"}
# Without MaxMind's test database the same networks come from a list of our own.
CSV = """network,continent,country,subdivision,city,lat,lon
81.2.69.0/24,EU,GB,GB-ENG,London,51.51,-0.09
216.160.83.0/24,NA,US,US-WA,Milton,47.25,-122.31
2001:218::/32,AS,JP,,,35.69,139.69
"""
INTERVAL, TIMEOUT, FALL, RAMP, HOLD = 1.0, 0.4, 3, 6, 2


def world(t):
    common.base_world(t)
    geo = common.city_database()
    if not geo:
        geo = t.geo(CSV)
    t.meridian("set", "geo", geo)
    for name, at in PLACES.items():
        t.meridian("region add %s --at %s" % (name, at))
    t.meridian("probe add web --type http --port 80 --path /healthz --interval %gs --timeout %gs --fall %d --rise 2"
               % (INTERVAL, TIMEOUT, FALL))
    t.meridian("service add www.gslb.example --policy latency --ttl 5 --probe web --hold %ds --ramp %ds" % (HOLD, RAMP))
    for name, address in ADDRESSES.items():
        t.meridian("endpoint add www.gslb.example %s %s" % (name, address))
    backends = {name: t.region(name, address) for name, address in ADDRESSES.items()}
    return t.daemon(), backends


def answer(d, region, tcp=False):
    return lab.rdata(d.ask("www.gslb.example", subnet=CLIENTS[region], tcp=tcp))


def all_up(d):
    lab.wait_for("all regions seen up", lambda: all(r["observed"] == "up" for r in d.status()["regions"]))


def check_fall(d, backend, fail):
    watch = lab.Stopwatch()
    fail(backend)
    promise = max(FALL * INTERVAL, INTERVAL + FALL * TIMEOUT) + 1
    lab.wait_for("London's clients moved", lambda: answer(d, "london") != [ADDRESSES["london"]], promise + 10, 0.02)
    took = watch.stop()
    assert took <= promise, "moved after %.2f s, promised %.2f s" % (took, promise)
    # The next best region of London's clients is Virginia, not Tokyo.
    assert answer(d, "london") == [ADDRESSES["virginia"]]
    assert answer(d, "tokyo") == [ADDRESSES["tokyo"]]


def explained(d, region="london"):
    return d.lab.json("explain", "www.gslb.example", "--client", CLIENTS[region], db=d.db)


def test_each_client_gets_its_region_over_udp_and_tcp(t):
    d, _ = world(t)
    for region in CLIENTS:
        for tcp in (False, True):
            got = answer(d, region, tcp)
            assert got == [ADDRESSES[region]], "%s over %s: %s" % (region, "TCP" if tcp else "UDP", got)
        assert explained(d, region)["region"] == region


def test_a_crashed_region_falls_in_time_and_returns_over_the_ramp(t):
    d, backends = world(t)
    all_up(d)
    assert explained(d)["region"] == "london"
    check_fall(d, backends["london"], lambda b: b.stop())
    e = explained(d)
    assert e["region"] == "virginia"
    london = next(c for c in e["candidates"] if c["region"] == "london")
    assert london["available"] == 0 and london["verdict"] == "not available"
    assert d.region("london")["observed"] == "down"

    t.region("london", ADDRESSES["london"])
    began = time.monotonic()
    lab.wait_for("London's clients are back", lambda: d.region("london")["effective"] == 1, RAMP + HOLD + 15)
    took = time.monotonic() - began
    assert took >= RAMP / 2, "back after %.1f s: that is no ramp of %d s" % (took, RAMP)
    assert answer(d, "london") == [ADDRESSES["london"]]

    # The history is written a tenth of a second behind.
    log = lab.wait_for("the log is complete",
                       lambda: d.meridian("log").stdout if re.search(r"-> 1\.00", d.meridian("log").stdout) else None)
    for told in (r"probe web 127\.1\.0\.10:80 fail: .*\(3/3\)", r"127\.1\.0\.10 up -> down rule=fall",
                 r"availability 1\.00 -> 0\.00 .*to=virginia moved-by=", r"127\.1\.0\.10 down -> up rule=rise",
                 r"rule=ramp", r"availability .* -> 1\.00"):
        assert re.search(told, log), "the log does not tell %r:\n%s" % (told, log)


def test_a_hanging_region_falls_in_time(t):
    d, backends = world(t)
    all_up(d)
    check_fall(d, backends["london"], lambda b: b.freeze())
    backends["london"].thaw()


def test_a_sick_answer_counts_as_a_failure(t):
    d, backends = world(t)
    all_up(d)
    check_fall(d, backends["london"], lambda b: b.sicken())
    lab.wait_for("the log says 503", lambda: "503" in d.meridian("log").stdout)


def test_the_return_brings_the_same_clients_back_in_reverse_order(t):
    d, backends = world(t)
    all_up(d)
    d.meridian("map add everybody")
    d.meridian("map rule add everybody net:100.0.0.0/8 london,virginia,tokyo")
    d.meridian("map rule add everybody default virginia,london,tokyo")
    d.meridian("service set www.gslb.example --policy geo --map everybody")
    nets = common.networks(100, 2000)
    home = lambda: [a == ADDRESSES["london"] for a in common.ask_many("www.gslb.example", nets)]
    began = time.monotonic()
    assert all(home())
    ramp = max(RAMP, round(20 * (time.monotonic() - began)))  # so that it is seen often on the way
    d.meridian("service set www.gslb.example --ramp %ds" % ramp)
    backends["london"].stop()
    lab.wait_for("London is out", lambda: d.region("london")["effective"] == 0)
    t.region("london", ADDRESSES["london"])
    seen, last = [], [False] * len(nets)
    deadline = time.monotonic() + ramp + HOLD + 20
    while time.monotonic() < deadline and not all(last):
        now = home()
        assert all(n or not was for n, was in zip(now, last)), "a client that had come back left again"
        if now != last:
            seen.append(sum(now))
        last = now
        time.sleep(0.1)
    assert all(last), "everybody is back"
    assert len(seen) >= 4, "the return had steps: %s" % seen


def test_what_the_engine_knew_survives_a_kill(t):
    d, backends = world(t)
    all_up(d)
    backends["london"].stop()
    lab.wait_for("London is out", lambda: d.region("london")["effective"] == 0)
    lab.pause(1)  # states are saved within a second
    d.stop(sig=9)
    d = t.daemon()
    # At once, before any probe could tell.
    assert answer(d, "london") == [ADDRESSES["virginia"]]
    assert d.status()["state_age_ms"] is not None


if __name__ == "__main__":
    lab.run(globals())
