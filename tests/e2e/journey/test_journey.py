#!/usr/bin/python3
"""The main job, end to end: delegate, answer by place, fail over, come back, survive a kill."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

PARENT, NS1, NS2, RESOLVER = "127.53.0.1", "127.53.0.2", "127.53.0.3", "127.53.0.4"
SITES = {"london": ("127.1.0.10", "51.51,-0.13"), "virginia": ("127.2.0.10", "39.04,-77.49"),
         "tokyo": ("127.3.0.10", "35.68,139.69")}
LONDON, VIRGINIA, TOKYO = (SITES[name][0] for name in ("london", "virginia", "tokyo"))
WWW = "www.gslb.example"
INTERVAL_S, TIMEOUT_S, FALL = 1.0, 0.5, 3


def configure(t, service="--policy nearest --ttl 5 --hold 3s --ramp 6s"):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=%s --ns ns2.gslb.example=%s" % (NS1, NS2))
    t.meridian("set", "geo", t.geo())
    t.meridian("probe add web --type http --path /healthz --interval 1s --timeout 500ms --fall 3 --rise 2")
    t.meridian("service add %s --probe web %s" % (WWW, service))
    for name, (address, at) in SITES.items():
        t.meridian("region add %s --at %s" % (name, at))
        t.meridian("endpoint", "add", WWW, name, address)


def start(t, **kw):
    return t.daemon(listen=[NS1 + ":53", NS2 + ":53"], **kw)


def sites(t):
    return {name: t.region(name, address) for name, (address, _) in SITES.items()}


def all_observed(d, state):
    return lambda: all(site["observed"] == state for service in d.status(WWW)["services"] for site in service["sites"])


def at(client, server=NS1, **kw):
    return lab.rdata(lab.ask(WWW, server=server, subnet=client, **kw))


def test_a_resolver_finds_the_way_and_clients_their_region(t):
    configure(t)
    sites(t)
    start(t)
    t.parent(PARENT, t.meridian("zone delegation gslb.example").stdout)
    t.resolver(RESOLVER, PARENT, "127.53.0.2/31")
    for client, region in (("127.1.0.5", LONDON), ("127.2.0.5", VIRGINIA), ("127.3.0.5", TOKYO)):
        through = lab.ask(WWW, server=RESOLVER, source=client, recurse=True)
        assert lab.rdata(through) == [region], through
        assert lab.rdata(lab.ask(WWW, server=NS2, source=client)) == [region]
        assert lab.rdata(lab.ask(WWW, server=NS1, source=client, tcp=True)) == [region]
    # The resolver has asked for three networks; each answer is only used where its scope reaches.
    through = lab.ask(WWW, server=RESOLVER, source="127.1.99.1", recurse=True)
    assert lab.rdata(through) == [LONDON], through
    # Static names of the zone come through as well.
    assert lab.rdata(lab.ask("ns2.gslb.example", server=RESOLVER, recurse=True)) == [NS2]
    assert lab.ask("no.gslb.example", server=RESOLVER, recurse=True).rcode() == lab.dns.rcode.NXDOMAIN


def test_a_region_that_fails_loses_its_clients_and_gets_them_back(t):
    configure(t)
    regions = sites(t)
    d = start(t)
    lab.wait_for("first verdicts", all_observed(d, "up"))
    networks = ["127.1.%d.0/24" % i for i in range(1, 41)]
    assert all(at(n) == [LONDON] for n in networks)
    assert at("127.2.5.0/24") == [VIRGINIA] and at("127.3.5.0/24") == [TOKYO]

    regions["london"].sicken()
    began = time.monotonic()
    limit = max(FALL * INTERVAL_S, INTERVAL_S + FALL * TIMEOUT_S) + 1
    lab.wait_for("London's clients move", lambda: at(networks[0]) == [VIRGINIA], limit)
    print("    moved after %.1f s, at most %.1f" % (time.monotonic() - began, limit))
    assert all(at(n) == [VIRGINIA] for n in networks)
    assert at("127.2.5.0/24") == [VIRGINIA] and at("127.3.5.0/24") == [TOKYO]
    d.wait_for_log(r"\[www\.gslb\.example/london\] probe web 127\.1\.0\.10:80 fail: .*\(3/3\)")
    d.wait_for_log(r"\[www\.gslb\.example/london\] availability 1\.00 -> 0\.00 .*rule=fall.* to=virginia")
    why = t.json("explain", WWW, "--client", "127.1.1.1")
    assert why["region"] == "virginia" and why["answers"] == [VIRGINIA], why
    lost = [c for c in why["candidates"] if c["region"] == "london"]
    assert lost and lost[0]["available"] == 0 and lost[0]["verdict"] != "chosen", why

    regions["london"].heal()
    seen = []

    def whole():
        seen.append({n for n in networks if at(n) == [LONDON]})
        return len(seen[-1]) == len(networks)
    lab.wait_for("all of London's clients are back", whole, 30, every=0.3)
    for before, after in zip(seen, seen[1:]):
        assert before <= after, "a client that was back was sent away again: %s" % (before - after)
    partly = [len(s) for s in seen if 0 < len(s) < len(networks)]
    assert len(set(partly)) >= 3, "no gradual return: %s" % [len(s) for s in seen]
    d.wait_for_log(r"\[www\.gslb\.example/london\] availability 0\.\d\d -> 1\.00 .*rule=ramp")

    def history():  # it is written in batches
        told = t.meridian("log", "--service", WWW, "--region", "london", "--limit", "1000").stdout
        return "availability 1.00 -> 0.00" in told and "-> 1.00" in told
    lab.wait_for("the whole story is in the history", history, 5, every=0.3)


def test_a_hanging_region_is_a_failed_one(t):
    configure(t)
    regions = sites(t)
    d = start(t)
    lab.wait_for("first verdicts", all_observed(d, "up"))
    regions["tokyo"].freeze()
    limit = max(FALL * INTERVAL_S, INTERVAL_S + FALL * TIMEOUT_S) + 1
    lab.wait_for("Tokyo's clients move", lambda: at("127.3.5.0/24") != [TOKYO], limit)
    d.wait_for_log(r"\[www\.gslb\.example/tokyo\] probe web 127\.3\.0\.10:80 fail: timeout.*\(3/3\)")
    assert at("127.1.5.0/24") == [LONDON]


def test_a_prober_that_has_lost_everything_moves_nothing(t):
    configure(t)
    regions = sites(t)
    d = start(t)
    lab.wait_for("first verdicts", all_observed(d, "up"))
    for region in regions.values():
        region.stop()
    d.wait_for_log(r"isolated", 20)
    time.sleep(2)
    assert at("127.1.5.0/24") == [LONDON] and at("127.2.5.0/24") == [VIRGINIA] and at("127.3.5.0/24") == [TOKYO]
    assert "-> 0.00" not in d.log()


def test_what_was_known_survives_a_kill(t):
    configure(t, "--policy nearest --ttl 5 --hold 60s --ramp 60s")
    regions = sites(t)
    d = start(t)
    lab.wait_for("first verdicts", all_observed(d, "up"))
    regions["london"].sicken()
    lab.wait_for("London's clients move", lambda: at("127.1.5.0/24") == [VIRGINIA], 10)
    t.meridian("drain tokyo --to 0.4 --reason test")
    networks = ["127.3.%d.0/24" % i for i in range(1, 41)]
    moved = {n for n in networks if at(n) != [TOKYO]}
    assert 10 < len(moved) < 38, len(moved)
    lab.pause(1.5)  # states are saved within a second
    d.stop(signal.SIGKILL)
    regions["london"].heal()  # it has to earn its way back all the same
    d = start(t)
    assert at("127.1.5.0/24") == [VIRGINIA], "the first answer after a restart forgot that London is down"
    assert {n for n in networks if at(n) != [TOKYO]} == moved
    t.meridian("undrain tokyo")
    assert at(sorted(moved)[0]) == [TOKYO]


def test_it_leaves_when_asked_and_lets_a_second_one_in(t):
    configure(t)
    sites(t)
    d = start(t)
    second = start(t, name="second", wait=False)
    assert second.popen.wait(10) != 0
    assert "meridian.db" in second.log(), second.log()
    assert d.stop() == 0
    start(t, name="third")


if __name__ == "__main__":
    lab.run(globals())
