"""A person's word and what the engine knows survive edits, restarts, and the end of what they are about."""

import os
import threading
import time

import common
from common import EU, NAME, US, lab


def networks(n=1500):
    return ["100.%d.%d.0/24" % (i >> 8, i & 255) for i in range(n)]


def homes(d, n=400):
    """How many of n client networks EU answers."""
    return sum(lab.rdata(d.ask(NAME, subnet=net)) == [EU] for net in networks(n))


def geo_world(t, more=""):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=127.0.0.1")
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("region add us --at 39.0,-77.5")
    t.meridian("service add %s --policy failover --ttl 5 %s" % (NAME, more))
    t.meridian("endpoint add %s eu %s --priority 1" % (NAME, EU))
    t.meridian("endpoint add %s us %s --priority 2" % (NAME, US))
    return t.daemon()


def rebuild(d, n):
    """Edits that compile everything again and change the numbering."""
    d.meridian("region add a%d --at 1,%d" % (n, n))
    d.meridian("service add a%d.gslb.example --policy weighted" % n)
    d.meridian("endpoint add a%d.gslb.example a%d 192.0.2.%d" % (n, n, n))


def test_a_partial_drain_survives_edits_and_restarts_with_the_same_clients(t):
    d = geo_world(t)
    d.meridian("drain eu --to 0.4 --reason 'a test'")
    nets = networks(300)
    first = [lab.rdata(d.ask(NAME, subnet=n)) for n in nets]
    for n in range(3):
        rebuild(d, n)
        assert [lab.rdata(d.ask(NAME, subnet=x)) for x in nets] == first, "an edit moved clients"
    d.stop()
    d = t.daemon()
    assert [lab.rdata(d.ask(NAME, subnet=x)) for x in nets] == first, "a restart moved clients"
    region = d.region("eu")
    assert region["set"] == "drain" and abs(region["set_to"] - 0.4) < 0.001 and region["set_reason"] == "a test"
    d.stop(9)
    d = t.daemon()
    assert d.region("eu")["set"] == "drain"
    d.meridian("undrain eu")
    assert lab.rdata(d.ask(NAME)) == [EU]
    d.stop()
    d = t.daemon()
    assert d.region("eu")["set"] == "on", "an undrain does not survive the restart"


def effective(d, region="eu"):
    return d.region(region)["effective"]


def test_a_drain_over_time_goes_on_through_edits_and_a_restart(t):
    d = geo_world(t)
    d.meridian("service set %s --ttl 2 --ttl-moving 1" % NAME)
    asked = time.monotonic()
    d.meridian("drain eu --over 8s")
    began = time.monotonic()
    seen = []
    restarted = False
    while time.monotonic() - began < 11:
        at = time.monotonic() - began
        share = effective(d)
        seen.append((at, share, time.monotonic() - asked))
        if len(seen) % 3 == 0 and len(seen) < 24:
            rebuild(d, len(seen))
        if at > 6 and not restarted:
            restarted = True
            d.stop()
            d = t.daemon()
        time.sleep(0.3)
    way = lambda at: min(1, max(0, 1 - (at - 2) / 8))  # the TTL of 2 s comes first
    for at, share, until in seen:  # it was so at some moment in between
        assert way(until) - 0.2 < share < way(at) + 0.2, "after %.1f to %.1f s %.2f: %s" % (at, until, share, seen)
    lab.wait_for("the drain ends", lambda: effective(d) == 0, 5)


def test_an_until_ends_by_itself(t):
    d = geo_world(t)
    began = time.monotonic()
    rebuild(d, 0)
    seconds = max(2, round(6 * (time.monotonic() - began)))  # the next one is well over by then
    d.meridian("drain eu --until %ds --reason short" % seconds)
    assert lab.rdata(d.ask(NAME)) == [US]
    rebuild(d, 1)
    assert lab.rdata(d.ask(NAME)) == [US]
    lab.wait_for("it ends", lambda: d.region("eu")["set"] == "on", seconds + 4)
    lab.wait_for("clients come back", lambda: lab.rdata(d.ask(NAME)) == [EU], 30)
    d.meridian("drain eu --until 2s")
    d.stop()
    time.sleep(2.2)
    d = t.daemon()
    assert d.region("eu")["set"] == "on"
    lab.wait_for("clients come back", lambda: lab.rdata(d.ask(NAME)) == [EU], 30)
    rebuild(d, 2)
    assert d.region("eu")["set"] == "on", "an edit woke an override that had ended"


def test_an_override_of_an_endpoint_moves_only_that(t):
    d = geo_world(t)
    d.meridian("service add b.gslb.example --policy failover")
    d.meridian("endpoint add b.gslb.example eu 203.0.113.9")
    d.meridian("endpoint set %s eu %s --state down --reason broken" % (NAME, EU))
    assert lab.rdata(d.ask(NAME)) == [US]
    assert lab.rdata(d.ask("b.gslb.example")) == ["203.0.113.9"]
    rebuild(d, 1)
    assert lab.rdata(d.ask(NAME)) == [US]
    d.stop(9)
    d = t.daemon()
    assert lab.rdata(d.ask(NAME)) == [US]
    d.meridian("endpoint set %s eu %s --state auto" % (NAME, EU))
    assert lab.rdata(d.ask(NAME)) == [EU]


def test_what_does_not_exist_cannot_be_overridden(t):
    d = geo_world(t)
    for words in ("drain nowhere", "undrain nowhere", "release nowhere", "region set nowhere --state down",
                  "endpoint set %s eu 203.0.113.77 --state down" % NAME,
                  "endpoint set no.gslb.example eu %s --state down" % EU):
        got = d.meridian(words, ok=None)
        assert got.returncode == 3, "%s: exit %d %s" % (words, got.returncode, got.stderr)
        common.sentence(got.stderr)


def test_a_region_removed_while_drained_takes_its_override_with_it_or_keeps_it_alike(t):
    d = geo_world(t)
    d.meridian("drain eu")
    d.meridian("endpoint remove %s eu %s" % (NAME, EU))
    d.meridian("region remove eu")
    assert lab.rdata(d.ask(NAME)) == [US]
    d.meridian("region add eu --at 51.5,-0.1")
    d.meridian("endpoint add %s eu %s --priority 1" % (NAME, EU))
    now = (d.region("eu")["set"], lab.rdata(d.ask(NAME)))
    d.stop()
    d = t.daemon()
    then = (d.region("eu")["set"], lab.rdata(d.ask(NAME)))
    assert now == then, "before the restart %s, after it %s" % (now, then)


def test_a_rollback_leaves_overrides_alone(t):
    d = geo_world(t)
    revision = d.status()["revision"]
    rebuild(d, 1)
    d.meridian("drain eu")
    d.meridian("rollback %d" % revision)
    assert d.region("eu")["set"] == "drain" and lab.rdata(d.ask(NAME)) == [US]
    document = t.write("all.json", d.meridian("export").stdout)
    d.meridian("apply", document, "--force")
    assert d.region("eu")["set"] == "drain"


# ------------------------------------------------------------------------- what the engine knows, and edits

def probed_world(t, more="--hold 2s --ramp 8s"):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=127.0.0.1")
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("region add us --at 39.0,-77.5")
    t.meridian("probe add web --type http --port 80 --path /healthz --interval 1s --timeout 400ms --fall 2 --rise 2")
    t.meridian("service add %s --policy failover --ttl 5 --probe web %s" % (NAME, more))
    t.meridian("endpoint add %s eu 127.1.0.10 --priority 1" % NAME)
    t.meridian("endpoint add %s us 127.2.0.10 --priority 2" % NAME)
    backends = [t.region("eu", "127.1.0.10"), t.region("us", "127.2.0.10")]
    d = t.daemon()
    lab.wait_for("all are up", lambda: all(r["observed"] == "up" for r in d.status()["regions"]))
    return d, backends


def test_edits_in_the_middle_of_a_return_change_nothing_of_it(t):
    d, backends = probed_world(t)
    backends[0].sicken()
    lab.wait_for("eu is out", lambda: effective(d) == 0)
    for n in range(3):
        rebuild(d, n)
        assert effective(d) == 0, "an edit brought a dead region back"
        assert d.region("eu")["observed"] == "down"
        assert lab.rdata(d.ask(NAME)) == ["127.2.0.10"]
    backends[0].heal()
    lab.wait_for("the return has begun", lambda: 0 < effective(d) < 1, 20)
    before, last = time.monotonic(), effective(d)
    for n in range(3, 9):
        rebuild(d, n)
        asked, now = time.monotonic(), effective(d)
        most = (time.monotonic() - before) / 8 + 0.2  # of a ramp of 8 s, and its first step
        assert now >= last - 0.001, "an edit took the ramp back from %.2f to %.2f" % (last, now)
        assert now <= last + most, "an edit cut the ramp short: %.2f to %.2f" % (last, now)
        before, last = asked, now
        time.sleep(0.4)
    lab.wait_for("all is back", lambda: effective(d) == 1, 20)


def test_a_change_of_the_address_starts_with_an_open_mind(t):
    d, backends = probed_world(t)
    backends[0].sicken()
    lab.wait_for("eu is out", lambda: effective(d) == 0)
    t.region("eu2", "127.1.0.11")
    d.meridian("endpoint add %s eu 127.1.0.11 --priority 1" % NAME)
    d.meridian("endpoint remove %s eu 127.1.0.10" % NAME)
    lab.wait_for("the new one serves", lambda: lab.rdata(d.ask(NAME)) == ["127.1.0.11"], 30)


# ------------------------------------------------------------------------------- looking while it changes

def test_status_and_explain_hold_while_everything_changes(t):
    d = geo_world(t)
    over = [False]
    broken = []

    def change():
        n = 100
        while not over[0]:
            try:
                d.meridian("service add s%d.gslb.example --policy 'latency | sticky'" % n)
                d.meridian("endpoint add s%d.gslb.example us 192.0.2.7" % n)
                d.meridian("drain us --to 0.5")
                d.meridian("endpoint remove s%d.gslb.example us 192.0.2.7" % n)
                d.meridian("service remove s%d.gslb.example" % n)
                d.meridian("undrain us")
            except Exception as e:
                broken.append(e)
                return
            n += 1
    changer = threading.Thread(target=change)
    changer.start()
    c = common.Control(d)
    asker = common.Asker()
    until = time.monotonic() + 6
    last = 0
    while time.monotonic() < until:
        got = c.call(op="status", service=NAME)
        assert got["ok"] and len(got["regions"]) == 2 and len(got["services"][0]["sites"]) == 2, got
        assert got["revision"] >= last, "an older revision serves"
        last = got["revision"]
        got = c.call(op="explain", name=NAME, client="81.2.69.160")
        assert got["ok"] and got["answers"] == [EU] and got["candidates"], got
        c.call(op="explain", name="s100.gslb.example", client="2001:db8::1")
    over[0] = True
    changer.join()
    asker.check(100)
    assert not broken, broken


def test_shares_follow_the_names_of_regions(t):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=127.0.0.1")
    for name in ("aa", "bb", "cc"):
        t.meridian("region add %s --at 1,1" % name)
    t.meridian("service add %s --policy failover" % NAME)
    t.meridian("endpoint add %s cc %s" % (NAME, EU))
    d = t.daemon()
    for _ in range(40):
        d.ask(NAME)
    assert d.region("cc")["share_got"] == 1
    d.meridian("region add dd --at 2,2")
    assert d.region("cc")["share_got"] == 1
    d.meridian("region remove aa")
    assert d.region("cc")["share_got"] == 1, "the counts stayed with the number"
    assert d.region("bb")["share_got"] == 0


def test_a_name_is_the_same_in_any_case_and_with_its_last_dot(t):
    d = geo_world(t)
    service = "WWW.GSLB.example."
    t.meridian("probe add check --type exec --command /bin/true")
    for words in ("drain EU --to 0.4", "release Eu", "undrain EU", "region set EU --state down", "region set eU --state auto",
                  "endpoint set %s EU %s --state drain" % (service, EU), "endpoint set %s EU %s --state auto" % (service, EU),
                  "status " + service, "report EU --service %s --ok 5" % service, "what-if --region EU=0 --service " + service,
                  "probe run CHECK %s EU %s" % (service, EU), "maintenance add EU --from 1h --until 2h --reason x",
                  "timeline EU", "timeline %s/EU" % service):
        d.meridian(words)
    for words in ("probe run check nope.gslb.example eu " + EU, "probe run check %s nope %s" % (NAME, EU), "drain nope"):
        assert d.meridian(words, ok=None).returncode == 3, words
    assert t.json("probe", "run", "check", EU)["target"] == EU, "a program has no port"
    d.meridian("drain us")
    lab.wait_for("the line of the drain", lambda: "drain" in d.meridian("log --region US").stdout)
    d.stop()
    t.meridian("what-if --region EU=0 --service " + service)


def test_explain_says_what_the_wire_says(t):
    zone = t.write("z.zone", "$ORIGIN gslb.example.\n$TTL 60\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\nns1 A 127.0.0.1\n"
                   "static 77 A 192.0.2.1\nmany MX 10 m1\nmany MX 20 m2\nalias CNAME static\nto CNAME www\nout CNAME elsewhere.example.\n*.wild A 192.0.2.3\n"
                   "child NS ns1.child\nns1.child A 192.0.2.9\n")
    t.meridian("init")
    t.meridian("zone add gslb.example --file " + zone)
    t.meridian("region add eu --at 51.5,-0.1")
    t.meridian("service add %s --policy nearest" % NAME)
    t.meridian("endpoint add %s eu %s" % (NAME, EU))
    t.meridian("service add host.gslb.example --policy failover")
    t.meridian("endpoint add host.gslb.example eu target.example.net")
    d = t.daemon()
    for name, kind in ((NAME, "service"), ("static.gslb.example", "static"), ("none.gslb.example", "nxdomain"),
                       ("other.example", "refused"), ("x.child.gslb.example", "referral"),
                       ("x.wild.gslb.example", "static"), ("host.gslb.example", "service")):
        got = d.lab.json("explain", name, "--client", "192.0.2.200", db=d.db)
        assert got["kind"] == kind, "%s: %s" % (name, got)
        wire = d.ask(name)
        import dns.rcode
        assert dns.rcode.to_text(wire.rcode()) == got["rcode"], (name, wire.rcode(), got["rcode"])
        text = d.meridian("explain", name, "--client", "192.0.2.200").stdout
        assert text.strip()
    for name in ("alias.gslb.example", "to.gslb.example", "out.gslb.example"):
        got = d.lab.json("explain", name, "--client", "192.0.2.200", db=d.db)
        assert got["ok"] if "ok" in got else True
        assert d.meridian("explain", name).stdout.strip()
    for name, rdtype, answers, ttl in (("static", "A", ["192.0.2.1"], 77), ("x.wild", "A", ["192.0.2.3"], 60),
                                       ("many", "MX", ["10 m1.gslb.example.", "20 m2.gslb.example."], 60),
                                       ("alias", "A", ["192.0.2.1"], 77), ("to", "A", [EU], 30),
                                       ("out", "A", ["elsewhere.example"], 60)):
        got = d.lab.json("explain", name + ".gslb.example", "--type", rdtype, db=d.db)
        assert got["answers"] == answers and got["ttl"] == ttl, got
    got = d.lab.json("explain", "out.gslb.example", db=d.db)
    assert {"step": "alias", "text": "CNAME elsewhere.example"} in got["steps"], got
    got = d.lab.json("explain", NAME, "--client", "192.0.2.200", db=d.db)
    assert got["client"]["place"]["country"] is None and got["answers"] == [EU], got
    got = d.lab.json("explain", NAME, "--type", "AAAA", db=d.db)
    assert got["kind"] in ("nodata", "service") and not got["answers"], got


def test_explain_says_who_may_not_ask_and_whose_subnets_count(t):
    d = geo_world(t)

    def steps(client):
        got = d.lab.json("explain", NAME, "--client", client, db=d.db)
        return [s["step"] for s in got["steps"] if s["step"] in ("deny", "subnet-from")]
    assert steps("127.0.0.1") == []
    d.meridian("set deny 127.0.0.0/8")
    assert steps("127.0.0.1") == ["deny"] and steps("192.0.2.1") == []
    assert d.ask(NAME).rcode() == 5
    d.meridian("unset deny")
    d.meridian("set allow 192.0.2.0/24")
    assert steps("127.0.0.1") == ["deny"] and steps("192.0.2.1") == []
    assert d.ask(NAME).rcode() == 5
    d.meridian("set subnet-from 198.51.100.0/24")
    assert steps("192.0.2.1") == ["subnet-from"]


if __name__ == "__main__":
    lab.run(globals())
