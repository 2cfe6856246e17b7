"""Start and memory by number of services, probes off: from exec, with all processors, to the first right
answer about the last service, and resident memory then; and what an answer costs, on one processor, when
it is random which service is asked for. Beside it: the floor's start, the size of the database, and the answers with fewest services."""

import os

import common
from common import PORT, median, memory_mib, program, row, seen, service


def floor_start(t, rounds):
    took = []
    for _ in range(rounds):
        p, s = common.start(t, "floor", [program("bench_floor"), PORT], service(0), common.processors()[0], echo=True)
        took.append(s)
        common.stop(p)
    return median(took)


def answer_us(p, services):
    """Processor time of the server for each answer, at saturation, in microseconds."""
    before, result = common.cpu_s(p.pid), common.load_result(common.load(services, 2.0))
    return 1e6 * (common.cpu_s(p.pid) - before) / max(1, result["good"])


def measure(t, options):
    mmdb = common.database(options.networks) if options.networks else None
    floor = floor_start(t, options.rounds)
    common.heading("Start and memory by number of services (%d networks, probes off)" % options.networks)
    row("start of the floor: no services", "%.1f ms" % (1e3 * floor))
    fewest = None
    for n in common.counts(options.services):
        db = common.store(t, "scale-%d" % n, common.document(n, "geo", mmdb))
        took, used, rss, peak, cost = [], [], [], [], []
        for _ in range(options.rounds):
            p, s = common.serve(t, db, service(n - 1))
            took.append(s)
            used.append(common.used_s(p.pid))
            common.pin(p.pid, common.processors()[0])
            rss.append(memory_mib(p.pid))
            peak.append(memory_mib(p.pid, "VmHWM"))
            answer_us(p, n)  # warm
            cost.append(answer_us(p, n))
            common.stop(p)
        stored = os.path.getsize(db) / 1048576
        row("start, {:,} services".format(n), "%.3f s" % median(took), seen(took, "%.3f"),
            "the floor's %.4f s" % floor, median(took) / floor)
        row("its processor time, {:,} services".format(n), "%.3f s" % median(used), seen(used, "%.3f"))
        row("resident, {:,} services".format(n), "%.1f MiB" % median(rss),
            "peak %.1f" % max(peak), "its database's %.1f MiB" % stored, median(rss) / stored)
        fewest = fewest or median(cost)
        row("an answer, {:,} services".format(n), "%.2f µs" % median(cost), seen(cost, "%.2f"),
            "with fewest services: %.2f µs" % fewest, median(cost) / fewest)
        os.unlink(db)


if __name__ == "__main__":
    common.run(measure, [("--services", "1000,10000,100000", "100,1000", "numbers of services"),
                         ("--networks", 200000, 2000, "networks in the geo database"),
                         ("--rounds", 5, 2, "starts each")])
