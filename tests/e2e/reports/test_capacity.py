#!/usr/bin/python3
"""A region that leaves fills the others to their marks and no further; an overload of all is spread evenly."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab  # noqa: E402

SERVER = "127.53.0.1"
WWW = "www.gslb.example"
ADDRESS = {"ash": "127.1.0.10", "bay": "127.2.0.10", "cove": "127.3.0.10"}
# Where client networks go, best first; of those of ash, half have bay next and half have cove.
MAP = {"net:20.0.0.0/10": "ash,bay,cove", "net:20.64.0.0/10": "ash,cove,bay", "net:20.128.0.0/10": "bay,cove,ash",
       "net:20.192.0.0/10": "cove,bay,ash", "default": "cove,bay,ash"}
CAPACITY = 1000


def start(t, loads):
    t.meridian("init")
    t.meridian("zone add gslb.example --ns ns1.gslb.example=%s" % SERVER)
    t.meridian("probe add web --type http --path /healthz --interval 1s --timeout 500ms --fall 3 --rise 2")
    for name in ADDRESS:
        t.meridian("region add %s --capacity %d" % (name, CAPACITY))
    t.meridian("map add near")
    for where, regions in MAP.items():
        t.meridian("map rule add near %s %s" % (where, regions))
    t.meridian("service add %s --probe web --policy geo --map near --ttl 2 --hold 2s --ramp 2s" % WWW)
    servers = {}
    for name, address in ADDRESS.items():
        t.meridian("endpoint", "add", WWW, name, address)
        servers[name] = t.region(name, address)
    d = t.daemon(listen=[SERVER + ":53"])
    lab.wait_for("first verdicts", lambda: all(
        site["observed"] == "up" for site in d.status(WWW)["services"][0]["sites"]))
    for name, load in loads.items():
        t.meridian("report %s --load %d --source balancer" % (name, load))
    return d, servers


def load_by_queries(loads):
    """As many client networks as each region has load, each asking for 1."""
    sent = dict.fromkeys(ADDRESS, 0)
    name_of = {address: name for name, address in ADDRESS.items()}
    homes = [(0, loads["ash"] // 2), (64, loads["ash"] - loads["ash"] // 2), (128, loads["bay"]), (192, loads["cove"])]
    for block, n in homes:
        for i in range(n):
            net = "20.%d.%d.0/24" % (block + i // 256, i % 256)
            (address,) = lab.rdata(lab.ask(WWW, server=SERVER, subnet=net))
            sent[name_of[address]] += 1
    return sent


def region(d, name):
    return [r for r in d.status()["regions"] if r["name"] == name][0]


def lose_ash(d, servers):
    servers["ash"].sicken()
    d.wait_for_log(r"\[%s/ash\] availability 1\.00 -> 0\.00 rule=fall" % WWW.replace(".", r"\."), 10)


def test_a_region_that_leaves_fills_the_next_to_its_mark_and_no_further(t):
    loads = {"ash": 600, "bay": 600, "cove": 300}
    d, servers = start(t, loads)
    before = load_by_queries(loads)
    assert before == loads, before
    lose_ash(d, servers)
    # 300 come to bay, which has room for 200 up to 80 %.
    d.wait_for_log(r"\[bay\] spill 1\.00 -> 0\.6[67] rule=capacity cause=\"600 of its own, guests up to 800 of 1000\" "
                   r"expected=80\.0%", 5)
    assert "overload" not in d.log(), "an overload before all had reported"
    after = load_by_queries(loads)
    print("    %s" % after)
    assert after["ash"] == 0 and 760 < after["bay"] < 840 and 660 < after["cove"] < 740, after
    assert region(d, "bay")["why"].startswith("full: 0.6"), region(d, "bay")
    bay = region(d, "bay")["capacity"]
    assert bay["known"] and bay["overload"] == 1 and 0.6 < bay["spill"] < 0.7, bay
    assert abs(bay["utilisation_expected"] - 0.8) < 0.02, bay
    text = t.meridian("explain %s --client 20.0.0.0/24" % WWW).stdout
    assert "region bay full: 0.6" in text, text
    # What goes on as expected moves nobody; an edit neither.
    for name in ("bay", "cove"):
        t.meridian("report %s --load %d --source balancer" % (name, after[name]))
    t.meridian("region add dale --at 0,0")
    assert load_by_queries(loads) == after
    servers["ash"].heal()
    d.wait_for_log(r"\[bay\] spill 0\.\d\d -> 1\.00 rule=capacity", 20)
    lab.wait_for("everybody back", lambda: load_by_queries(loads) == loads, 10)


def test_an_overload_of_all_is_spread_evenly_and_sheds_nobody(t):
    loads = {"ash": 880, "bay": 800, "cove": 720}
    d, servers = start(t, loads)
    lose_ash(d, servers)
    d.wait_for_log(r"overload 1\.50 rule=capacity .*up to 120% of each", 5)
    after = load_by_queries(loads)
    print("    %s" % after)
    assert after["ash"] == 0 and all(1150 < after[name] < 1250 for name in ("bay", "cove")), after
    for name in ("bay", "cove"):
        t.meridian("report %s --load %d --source balancer" % (name, after[name]))
    assert all(region(d, name)["effective"] == 1 for name in ("bay", "cove")), "one was toppled"
    assert load_by_queries(loads) == after


if __name__ == "__main__":
    lab.run(globals())
