"""A new geo database put in force under load: the time of `meridian reload`, the time to the first answer
from the new one, lost queries, and the round trip meanwhile beside that of the same load with no reload."""

import os
import shutil
import subprocess
import time

import common
from common import MOVED, load_result, memory_mib, row, service


def reload_once(t, db, mmdb, new, name, options):
    """The load's result, seconds to the reply and to the different answer."""
    asker, running = common.Asker(name, options.seconds + 60, MOVED), common.load(options.services, options.seconds,
                                                                                 rate=options.rate)
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
    return load_result(running), replied, change[0] - began


def measure(t, options):
    databases = [common.database(options.networks, seed) for seed in (2, 1)]
    mmdb = os.path.join(t.folder, "geo.mmdb")
    shutil.copy(databases[1], mmdb)
    db, name = common.store(t, "reload", common.document(options.services, "geo", mmdb)), service(0)
    p, _ = common.serve(t, db, name, common.processors()[0])
    common.heading("A new geo database under load: {:,} services, {:,} networks, {:,} queries a second".format(
        options.services, options.networks, options.rate))
    quiet = load_result(common.load(options.services, options.seconds, rate=options.rate))
    before, results = memory_mib(p.pid), []
    for i in range(options.rounds):
        results.append(reload_once(t, db, mmdb, databases[i % 2], name, options))
    took, replied = [r[2] for r in results], [r[1] for r in results]
    sent, lost = sum(r[0]["sent"] for r in results), sum(r[0]["lost"] for r in results)
    slow = max(r[0]["p99_us"] for r in results)
    row("reload to an answer from it", "%.3f s" % common.median(took), common.seen(took, "%.3f"),
        "the command's %.3f s" % common.median(replied), common.median(took) / common.median(replied))
    row("lost queries", "%d" % lost, "of {:,}".format(sent), "without a reload %d of %d" % (quiet["lost"], quiet["sent"]))
    row("round trip p99 with a reload in it", "%d µs" % slow, "longest %d" % max(r[0]["max_us"] for r in results),
        "without: %d µs, longest %d" % (quiet["p99_us"], quiet["max_us"]), slow / max(1, quiet["p99_us"]))
    row("most memory ever", "%.1f MiB" % memory_mib(p.pid, "VmHWM"), "", "before: %.1f MiB" % before,
        memory_mib(p.pid, "VmHWM") / before)
    common.stop(p)


if __name__ == "__main__":
    common.run(measure, [("--services", 100000, 1000, "number of services"),
                         ("--networks", 200000, 2000, "networks in each geo database"),
                         ("--rate", 2000, 500, "queries a second"),
                         ("--seconds", 6.0, 2.0, "of load for each reload"),
                         ("--rounds", 4, 2, "reloads")])
