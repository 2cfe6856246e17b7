#!/usr/bin/python3
"""What load balancers report moves traffic while the probes are green, and never more than it may."""

import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

SERVER = "127.53.0.1"
SITES = {"london": ("127.1.0.10", "51.51,-0.13"), "virginia": ("127.2.0.10", "39.04,-77.49")}
LONDON, VIRGINIA = (SITES[name][0] for name in ("london", "virginia"))
WWW, API = "www.gslb.example", "api.gslb.example"
NETWORKS = ["127.1.%d.0/24" % i for i in range(256)]


# The window is longer than it takes to ask for thousands of networks, however busy the machine.
def start(t, service="--policy nearest --ttl 5 --hold 2s --ramp 2s --window 10m", probes=True):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=%s" % SERVER)
    t.meridian("set", "geo", t.geo())
    t.meridian("probe add web --type http --path /healthz --interval 1s --timeout 500ms --fall 3 --rise 2")
    t.meridian("service add %s %s %s" % (WWW, "--probe web" if probes else "", service))
    t.meridian("service add %s %s" % (API, service))
    for name, (address, at) in SITES.items():
        t.meridian("region add %s --at %s --capacity 40000" % (name, at))
        t.meridian("endpoint", "add", WWW, name, address)
        t.meridian("endpoint", "add", API, name, address.replace(".10", ".11"))
        t.region(name, address)
    d = t.daemon(listen=[SERVER + ":53"])
    if probes:
        lab.wait_for("first verdicts", lambda: all(
            site["observed"] == "up" for site in d.status(WWW)["services"][0]["sites"]))
    return d


def share(name, address, networks=NETWORKS):
    """Of the networks (those next to London), those that are sent to address, in percent."""
    sent = [lab.rdata(lab.ask(name, server=SERVER, subnet=n)) for n in networks]
    return 100.0 * sum(a == [address] for a in sent) / len(sent)


def site(d, region, service=WWW):
    sites = d.status(service)["services"][0]["sites"]
    return [s for s in sites if s["region"] == region][0]


def raw(t, request):
    """One line to the control socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(t.db + ".sock")
        s.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(s.makefile().readline())


def test_a_brown_out_that_probes_do_not_see_moves_its_share(t):
    d = start(t)
    out = t.meridian("report", "london", "--service", WWW, "--ok", "3500", "--errors", "1500",
                     "--source", "haproxy").stdout
    assert "haproxy has 30.0% errors of 5000, at least 28.7%" in out, out
    line = d.wait_for_log(r"\[%s/london\] availability 1\.00 -> (0\.\d\d) rule=degrade .*source=haproxy.* to=virginia"
                          % re.escape(WWW), 2)
    logged = 100 * float(line.group(1))
    # Nobody knows where these are: they prefer the region that was declared first, London.
    many = ["20.%d.%d.0/24" % (a, b) for a in range(12) for b in range(256)]
    measured = share(WWW, LONDON, many)
    print("    logged %.0f %%, measured %.1f %% of %d networks" % (logged, measured, len(many)))
    assert abs(measured - logged) < 3, (measured, logged)
    assert share(API, LONDON.replace(".10", ".11")) == 100, "another service moved"
    london = site(d, "london")
    assert london["observed"] == "degraded" and london["why"] == "error rate 30.0%, reported by haproxy", london
    (source,) = london["sources"]
    assert source["source"] == "haproxy" and source["fresh"] and source["samples"] == 5000, source
    assert "reported by haproxy" in t.meridian("status", WWW).stdout
    assert "source=haproxy" in t.meridian("log", "--kind", "report", "--limit", "10").stdout


def test_a_region_that_drowns_sheds_and_takes_back(t):
    d = start(t, "--policy nearest --ttl 1 --ramp 1s")
    t.meridian("report london --load 40000 --source haproxy")
    d.wait_for_log(r"\[london\] availability 1\.00 -> 0\.80 rule=load cause=\"utilisation 100\.0% of 40000, "
                   r"above 90%\" source=haproxy", 2)
    assert 70 < share(WWW, LONDON) < 90 and 70 < share(API, LONDON.replace(".10", ".11")) < 90
    (london,) = [r for r in d.status()["regions"] if r["name"] == "london"]
    assert london["why"] == "utilisation 100%, reported by haproxy", london
    assert london["sources"][0]["utilisation"] == 1.0
    t.meridian("set load-high 100%")
    t.meridian("set load-low 99%")
    t.meridian("report london --load 50% --source haproxy")
    assert site(d, "london")["effective"] < 1, "it came back without a hold"


def test_reports_alone_never_empty_a_service(t):
    d = start(t)
    for region in SITES:
        for _ in range(2):
            t.meridian("report", region, "--service", WWW, "--ok", "0", "--errors", "5000", "--source", "liar")
    left = sorted(site(d, region)["effective"] for region in SITES)
    assert left[0] == 0 and round(left[1], 3) == 0.05, left
    d.wait_for_log(r"would=0\.00 blocked-by=min-regions\(1\)", 2)
    t.meridian("report virginia --ok 0 --errors 5000 --source liar")
    assert all(lab.rdata(lab.ask(WWW, server=SERVER, subnet=n)) for n in NETWORKS[:20])


def test_a_service_without_probes_is_judged_by_reports(t):
    d = start(t)
    endpoint = LONDON.replace(".10", ".11")
    t.meridian("report london --service %s --endpoint %s --errors 5000" % (API, endpoint))
    assert share(API, endpoint) == 0
    assert site(d, "london", API)["endpoints"][0]["observed"] == "down"
    assert share(WWW, LONDON) == 100


def test_an_edit_keeps_what_was_reported(t):
    d = start(t)
    t.meridian("report", "london", "--service", WWW, "--ok", "3500", "--errors", "1500", "--source", "haproxy")
    before = site(d, "london")["effective"]
    t.meridian("region add tokyo --at 35.68,139.69")
    t.meridian("endpoint add %s tokyo 127.3.0.10" % WWW)
    after = site(d, "london")
    assert 0 < before < 1 and after["effective"] == before and after["sources"][0]["samples"] == 5000, after


def test_what_is_wrong_is_refused_with_one_sentence(t):
    start(t)
    for code, words, args in (
            (3, 'no region is called "mars"', "mars --ok 1"),
            (3, 'no service is called "no.gslb.example"', "london --service no.gslb.example --ok 1"),
            (3, "has no endpoint 192.0.2.1", "london --service %s --endpoint 192.0.2.1 --ok 1" % WWW),
            (2, "--endpoint goes with --service", "london --endpoint %s --ok 1" % LONDON),
            (2, "says ok and errors, or load", "london"),
            (1, "--ok: \"-1x\" is not a whole number", "london --ok=-1x"),
            (1, "ok -1 is not accepted: give a whole number from 0 to 100000000", "london --ok=-1"),
            (1, "errors 100000001 is not accepted", "london --errors 100000001"),
            (1, "covers_ms 7200000 is not accepted", "london --ok 1 --covers 2h"),
            (1, "--latency: \"p42=1ms\" is not p50=12ms,p99=80ms", "london --ok 1 --latency p42=1ms"),
            (1, "neither a number nor a percentage", "london --load much"),
            (1, "utilisation 200.0 is not accepted: give a number from 0 to 100", "london --load 20000%"),
            (2, "load is of a whole region", "london --service %s --load 10" % WWW),
            (1, "is not accepted: give letters", "london --ok 1 --source a=b"),
            (1, "is not accepted: give letters", "london --ok 1 --source %s" % ("x" * 40))):
        r = t.meridian("report " + args, ok=False)
        assert r.returncode == code and words in r.stderr, (args, r.returncode, r.stderr)
        assert r.stderr.count("\n") == 1, r.stderr
    for request, words in (
            ({"op": "report", "region": "london", "eror": 5, "ok": 1}, "\"eror\" is not part of a report"),
            ({"op": "report", "region": "london", "ok": 1.5}, "ok 1.5 is not accepted"),
            ({"op": "report", "region": "london", "ok": True}, "ok true is not accepted"),
            ({"op": "report", "region": 5, "ok": 1}, "region is not a text"),
            ({"op": "report", "ok": 1}, "region is missing"),
            ({"op": "report", "region": "london", "ok": 1, "latency": 5}, "latency is not an object"),
            ({"op": "report", "region": "london", "load": 1, "utilisation": 1}, "give one of them"),
            ({"op": "report", "region": "london", "ok": 1, "source": "a\u0000b"}, "not a JSON object")):
        answer = raw(t, request)
        assert answer["ok"] is False and words in answer["error"], answer
    assert raw(t, {"op": "report", "region": "london", "ok": 1})["ok"] is True


def test_the_ninth_reporter_is_refused(t):
    start(t)
    for i in range(8):
        t.meridian("report london --ok 100 --source lb%d" % i)
    r = t.meridian("report london --ok 100 --source lb8", ok=False)
    assert r.returncode == 1 and "is one too many" in r.stderr, r.stderr


def test_without_a_daemon_nobody_takes_a_report(t):
    t.meridian("init")
    assert t.meridian("report london --ok 1", ok=False).returncode == 4


if __name__ == "__main__":
    lab.run(globals())
