#!/usr/bin/python3
"""A daemon that loses its own network moves nothing, neither by probes nor for want of reports, and
says so; when the network is back nothing moves either, and then it works as before."""

import os
import re
import time

import common
import nets
from common import WWW, lab

PROBER = "10.0.0.1"
REGIONS = {"london": ("10.0.1.1", "51.51,-0.13"), "virginia": ("10.0.2.1", "39.04,-77.49"),
           "tokyo": ("10.0.3.1", "35.68,139.77")}
WINDOW_S = 6
# Some near each region, and some nowhere: those prefer London.
NETWORKS = ["127.%d.%d.0/24" % (a, b) for a in (1, 2, 3) for b in range(256)] + ["20.1.%d.0/24" % b for b in range(256)]


class World:
    def __init__(self, t):
        self.t, bridge = t, nets.Bridge(t)
        self.prober = bridge.host("prober", PROBER)
        self.web = {}
        hosts = {name: bridge.host(name, address) for name, (address, _) in REGIONS.items()}
        for name, host in hosts.items():
            self.web[name] = common.Backend(t, "web-" + name, host.address, enter=host.enter)
        t.meridiand = inside(t, self.prober, t.meridiand)
        self.d, token = common.world(t, REGIONS, PROBER, PROBER + ":9053", WINDOW_S)
        for name, host in hosts.items():
            common.feeder(t, "--region", name, "--nginx-log", self.web[name].feed_log, "--map", "www.example=" + WWW,
                          "--to", "http://%s:9053" % PROBER, "--timeout", "500ms", name="feeder-" + name,
                          env={"MERIDIAN_TOKEN": token}, enter=host.enter)
            # Many enough that the bound is narrow: a report of all that was unheard then moves nothing.
            common.Load(t, host.address, 300 if name == "london" else 50, "load-" + name, host.enter)
        lab.wait_for("every region reports", lambda: all(self.source(name) for name in REGIONS), 15)

    def source(self, region):
        return next((s for s in common.site(self.d, region).get("sources", [])), None)

    def ask(self):
        return common.dig_many(self.t, NETWORKS, PROBER, self.prober.enter)

    def moves(self):
        return re.findall(r"^.* availability \d\.\d\d -> .*$", self.d.log(), re.M)


def inside(t, host, program):
    """A program that runs another in a host's network, under the same process number."""
    path = t.write("in-" + os.path.basename(program), "#!/bin/sh\nexec %s %s \"$@\"\n" % (" ".join(host.enter), program))
    os.chmod(path, 0o755)
    return path


def brown_out(w):
    """London at 30 % errors, by reports alone; returns once its availability has settled.

    What comes after the return counts 25 s of requests, so its bound is narrower, and a step that was
    just short of the dead band would then be taken. So the last step is one to where the full window
    wants it: `fail` is moved, and from there a narrower bound is worth at most half of the dead band."""
    w.t.meridian("service set %s --fail 100%%" % WWW)
    w.web["london"].fall_ill("brown")
    lab.wait_for("the window is full", lambda: w.source("london")["error_rate"] > 0.295, WINDOW_S + 15)
    time.sleep(1)
    before = common.site(w.d, "london")["effective"]
    assert 0.7 < before < 0.9, before
    w.t.meridian("service set %s --fail 60%%" % WWW)
    lab.wait_for("it settles", lambda: 0.55 < common.site(w.d, "london")["effective"] < 0.61, WINDOW_S)


def test_a_network_that_is_cut_moves_nothing_and_its_return_neither(t):
    w = World(t)
    brown_out(w)
    before, moves = w.ask(), w.moves()
    assert {a for a in before} == {a for a, _ in REGIONS.values()}, set(before)

    w.prober.cut(silently=True)
    w.d.wait_for_log(r"isolated \S+ rule=witness .*effect=\"nothing moves\"", 20)
    time.sleep(2.5 * WINDOW_S)
    assert w.source("london")["age_ms"] > 2000 * WINDOW_S, "its reports still come"
    assert w.moves() == moves, "moved while isolated: %s" % w.moves()[len(moves):]
    assert w.ask() == before, "a client network is sent elsewhere"

    w.prober.join()
    w.d.wait_for_log(r"isolated -> over rule=witness", 20)
    lab.wait_for("reports come again", lambda: all(w.source(r)["age_ms"] < 3000 for r in REGIONS), 20)
    time.sleep(1.5 * WINDOW_S)
    assert w.moves() == moves, "moved after it: %s" % w.moves()[len(moves):]
    assert w.ask() == before, "a client network is sent elsewhere"

    w.web["tokyo"].stop()
    w.d.wait_for_log(r"\[%s/tokyo\] availability 1\.00 -> 0\.00 rule=fall" % re.escape(WWW), 20)


if __name__ == "__main__":
    lab.run(globals())
