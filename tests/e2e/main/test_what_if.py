"""what-if: who would move where, through the daemon and without one, and that nothing serves otherwise."""

import json
import time

import common
from common import lab

EU, US, ASIA = "203.0.113.1", "203.0.113.2", "203.0.113.3"


def world(t):
    common.base_world(t)
    for name, at in (("eu", "51.5,-0.1"), ("us", "39.0,-77.5"), ("asia", "35.7,139.8")):
        t.meridian("region add %s --at %s --capacity 1000" % (name, at))
    t.meridian("map add world")
    t.meridian("map rule add world net:100.0.0.0/8 eu,us,asia")
    t.meridian("map rule add world default us,eu,asia")
    t.meridian("service add www.gslb.example --ttl 40 --map world --policy geo")
    for region, address in (("eu", EU), ("us", US), ("asia", ASIA)):
        t.meridian("endpoint add www.gslb.example %s %s" % (region, address))


def ask(t, args):
    return json.loads(t.meridian("what-if --json " + args).stdout)


def region(answer, name):
    return next(r for r in answer["regions"] if r["name"] == name)


def near(a, b, by=0.001):
    assert abs(a - b) <= by, "%s is not %s" % (a, b)


def revision(t):
    return json.loads(t.meridian("history --json").stdout)


def test_without_a_daemon_the_networks_are_asked(t):
    world(t)
    before = revision(t)
    answer = ask(t, "--region eu=0")
    assert answer["basis"] == "networks" and answer["daemon"] is False
    near(region(answer, "eu")["before"], 1 / 256)
    near(region(answer, "eu")["after"], 0)
    near(answer["moved"], 1 / 256)
    text = t.meridian("what-if --region eu=0").stdout
    assert "no daemon runs" in text and "eu > us > asia" in text and "within 40 s" in text, text
    assert revision(t) == before


def test_recent_answers_are_asked_about(t):
    world(t)
    d = t.daemon()
    few = ask(t, "--region eu=0")
    assert few["basis"] == "networks" and few["answers_seen"] == 0
    # Three of four clients are in 100/8; what comes within 200 ms of one another is sampled up to 256.
    nets = common.networks(100, 600) + common.networks(101, 200)
    for i in range(0, len(nets), 200):
        common.ask_many("www.gslb.example", nets[i:i + 200])
        time.sleep(0.5)
    lab.wait_for("the samples", lambda: ask(t, "--region eu=0")["answers_seen"] >= 800)
    answer = ask(t, "--region eu=0")
    assert answer["basis"] == "answers"
    near(region(answer, "eu")["before"], 0.75)
    near(region(answer, "us")["after"], 1)
    near(answer["moved"], 0.75)
    assert answer["ttl_s"] == 40
    orders = {c["order"]: c for c in answer["classes"]}
    near(orders["eu > us > asia"]["moved"], 1)
    near(orders["us > eu > asia"]["moved"], 0)
    # As measured: a forecast of a drain, then the drain.
    forecast = region(ask(t, "--region eu=0.4"), "eu")["after"]
    assert common.ask_many("www.gslb.example", nets[:50]) == [EU] * 50, "what-if moved somebody"
    d.meridian("drain eu --to 0.4")
    got = common.ask_many("www.gslb.example", nets)
    near(forecast, got.count(EU) / len(got), 0.005)  # the same clients, the same hash
    # What is drained now comes back.
    answer = ask(t, "--region eu=100%")
    assert region(answer, "eu")["after"] > region(answer, "eu")["before"] + 0.3
    # Reports say how much there is to carry.
    d.meridian("undrain eu")
    d.meridian("report eu --ok 1000 --load 900")
    d.meridian("report us --ok 1000 --load 500")
    answer = ask(t, "--region eu=0")
    near(region(answer, "us")["load_before"], 500, 1)
    near(region(answer, "us")["load_after"], 1400, 60)
    near(region(answer, "us")["overrun"], 400, 60)
    text = d.meridian("what-if --region eu=0").stdout
    assert "sampled answers" in text and "OVERRUN" in text, text


def test_a_document_is_tried_and_not_stored(t):
    world(t)
    d = t.daemon()
    document = json.loads(t.meridian("export").stdout)
    document["maps"][0]["rules"] = [{"where": "default", "regions": ["asia", "eu", "us"]}]
    path = t.write("candidate.json", json.dumps(document))
    before = revision(t)
    for service in ("", " --service www.gslb.example"):
        answer = ask(t, "--apply %s%s" % (path, service))
        near(region(answer, "us")["before"], 255 / 256)
        near(region(answer, "asia")["after"], 1)
        near(answer["moved"], 1)
        assert answer["changes"], "what the document changes is said"
    answer = ask(t, "--apply %s --region asia=0" % path)
    near(region(answer, "eu")["after"], 1)
    assert revision(t) == before
    assert common.ask_many("www.gslb.example", common.networks(100, 20)) == [EU] * 20
    d.stop()
    near(region(ask(t, "--apply %s" % path), "asia")["after"], 1)
    assert revision(t) == before


def test_refusals_are_sentences(t):
    world(t)
    for daemon in (False, True):
        if daemon:
            t.daemon()
        for args, code, said in (("", 2, "--region NAME=SHARE, --apply FILE"),
                                 ("--region eu", 2, "is not NAME=SHARE"),
                                 ("--region eu=2", 2, "is not NAME=SHARE"),
                                 ("--region eu=0 --region eu=1", 2, "given twice"),
                                 ("--region mars=0", 3, "region \"mars\" does not exist"),
                                 ("--region eu=0 --service no.example", 3, "does not exist")):
            done = t.meridian("what-if " + args, ok=False)
            assert done.returncode == code and said in done.stderr, (args, done.returncode, done.stderr)


if __name__ == "__main__":
    lab.run(globals())
