"""Processor time for each answered query, side by side: the floor, net_echo, Meridian under its policies, and
the peers that are installed. Each has one processor and the load another; the rounds are interleaved, their
order turns; medians, ranges, and ratios to the floor's median in the same run."""

import os
import time

import common
from common import PORT, cpu_s, median, program, row, seen, service
from peers import PEERS

POLICIES = ["geo", "nearest", "weighted", "sticky", "failover"]
WARM_S = 0.3
WORKERS = "net-"  # how the names of Meridian's worker threads begin
ADDRESSES = 6       # of a service


class Server:
    """What is measured: its name, its command line, what it does, and the figures so far."""

    def __init__(self, name, argv, work, echo=False):
        self.name, self.argv, self.work, self.echo = name, argv, work, echo
        self.us, self.workers_us, self.rates, self.lost, self.sent, self.wrong = [], [], [], 0, 0, 0

    def measure(self, t, options):
        """One round: processor microseconds for each answered query, saturated."""
        cpu = common.processors()[0]
        p, _ = common.start(t, self.name.replace(" ", "-").replace(",", ""), self.argv, service(0), cpu, echo=self.echo)
        common.load_result(common.load(options.services, WARM_S, options.window))
        before = cpu_s(p.pid), cpu_s(p.pid, WORKERS)
        got = common.load_result(common.load(options.services, options.seconds, options.window))
        used, workers = cpu_s(p.pid) - before[0], cpu_s(p.pid, WORKERS) - before[1]
        common.stop(p)
        if not got["answered"]:
            raise AssertionError("%s answered nothing" % self.name)
        self.us.append(1e6 * used / got["answered"])
        self.workers_us.append(1e6 * workers / got["answered"])
        self.rates.append(got["answered"] / got["seconds"])
        self.sent += got["sent"]
        self.lost += got["lost"]
        self.wrong += 0 if self.echo else got["answered"] - got["good"]


def meridian(t, options, policy, mmdb, probed=0):
    """Under a policy, the addresses of so many of its services probed, all of them up."""
    db = common.store(t, "side-%s-%d" % (policy, probed), common.document(options.services, policy, mmdb, probed))
    return Server("meridian, " + policy + (", %d probed" % (probed * ADDRESSES) if probed else ""),
                  [t.meridiand, "--db", db, "--listen", "127.0.0.1:%d" % PORT], "decides by client")


def servers(t, options):
    found = [Server("floor", [program("bench_floor"), PORT], "nothing", True),
             Server("net_echo", [program("net_echo"), "127.0.0.1:%d" % PORT], "nothing, by src/net", True)]
    mmdb, policies = common.database(options.networks), options.policies.split(",")
    found += [meridian(t, options, policy, mmdb) for policy in policies]
    if options.probed and t.isolated:
        common.lab.Process(t, "responder", common.pinned([program("bench_responder"), common.WEB], common.processors()[1]))
        some = min(options.services, (options.probed + ADDRESSES - 1) // ADDRESSES)
        found += [meridian(t, options, policy, mmdb, some) for policy in policies]
    for peer in PEERS if options.peers != "none" else []:
        if peer.is_installed() and (options.peers == "all" or peer.command in options.peers.split(",")):
            folder = t.make_folder(peer.command + "-" + str(len(found)))
            found.append(Server(peer.name, peer.argv(folder, options.services, mmdb), peer.work))
    return found


def order(found, turn):
    """Every server once, from another one on each time, and every second time backwards."""
    at = turn * 3 % len(found)
    turned = found[at:] + found[:at]
    return turned[::-1] if turn % 2 else turned


def measure(t, options):
    found = servers(t, options)
    for turn in range(options.rounds):
        for server in order(found, turn):
            server.measure(t, options)
            print("round %d of %d: %-30s %6.2f µs" % (turn + 1, options.rounds, server.name, server.us[-1]), flush=True)
    floor = median(found[0].us)
    common.heading("Processor time for each answered query, {:,} services, {:,} networks, {} rounds of {:g} s".format(
        options.services, options.networks, options.rounds, options.seconds))
    for s in found:
        notes = ["%.0fk a second" % (median(s.rates) / 1e3), s.work]
        if "probed" in s.name:
            workers = median(s.workers_us)
            notes.append("workers alone %.2f µs, %.2f" % (workers, workers / floor))
        notes += ["lost %d of %d" % (s.lost, s.sent)] if s.lost else []
        notes += ["%d without an address" % s.wrong] if s.wrong else []
        row(s.name, "%.2f µs" % median(s.us), seen(s.us, "%.2f"), "; ".join(notes), median(s.us) / floor)


if __name__ == "__main__":
    common.run(measure, [("--services", 1000, 100, "number of services"),
                         ("--networks", 200000, 2000, "networks in the geo database"),
                         ("--rounds", 9, 2, "rounds"),
                         ("--seconds", 3.0, 0.5, "of load in each round"),
                         ("--window", 128, 128, "queries under way"),
                         ("--policies", ",".join(POLICIES), "geo,weighted", "of Meridian"),
                         ("--probed", 1000, 60, "addresses probed in half of Meridian's rows"),
                         ("--peers", "all", "all", "all, none, or commands: nsd,knotd,gdnsd")])
