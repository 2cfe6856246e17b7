"""A new geo database put in force under load: the time of `meridian reload`, the time to the first answer
from the new one, lost queries, and the round trip meanwhile beside that of the same load with no reload.

A virtual machine is taken off its processors for milliseconds at a time, which is longer than most round
trips of a reload: all count as they are, and below them stand those in which no processor stood still
("undisturbed"), and all less the time that it did, as in health.py; of queries that came in a heap after a
stall, the later ones still wait for the earlier. Pages that the host has to find are stalls too, and a
reload asks for many: how much of it the machine stood still is said apart. Without root's priority there
are only the first rows."""

import os
import shutil
import subprocess
import time

import common
from common import MOVED, load_result, memory_mib, percentile, row, service


def reload_once(t, db, mmdb, new, name, options):
    """The load's result, its round trips, seconds to the reply and to the different answer, when it began."""
    trips = os.path.join(t.folder, "trips")
    asker = common.Asker(name, options.seconds + 60, MOVED)
    running = common.load(options.services, options.seconds, rate=options.rate, trips=trips)
    time.sleep(options.seconds / 3)
    shutil.copy(new, mmdb + ".new")
    os.rename(mmdb + ".new", mmdb)
    began = time.monotonic()
    subprocess.run([t.command, "--db", db, "reload"], stdout=subprocess.DEVNULL, check=True, timeout=120)
    replied = time.monotonic() - began
    change = asker.next()
    if not change:
        raise AssertionError("the new geo database changed no answer")
    asker.end()
    return load_result(running), read_trips(trips), replied, change[0] - began, began


def read_trips(path):
    """Pairs of the time of sending in ns and the round trip in ms."""
    with open(path, encoding="utf-8") as f:
        return [(int(at), int(us) / 1e3) for at, us in (line.split() for line in f)]


def trips_rows(stalls, quiet, rounds):
    """The worst round's p99 of those undisturbed beside that without a reload, and so of all less the stalls."""
    for what, cut in (("undisturbed", stalls.undisturbed), ("all, less the stalls in them", stalls.without)):
        still, calm = [cut(trips) for trips in rounds], cut(quiet)
        slow, least = max(percentile(ms, 0.99) for ms in still), percentile(calm, 0.99)
        row("  %s, p99" % what, "%.0f µs" % (1e3 * slow),
            "%d of %d" % (sum(len(ms) for ms in still), sum(len(trips) for trips in rounds)),
            "without: %.0f µs, longest %.0f" % (1e3 * least, 1e3 * max(calm)), slow / max(1e-3, least))


def measure(t, options):
    databases = [common.database(options.networks, seed) for seed in (2, 1)]
    mmdb = os.path.join(t.folder, "geo.mmdb")
    shutil.copy(databases[1], mmdb)
    db, name = common.store(t, "reload", common.document(options.services, "geo", mmdb)), service(0)
    p, _ = common.serve(t, db, name, common.processors()[0])
    common.heading("A new geo database under load: {:,} services, {:,} networks, {:,} queries a second".format(
        options.services, options.networks, options.rate))
    stalls, calm = common.Stalls(), os.path.join(t.folder, "calm")
    quiet = load_result(common.load(options.services, options.seconds, rate=options.rate, trips=calm))
    before, results = memory_mib(p.pid), []
    for i in range(options.rounds):
        results.append(reload_once(t, db, mmdb, databases[i % 2], name, options))
    stalls.end()
    took, replied = [r[3] for r in results], [r[2] for r in results]
    sent, lost = sum(r[0]["sent"] for r in results), sum(r[0]["lost"] for r in results)
    slow = max(r[0]["p99_us"] for r in results)
    row("reload to an answer from it", "%.3f s" % common.median(took), common.seen(took, "%.3f"),
        "the command's %.3f s" % common.median(replied), common.median(took) / common.median(replied))
    row("lost queries", "%d" % lost, "of {:,}".format(sent), "without a reload %d of %d" % (quiet["lost"], quiet["sent"]))
    row("round trip p99 with a reload in it", "%d µs" % slow, "longest %d" % max(r[0]["max_us"] for r in results),
        "without: %d µs, longest %d" % (quiet["p99_us"], quiet["max_us"]), slow / max(1, quiet["p99_us"]))
    if stalls.rows():
        inside = [1e-9 * (stalls.until(1e9 * (r[4] + r[3])) - stalls.until(1e9 * r[4])) for r in results]
        row("  while a database was read", "%.1f %%" % (100 * sum(inside) / sum(took)), "",
            "otherwise: %.1f %%" % (100 * (1e-9 * stalls.before[-1] - sum(inside)) / (stalls.took - sum(took))))
        trips_rows(stalls, read_trips(calm), [r[1] for r in results])
    row("most memory ever", "%.1f MiB" % memory_mib(p.pid, "VmHWM"), "", "before: %.1f MiB" % before,
        memory_mib(p.pid, "VmHWM") / before)
    common.stop(p)


if __name__ == "__main__":
    common.run(measure, [("--services", 100000, 1000, "number of services"),
                         ("--networks", 200000, 2000, "networks in each geo database"),
                         ("--rate", 2000, 500, "queries a second"),
                         ("--seconds", 6.0, 2.0, "of load for each reload"),
                         ("--rounds", 4, 2, "reloads")])
